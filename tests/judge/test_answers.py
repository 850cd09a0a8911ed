"""Reading answers: what is read is what stands there; what is not clear is no number."""

import json
import string
from enum import Enum

import numpy as np
import pytest
from pydantic import BaseModel, Field

from editmetrics import SampleError
from editmetrics.judge import Answer, Parsed, read_choice, read_json, read_number

SCORE = {"score": (0, 10)}
BOTH = {"score": (0, 10), "why": str}


@pytest.mark.parametrize(
    "text",
    [
        '{"score": 7}',
        ' \n{"score": 7.0}\n',
        '```json\n{"score": 7}\n```',
        '```\n{"score": 7}```',
        '<think>{"score": 1}? No.</think>\n{"score": 7}',
        'Perhaps {"score": 1}? No.\n</think>\n\n{"score": 7}',
        '{"score": 7, "confidence": "high"}',
    ],
)
def test_strict(text):
    assert read_json(text, SCORE) == Parsed({"score": 7.0}, "strict")


@pytest.mark.parametrize(
    "text",
    [
        "{'score': 7}",
        "{score: 7}",
        '{"score": 7,}',
        '{"score": "7"}',
        '{"score": 7]}',
        '{"score": 07}',
        '{"score": 7.}',
        'I looked at 3 things. Here it is: {"score": 7}',
        'Sure!\n```json\n{"score": 7}\n```\nHope that helps.',
        '{"score": 7} is what I say',
    ],
)
def test_repaired(text):
    assert read_json(text, SCORE) == Parsed({"score": 7.0}, "repaired")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"score": 7, "why": "it says "no" to it"}', 'it says "no" to it'),
        ('{"why": "one\ntwo", "score": 7}', "one\ntwo"),
        ('{"score": 7 "why": "sharp"}', "sharp"),
        ('{"score": 7, "why": "caf\\u00e9 \\"x\\"",}', 'café "x"'),
        ("{'why': 'it's sharp', 'score': 7}", "it's sharp"),
        ('{"why": "score: 3", score: 7}', "score: 3"),
    ],
)
def test_texts_survive_their_repair(text, why):
    assert read_json(text, BOTH) == Parsed({"score": 7.0, "why": why}, "repaired")


@pytest.mark.parametrize(
    "text",
    [
        "I rate it 7",
        "7",
        "",
        "{}",
        "[]",
        '{"rating": 7}',
        '{"Score": 7}',
        '{"score": null}',
        '{"score": None}',
        '{"score": true}',
        '{"score": "high"}',
        '{"score": [7]}',
        '{"score": {"value": 7}}',
        '{"score": 11}',
        '{"score": -1}',
        '{"score": 10.001}',
        '{"score": NaN}',
        '{"score": "nan"}',
        '{"score": Infinity}',
        '{"score": 1e999}',
        '{"score": 7/10}',
        '{"score": 7-8}',
        '{"score": 7 or 8}',
        '{"score": 7 8}',
        '{"score": 7, 8}',
        '{"score": 7,5}',
        '{"score": "7,5"}',
        '{"score": 1,000}',
        '{"score": ~7}',
        '{"score": 7%}',
        '{"score": 1e}',
        '{"score": 0x7}',
        '{"score": }',
        '{"score": -}',
        '{"score": 7 // or 8\n}',
        '{"score": 7, "score": 8}',
        '{"score": 7, "score": 7}',
        '{"score": 7} {"score": 8}',
        '[{"score": 7}, {"score": 8}]',
        'Such as {"score": 0}. Mine: {"score": 7}',
        'The form is {"score": 0}. I say 7.',
        '{"score": 1',
        '{"score": "1',
        '<think>perhaps {"score": 7}',
    ],
)
def test_what_is_not_clear_is_no_number(text):
    with pytest.raises(SampleError) as raised:
        read_json(text, SCORE)
    assert raised.value.status == "unparseable"


