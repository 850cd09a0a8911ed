"""Files with a line for each thing: what only looks like the end of a line is a part of the text."""

from __future__ import annotations

import json

import pytest

from editmetrics.plugins.ds_ieqa import fdmpo
from editmetrics.plugins.lmm4lmm.questions import read_questions

SEPARATORS = ["\u2028", "\u2029", "\x85", "\x0c", "\x1e"]


@pytest.mark.parametrize("separator", SEPARATORS)
def test_a_definition_may_hold_it(tmp_path, separator):
    trial = {
        "number": 0,
        "definition": f"how sharp{separator}the image is",
        "value": 0.5,
        "leads": True,
        "values": [0.5],
    }
    path = tmp_path / "visual_quality.jsonl"
    lines = [{"seed": 0}, trial]
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    header, (read,) = fdmpo._read(path)
    assert header == {"seed": 0}
    assert read.definition == trial["definition"]


@pytest.mark.parametrize("separator", SEPARATORS)
def test_a_question_may_hold_it(tmp_path, separator):
    path = tmp_path / "questions.txt"
    path.write_text(f"is it{separator}red?\nis it blue?\n", encoding="utf-8")
    assert read_questions(path).of_all == (f"is it{separator}red?", "is it blue?")
