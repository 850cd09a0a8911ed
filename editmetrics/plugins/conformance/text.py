"""Stand-in for an OCR model: it reads a word whose letters depend on the image's brightness."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from ..text_accuracy import TextAccuracy

OPTIONS = {"column": "system"}
"""The wanted text of toy samples is the name of their system."""

EXCEPTIONS = {"ladders": "its reader is a stand-in, to which a blurred image is another text and no worse one"}


def read(pixels: np.ndarray) -> list[str]:
    """Read a word of three letters, each chosen by the mean of a colour, and another word."""
    return ["".join("toy"[int(level) % 3] for level in pixels.mean((0, 1))), "sale"]


def setup(metric: TextAccuracy) -> None:
    metric.use(read)
