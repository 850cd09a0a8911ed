"""DS-IEQA's prompt: two images, the instruction, a dimension's definition, and the form of the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .digit_scale import DigitScale

NAMES = {
    "visual_quality": "Visual quality",
    "editing_fidelity": "Editing fidelity",
    "content_preservation": "Content preservation",
}
"""The three dimensions, and how the answer calls each."""

START_DEFINITIONS = {
    "visual_quality": "Please rate the visual quality of the target image. Higher score means better visual quality.",
    "editing_fidelity": "Please rate the editing correspondence of the target image. "
    "Higher score means better editing correspondence.",
    "content_preservation": "Please rate the attribute preservation of the target image. "
    "Higher score means better attribute preservation.",
}
"""Where the search for definitions starts: the wording of LMM4Edit's prompts (arXiv:2507.16193)."""


def chat(image: object, prompt: str, dimension: str, definition: str, scale: DigitScale) -> list[tuple[str, list[Any]]]:
    """The chat that asks for one dimension; `image` is the backbone's sign for a picture.

    LMM4Edit's prompt, with the definition and the form of the answer after the images: what precedes them is the same
    for all definitions and dimensions and is computed once.

    >>> chat("<source or edited>", "make it red", "visual_quality", "Rate it.", DigitScale(1, 5))[0][1][-1]
    '. Rate it. Rate on a scale of 1.00-5.00. Just reply a sentence in the following format: [Visual quality score: \
X.XX (a number with two decimals)]'
    """
    low, high = scale.ends
    form = f"[{NAMES[dimension]} score: X.XX (a number with two decimals)]"
    question = f"{definition} Rate on a scale of {low}-{high}. Just reply a sentence in the following format: {form}"
    parts = [
        f"With the image editing prompt [{prompt}], the source image ",
        image,
        " is edited to generate the target image ",
        image,
        f". {question}",
    ]
    return [("user", parts)]


def answer_start(dimension: str) -> str:
    """The answer up to its first digit: "Visual quality score: "."""
    return f"{NAMES[dimension]} score: "


def answer(dimension: str, digits: Sequence[int]) -> str:
    """The whole answer.

    >>> answer("visual_quality", (4, 3, 8))
    'Visual quality score: 4.38'
    """
    first, *others = digits
    return f"{answer_start(dimension)}{first}.{''.join(map(str, others))}"
