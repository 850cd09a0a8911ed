"""LongText-Bench: equality with the official summary on made-up readings, and what becomes of an unread image."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from editmetrics import Sample
from editmetrics.judge import Answer, Judge
from editmetrics.scoring.suite_results import suite_result
from editmetrics.scoring.suite_runs import SuiteRun
from editmetrics.suites import SUITES, SuiteError
from editmetrics.suites.judged import suite_metric
from editmetrics.suites.longtext import FILES, RATIOS, WantedText, as_script_cleans, cleaned, matched
from editmetrics.testing import ScriptedJudge

from . import made_up_rows
from .made_up_rows import READ, WANTED, Results

OFFICIAL = json.loads(Path(__file__).with_name("official_t2i.json").read_text(encoding="utf-8"))["longtext"]
SUITE = SUITES["longtext"]


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A copy of the repository with made-up rows, whose checksums the suite takes for the benchmark's."""
    for language, data in made_up_rows.longtext_files().items():
        path = tmp_path / "copy" / FILES[language]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        monkeypatch.setitem(SUITE.source.files, FILES[language], hashlib.sha256(data).hexdigest())
    return tmp_path / "copy"


def images(folder):
    """One image of each made-up row, whose colour says which: red its language, green its number."""
    samples = []
    for red, language in enumerate(WANTED):
        for number in range(len(WANTED[language])):
            path = folder / language / f"{number}_0.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(np.full((8, 8, 3), (red, number, 0), np.uint8)).save(path)
            samples.append(Sample(f"{language}/{number}", edited=str(path)))
    return samples


class Reader(ScriptedJudge):
    """Reads the made-up text of an image, and refuses the images `refused`."""

    def __init__(self, refused=()):
        self.refused, self.asked = refused, []

    def answer(self, questions, stop):
        return [self._answer(question) for question in questions]

    def _answer(self, question):
        image, text = question.messages[-1].parts
        self.asked.append(text)
        red, number, _ = image.pixels()[0, 0].tolist()
        language = list(WANTED)[red]
        if (language, number) in self.refused:
            return Answer(None, "refused", "it declined")
        return Answer(READ[language][number])


def table(samples, repository, reader):
    metric = suite_metric(f"longtext:repository={repository},cache=false")
    metric.use(Judge(reader))
    scores = metric.score(samples)
    result = suite_result(SuiteRun(SUITE, (metric,)), Results(samples, scores))
    return scores, {line.block.heading: line for line in result.tables[0].lines} | {"notes": result.notes}


def test_counts_and_scores_are_those_of_the_official_summary(repository, tmp_path):
    reader = Reader()
    scores, lines = table(images(tmp_path), repository, reader)
    official = [counts for language in WANTED for counts in OFFICIAL[language]["counts"]]
    assert [list(score.details["ratios"]["text"]) for score in scores] == official
    assert [score["text"] for score in scores] == [hits / total for hits, total in official]
    for language in WANTED:
        assert f"{lines[language.upper()].cells[0].value:.4f}" == OFFICIAL[language]["score"]
        assert [as_script_cleans(text) for text in READ[language]] == OFFICIAL[language]["cleaned"]
    assert set(reader.asked) == {SUITE.judges[0].asks[0].prompts()[0].text}


def test_the_corrected_cleaning_takes_out_every_word_of_the_models_own():
    wanted = WantedText("No text recognized", "en")
    for answer, published, corrected in (
        ("No text recognized", 3, 0),  # the script leaves it in, as it has no full stop
        ("No text recognized.", 0, 0),
        ("addCriterion no text", 2, 2),
    ):
        assert matched(wanted, as_script_cleans(answer)) == (published, 3)
        assert matched(wanted, cleaned(answer)) == (corrected, 3)
    assert matched(WantedText("addCriterion", "en"), as_script_cleans("addCriterion"))[0] == 1
    assert matched(WantedText("addCriterion", "en"), cleaned("addCriterion"))[0] == 0


def test_an_unread_image_is_left_out_and_the_published_rule_counts_it_as_nothing(repository, tmp_path):
    scores, lines = table(images(tmp_path), repository, Reader(refused=[("en", 0)]))
    assert (scores[0].status, dict(scores[0])) == ("refused", {})
    cell = lines["EN"].cells[0]
    counts = OFFICIAL["en"]["counts"]
    assert cell.value == pytest.approx(sum(hits for hits, _ in counts[1:]) / sum(total for _, total in counts[1:]))
    assert cell.n == 3
    rule = cell.published
    expected = sum(hits for hits, _ in counts[1:]) / sum(total for _, total in counts)
    assert [rule.low, rule.expected, rule.high] == pytest.approx([expected] * 3)
    assert dict(lines["EN"].unread) == {"refused": 1}
    assert {*scores[0].details["script_ratios"]} == {*RATIOS}


def test_a_file_without_a_prompts_number_is_named(repository, tmp_path):
    (sample, *_) = images(tmp_path)
    renamed = [
        Sample("en/cat", edited=Path(sample.edited).read_bytes(), meta={"language": "en"}),
        Sample("en/9", edited=Path(sample.edited).read_bytes(), meta={"language": "EN"}),
        Sample("en/x", edited=Path(sample.edited).read_bytes(), meta={"language": "en", "prompt_id": 0}),
    ]
    stranger, outside, known = table(renamed, repository, Reader())[0]
    assert (stranger.status, outside.status, known.status) == ("skipped", "skipped", "ok")
    assert "'cat' names no prompt of LongText-Bench; expected the prompt's number first, from 0 to 3" in stranger.reason


def test_it_asks_once_and_on_this_machine():
    with pytest.raises(SuiteError, match="asks each question once"):
        suite_metric("longtext:rounds=2")
    assert suite_metric("longtext").backbone == SUITE.judges[0].weights
    served = suite_metric("longtext:model=any,endpoint=http://localhost:1/v1")
    assert (served.backbone, served.model, served.max_tokens) == (None, "any", 1024)


def test_rows_without_an_image_and_with_several_are_named(repository, tmp_path):
    first, *rest = images(tmp_path)
    again = Sample("en/0 again", edited=Path(first.edited).read_bytes(), meta={"language": "en", "prompt_id": 0})
    _, lines = table([first, again, *rest[1:3]], repository, Reader())  # Chinese is no part of it
    assert lines["notes"] == (
        "no image for 1 row of the benchmark: en/1",
        "several images of 1 row, each of which counts: en/0",
    )
