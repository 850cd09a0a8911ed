"""OneIG-Bench's alignment: equality with the official script on made-up answers, tiles as it cuts and saves them."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from editmetrics import Sample
from editmetrics.judge import Answer, Judge
from editmetrics.sample import SampleError
from editmetrics.scoring.suite_results import suite_result
from editmetrics.scoring.suite_runs import SuiteRun
from editmetrics.suites import SUITES, SuiteError
from editmetrics.suites.judged import suite_metric
from editmetrics.suites.oneig import QUESTIONS
from editmetrics.testing import ScriptedJudge

from .made_up_rows import Results, answer_to, graph_rows
from .rows import picture

OFFICIAL = json.loads(Path(__file__).with_name("official_t2i.json").read_text(encoding="utf-8"))["oneig"]
SUITE = SUITES["oneig"]
COLOURS = (50, 100, 150)
"""Of the tiles that are not black, from the first."""


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A copy of the repository with made-up questions, whose checksums the suite takes for the benchmark's."""
    for (_, name), file in QUESTIONS.items():
        data = json.dumps(graph_rows(name)).encode()
        path = tmp_path / "copy" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        monkeypatch.setitem(SUITE.source.files, file, hashlib.sha256(data).hexdigest())
    monkeypatch.setattr("editmetrics.suites.oneig.text_of", lambda *_: "{question}. Yes or no?")
    monkeypatch.setattr("editmetrics.suites.judged.text_of", lambda *_: "")
    return tmp_path / "copy"


class Answers(ScriptedJudge):
    """Answers as `answer_to` does, and refuses the questions `refused`."""

    def __init__(self, odd=False, refused=""):
        self.odd, self.refused, self.seen = odd, refused, []

    def answer(self, questions, stop):
        return [self._answer(question) for question in questions]

    def _answer(self, question):
        image, text = question.messages[-1].parts
        self.seen.append(image.content.data)
        colour = int(image.pixels()[0, 0, 0])
        tile = 1 + int(np.argmin([abs(colour - one) for one in COLOURS]))
        asked = text.removesuffix(". Yes or no?")
        return Answer(None, "refused", "no") if asked == self.refused else Answer(answer_to(asked, tile, self.odd))


def grids(language="en"):
    """The grid of each prompt: three tiles of one colour, and a black one in the first corner's place."""
    pixels = np.zeros((33, 33, 3), np.uint8)  # the last row and column belong to no tile
    for (y, x), colour in zip(((0, 1), (1, 0), (1, 1)), COLOURS, strict=True):
        pixels[y * 16 : y * 16 + 16, x * 16 : x * 16 + 16] = colour
    for name in ("anime", "human", "object"):
        for key in graph_rows(name):
            meta = {"language": language, "category": name, "prompt_id": key}
            yield Sample(f"{name}_{key}", edited=pixels, meta=meta)


def scored(repository, judge, samples, options=""):
    metric = suite_metric(f"oneig:repository={repository},cache=false{options}")
    metric.use(Judge(judge))
    scores = metric.score(samples)
    result = suite_result(SuiteRun(SUITE, (metric,)), Results(samples, scores))
    return scores, {line.block.heading: line for table in result.tables for line in table.lines}


def test_it_is_what_the_official_script_computes(repository):
    samples = list(grids())
    scores, lines = scored(repository, Answers(), samples)
    prompts = OFFICIAL["plain"]["prompts"]
    assert {one.id: float(score) for one, score in zip(samples, scores, strict=True)} == pytest.approx(prompts)
    assert lines["EN"].cells[0].value == pytest.approx(OFFICIAL["plain"]["alignment"])
    anime = [value for name, value in prompts.items() if name.startswith("anime")]
    assert lines["Anime Stylization, EN"].cells[0].value == pytest.approx(sum(anime) / len(anime))
    assert len(scores[0].details["tiles"]) == 3  # a black tile stands for a failed generation


