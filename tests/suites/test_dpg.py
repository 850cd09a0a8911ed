"""DPG-Bench: equality with the official script run on made-up answers, and what its slips cost."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest

from editmetrics import Sample
from editmetrics.judge import Answer, Judge
from editmetrics.scoring.suite_results import suite_result
from editmetrics.scoring.suite_runs import SuiteRun
from editmetrics.suites import SUITES, SuiteError
from editmetrics.suites.dpg import DATA
from editmetrics.suites.judged import suite_metric
from editmetrics.testing import ScriptedJudge

from .made_up_rows import Results, dpg_answer, dpg_answers, dpg_table

OFFICIAL = json.loads(Path(__file__).with_name("official_t2i.json").read_text(encoding="utf-8"))["dpg"]
SUITE = SUITES["dpg"]
ROWS = list(csv.DictReader(io.StringIO(dpg_table())))


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A copy of the repository with a made-up table, known by git's checksum, and the script's file of answers."""
    data = dpg_table().encode()
    path = tmp_path / "copy" / DATA
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    git = hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()
    monkeypatch.setitem(SUITE.source.files, DATA, f"git:{git}")
    (tmp_path / "detail.txt").write_text(dpg_answers())
    return tmp_path / "copy"


def grids():
    """The grid of each item, whose tiles have a colour each."""
    pixels = np.zeros((16, 16, 3), np.uint8)
    for tile, (y, x) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1)), 1):
        pixels[y * 8 : y * 8 + 8, x * 8 : x * 8 + 8] = tile * 50
    return [Sample(f"model/item{number}", edited=pixels) for number in range(7)]


class Newer(ScriptedJudge):
    """Answers as mPLUG did, in other words; what is neither yes nor no, with no."""

    def __init__(self):
        pass

    def answer(self, questions, stop):
        return [self._answer(*question.messages[-1].parts) for question in questions]

    def _answer(self, image, text):
        row = next(row for row in ROWS if text == f"{row['question_natural_language']} Answer with yes or no only.")
        known = dpg_answer(row, int(image.pixels()[0, 0, 0]) // 50)
        return Answer("Yes." if known == "yes" else "No")


def table(metric, samples):
    scores = metric.score(samples)
    result = suite_result(SuiteRun(SUITE, (metric,)), Results(samples, scores))
    lines = [table.lines[0].cells for table in result.tables]
    headings = result.tables[0].headings
    return scores, *({name: cell.value for name, cell in zip(headings, cells, strict=True)} for cells in lines)


def test_the_scripts_answers_give_the_scripts_numbers(repository, tmp_path):
    metric = suite_metric(f"dpg:repository={repository},answers={tmp_path / 'detail.txt'}")
    scores, official, corrected = table(metric, grids())
    dropped, *rest = scores
    assert (dropped.status, dict(dropped)) == ("skipped", {}), dropped
    assert "loses the first row of the data" in dropped.reason
    assert {f"item{n}": score["official"] for n, score in enumerate(rest, 1)} == pytest.approx(OFFICIAL["images"])
    assert official["mPLUG Overall"] == pytest.approx(OFFICIAL["overall"])
    assert {name: official[f"mPLUG {name.capitalize()}"] for name in OFFICIAL["categories"]} == pytest.approx(
        OFFICIAL["categories"]
    )
    assert corrected["mPLUG Overall"] == pytest.approx(OFFICIAL["overall"])  # but for the first item, which has none
    assert corrected["mPLUG Attribute"] != pytest.approx(official["mPLUG Attribute"])


def test_a_newer_model_is_asked_everything_and_bears_its_name(repository):
    metric = suite_metric(f"dpg:judged_by=Qwen,repository={repository},cache=false")
    metric.use(Judge(Newer()))
    scores, official, corrected = table(metric, grids())
    first, *rest = scores
    assert (first.status, [*first]) == ("skipped", ["corrected"])
    assert [score["official"] for score in rest] == pytest.approx(list(OFFICIAL["images"].values()))
    assert official["Qwen Overall"] == pytest.approx(OFFICIAL["overall"])
    assert corrected["Qwen Overall"] == pytest.approx(100 * fmean(score["corrected"] for score in scores))
    yes = {row["proposition_id"] + row["item_id"]: [dpg_answer(row, tile) == "yes" for tile in range(1, 5)]
           for row in ROWS if row["tuple"].startswith("entity")}  # fmt: skip
    assert corrected["Qwen Entity"] == pytest.approx(100 * np.mean(list(yes.values())))
    assert official["Qwen Entity"] == pytest.approx(OFFICIAL["categories"]["entity"])
    assert [one.point for one in metric.option_differences()] == ["the model that is asked", "the question"]


def test_a_file_of_answers_that_does_not_fit_is_named(repository, tmp_path):
    lines = dpg_answers().splitlines(keepends=True)
    other = tmp_path / "other.txt"
    spec = f"dpg:repository={repository},answers={other}"
    last = [number for number, line in enumerate(lines) if "item6" in line][-1]
    for broken, reason in (
        ("", "answers about tile 4 of item6; expected"),
        (lines[last].replace("thing", "thong"), "expected one to 'Is thing"),
    ):
        other.write_text("".join([*lines[:last], broken, *lines[last + 1 :]]))
        score = suite_metric(spec).score(grids())[6]
        assert (score.status, reason in score.reason) == ("failed", True), score.reason
    other.write_text("".join(line for line in lines if "item5" not in line))
    score = suite_metric(spec).score(grids())[5]
    assert (score.status, score.reason) == ("skipped", "the file of answers has none about item5")
    stranger = Sample("cat", edited=grids()[0].edited)
    assert "names no prompt of DPG-Bench" in suite_metric(spec).score([stranger])[0].reason
    changed = [suite_metric(spec).identity()["answers"], hashlib.sha256(other.read_bytes()).hexdigest()]
    assert changed[0] == changed[1] != hashlib.sha256((tmp_path / "detail.txt").read_bytes()).hexdigest()


def test_mplug_is_not_asked_and_the_message_says_what_to_do(repository):
    with pytest.raises(SuiteError, match=r"give the file \.\.\._detail\.txt that it writes"):
        suite_metric(f"dpg:repository={repository}").load()
    with pytest.raises(SuiteError, match="cannot be read"):
        suite_metric(f"dpg:repository={repository},answers=none.txt").load()