@pytest.mark.parametrize("mark", ["[", '{"a":', '[{"a":'])
def test_a_deep_answer_is_unparseable_in_words(mark):
    for text in (mark * 100_000, '{"score": 7, "why": ' + mark * 100, '{"score": ' + "[" * 60 + "]" * 60 + "}"):
        with pytest.raises(SampleError, match="nested deeper than 50 levels") as raised:
            read_json(text, SCORE)
        assert raised.value.status == "unparseable"
    assert read_json('{"score": 7, "why": "' + "[" * 100 + '"}', BOTH).value["score"] == 7  # these are words


def test_a_repair_never_changes_the_number():
    """Damage of any kind to an answer: it is read as what it was, or not at all."""
    random = np.random.default_rng(0)
    whole = '{"score": 7, "why": "sharp, 12 of 15"}'
    read = 0
    for _ in range(3000):
        text = whole
        for _ in range(random.integers(1, 4)):
            at = int(random.integers(len(text)))
            kind = random.integers(3)
            put = "" if kind == 0 else str(random.choice(list(string.punctuation + " \nabc")))
            text = text[:at] + put + text[at + (kind < 2) :]
        digits = [letter for letter in text if letter.isdigit()]
        if digits != list("71215"):
            continue
        try:
            value = read_json(text, {"score": range(101)}).value["score"]
        except SampleError:
            continue
        read += 1
        assert value == 7, text
    assert read > 300  # the test has looked at something


@pytest.mark.parametrize("text", ['{"score": 7', '{"score": 1}', "1"])
def test_an_answer_that_was_cut_off_is_not_repaired(text):
    cut = Answer(text, finish="length")
    if text.endswith("}"):
        assert read_json(cut, SCORE).parsed == "strict"  # whole all the same
    else:
        with pytest.raises(SampleError, match="cut off"):
            read_json(cut, SCORE)
    with pytest.raises(SampleError, match="cut off"):
        read_number(cut, 0, 10)


def test_the_reason_names_the_field_and_shows_the_answer():
    with pytest.raises(SampleError, match=r'score: Input should be less than or equal to 10\. It was: \{"score": 11\}'):
        read_json('{"score": 11}', SCORE)
    with pytest.raises(SampleError) as raised:
        read_json("x" * 10_000, SCORE)
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't assist with that.",
        "I’m sorry, I can’t help with identifying people.",
        "Sorry, I cannot rate this image.",
        "I am unable to judge this.",
        "Unfortunately, I am not able to do so.",
    ],
)
def test_a_refusal_in_words_is_refused(text):
    for read in (lambda: read_json(text, SCORE), lambda: read_number(text, 0, 1), lambda: read_choice(text, ["yes"])):
        with pytest.raises(SampleError, match="declined") as raised:
            read()
        assert raised.value.status == "refused"


def test_what_declines_and_answers_all_the_same_is_an_answer():
    assert read_json('I cannot be sure, but {"score": 7}', SCORE).value == {"score": 7.0}


@pytest.mark.parametrize("status", ["refused", "failed"])
def test_no_answer_is_no_number(status):
    with pytest.raises(SampleError, match="because") as raised:
        read_json(Answer(None, status, "because"), SCORE)
    assert raised.value.status == status


# ------------------------------------------------------------------ schemas


class Level(str, Enum):
    good = "good"
    bad = "bad"


class Part(BaseModel):
    box: tuple[float, float, float, float]
    level: Level


class Judgement(BaseModel):
    parts: list[Part]
    sure: bool
    total: float = Field(ge=0, le=1, alias="Total")


def test_a_pydantic_model_is_what_it_gives():
    found = {"parts": [{"box": [0, 0, 0.5, 1], "level": "bad"}], "sure": True, "Total": 1}
    parsed = read_json(json.dumps(found), Judgement)
    assert (parsed.value, parsed.parsed) == (Judgement.model_validate(found), "strict")
    assert read_json(str(found), Judgement) == Parsed(Judgement.model_validate(found), "repaired")  # Python's spelling


