"""What LMM4LMM asks its backbone, and the sentences it answers with, to the letter as in the published training."""

from __future__ import annotations

from ...mllm.readouts import LEVELS

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
