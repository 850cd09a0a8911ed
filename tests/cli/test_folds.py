"""`editmetrics fit --folds`: each sample is tested once, by a training that has not seen its group."""

from __future__ import annotations

import csv
import json
from statistics import fmean

import pytest
from scipy.stats import kendalltau, pearsonr, spearmanr

from editmetrics.mllm import loop
from editmetrics.mllm.checkpoint import read_checkpoint
from editmetrics.registry import BUILTIN
from tests.worlds.edits import toy_edits

DIMENSIONS = ("visual_quality", "content_preservation")
QUICK = ("--set", "steps=20", "--set", "learning_rate=0.01")


@pytest.fixture(scope="session")
def ratings(tmp_path_factory):
    """A manifest of 120 rated edits of 30 sources."""
    return toy_edits(tmp_path_factory.mktemp("toy"), 120, per_source=4)


@pytest.fixture(autouse=True)
def learned(monkeypatch):
    """A small learned metric, registered."""
    monkeypatch.setitem(BUILTIN, "image_statistics", "tests.mllm.image_statistics:ImageStatistics")


def rows(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def command(ratings, output, *more):
    return ("fit", "image_statistics", ratings, "--folds", "5", "-o", output, *QUICK, *more)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return tmp_path_factory.mktemp("whole") / "folds"


def test_each_sample_is_tested_once_and_the_table_is_what_the_scores_give(run, ratings, whole):
    ran = run(*command(ratings, whole))
    assert ran.code == 0, ran.err
    rated = {row["id"]: row for row in rows(ratings)}
    tested = [rows(whole / f"fold_{fold}.csv") for fold in range(1, 6)]
    assert sorted(row["id"] for fold in tested for row in fold) == sorted(rated)
    sources = [{rated[row["id"]]["source"] for row in fold} for fold in tested]
    assert [len(each) for each in sources] == [6] * 5  # no source is in two of them: they are 30 in all
    assert len(set.union(*sources)) == 30
    written = {(r["fold"], r["dimension"], r["measure"]): r for r in rows(whole / "folds.csv")}
    for dimension in DIMENSIONS:
        for measure, expected in (("srcc", spearmanr), ("plcc", pearsonr), ("krcc", kendalltau)):
            values = []
            for fold, scores in enumerate(tested, 1):
                (column,) = [name for name in scores[0] if name.endswith(f".{dimension}")]
                pairs = [(float(row[column]), float(rated[row["id"]][dimension])) for row in scores]
                values.append(expected(*zip(*pairs, strict=True))[0])
                line = written[str(fold), dimension, measure]
                assert float(line["value"]) == pytest.approx(values[-1], abs=1e-9)
                assert (line["n"], line["excluded"]) == ("24", "0")
            (shown,) = [line.split() for line in ran.out.splitlines() if line.split()[:2] == [dimension, measure]]
            assert shown[2] == f"{fmean(values):.4g}"
            assert shown[4:] == [f"{value:.4g}" for value in values]
        of_ridge = [written[str(fold), f"baseline of {dimension}", "srcc"] for fold in range(1, 6)]
        assert [line["n"] for line in of_ridge] == ["24"] * 5
        assert fmean(float(line["value"]) for line in of_ridge) > 0.5
    for fold in range(1, 6):  # what a training saw is all the rest, a fifth of it for validation
        data = read_checkpoint(whole / f"fold_{fold}").data
        assert data["train"] + data["validation"] == 96


def test_the_same_command_goes_on_where_it_was_stopped(run, ratings, whole, tmp_path, monkeypatch):
    plain, calls = loop._run, []

    def stopped(*args, **more):
        calls.append(args[2].folder)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return plain(*args, **more)

    monkeypatch.setattr(loop, "_run", stopped)
    ran = run(*command(ratings, tmp_path / "folds"))
    assert (ran.code, "run the same command to resume" in ran.err) == (1, True)
    assert not (tmp_path / "folds" / "folds.csv").exists()
    calls.clear()
    monkeypatch.setattr(loop, "_run", lambda *args, **more: calls.append(args[2].folder) or plain(*args, **more))
    assert run(*command(ratings, tmp_path / "folds")).code == 0
    assert [folder.parent.name for folder in calls] == ["fold_3", "fold_4", "fold_5"]
    assert (tmp_path / "folds" / "folds.csv").read_text() == (whole / "folds.csv").read_text()
    record = [json.loads(line) for line in (tmp_path / "folds" / "fold_1.record.jsonl").read_text().splitlines()]
    before = len(record)
    calls.clear()
    assert run(*command(ratings, tmp_path / "folds")).code == 0  # nothing is left to do
    assert calls == []
    again = (tmp_path / "folds" / "fold_1.record.jsonl").read_text().splitlines()
    assert sum("value" in json.loads(line) for line in again) == sum("value" in line for line in record)
    assert len(again) - before <= 1  # a line that says that it was run


@pytest.mark.parametrize("more", [("--val", "VAL"), ("--ablations",)])
def test_folds_are_not_mixed_with_other_parts(run, ratings, tmp_path, more):
    more = tuple(str(ratings) if each == "VAL" else each for each in more)
    ran = run(*command(ratings, tmp_path / "folds", *more))
    assert (ran.code, "--folds makes its own parts" in ran.err) == (2, True)


def test_folds_by_source_and_system_leave_out_what_shares_one_of_them(run, ratings, tmp_path):
    table = rows(ratings)
    manifest = ratings.parent / "systems.csv"
    with manifest.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*table[0], "system"])
        writer.writeheader()
        writer.writerows({**row, "system": f"editor {index % 4}"} for index, row in enumerate(table))
    ran = run("fit", "image_statistics", manifest, "--folds", "2", "-o", tmp_path / "folds", "--group",
              "source,system", *QUICK)  # fmt: skip
    assert ran.code == 0, ran.err
    by_id = {row["id"]: row for row in rows(manifest)}
    tested = [{by_id[row["id"]]["system"] for row in rows(tmp_path / "folds" / f"fold_{fold}.csv")} for fold in (1, 2)]
    assert [len(each) for each in tested] == [2, 2]
    assert not set.intersection(*tested)
    shown = " ".join(ran.out.split())
    assert "fold 1: 30 rows tested, 30 trained on, 60 left out, which share some of source,system with the" in shown
    for fold in (1, 2):  # in the training of a fold, validation is apart by the source alone, and nothing is left out
        data = read_checkpoint(tmp_path / "folds" / f"fold_{fold}").data
        assert (data["train"] + data["validation"], data["left_out"]) == (30, {})


