"""A region of an image as a box: read from text, checked, compared, and cut out."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from ...sample import SampleError, Status

if TYPE_CHECKING:
    import numpy as np

ROUNDING = 0.0075
"""By so much may two decimals move an edge of a box: 0.005 for the centre, and 0.005 / 2 for the side."""


@dataclass(frozen=True)
class Box:
    """A box in fractions of the image: centre `x`, `y`, width `w`, height `h`, each in [0, 1].

    Raises `SampleError` for values that are not numbers, a box without area, or one outside the image by more than
    two decimals round (`ROUNDING`). Nothing is clamped: the numbers stay what they were, and only `pixels` is cut at
    the image's edge.

    >>> Box(0.5, 0.5, 0.2, 0.4).pixels(height=100, width=200)
    (80, 30, 120, 70)
    """

    x: float
    y: float
    w: float
    h: float

    def __post_init__(self) -> None:
        shown = f"({', '.join(f'{part:g}' for part in astuple(self))})"
        if not all(math.isfinite(part) and 0 <= part <= 1 for part in astuple(self)):
            raise SampleError(f"the box {shown} is not four numbers from 0 to 1 (x, y, w, h as fractions of the image)")
        if self.w == 0 or self.h == 0:
            raise SampleError(f"the box {shown} has no area; expected a width and a height above 0")
        over = max(-self.left, -self.top, self.right - 1, self.bottom - 1)
        if over > ROUNDING + 1e-9:
            raise SampleError(
                f"the box {shown} lies outside the image by {over:.3g} of a side; x and y are the centre, w and h the "
                "size, as fractions of the image"
            )

    @property
    def left(self) -> float:
        return self.x - self.w / 2

    @property
    def top(self) -> float:
        return self.y - self.h / 2

    @property
    def right(self) -> float:
        return self.x + self.w / 2

    @property
    def bottom(self) -> float:
        return self.y + self.h / 2

    def pixels(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Left, top, right and bottom in pixels of an image, at least one pixel each way, inside it."""
        columns = _whole(self.left, self.right, width)
        rows = _whole(self.top, self.bottom, height)
        return columns[0], rows[0], columns[1], rows[1]

    def cut(self, image: np.ndarray) -> np.ndarray:
        """The region of an image (H, W, 3)."""
        left, top, right, bottom = self.pixels(*image.shape[:2])
        return image[top:bottom, left:right].copy()

    def iou(self, other: Box) -> float:
        """Intersection over union with another box, from 0 to 1.

        >>> Box(0.25, 0.5, 0.5, 1).iou(Box(0.5, 0.5, 1, 1))
        0.5
        """
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.bottom, other.bottom) - max(self.top, other.top)
        shared = max(wide, 0.0) * max(high, 0.0)
        return shared / (self.w * self.h + other.w * other.h - shared)

    def written(self) -> str:
        """Text of the box with two decimals, as in the answer of stage 1.

        >>> Box(0.5, 0.25, 0.4, 0.3).written()
        '(0.50, 0.25, 0.40, 0.30)'
        """
        return f"({', '.join(f'{part:.2f}' for part in astuple(self))})"


_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)\s*%?"
_FOUR = rf"\s*({_NUMBER})\s*,\s*({_NUMBER})\s*,\s*({_NUMBER})\s*,\s*({_NUMBER})\s*"
_BRACKETED = re.compile("|".join(rf"{opening}{_FOUR}{closing}" for opening, closing in (
    (r"\(", r"\)"), (r"\[", r"\]"), ("<", ">"), ("⟨", "⟩"), (r"\{", r"\}"),
)))  # fmt: skip
_PLAIN = re.compile(rf"(?:[^\d]*:)?{_FOUR}\.?\s*")


def read_box(text: str) -> Box:
    """The one box that a text holds: four numbers (x, y, w, h) in brackets of any kind, or alone after a colon.

    Fractions, or percentages where each number has its %. Raises `SampleError` (`unparseable`): no such four numbers,
    several different boxes, numbers outside 0 to 1, no area, a box outside the image.

    >>> read_box("The four coefficients representing the editing area are: (0.50, 0.25, 0.40, 0.30).")
    Box(x=0.5, y=0.25, w=0.4, h=0.3)
    >>> read_box("somewhere on the left")
    Traceback (most recent call last):
    editmetrics.sample.SampleError: there is no box in the answer: somewhere on the left
    """
    shown = " ".join(text.split())
    shown = shown if len(shown) <= 100 else f"{shown[:100]}..."
    boxes = {tuple(part for part in match.groups() if part is not None) for match in _BRACKETED.finditer(text)}
    if not boxes and (plain := _PLAIN.fullmatch(text)):
        boxes = {plain.groups()}
    if not boxes:
        raise SampleError(f"there is no box in the answer: {shown}", "unparseable")
    if len(boxes) > 1:
        raise SampleError(f"there are {len(boxes)} different boxes in the answer: {shown}", "unparseable")
    (parts,) = boxes
    percent = [part.endswith("%") for part in parts]
    if any(percent) and not all(percent):
        raise SampleError(f"some numbers of the box are percentages and some are not: {shown}", "unparseable")
    return _made([float(part.rstrip("% \t\n")) / (100 if all(percent) else 1) for part in parts], "unparseable")


def given_box(region: Any) -> Box:
    """The box of a manifest's `region`: "x,y,w,h", or four numbers. Raises `SampleError` for anything else.

    >>> given_box("0.5, 0.5, 0.2, 0.4")
    Box(x=0.5, y=0.5, w=0.2, h=0.4)
    """
    if isinstance(region, Box):
        return region
    if isinstance(region, str):
        try:
            return read_box(region)
        except SampleError as error:
            raise SampleError(f"the region {region!r} cannot be used, expected x,y,w,h as fractions: {error}") from None
    if (isinstance(region, Sequence) or hasattr(region, "__array__")) and len(region) == 4:
        try:
            return _made([float(part) for part in region], "failed")
        except (TypeError, ValueError):
            _no_region(region)
    _no_region(region)


def mask_box(white: np.ndarray) -> Box:
    """The bounding box of a mask (H, W) of bool. Raises `SampleError` where nothing of it is true.

    >>> import numpy as np
    >>> mask_box(np.pad(np.ones((2, 4), bool), ((1, 1), (2, 2))))
    Box(x=0.5, y=0.5, w=0.5, h=0.5)
    """
    rows, columns = white.any(1).nonzero()[0], white.any(0).nonzero()[0]
    if not len(rows):
        raise SampleError("the mask has no white in it, so that it marks no region")
    height, width = white.shape
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    return Box(*(float(part) for part in (
        (left + right) / 2 / width, (top + bottom) / 2 / height, (right - left) / width, (bottom - top) / height,
    )))  # fmt: skip


def _made(parts: Sequence[float], status: Status) -> Box:
    try:
        return Box(*parts)
    except SampleError as error:
        raise SampleError(str(error), status) from None


def _no_region(region: Any) -> NoReturn:
    raise SampleError(f"the region {region!r} cannot be used; expected x,y,w,h as fractions of the image")


def _whole(low: float, high: float, side: int) -> tuple[int, int]:
    """The edges rounded to whole pixels inside the image; where nothing is left between them, the pixel they lie in."""
    first, last = max(round(low * side), 0), min(round(high * side), side)
    if first < last:
        return first, last
    middle = min(max(math.floor((low + high) / 2 * side), 0), side - 1)
    return middle, middle + 1
