"""EPAIQA's prompts in each stage: the questions of the paper's supplement, sections E.1 to E.3.

`image` is the backbone's sign for a picture. "The original image i:" of the supplement is read as "is:".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...mllm.checkpoint import TrainedCheckpoint

Chat = list[tuple[str, list[Any]]]

BOX_START = "The four coefficients representing the editing area are:"
HARMONY_LEVEL, NATURALNESS_LEVEL = "Harmony level is:", "Naturalness level is:"

GROUNDING = (
    ". Please output the representation of the local editing area. It is expressed as four decimals in the range [0,1] "
    "(as a percentage of the image), where the first two digits are the horizontal/vertical coordinates of the center "
    "point of the editing area, and the last two digits are the width/height coordinates of the size of the editing "
    "area"
)
HARMONY = (
    ". Please rate the harmony between the edited area and the overall edited image (There are 5 levels in total: bad, "
    "poor, fair, good, excellent). Then output the harmony level."
)
NATURALNESS = (
    ". Please rate the naturalness of the edited area (There are 5 levels in total: bad, poor, fair, good, excellent). "
    "Then output the naturalness level."
)
EXPLAINED = (
    "First, determine whether the prompt is followed. If not, analyze it and directly give the overall quality level "
    "as bad. If partially followed, analyze it and directly give the overall quality level as poor. If followed, first "
    "analyze the prompt completion, the local naturalness of the edited area and the overall harmony, then please give "
    "the final overall editing quality level based on the analysis and the overall presentation quality of the edited "
    "image."
)
QUESTIONS = {"grounding": GROUNDING, "harmony": HARMONY, "local_naturalness": NATURALNESS, "explained": EXPLAINED}
"""By what is asked for: the words after the images."""


def images_inline(checkpoint: TrainedCheckpoint | None) -> bool:
    """Return whether images stand within the prompts' sentences: they do, but for weights of version 2 and earlier."""
    return checkpoint is None or checkpoint.settings.get("images") == "inline"


def grounding_chat(image: object) -> Chat:
    """Source and edited image: where was it edited?"""
    return [("user", [*_both(image), GROUNDING])]


def harmony_chat(image: object) -> Chat:
    """The whole edited image: does the edited area go with the rest?"""
    return [("user", ["The image after partial editing is: ", image, HARMONY])]


def naturalness_chat(image: object) -> Chat:
    """The edited area alone, cut out: does it look natural?"""
    return [("user", ["The editing area of image after partial editing is: ", image, NATURALNESS])]


def explained_chat(image: object, prompt: str) -> Chat:
    """Source and edited image and the instruction: what was done, how well, and how good is the edit?

    >>> explained_chat("<image>", "make it red")[0][1][-1][:42]
    '. The partial editing prompt is: make it r'
    """
    return [("user", [*_both(image), f". The partial editing prompt is: {prompt}. {EXPLAINED}"])]


def _both(image: object) -> list[Any]:
    return ["The original image is: ", image, ", the image after partial editing is: ", image]