def test_too_few_groups_are_an_error(run, tmp_path):
    few = toy_edits(tmp_path / "few", 8, per_source=4)
    ran = run(*command(few, tmp_path / "folds"))
    assert (ran.code, "2 groups cannot be split into 5 parts" in ran.err) == (2, True)


def test_a_fold_without_a_value_has_the_mean_of_none():
    """A mean over the other folds would be a number that nobody measured."""
    from io import StringIO

    from rich.console import Console

    from editmetrics.tables.table import show
    from editmetrics.tables.training import fold_blocks

    rows = [
        {
            "fold": fold,
            "dimension": "quality",
            "measure": measure,
            "value": value,
            "n": 9,
            "excluded": fold,
            "note": why,
        }
        for fold, value, why in ((1, 0.5, None), (2, None, "all scores are alike"), (3, 0.7, None))
        for measure in ("krcc", "srcc")
    ]  # fmt: skip
    text = StringIO()
    show(fold_blocks(rows, ("srcc", "krcc"), 5), console=Console(file=text, width=90))
    lines = [line.split() for line in text.getvalue().splitlines()]
    assert lines[1] == ["quality", "srcc", "-", "-", "0.5", "-", "0.7"]
    assert [line[1] for line in lines[1:3]] == ["srcc", "krcc"]
    assert "quality: 27 measured, 6 left out" in text.getvalue()
    assert "quality, fold 2: no srcc: all scores are alike" in text.getvalue()
    text = StringIO()
    ridge = [{**row, "dimension": "baseline of quality", "value": value} for row in rows for value in [0.6]]
    known = [{**row, "value": row["value"] or 0.3} for row in rows]  # a mean SRCC of 0.5
    show(fold_blocks([*known, *ridge], ("srcc", "krcc"), 5), console=Console(file=text, width=90))
    assert "quality: the metric (SRCC 0.500) does not beat ridge regression on image statistics (0.600)" in " ".join(
        text.getvalue().split()
    )
    assert "baseline of quality:" not in text.getvalue()
    many = [{**rows[1], "fold": fold, "value": fold / 10} for fold in range(1, 8)]
    text = StringIO()
    show(fold_blocks(many, ("srcc",), 5), console=Console(file=text, width=90))
    assert text.getvalue().splitlines()[1].split() == ["quality", "srcc", "0.4", "0.216"]
