"""UniGenBench: equality with the official code on made-up rows and answers, and what becomes of a bad answer."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from editmetrics import Sample, SampleError, score
from editmetrics.judge import Answer, Judge
from editmetrics.scoring.suite_results import suite_result
from editmetrics.scoring.suite_runs import SuiteRun
from editmetrics.suites import SUITES
from editmetrics.suites.judged import suite_metric
from editmetrics.suites.unigenbench import FILES, TEXTS, points_of_row
from editmetrics.suites.unigenbench_answers import DIMENSIONS, POINTS, dimension_of, scores_of, script_scores
from editmetrics.testing import ScriptedJudge
from tests.judge.server import Reply, completion

from .made_up_rows import Results
from .test_requests import SAME_LIBRARY, structure, without
from .unigenbench_rows import ANSWERS, EXPLAINED, ROWS, TEMPLATES, code, lists, table_of, write_images

OFFICIAL = json.loads(Path(__file__).with_name("official_t2i.json").read_text(encoding="utf-8"))["unigenbench"]
SUITE = SUITES["unigenbench"]


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A copy of the repository with made-up rows and texts, whose checksums the suite takes for the benchmark's."""
    files = {file: table_of(category[:2]) for category, file in FILES.items()} | {TEXTS: code()}
    for file, text in files.items():
        path = tmp_path / "copy" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        monkeypatch.setitem(SUITE.source.files, file, hashlib.sha256(text.encode()).hexdigest())
    monkeypatch.setattr("editmetrics.suites.judged.text_of", lambda suite, prompt, repository: TEMPLATES[prompt.name])
    return tmp_path / "copy"


@pytest.fixture
def samples(tmp_path):
    folder = write_images(tmp_path / "images")
    return [
        Sample(f"{language}/{index}_{number}", edited=str(folder / language / f"{index}_{number}.png"))
        for language in ROWS for index in range(2) for number in range(4)
    ]  # fmt: skip


class Scripted(ScriptedJudge):
    """Says of an image what `ANSWERS` has, or `always`."""

    def __init__(self, always=None):
        self.always = always

    def answer(self, questions, stop):
        return [self.always or self._answer(question) for question in questions]

    def _answer(self, question):
        (image,) = (part for part in question.messages[-1].parts if not isinstance(part, str))
        red, green, blue = np.asarray(image.pixels())[0, 0].tolist()
        return Answer(ANSWERS[[*ROWS][red]][green][blue])


def table(samples, repository, always=None):
    metric = suite_metric(f"unigenbench:judged_by=Gemini,repository={repository},cache=false")
    metric.use(Judge(Scripted(always)))
    scores = metric.score(samples)
    return scores, suite_result(SuiteRun(SUITE, (metric,)), Results(samples, scores))


@pytest.mark.parametrize("judge", ["Qwen", "Gemini"])
def test_requests_are_those_of_the_official_code(server, samples, repository, judge):
    server.replies = [Reply(completion(lists(["a"], [1])))]
    spec = f"unigenbench:judged_by={judge},repository={repository},endpoint={server.url},cache=false"
    score(samples, [suite_metric(spec)])  # through the engine, which reads the files
    names = () if SAME_LIBRARY else ("sha256",)
    bodies = [structure(request.body) for request in server.requests]
    assert len(bodies) == len(samples)
    assert without(bodies, *names) == without(OFFICIAL["requests"][judge], *names)


def test_dimensions_are_counted_as_the_official_script_counts_them(samples, repository):
    """With the answers that only the script reads, its numbers are the published ones, and ours are without them."""
    scores, result = table(samples, repository)
    names = {**POINTS, **{chinese.split("-")[0]: dimension_of(name) for chinese, name in POINTS.items()}}
    cells = {
        (line.block.where["category"], column.value): cell
        for filled in result.tables
        for line in filled.lines
        for column, cell in zip(filled.layout.columns, line.cells, strict=True)
        if cell.value is not None
    }
    official = {
        ((language,), names.get(name, name).strip()): 100 * counts["correct"] / counts["total"]
        for language, groups in OFFICIAL["scores"].items()
        for group in groups.values()
        for name, counts in group.items()
    }
    by_script = {key: cell.published.expected if cell.published else cell.value for key, cell in cells.items()}
    assert by_script == pytest.approx(official, rel=1e-12)
    assert cells[("zh",), "Action"].value == 50  # of 1 and 0; the script takes the score 2 for another 0
    ours = [one.get("score") for one in scores]
    assert ours == [0.5, 1, None, None, 0.5, None, None, None, 1, None, 0.5, None, 1, None, None, 0]
    assert {one.status for one in scores if one.status != "ok"} == {"unparseable"}


@pytest.mark.parametrize("answer", [Answer(None, "refused", "it declined"), Answer(None, "unavailable", "down")])
def test_no_answer_is_no_number_and_adds_to_none(samples, repository, answer):
    scores, result = table(samples[:4], repository, answer)
    assert [(one.status, dict(one)) for one in scores] == [(answer.status, {})] * 4
    assert not any("script_ratios" in one.details for one in scores)
    assert all(cell.value is None for line in result.tables[0].lines for cell in line.cells)


@pytest.mark.parametrize(
    ("answer", "by_script"),
    [
        (lists(["a"], "[[0]]"), [[0]]), (lists(["a"], ["1"]), ["1"]), (lists(["a"], [1.0]), [1.0]),
        (lists(["a"], [True]), None), (lists(["a"], "{1}"), None), (lists(["a"], "{0: 1}"), None),
        (lists(["a"], "__import__('os')"), None), (lists(["a"], "(" * 999), None), (lists(["a"], 1), None),
        ("<analysis>['a']</analysis> <score>[1]", None),
    ],
)  # fmt: skip
def test_an_answer_that_is_no_list_of_zeros_and_ones_is_no_number(answer, by_script):
    with pytest.raises(SampleError) as error:
        scores_of(answer, 1)
    assert error.value.status == "unparseable"
    assert script_scores(answer, 1) == by_script


def test_the_comma_that_one_row_lacks_is_put_in():
    points = EXPLAINED["EXPLANATION_DICT_EN"]
    cell = '{"Testpoints": ["Style" "Action - State"], "Testpoint Description": ["ink", "sleeps"]}'
    row = points_of_row("He sleeps", cell, points, "en")
    assert row.names == ("Style", "Action - State")
    assert row.words["their descriptions"] == "Checkpoints Description:「\nStyle: ink\nAction - State: sleeps\n」"


def test_a_file_without_a_prompts_index_is_named(samples, repository):
    (first, *_) = samples
    strangers = [
        Sample("en/cat", edited=Path(first.edited).read_bytes(), meta={"category": "en"}),
        Sample("x", edited=Path(first.edited).read_bytes(), meta={"category": "zh_long", "index": 1}),
    ]
    stranger, known = table(strangers, repository, Answer(lists(["a"], [1])))[0]
    assert (stranger.status, known.status) == ("skipped", "ok")
    assert "'cat' names no prompt of UniGenBench's en; expected the prompt's index first" in stranger.reason


def test_there_are_ten_dimensions_with_27_test_points():
    assert (len(DIMENSIONS), sum(map(len, DIMENSIONS.values())), len(POINTS)) == (10, 27, 27)
