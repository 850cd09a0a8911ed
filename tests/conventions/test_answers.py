"""No answer gives a number that it does not state: refusals, examples, fractions, ranges, words, thoughts, cut-offs."""

from __future__ import annotations

import pytest

from editmetrics.conventions.answers import read_answer
from editmetrics.conventions.schema import AnswerForm
from editmetrics.judge import Answer
from editmetrics.plugins.conformance.conventions import written
from editmetrics.sample import SampleError

FORMS = {
    "json": AnswerForm("json", ("success", "consistency"), 0, 25, times=0.4),
    "whole": AnswerForm("json", ("execution",), 1, 5, whole=True),
    "tagged_json": AnswerForm("tagged_json", ("quality",), 1, 5, key="rating"),
    "tag": AnswerForm("tag", ("quality",), 1, 5, key="answer"),
    "label": AnswerForm("label", ("score",), 0, 1, key="Score", whole=True),
    "boxed": AnswerForm("boxed", ("alignment",), 1, 5, key="Final Alignment Rating", whole=True),
    "is": AnswerForm("label", ("quality",), 0, 100, key="The quality score"),
    "lines": AnswerForm("lines", ("compliance", "look"), 1, 5, titles=("Prompt Compliance", "Visual Naturalness")),
    "ratings": AnswerForm("ratings", ("compliance", "look", "detail"), 1, 5, whole=True),
    "sections": AnswerForm(
        "sections", ("text", "image", "rendering"), 1, 4, key="Score",
        titles=("Text Faithfulness", "Image Faithfulness", "Text Rendering"), optional=("rendering",),
    ),
}  # fmt: skip
STATED = {"json": [20, 25], "whole": [4], "tagged_json": [3.5], "tag": [3.25], "label": [1], "boxed": [4],
          "is": [85.25], "lines": [4, 5], "ratings": [4, 3, 5], "sections": [3.5, 4, 2]}  # fmt: skip
"""A readable answer of each form states these."""

NOT_ONE_NUMBER = [
    "7/10", "3 / 5", "4 or 5", "3-4", "3 to 4", "3~4", "four", "four of five", "4 of 5", "三", "四点五", "４", "4,5",
    "4.", ".", "", "?", "~", "about 4", "4 (maybe 3)", "4 -> 3", "4; 3", "4 4", "0x3", "4%", "½", "Ⅳ", "NaN", "inf",
    "-Infinity", "null", "true", "N/A", "-3", "999", "4 stars", "★★★★", "4️⃣", "4\n3", "<4>", "$4$", "4\\5",
]  # fmt: skip
"""Put in the place of the first number; only "4." may be read, as 4."""


def numbers_of(form, text, **more):
    """The values of an answer, or the status that it gets."""
    try:
        return read_answer(form, Answer(text, **more)).values
    except SampleError as error:
        return error.status


def in_place(kind, junk):
    """A readable answer of the form, with `junk` in the place of its first number."""
    mark = 2.125
    numbers = [mark, *STATED[kind][1:]]
    return written(FORMS[kind], numbers).replace(str(mark), junk)


@pytest.mark.parametrize("kind", FORMS)
def test_an_answer_of_the_form_gives_its_numbers(kind):
    form, stated = FORMS[kind], STATED[kind]
    values = {name: form.times * number for name, number in zip(form.values, stated, strict=True)}
    for text in (
        written(form, stated),
        f"<think>Between 1 and 2, or 3/5.</think>{written(form, stated)}",
        f"\n{written(form, stated)}\n\n",
    ):
        assert numbers_of(form, text) == pytest.approx(values), text