@pytest.mark.parametrize(
    "wrong",
    [
        {"sure": "yes"},
        {"sure": 1},
        {"Total": True},
        {"Total": 2},
        {"parts": [{"box": [0, 0, 1], "level": "bad"}]},
        {"parts": [{"box": [0, 0, True, 1], "level": "bad"}]},
        {"parts": [{"box": [0, 0, 1, 1], "level": "ugly"}]},
    ],
)
def test_a_field_of_the_wrong_kind_is_not_bent(wrong):
    found = {"parts": [], "sure": True, "Total": 1} | wrong
    with pytest.raises(SampleError):
        read_json(json.dumps(found), Judgement)


def test_a_small_schema_reads_what_it_says():
    schema = {"whole": range(1, 6), "part": (0, 1), "level": ["good", "bad"], "sure": bool, "note": str}
    found = {"whole": 5, "part": 0.25, "level": "good", "sure": False, "note": ""}
    assert read_json(json.dumps(found), schema) == Parsed(found, "strict")
    for wrong in ({"whole": 6}, {"whole": 1.5}, {"part": 1.01}, {"level": "Good"}, {"sure": "no"}, {"note": 3}):
        with pytest.raises(SampleError):
            read_json(json.dumps(found | wrong), schema)


@pytest.mark.parametrize(
    "schema", [None, {}, [], str, {"x": dict}, {"x": (1, 0)}, {"x": range(0)}, {"x": []}, {"x": "yes"}]
)
def test_what_is_no_schema_is_a_mistake_of_the_program(schema):
    with pytest.raises(TypeError):
        read_json("{}", schema)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", '"nan"', '"inf"'])
def test_a_number_without_bounds_is_finite_all_the_same(number):
    with pytest.raises(SampleError) as raised:
        read_json(f'{{"score": {number}}}', {"score": float})
    assert raised.value.status == "unparseable"


# ------------------------------------------------------------------ a number, a choice


@pytest.mark.parametrize(
    ("text", "value", "parsed"),
    [
        ("4", 4, "strict"),
        (" 4.50\n", 4.5, "strict"),
        ("<think>3 or 4</think> 4", 4, "strict"),
        ("3 or 4\n</think>\n\n4", 4, "strict"),
        ("**4**", 4, "repaired"),
        ("Score: 4", 4, "repaired"),
        ("**Final score:** 4.25.", 4.25, "repaired"),
        ('"4"', 4, "repaired"),
    ],
)
def test_numbers(text, value, parsed):
    assert read_number(text, 0, 5) == Parsed(value, parsed)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "four",
        "4/5",
        "4 out of 5",
        "3-4",
        "3 or 4",
        "6",
        "-1",
        "4,5",
        "nan",
        "1e9",
        "Q1: 4: 5",
        "Score 4",
        "4%",
        "٤",
    ],
)
def test_what_is_no_number_from_0_to_5(text):
    with pytest.raises(SampleError) as raised:
        read_number(text, 0, 5)
    assert raised.value.status == "unparseable"


@pytest.mark.parametrize(
    ("text", "value", "parsed"),
    [
        ("yes", "Yes", "strict"),
        ("YES ", "Yes", "strict"),
        ("Yes.", "Yes", "repaired"),
        ("Answer: **no**", "No", "repaired"),
    ],
)
def test_choices(text, value, parsed):
    assert read_choice(text, ["Yes", "No"]) == Parsed(value, parsed)


@pytest.mark.parametrize("text", ["", "maybe", "yes and no", "not yes", "yes, it is", "no yes", "Yes / No"])
def test_what_is_no_choice(text):
    with pytest.raises(SampleError):
        read_choice(text, ["yes", "no"])


def test_choices_that_could_be_mixed_up_are_a_mistake_of_the_program():
    with pytest.raises(ValueError, match="case of their letters"):
        read_choice("a", ["a", "A"])
