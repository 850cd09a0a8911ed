"""From pixels to a mask, or to an error that says why they are none: a mask is never guessed at."""

from __future__ import annotations

import numpy as np

from .image_files import ImageError

_HOW = "a mask is white (255; 1 in floating point; True) where the image was edited, and black elsewhere"
_MARKS = (1, 255, 65535)  # what a region is marked with in numbers that are no pixels, such as int64


def as_pixels(array: np.ndarray, name: str) -> np.ndarray:
    """An array of numbers that are no pixels, as some: int64 of 0 and 1, floating point of 0 and 255.

    uint8, uint16 and floating point in [0, 1] stay as they are: there, 1 and 255 have a meaning already. Raises
    `ImageError` for numbers that could mean several things.
    """
    kind = array.dtype.kind
    if array.size == 0 or kind not in "iuf" or (kind == "u" and array.dtype.itemsize <= 2):
        return array
    if kind == "f" and not array.max() > 1:
        return array
    for mark in _MARKS:
        marked = array.astype(np.float64) == mark  # float16 has no 65535
        if (marked | (array == 0)).all():
            return marked * np.uint8(255)
    raise ImageError(f"{name} is of {array.dtype} with the values {_values(array)}; {_HOW}: give it as bool")


def white_pixels(pixels: np.ndarray, name: str) -> np.ndarray:
    """Where pixels (H, W, 3), uint8 or in [0, 1], are white: their luma is at least half of white's.

    Raises `ImageError` for colours, and when nothing is white though not all is black: then a region is marked with
    something that is not white, and "nothing was edited" would be read into it.
    """
    white = 255 if pixels.dtype == np.uint8 else 1
    if np.ptp(pixels, axis=2).max() > white / 2:
        raise ImageError(f"{name} is coloured; a mask is white on black")
    luma = pixels @ np.array([299, 587, 114], dtype=np.float32)  # times 1000, which keeps the luma of 8 bits exact
    region: np.ndarray = luma >= 500 * white
    if not region.any() and pixels.any():
        values = _values(pixels)
        raise ImageError(
            f"{name} marks nothing with white, and is not black: its values are {values} of {white}; {_HOW}"
        )
    return region


def _values(array: np.ndarray) -> str:
    """The distinct values of an array in words, or its range where they are many."""
    distinct = np.unique(array)
    if len(distinct) > 5:
        return f"{distinct[0]:g} to {distinct[-1]:g}"
    return ", ".join(f"{value:g}" for value in distinct)
