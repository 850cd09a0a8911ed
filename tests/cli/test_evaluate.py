"""`editmetrics evaluate` as a person uses it: what it prints, what it writes, and how it ends."""

import csv
import json

import numpy as np
import pytest
from scipy import stats

IDS = [f"i{index}" for index in range(12)]
BOTH = ("--pair", "psnr=mos", "--pair", "lpips:net=vgg=mos")


@pytest.fixture
def files(tmp_path):
    """Scores of three metrics, and MOS; the LPIPS of i3 is missing, the PSNR of i5 infinite."""
    rng = np.random.default_rng(0)
    mos = np.round(rng.uniform(20, 80, size=12), 2)
    psnr, lpips = np.round(mos / 3 + rng.normal(size=12), 3), np.round(1 - mos / 100 + 0.05 * rng.normal(size=12), 4)
    with (tmp_path / "scores.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "system", "psnr", "lpips:net=vgg", "mine", "problems"])
        for index, name in enumerate(IDS):
            writer.writerow([
                name, "ab"[index % 2], "inf" if index == 5 else psnr[index], "" if index == 3 else lpips[index],
                rng.normal(), "lpips:net=vgg: failed: torn" if index == 3 else "",
            ])  # fmt: skip
    with (tmp_path / "ratings.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["id", "mos", "good"], *zip(IDS, mos, ["no", "yes"] * 6, strict=True)])
    return tmp_path


def test_the_command_of_the_readme(run, files):
    ran = run("evaluate", files / "scores.csv", files / "ratings.csv", *BOTH,
              "--group-by", "system", "--bootstrap", "50", "-o", files / "a.json")  # fmt: skip
    assert ran.code == 0, ran.err
    lines = {(row["score"], row["measure"], row["group"]): row for row in json.loads((files / "a.json").read_text())}
    with (files / "scores.csv").open(newline="") as file:
        scores = [float(row["lpips:net=vgg"] or "nan") for row in csv.DictReader(file)]
    with (files / "ratings.csv").open(newline="") as file:
        mos = [float(row["mos"]) for row in csv.DictReader(file)]
    kept = ~np.isnan(scores)
    line = lines["lpips:net=vgg", "srcc", "all"]
    assert line["value"] == pytest.approx(stats.spearmanr(np.array(scores)[kept], np.array(mos)[kept]).statistic)
    assert (line["n"], line["excluded"]) == (11, 1)
    assert line["low"] <= line["value"] <= line["high"]
    assert ("psnr", "srcc", "system=b") in lines
    assert "lpips:net=vgg ↓" in ran.out  # the direction of a metric that is known
    assert "psnr ↑" in ran.out
    assert f"{line['value']:.3f}" in ran.out
    assert "1 left out, no score: i3" in ran.out
    assert "1 left out, infinite score: i5" in ran.out
    assert "taken as higher" not in ran.out
    assert f"wrote {files / 'a.json'}" in ran.out.replace("\n", "")


def test_a_score_it_does_not_know_is_taken_as_higher_is_better_and_said_so(run, files):
    ran = run("evaluate", files / "scores.csv", files / "ratings.csv", "--pair", "mine=mos")
    assert "taken as higher is better: mine" in ran.out
    ran = run(
        "evaluate", files / "scores.csv", files / "ratings.csv", "--pair", "mine=mos", "--lower-is-better", "mine"
    )
    assert "mine ↓" in ran.out
    assert "taken as" not in ran.out


def test_labels_and_a_test_against_one(run, files):
    ran = run("evaluate", files / "scores.csv", files / "ratings.csv", "--pair", "psnr=good", "--pair", "mine=good",
              "--against", "psnr", "--bootstrap", "100")  # fmt: skip
    assert ran.code == 0, ran.err
    assert "AUC" in ran.out
    assert "mine than psnr (good)" in ran.out
    assert "11" in ran.out


def test_the_table_fits_80_columns(run, files, monkeypatch):
    from rich.console import Console

    monkeypatch.setattr("editmetrics.tables.table.standard_output", lambda: Console(width=80, highlight=False))
    ran = run("evaluate", files / "scores.csv", files / "ratings.csv", *BOTH,
              "--group-by", "system", "--bootstrap", "50", "--against", "psnr")  # fmt: skip
    assert max(map(len, ran.out.splitlines())) <= 80
    assert "…" not in ran.out
    for said in ("SRCC", "pairs", "2 systems", "mean of 2", "psnr ↑", "left"):
        assert said in ran.out


def test_a_score_without_agreement_is_exit_code_3_and_says_why(run, files):
    with (files / "flat.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["id", "flat"], *((name, 1) for name in IDS)])
    ran = run("evaluate", files / "flat.csv", files / "ratings.csv", "--pair", "flat=mos")
    assert ran.code == 3
    assert "srcc is undefined: all scores are 1" in ran.out
    assert "nan" not in ran.out.lower()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--measure", "pairwise_accuracy", "--group-by", "source"), 0, "mean of 6"),
        (("--measure", "srcc", "--group-by", "source"), 3, "6 of 6 groups are left out"),
        (("--measure", "srcc", "--measure", "auc"), 3, "auc suits none of the ratings"),
        (("--measure", "srcc", "--system", "source"), 0, "6 systems"),
        (("--measure", "srcc", "--system", "pair"), 3, "srcc requires at least 3 systems"),
        (("--measure", "auc", "--against", "flat", "--pair", "flat=mos"), 3, "suits none"),
        (("--measure", "plcc", "--against", "flat", "--pair", "flat=mos"), 3, "cannot be tested against"),
    ],
)
def test_a_number_that_was_asked_for_and_has_no_value_is_exit_code_3(run, tmp_path, arguments, code, said):
    rng = np.random.default_rng(1)
    with (tmp_path / "s.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["id", "psnr", "flat"], *((name, rng.normal(), 1) for name in IDS)])
    with (tmp_path / "r.csv").open("w", newline="") as file:
        rows = [(name, index, index // 2, index % 2) for index, name in enumerate(IDS)]
        csv.writer(file).writerows([["id", "mos", "source", "pair"], *rows])
    ran = run("evaluate", tmp_path / "s.csv", tmp_path / "r.csv", "--pair", "psnr=mos", *arguments)
    assert ran.code == code, ran.err
    assert said in ran.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--pair", "psnr"), "expected SCORE=RATING"),
        (("--pair", "nope=mos"), "no column 'nope'"),
        (("--pair", "psnr=mos", "--measure", "r2"), "unknown measure 'r2'"),
        (("--pair", "psnr=mos", "-o", "a.txt"), ".csv or .json"),
        (("--pair", "psnr=mos", "--plot", "a.gif"), "cannot write a plot"),
        (("--pair", "psnr=mos", "--level", "1"), "level"),
        (("--pair", "psnr=mos", "--on", "system"), "no column 'system'"),
    ],
)
def test_what_is_called_wrongly_is_exit_code_2_and_one_message(run, files, arguments, said):
    ran = run("evaluate", files / "scores.csv", files / "ratings.csv", *arguments)
    assert ran.code == 2
    assert said in ran.err
    assert "Traceback" not in ran.err


def test_a_picture_is_drawn(run, files):
    pytest.importorskip("matplotlib")
    ran = run("evaluate", files / "scores.csv", files / "ratings.csv", "--pair", "psnr=mos", "--plot", files / "a.svg")
    assert ran.code == 0, ran.err
    assert (files / "a.svg").read_text().lstrip().startswith("<?xml")
