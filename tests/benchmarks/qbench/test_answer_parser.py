"""What is read in the words of a model: by exact rules, and never a guess.

`data/phrasings.jsonl` holds answers with what they say, as a person reads them: a letter or several, True, a score,
"none" (nothing may be read) or "refused". The rules were written with the half "development" in view; the half
"held-out" was written before them and not looked at while they were. "traps" and "afterwards" were written against
the finished rules, to find a wrong reading.
"""

import json
import time
from pathlib import Path

import pytest

from editmetrics import SampleError
from editmetrics.benchmarks.qbench.answer_parser import read_choice_of, read_choices_of, read_judgement, read_truth
from editmetrics.judge import Answer, read_yes_no

PHRASINGS = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "phrasings.jsonl").read_text(encoding="utf-8").splitlines()
]
OPTIONS = ["Motion blur", "Noise", "A halo", "Over-exposure"]


def said_by(row):
    """What is read in a phrasing, in the words of its label."""

    def letters(read):
        return "".join(sorted("ABCDEFGH"[place] for place in read(row["text"], row["options"]).value))

    readers = {
        "SC": lambda: letters(read_choice_of),
        "MC": lambda: letters(read_choices_of),
        "TF": lambda: str(read_truth(row["text"]).value),
        "score": lambda: str(read_judgement(row["text"]).value),
        "yesno": lambda: read_yes_no(row["text"]).value,
    }
    try:
        return readers[row["type"]]()
    except SampleError as error:
        return {"unparseable": "none", "refused": "refused"}[error.status]


@pytest.mark.parametrize("part", sorted({row["part"] for row in PHRASINGS}))
@pytest.mark.parametrize("kind", ["SC", "MC", "TF", "score", "yesno"])
def test_plain_ways_of_answering_are_read_and_nothing_else_is(part, kind):
    rows = [(row, said_by(row)) for row in PHRASINGS if (row["part"], row["type"]) == (part, kind)]
    read = [(row["text"], row["says"], said) for row, said in rows if said not in ("none", "refused")]
    readable = [row for row, _ in rows if row["says"] not in ("none", "refused")]
    assert [one for one in read if one[1] != one[2]] == []  # precision 1
    assert len(read) >= 0.95 * len(readable)  # recall; "traps" has parts with nothing to be read
    declined = {row["text"] for row, _ in rows if row["says"] == "refused"}
    assert declined == {row["text"] for row, said in rows if said == "refused"}


@pytest.mark.parametrize(
    ("text", "letter", "how"),
    [
        ("B", "B", "strict"),
        (" C.\n", "C", "strict"),
        ("A)", "A", "strict"),
        ("<think>A or B? It is grainy.</think>\nB", "B", "strict"),
        ("b", "B", "repaired"),
        ("(B)", "B", "repaired"),
        ("**B**", "B", "repaired"),
        ("**B.**", "B", "repaired"),
        ("B. Noise", "B", "repaired"),
        ("**B. Noise**", "B", "repaired"),
        ("(B) noise.", "B", "repaired"),
        ("Noise", "B", "repaired"),
        ("a halo", "C", "repaired"),
        ("A halo.", "C", "repaired"),
        ("Answer: B", "B", "repaired"),
        ("**Answer:** B", "B", "repaired"),
        ("Answer: (B) Noise", "B", "repaired"),
        ("The answer is B.", "B", "repaired"),
        ("The correct option is: B. Noise", "B", "repaired"),
        ("Option B", "B", "repaired"),
        (
            "The picture is grainy and dark. A and C do not fit. Therefore, the correct answer is **B**.",
            "B",
            "repaired",
        ),
        ("B. Noise\n\nThe grain is all over the face.", "B", "repaired"),
        ("B\n\nThe grain is all over the face.", "B", "repaired"),
        ("B. The image has grain all over the face.", "B", "repaired"),
        ("B: Noise", "B", "repaired"),
        ("B - Noise", "B", "repaired"),
        ("B Noise", "B", "repaired"),
        ("<answer> B </answer>", "B", "repaired"),
        ("It is grainy, not smeared like A would be. <answer>B. Noise</answer>", "B", "repaired"),
        ("Grain.\n\\boxed{B}", "B", "repaired"),
        ("The answer is $\\boxed{\\text{B}}$.", "B", "repaired"),
        ("The grain is strong.</think>\n\nB", "B", "strict"),
        ("The correct answer is B. Noise\n\nThe face is grainy.", "B", "repaired"),
        ("The correct answer is **B**, as the face is grainy.", "B", "repaired"),
        ("The correct answer is B because the face is grainy.", "B", "repaired"),
        ("Final Answer: B", "B", "repaired"),
        ("B. A face in the dark is always grainy.", "B", "repaired"),
        ("B. The grain is strong, so option A is out.", "B", "repaired"),
        ("The correct answer is B because A and C are wrong.", "B", "repaired"),
    ],
)
def test_a_single_choice(text, letter, how):
    found = read_choice_of(text, OPTIONS)
    assert (found.value, found.parsed) == (frozenset({"ABCD".index(letter)}), how)


@pytest.mark.parametrize(
    "text",
    [
        "E",  # no option
        "A, B",
        "A or B",
        "AB",
        "A. Noise",  # the letter of one option and the text of another
        "A. Noise\nThe grain is all over.",
        "B. Noise and also C. A halo",
        "B\nOn second thought, option C fits better.",
        "A good question",
        "I don't think the answer is B.",
        "The answer is not B.",
        "The answer is B or C.",
        "It is noise or a halo.",
        "None of them",
        "0.5",
        "",
        "<think>It must be B",
        "The answer is B. No, wait",
        "What is the best option?",
        "B\nA. Motion blur is there, too.",
        "B. But C is also possible.",
        "B. Noise\nMotion blur",
        "A: B",
        "<answer>A</answer> or <answer>B</answer>",
        "\\boxed{A} \\boxed{B}",
        "<answer>E</answer>",
        "A Noise",
    ],
)
def test_no_single_choice(text):
    with pytest.raises(SampleError) as caught:
        read_choice_of(text, OPTIONS)
    assert caught.value.status == "unparseable"


