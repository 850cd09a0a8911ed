"""The questions that LMM4LMM asks, and the sentences it answers with, to the letter as in the published training."""

from __future__ import annotations

from ...mllm.levels import LEVELS
from ...sample import EditMetricsError

DIMENSIONS = ("perception", "correspondence")
QUESTIONS = "questions"
"""The third task: yes/no answers."""

TASKS = (*DIMENSIONS, QUESTIONS)
ANSWERS = ("yes", "no")

_ANSWER_STARTS = {
    "perception": "The quality of the image is",
    "correspondence": "The correspondence of the image and its prompt is",
}


def question(dimension: str, prompt: str) -> str:
    """The question for a dimension; `prompt` is the text that the image was generated from, stripped as in the authors'
    scripts.

    >>> question("correspondence", " a red cat\\n")
    'How would you rate the correspondence of this image and its prompt? prompt: a red cat'
    """
    if dimension == "perception":
        return "How would you rate the quality of this image?"
    return f"How would you rate the correspondence of this image and its prompt? prompt: {prompt.strip()}"


def answer_start(dimension: str) -> str:
    """The answer before its level word; the score is read from the hidden state of its last token, " is".

    >>> answer_start("perception")
    'The quality of the image is'
    """
    return _ANSWER_STARTS[dimension]


def sentence(dimension: str, level: int) -> str:
    """The whole answer that says a level, from 1 to 5.

    >>> sentence("perception", 5)
    'The quality of the image is excellent.'
    """
    return f"{answer_start(dimension)} {LEVELS[level - 1]}."


def yes_no_question(text: str) -> str:
    """A question about the image, with the words that ask for yes or no where it has none.

    >>> yes_no_question("Is there a cat?"), yes_no_question("Is there a cat?Answer yes or no.")
    ('Is there a cat? Answer yes or no.', 'Is there a cat?Answer yes or no.')
    """
    text = text.strip()
    return text if "yes or no" in text.lower() else f"{text} Answer yes or no."


class LevelError(EditMetricsError, ValueError):
    """There are no intervals: the lowest and the highest rating do not differ."""


def edges(low: float, high: float) -> list[float]:
    """The four edges between five equal intervals: m + i/5 (M - m), i = 1 to 4.

    >>> edges(0, 100)
    [20.0, 40.0, 60.0, 80.0]
    """
    if not low < high:
        raise LevelError(f"levels from {low:g} to {high:g} are not intervals; expected a lowest and a higher rating")
    return [low + i / 5 * (high - low) for i in range(1, 5)]


def level(score: float, low: float, high: float) -> int:
    """The level of a rating, from 1 (bad) to 5 (excellent).

    i if m + (i-1)/5 (M - m) < s <= m + i/5 (M - m), with `low` m and `high` M the ends of the training ratings. The
    equation leaves the lowest rating m itself out; here it is of level 1, as is what lies below it. What lies above M
    is of level 5. Source: Wang et al., ICCV 2025, equation 2.

    >>> [level(score, 0, 100) for score in (0, 20, 20.1, 80, 80.1, 100)]
    [1, 1, 2, 4, 5, 5]
    """
    return 1 + sum(score > edge for edge in edges(low, high))
