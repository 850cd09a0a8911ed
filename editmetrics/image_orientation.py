"""How an image is turned by the orientation in its EXIF block."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

_ORIENTATION = 274  # EXIF tag


def upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF orientation says."""
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    orientation = _orientation(image)
    return image.transpose(turns[orientation]) if orientation in turns else image


_TURNS: dict[Any, Callable[[np.ndarray], np.ndarray]] = {  # the same for arrays
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels[::-1].swapaxes(0, 1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: pixels[:, ::-1].swapaxes(0, 1),
}


def turned(pixels: np.ndarray, image: Image.Image) -> np.ndarray:
    """The pixels turned as the EXIF orientation of their image says."""
    orientation = _orientation(image)
    return np.ascontiguousarray(_TURNS[orientation](pixels)) if orientation in _TURNS else pixels


def _orientation(image: Image.Image) -> Any:
    """The EXIF orientation; an EXIF block that is damaged says nothing."""
    try:
        return image.getexif().get(_ORIENTATION)
    except (SyntaxError, struct.error, ValueError, KeyError, TypeError):
        return None


def orientation_stands(image: Image.Image) -> bool:
    """Whether the decoder leaves it to us to turn the image: those of HEIC and JPEG XL turn it themselves.

    A JPEG inside a JPEG XL is unpacked as it was.
    """
    return image.format != "HEIF" and (image.format != "JXL" or bool(getattr(image, "jpeg", False)))
