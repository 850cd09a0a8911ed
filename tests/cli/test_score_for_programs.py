"""`editmetrics score` for other programs: JSON, rows on standard output, thresholds, the first N samples."""

import csv
import io
import json
import math

import numpy as np
import pytest
from PIL import Image

from editmetrics import score
from editmetrics.command_line.thresholds import Threshold

from .conftest import EXAMPLES

SYSTEMS = (EXAMPLES / "source", EXAMPLES / "edited", EXAMPLES / "edited_b")
QUICK = ("-m", "mse", "-m", "psnr", "-q")


@pytest.fixture
def grey(tmp_path):
    """Pairs whose mse is known: (levels / 255) ** 2 for edits that are a few levels brighter, one of them the same."""
    for folder, levels in (("source", (0, 0, 0)), ("edited", (0, 51, 102))):
        (tmp_path / folder).mkdir()
        for index, level in enumerate(levels):
            Image.new("RGB", (16, 16), (level,) * 3).save(tmp_path / folder / f"{index}.png")
    return tmp_path / "source", tmp_path / "edited"


def test_json_is_all_that_standard_output_has(run, grey, tmp_path):
    command = ("score", *grey, *QUICK, "--json")
    ran = run(*command, "-o", tmp_path / "s.csv", "--report", tmp_path / "r.md")
    assert ran.code == 0, ran.err
    document = json.loads(ran.out)
    assert (document["schema"], document["samples"], document["exit_code"]) == (1, 3, 0)
    assert (document["output"], document["limit"], document["thresholds"]) == (str(tmp_path / "s.csv"), None, [])
    mse, psnr = document["metrics"]
    assert (mse["mean"], mse["higher_is_better"], mse["best"], mse["scored"]) == (pytest.approx(0.2 / 3), False, "0", 3)
    finite = [-20 * math.log10(0.2), -20 * math.log10(0.4)]
    assert psnr["mean"] == pytest.approx(np.mean(finite), abs=1e-5)
    assert (psnr["infinite"], psnr["unit"], psnr["worst"]) == (1, "dB", "2")
    (grey[1] / "1.png").write_bytes(b"")
    ran = run(*command)
    assert ran.code == json.loads(ran.out)["exit_code"] == 3
    problems = json.loads(ran.out)["problems"]
    assert [(one["metric"], one["status"], one["ids"]) for one in problems] == [
        ("mse", "failed", ["1"]),
        ("psnr", "failed", ["1"]),
    ]
    assert json.loads(ran.out)["metrics"][0]["not_scored"] == {"failed": 1}


def test_infinite_numbers_in_json_are_text(run, grey):
    for name in ("1.png", "2.png"):
        (grey[1] / name).unlink()
    (line,) = json.loads(run("score", *grey, "-m", "psnr", "-q", "--json").out)["metrics"]
    assert (line["median"], line["mean"]) == ("inf", None)


def test_a_hyphen_writes_the_rows_of_the_table_to_standard_output(run, grey, tmp_path):
    assert run("score", *grey, *QUICK, "-o", tmp_path / "s.csv").code == 0
    ran = run("score", *grey, *QUICK, "-o", "-")
    assert ran.code == 0
    assert ran.out == (tmp_path / "s.csv").read_text()
    assert "mean" in ran.err
    assert not (tmp_path / "-").exists()
    assert len(list(csv.DictReader(io.StringIO(ran.out)))) == 3
    assert run("score", *grey, *QUICK, "-o", tmp_path / "s.jsonl").code == 0
    assert run("score", *grey, *QUICK, "-o", "-", "--json").out == (tmp_path / "s.jsonl").read_text()


def test_the_first_samples_of_each_system(run, tmp_path):
    ran = run("score", *SYSTEMS, *QUICK, "--limit", "2", "-o", tmp_path / "s.csv")
    assert ran.code == 0, ran.err
    assert "Only 4 samples of 18 scored (--limit 2)." in ran.out
    with open(tmp_path / "s.csv", newline="", encoding="utf-8") as file:
        limited = list(csv.DictReader(file))
    names = sorted(path.stem for path in SYSTEMS[0].iterdir())[:2]
    assert [row["id"] for row in limited] == [f"{system}/{name}" for system in ("edited", "edited_b") for name in names]
    record = [json.loads(line) for line in (tmp_path / "s.record.jsonl").read_text().splitlines()]
    assert record[0]["limit"] == {"per_system": 2, "samples": 18}
    assert "limit" not in json.dumps(record[0]["identities"])
    whole = run("score", *SYSTEMS, *QUICK, "-o", tmp_path / "s.csv")  # goes on with what the first run scored
    assert "8 scores reused" in whole.out
    assert "Only" not in whole.out