def test_an_answer_that_is_neither_yes_nor_no_gives_no_number_and_the_scripts_stands_below(repository):
    samples = list(grids())
    scores, lines = scored(repository, Answers(odd=True), samples)
    prompts = OFFICIAL["odd"]["prompts"]
    unread = [one for one, score in zip(samples, scores, strict=True) if not score.ok]
    assert len(unread) == 12 - sum(score.ok for score in scores) > 5
    assert all("'Yes.'; expected 'Yes' or 'No'" in score.reason for score in scores if not score.ok)
    reads = {one.id: score.details["script_reads"]["alignment"]
             for one, score in zip(samples, scores, strict=True) if not score.ok}  # fmt: skip
    assert reads == pytest.approx({name: prompts[name] for name in reads})
    rule = lines["EN"].cells[0].published
    assert [rule.low, rule.expected, rule.high] == pytest.approx([OFFICIAL["odd"]["alignment"]] * 3)


def test_a_refused_question_leaves_its_prompt_out(repository):
    samples = list(grids())
    scores, lines = scored(repository, Answers(refused="Is anime 1 of kind 2?"), samples)
    assert [score.status for score in scores] == ["ok", "refused", *["ok"] * 10]
    rest = [value for name, value in OFFICIAL["plain"]["prompts"].items() if name != "anime_001"]
    assert lines["EN"].cells[0].value == pytest.approx(sum(rest) / 11)
    assert dict(lines["EN"].unread) == {"refused": 1}


def test_tiles_are_cut_and_saved_as_the_script_does(repository, tmp_path):
    """Pillow's crop and its default JPEG; one file for all questions about a tile."""
    picture(131, 97, 2).save(tmp_path / "000.png")
    sample = Sample("en/anime/000", edited=str(tmp_path / "000.png"), meta={"language": "en", "category": "anime"})
    judge = Answers()
    scored(repository, judge, [sample], ",grid=3x2")
    expected = []
    with Image.open(tmp_path / "000.png") as image:
        for row in range(2):
            for column in range(3):
                buffer = io.BytesIO()
                image.crop((column * 43, row * 48, column * 43 + 43, row * 48 + 48)).save(buffer, "JPEG")
                expected.append(buffer.getvalue())
    assert list(dict.fromkeys(judge.seen)) == expected
    assert len(judge.seen) == 6 * len(json.loads(graph_rows("anime")["000"]["question"]))


def test_rows_and_options_that_do_not_fit_are_named(repository):
    black = Sample(
        "a", edited=np.zeros((8, 8, 3), np.uint8), meta={"language": "en", "category": "anime", "prompt_id": 0}
    )
    padded = Sample("b", edited=black.edited, meta={**black.meta, "prompt_id": "000"})
    small = Sample("c", edited=np.ones((1, 8, 3), np.uint8), meta={**black.meta, "prompt_id": "001"})
    other = Sample("d", edited=black.edited, meta={"language": "en", "category": "Multilingualism", "prompt_id": "000"})
    scores, _ = scored(repository, Answers(), [black, padded, small, other])
    assert [score.status for score in scores] == ["skipped", "failed", "failed", "skipped"]
    assert "expected the prompt's three digits first" in scores[0].reason
    assert "every tile of its image is black" in scores[1].reason
    assert "fewer than 2x2 tiles" in scores[2].reason
    with pytest.raises(SuiteError, match="such as 2x2"):
        suite_metric("oneig:grid=0x2")
    assert [one.point for one in suite_metric("oneig:grid=4x1").option_differences()] == ["tiles of an image"]


@pytest.mark.parametrize("text", ["Maybe", "yes", "Yes.", "No, but the cat is", ""])
def test_an_unclear_answer_is_neither(text):
    with pytest.raises(SampleError, match="expected 'Yes' or 'No'"):
        suite_metric("oneig").yes(text)
    assert [suite_metric("oneig").yes(clear) for clear in ("Yes", "No", "No.", "no")] == [True, False, False, False]
