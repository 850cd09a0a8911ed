"""Read a mask, or raise an error that says why an image is not one: a mask is never guessed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from .opening import ImageError
from .read import is_tensor, path_name, read_only, read_pixels

if TYPE_CHECKING:
    import torch

_HOW = "a mask is white (255; 1 in floating point; True) where the image was edited, and black elsewhere"
_MARKS = (1, 255, 65535)  # how numbers that are not pixels, such as int64, mark a region


def read_mask(image: Any, *, name: str | None = None) -> np.ndarray:
    """The edited region: an array (H, W) of bool, true where the mask is white, its luma at least half of white's.

    `image` is anything that `read_image` takes, or an array or tensor (H, W) of bool, of integers that are 0 and 1 or 0
    and 255, or of floating point that is 0 and 255. The result is read-only. Luma is `0.299 R + 0.587 G + 0.114 B`
    (ITU-R BT.601). A black mask marks nothing. Raises `ImageError`; also for masks that would be silently misread:
    transparent ones, coloured ones, and those that mark a region with what is nearer to black than to white (1 where
    white is 255, a class, a percentage).

    >>> read_mask(np.array([[0, 127, 128, 255]], dtype=np.uint8)).tolist()
    [[False, False, True, True]]
    >>> read_mask(np.array([[0, 1, 1, 0]])).tolist()
    [[False, True, True, False]]
    """
    name = name or (path_name(image) if isinstance(image, (str, os.PathLike)) else "the mask")
    if is_tensor(image):
        image = _mask_array(image)
    if isinstance(image, np.ndarray) and image.dtype == bool:
        if image.ndim != 2 or 0 in image.shape:
            raise ImageError(f"{name} has the shape {image.shape}; a mask of bool is (H, W)")
        return read_only(image)
    if isinstance(image, np.ndarray):
        image = _as_pixels(image, name)
    return read_only(_white_pixels(read_pixels(image, name, opaque=True), name))


def _mask_array(tensor: torch.Tensor) -> np.ndarray:
    """A tensor (H, W), (1, H, W) or (3, H, W) as the array of the same numbers, (H, W) or (H, W, 3)."""
    tensor = tensor.detach().float() if tensor.is_floating_point() else tensor.detach()
    array: np.ndarray = tensor.cpu().numpy()
    if array.ndim == 3 and len(array) in (1, 3):
        return array[0] if len(array) == 1 else array.transpose(1, 2, 0)
    return array


def _as_pixels(array: np.ndarray, name: str) -> np.ndarray:
    """Convert numbers that are not pixels (int64 of 0 and 1, floating point of 0 and 255) to pixels.

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


def _white_pixels(pixels: np.ndarray, name: str) -> np.ndarray:
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