@pytest.mark.parametrize(
    ("options", "met"),
    [
        (("--fail-over", "mse=0.067"), True),
        (("--fail-over", "mse=0.066"), False),
        (("--fail-under", "psnr=10.9"), True),
        (("--fail-under", "psnr=11"), False),
        (("--fail-under", "psnr=10.9", "--fail-over", "mse=0.066"), False),
    ],
)
def test_a_mean_that_misses_its_threshold_is_exit_code_5(run, grey, options, met):
    """The means are 0.0667 and 10.97 (see `grey`)."""
    ran = run("score", *grey, *QUICK, *options)
    assert ran.code == (0 if met else 5)
    assert ran.out.count("not met") == (not met)
    ran = run("score", *grey, *QUICK, *options, "--json")
    document = json.loads(ran.out)
    assert ran.code == document["exit_code"] == (0 if met else 5)
    assert all(one["met"] for one in document["thresholds"]) == met


def test_each_system_must_meet_a_threshold_and_a_system_without_scores_does_not(run, grey, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for name in ("0.png", "1.png", "2.png"):
        (other / name).write_bytes((grey[0] / name).read_bytes())
    ran = run("score", *grey, other, *QUICK, "--fail-over", "mse=0.01", "--fail-under", "psnr=40")
    assert ran.code == 5
    assert "met; the mean of other is 0\n" in ran.out  # infinite in psnr, which is better than 40
    assert "met; the mean of other is inf" in ran.out
    assert ran.out.count("not met") == 2
    for name in ("0.png", "1.png", "2.png"):
        (other / name).write_bytes(b"")
    ran = run("score", *grey, other, *QUICK, "--fail-over", "mse=1")
    assert ran.code == 5
    assert "not met; no score" in ran.out


def test_nan_meets_nothing():
    for under in (True, False):
        assert not Threshold("x", 0.5, under).met_by(math.nan)
        assert not Threshold("x", 0.5, under).met_by(None)
        assert Threshold("x", 0.5, under).met_by(0.5)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--fail-under", "mse=0.1"), "lower is better for mse; use --fail-over mse=0.1"),
        (("--fail-over", "psnr=30"), "higher is better for psnr; use --fail-under psnr=30"),
        (("--fail-under", "ssim=0.9"), "unknown column; expected one of mse, psnr"),
        (("--fail-under", "psnr"), "expected COLUMN=NUMBER"),
        (("--fail-under", "psnr=nan"), "expected COLUMN=NUMBER"),
        (("--limit", "0"), "'--limit'"),
    ],
)
def test_thresholds_that_make_no_sense_are_refused_before_the_run(run, grey, options, problem):
    ran = run("score", *grey, *QUICK, *options)
    assert ran.code == 2
    assert problem in ran.err
    assert not ran.out


def test_the_folder_of_the_output_is_made(run, grey, tmp_path):
    assert run("score", *grey, *QUICK, "-o", tmp_path / "new" / "run" / "s.csv").code == 0
    assert (tmp_path / "new" / "run" / "s.record.jsonl").exists()


def test_a_report_without_a_table_is_not_nothing(run, grey, tmp_path):
    ran = run("score", *grey, *QUICK, "--report", tmp_path / "r.html")
    assert "Nothing was written" not in ran.out
    assert "wrote" in ran.out


@pytest.mark.parametrize(("output", "advice"), [((), "only a run with an output file"), (("-o", "s.csv"), "resumes")])
def test_ctrl_c_says_how_to_go_on(run, grey, tmp_path, monkeypatch, output, advice):
    from editmetrics.plugins.psnr import PSNR

    monkeypatch.chdir(tmp_path)

    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("editmetrics.scoring.loop.Loop.take", stop)
    ran = run("score", *grey, *QUICK, *output)
    assert ran.code == 1
    assert advice in ran.err
    monkeypatch.setattr(PSNR, "load", stop)
    ran = run("score", *grey, *QUICK, *output)
    assert ran.code == 1
    assert "stopped before the first score; run the same command again" in ran.err


def test_python_has_the_same_numbers(run, grey):
    document = json.loads(run("score", *grey, *QUICK, "--json").out)
    for line, summary in zip(document["metrics"], score(*grey, metrics=["mse", "psnr"]).summary(), strict=True):
        assert (line["column"], line["mean"], line["sd"]) == (summary.column, summary.mean, summary.spread)