@pytest.mark.parametrize("answer", ["I'm sorry, but I can't assist with that.", "Sorry, I cannot identify people."])
def test_who_declines_has_refused(answer):
    for read in (lambda text: read_choice_of(text, OPTIONS), lambda text: read_choices_of(text, OPTIONS), read_truth):
        with pytest.raises(SampleError) as caught:
            read(answer)
        assert caught.value.status == "refused"


def test_half_an_answer_is_none():
    with pytest.raises(SampleError, match="cut off"):
        read_choice_of(Answer("B", finish="length"), OPTIONS)


@pytest.mark.parametrize(
    ("text", "letters", "how"),
    [
        ("B", "B", "strict"),
        ("A, C", "AC", "strict"),
        ("A,C,D.", "ACD", "strict"),
        ("A C", "AC", "strict"),
        ("A\nC", "AC", "strict"),
        ("D, A", "AD", "strict"),
        ("ACD", "ACD", "repaired"),
        ("A and C", "AC", "repaired"),
        ("A, B, and D", "ABD", "repaired"),
        ("a, c", "AC", "repaired"),
        ("(A), (C)", "AC", "repaired"),
        ("[A, C]", "AC", "repaired"),
        ("**A, C**", "AC", "repaired"),
        ("A. Motion blur\nC. A halo", "AC", "repaired"),
        ("A. Motion blur; C. A halo", "AC", "repaired"),
        ("Motion blur\nNoise", "AB", "repaired"),
        ("Answer: A, C", "AC", "repaired"),
        ("The correct options are A and C.", "AC", "repaired"),
        ("A, C\n\nThe face is smeared and ringed.", "AC", "repaired"),
        ("**A, C**\nBoth A and C are to be seen.", "AC", "repaired"),
        ("<answer>A, C</answer>", "AC", "repaired"),
        ("\\boxed{A, C}", "AC", "repaired"),
        ("The face is smeared and ringed. The correct answers are: A, C", "AC", "repaired"),
        ("A, C\n\nBecause B is wrong.", "AC", "repaired"),
    ],
)
def test_several_choices(text, letters, how):
    found = read_choices_of(text, OPTIONS)
    assert (found.value, found.parsed) == (frozenset(map("ABCD".index, letters)), how)


@pytest.mark.parametrize(
    "text",
    [
        "A, E",
        "A, A",
        "AA",
        "none",
        "A. Noise\nC. A halo",
        "A, C but not B",
        "not A",
        "A or C",
        "A to D",
        "A. Motion blur\nA halo\n\nBoth are to be seen.",
        "A. Motion blur\nC. A halo\nBoth are to be seen.",
        "A. The face is smeared. C. It is ringed.",
        "",
    ],
)
def test_no_several_choices(text):
    with pytest.raises(SampleError):
        read_choices_of(text, OPTIONS)


@pytest.mark.parametrize(
    ("text", "value", "how"),
    [
        ("True", True, "strict"),
        ("false.", False, "strict"),
        ("**True**", True, "repaired"),
        ("Answer: False", False, "repaired"),
        ("The statement is false.", False, "repaired"),
        ("This statement about the image is true", True, "repaired"),
        ("The answer is True.", True, "repaired"),
        ("True, the face is blurred.", True, "repaired"),
        ("False. The face is sharp.", False, "repaired"),
        ("False\n\nThe face is sharp.", False, "repaired"),
        ("The face is sharp. So the answer is False.", False, "repaired"),
    ],
)
def test_a_truth(text, value, how):
    found = read_truth(text)
    assert (found.value, found.parsed) == (value, how)


@pytest.mark.parametrize(
    "text",
    ["Yes", "No", "True or False", "True, but partly false.", "Truely", "1", "", "True enough"],
)
def test_no_truth(text):
    with pytest.raises(SampleError):
        read_truth(text)


@pytest.mark.parametrize(
    ("text", "score", "how"),
    [
        ("Score: 2", 2, "strict"),
        ("0", 0, "strict"),
        ("Score:1", 1, "strict"),
        ("**Score: 2**", 2, "repaired"),
        ("Score: **0**", 0, "repaired"),
        ("**Score:** 2", 2, "repaired"),
        ("score = 1.", 1, "repaired"),
    ],
)
def test_the_judges_score(text, score, how):
    found = read_judgement(text)
    assert (found.value, found.parsed) == (score, how)


@pytest.mark.parametrize("text", ["3", "1.5", "Score: 2/2", "Score: 1 or 2", "The score is high", "Score:", "-1", "12"])
def test_no_score_of_the_judge(text):
    with pytest.raises(SampleError):
        read_judgement(text)


READERS = [lambda text: read_choice_of(text, OPTIONS), lambda text: read_choices_of(text, OPTIONS)]


@pytest.mark.parametrize("read", [*READERS, read_truth, read_judgement, read_yes_no])
@pytest.mark.parametrize(
    "piece", ["*", "A, ", "A ", "The answer is ", ".\n", "answer: B ", "(A) ", "true ", "A. ", ". "]
)
def test_long_answers_take_no_time(read, piece):
    """A model that repeats itself to the end of its tokens costs no more than reading it."""
    started = time.process_time()
    with pytest.raises(SampleError):
        read("answer: x" + " " * 20_000 + piece * 20_000 + "#")
    assert time.process_time() - started < 2