@pytest.mark.parametrize("kind", FORMS)
def test_no_number_is_read_that_the_answer_does_not_state(kind):
    form, stated = FORMS[kind], STATED[kind]
    for junk in NOT_ONE_NUMBER:
        read = numbers_of(form, in_place(kind, junk))
        if junk == "4." and isinstance(read, dict) and form.low <= 4 <= form.high:
            assert read[form.values[0]] == form.times * 4
        elif junk == "N/A" and form.values[0] in form.optional:
            assert form.values[0] not in read
        else:
            assert read == "unparseable", (junk, read)
    fine = written(form, stated)
    other = written(form, [min(form.high, number + 1) for number in stated[:-1]] + [form.low])
    for text in (
        f"{fine}\n{other}", f"{fine}\nor rather\n{other}", "I would give it a 4.", f"<think>{fine}",
        fine[: len(fine) // 2], "The scores are good and bad.", "4 and 5", f"The rating is {stated[0]} of {form.high}.",
    ):  # fmt: skip
        assert numbers_of(form, text) == "unparseable", text
    assert numbers_of(form, fine, finish="length") == (
        "unparseable" if form.form != "json" else numbers_of(form, fine)
    ), "a whole object is whole wherever the model was cut off"
    for refusal in ("I'm sorry, but I can't assist with that request.", "抱歉，我无法评价这张图片。"):
        assert numbers_of(form, refusal) == "refused"


LEVEL = AnswerForm("level", ("overall",), 1, 5, key="quality level", words=("bad", "poor", "fair", "good", "excellent"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Good.", 4), ("**excellent**", 5), ("Therefore, the overall editing quality level of the image is fair.", 3),
        ("The lights are poor. The quality level is: **Bad**.", 1),
        ("The quality level is good.\nOnce more: the quality level is good.", 4),
        ("The quality level is good. No: the quality level is poor.", None), ("good or excellent", None), ("4", None),
        ("The picture is good.", None), ("The quality level is not bad.", None), ("The quality level is high.", None),
        ("The quality level is between fair and good.", None), ("not good", None), ("goodish", None),
        ("<think>The quality level is bad</think>", None), ("The quality level is good or excellent.", None),
        ("The quality level is poor to fair.", None), ("The quality level is fair/good.", None),
        ("The quality level is bad, or rather poor.", None), ("The quality level is good-ish.", None),
        ("The quality level is good or\nexcellent.", None), ("The quality level is good? It is fair.", None),
        ("The quality level is good? I doubt it.", None),
        ("The quality level is **excellent**, because the light is good.", 5),
    ],
)  # fmt: skip
def test_a_level_is_a_word_that_is_stated_once(text, expected):
    assert numbers_of(LEVEL, text) == ("unparseable" if expected is None else {"overall": float(expected)})


def test_an_optional_value_may_be_not_applicable_and_no_other():
    form = FORMS["sections"]
    text = written(form, [3.5, 4, 2])
    assert numbers_of(form, text.replace(": 2", ": N/A")) == {"text": 3.5, "image": 4.0}
    assert numbers_of(form, text.replace(": 3.5", ": N/A")) == "unparseable"


def test_numbers_behind_an_answer_in_tags_may_correct_it():
    for behind in ("</answer>, or rather 4", "</answer><answer>4", "</answer><answer>"):
        assert numbers_of(FORMS["tag"], f"<answer>3.25{behind}") == "unparseable"
    assert numbers_of(FORMS["tag"], "I see 2 cats. <answer>3.25</answer> That is all.") == {"quality": 3.25}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1. **A cat**:\n- 4 whiskers of 5.\n\n**Final Alignment Rating: 4**\n\\boxed{4}", 4), (r"\boxed{{4}}", 4),
        (r"\boxed{[4]}", 4), (r"\boxed{4} That is all.", 4), ("Final Alignment Rating: 3\n\\boxed{4}", None),
        (r"\boxed{4} or rather 3", None), (r"\boxed{2} \boxed{4}", None), (r"\boxed{Rating}", None),
        ("Final Alignment Rating: 4", None), (r"\boxed{4", None), (r"\boxed{5, 4, 3, 2, 1}", None),
        ("**Final Alignment Rating: 4 of 5**\n\\boxed{4}", None),
    ],
)  # fmt: skip
def test_a_boxed_rating_is_stated_once_and_not_contradicted(text, expected):
    assert numbers_of(FORMS["boxed"], text) == ("unparseable" if expected is None else {"alignment": float(expected)})


def test_a_line_that_is_not_one_number_is_not_made_up_for_by_another():
    text = "Reasons: 2 hats.\nObjects: {}\nCompliance: 4\nLook: 5\nDetail: {}"
    for detail in ("3 to 4", "N/A", "not rated", "四"):
        assert numbers_of(FORMS["ratings"], text.format(2, detail)) == "unparseable"
    read = numbers_of(FORMS["ratings"], text.format("two", 3))
    assert read == {"compliance": 4, "look": 5, "detail": 3}


@pytest.mark.parametrize("behind", ["Or maybe 3?", "> Detail: 3", "I change the last to: 3", "Final: ３"])
@pytest.mark.parametrize("kind", ["label", "is", "lines", "ratings"])
def test_numbers_behind_the_last_rated_line_may_correct_it(kind, behind):
    fine = written(FORMS[kind], STATED[kind])
    assert numbers_of(FORMS[kind], f"{fine}\n{behind}") == "unparseable"
    assert numbers_of(FORMS[kind], f"I see 2 cats, 3 of 4 legs.\n{fine}\nThat is all.") == numbers_of(FORMS[kind], fine)


def test_a_list_of_one_may_stand_without_its_brackets():
    assert numbers_of(FORMS["whole"], '{"reasoning": "fine", "score": [4]}') == {"execution": 4.0}
    assert numbers_of(FORMS["whole"], '{"reasoning": "fine", "score": [4, 5]}') == "unparseable"
    assert numbers_of(FORMS["whole"], '{"reasoning": "fine", "score": 4.5}') == "unparseable"


def test_sections_end_where_the_next_begins_and_summaries_are_not_read():
    text = (
        "# Detailed Judgement\n1. Text Faithfulness:\n## Justification: the sky is red, 4 clouds of 5.\n## Score: 3.5\n"
        "2. Image Faithfulness:\n## Justification: kept.\n## Score: **4.0**\n3. Text Rendering:\n## Justification: -\n"
        "## Score: N/A\n# Summary: all in all\n## Score: 1\n"
    )
    assert numbers_of(FORMS["sections"], text) == {"text": 3.5, "image": 4.0}
    assert numbers_of(FORMS["sections"], text.replace("## Score: 3.5", "")) == "unparseable"
    assert numbers_of(FORMS["sections"], text.replace("## Score: 3.5", "## Score: 3\n## Score: 4")) == "unparseable"


SWALLOWED = """1. Text Faithfulness:
## Justification: the sky is red.
## Score: 3.5
2. Image Faithfulness:
## Justification: kept.
## Score: 4
3. Text Rendering:
## Justification: the letters are blurred.
{}
## Justification: calm.
## Score: 2
"""


@pytest.mark.parametrize(
    "heading", ["4. Composition:", "## Composition:", "**Composition:**", "### 4) Composition:", "4. **Composition**:"]
)
def test_an_aspect_that_was_not_asked_for_does_not_stand_in_for_the_last_one(heading):
    assert numbers_of(FORMS["sections"], SWALLOWED.format(heading)) == "unparseable"
    rated = numbers_of(FORMS["sections"], SWALLOWED.format(f"## Score: 1\n{heading}"))
    assert rated == {"text": 3.5, "image": 4.0, "rendering": 1.0}
    between = SWALLOWED.format("## Score: 1").replace("## Score: 4", f"{heading}\n## Justification: calm.\n## Score: 2")
    assert numbers_of(FORMS["sections"], between) == "unparseable"


def test_numbered_reasons_do_not_end_a_section():
    reasons = "1. The first word: sharp.\n2. The second word is blurred.\n## Score: 1"
    text = SWALLOWED.partition("{}")[0] + reasons
    assert numbers_of(FORMS["sections"], text) == {"text": 3.5, "image": 4.0, "rendering": 1.0}
