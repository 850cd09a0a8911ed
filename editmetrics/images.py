"""From a file, bytes, a PIL image, an array or a tensor to RGB, or a clear error.

How files become pixels (EXIF, transparency, 16 bits, colour) is told in `editmetrics.image_decoding`.
"""

from __future__ import annotations

import math
import os
import re
import stat
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .image_decoding import FORMATS_IN_WORDS, ImageError, decode, decoder, on_white, pil_pixels

if TYPE_CHECKING:
    import torch

__all__ = [
    "SUFFIXES",
    "ImageError",
    "Unreadable",
    "decoder",
    "is_url",
    "read_bytes",
    "read_image",
    "read_mask",
    "to_tensor",
]

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".bmp", ".tif", ".tiff"})
"""The suffixes, in lower case, of the files in a folder that are taken for images."""


@dataclass(frozen=True)
class Unreadable:
    """Stands for an image that is known beforehand not to be usable; reading it raises `ImageError(reason)`.

    A manifest row whose path leaves the manifest's folder has one: that row fails, the run goes on.

    >>> read_image(Unreadable("row 3 names no edited image"))
    Traceback (most recent call last):
    editmetrics.image_decoding.ImageError: row 3 names no edited image
    """

    reason: str


def read_image(image: Any, *, name: str | None = None) -> np.ndarray:
    """The pixels of one image: (H, W, 3), uint8, or float32 in [0, 1] for 16-bit files and floating point input.

    `image` is one of

    - a path, or the bytes of a file: PNG, JPEG, WebP, BMP or TIFF;
    - a PIL image;
    - an array (H, W, 3), (H, W, 4), (H, W, 1) or (H, W): uint8, uint16, or floating point in [0, 1]; an array
      (H, W, 3) of uint8 or float32 is returned itself, not copied;
    - a tensor (3, H, W) or (1, H, W) on any device: uint8, or floating point in [0, 1].

    Transparency is composited on white: `alpha * colour + (1 - alpha) * white`, for 8-bit images rounded to the nearest
    level. Raises `ImageError`, which calls the image `name`; without one, its path or what it is.

    >>> read_image("docs/examples/source/cat.jpg").dtype
    dtype('uint8')
    >>> read_image(np.array([[0.0, 1.0]]))[0, 1].tolist()
    [1.0, 1.0, 1.0]
    """
    return _read(image, name, opaque=False)


def _read(image: Any, name: str | None, opaque: bool) -> np.ndarray:
    if isinstance(image, Unreadable):
        raise ImageError(image.reason)
    if isinstance(image, (str, os.PathLike)):
        return decode(read_bytes(image), name or _path_name(image), opaque=opaque)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return decode(bytes(image), name or "the image", opaque=opaque)
    if isinstance(image, np.ndarray):
        return _from_array(image, name or "the array", opaque)
    if _is_tensor(image):
        return _from_tensor(image, name or "the tensor")
    from PIL import Image

    if isinstance(image, Image.Image):
        return pil_pixels(image, name or str(getattr(image, "filename", "")) or "the PIL image", opaque=opaque)
    raise ImageError(
        f"{name or 'the image'} is of type {type(image).__name__}; an image is a path, the bytes of a file, "
        "a PIL image, an array (H, W, 3) or a tensor (3, H, W)"
    )


def eight_bits(pixels: np.ndarray) -> np.ndarray:
    """Pixels as `read_image` gives them, as uint8: the float32 of 16-bit images to the nearest of 256 levels.

    >>> eight_bits(np.full((1, 1, 3), 0.5, np.float32))[0, 0]
    array([128, 128, 128], dtype=uint8)
    """
    return pixels if pixels.dtype == np.uint8 else np.rint(pixels * 255).astype(np.uint8)


def read_mask(image: Any, *, name: str | None = None) -> np.ndarray:
    """The edited region: an array (H, W) of bool, true where the mask is white, its luma at least half of white's.

    `image` is anything that `read_image` takes, or an array or tensor (H, W) of bool; a bool array is returned itself.
    Luma is `0.299 R + 0.587 G + 0.114 B` (ITU-R BT.601). Raises `ImageError`; also for masks that would be misread
    without a word: transparent ones, coloured ones, and those that mark the region with 1 where white is 255.

    >>> read_mask(np.array([[0, 127, 128, 255]], dtype=np.uint8)).tolist()
    [[False, False, True, True]]
    """
    name = name or (_path_name(image) if isinstance(image, (str, os.PathLike)) else "the mask")
    if _is_tensor(image) and (image.ndim == 2 or str(image.dtype) == "torch.bool"):
        image = image.detach().cpu().numpy()
        image = image[0] if image.ndim == 3 and len(image) == 1 else image
    if isinstance(image, np.ndarray) and image.dtype == bool:
        if image.ndim != 2 or 0 in image.shape:
            raise ImageError(f"{name} has the shape {image.shape}; a mask of bool is (H, W)")
        return image
    pixels = _read(image, name, opaque=True)
    white = 255 if pixels.dtype == np.uint8 else 1
    if pixels.max() == 1 < white:
        raise ImageError(f"{name} marks the region with 1, which is nearly black; a mask is white (255) on black (0)")
    if np.ptp(pixels, axis=2).max() > white / 2:
        raise ImageError(f"{name} is coloured; a mask is white on black")
    luma = pixels @ np.array([299, 587, 114], dtype=np.float32)  # times 1000, which keeps the luma of 8 bits exact
    return luma >= 500 * white


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file, for those who hash it before `read_image(data, name=path)` decodes it.

    Raises `ImageError` for a URL, and when `path` is missing, a folder, no regular file or may not be read.
    """
    name = _path_name(path)
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ImageError(f"{name} is no regular file; expected an image file ({FORMATS_IN_WORDS})")
            return file.read()
    except FileNotFoundError as error:
        if is_url(name):
            raise ImageError(f"{name} is a URL, and URLs are not opened; download it first") from error
        raise ImageError(f"{name} does not exist; expected an image file ({FORMATS_IN_WORDS})") from error
    except (IsADirectoryError, PermissionError) as error:
        if os.path.isdir(path):
            raise ImageError(f"{name} is a folder; expected an image file ({FORMATS_IN_WORDS})") from error
        raise ImageError(f"{name} may not be read: permission denied; change its permissions") from error
    except (OSError, ValueError) as error:  # too long a name, a NUL in it, a failing disk
        raise ImageError(f"{name!r} cannot be opened: {error}") from error


def is_url(text: str) -> bool:
    """Whether `text` is a URL, which nothing here ever opens.

    >>> is_url("https://example.org/cat.png"), is_url("C:/cats/cat.png")
    (True, False)
    """
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/|data:", text) is not None


def to_tensor(pixels: np.ndarray) -> torch.Tensor:
    """An array (H, W, 3) as a tensor (3, H, W), or (H, W) as (1, H, W), of the same type, sharing its memory.

    Read-only arrays and those with negative strides are copied, since torch cannot share them.


    >>> to_tensor(np.zeros((4, 6, 3), dtype=np.uint8)).shape
    torch.Size([3, 4, 6])
    """
    import torch

    if not pixels.flags.writeable or min(pixels.strides) < 0:
        pixels = pixels.copy()
    tensor = torch.from_numpy(pixels)
    return tensor[None] if pixels.ndim == 2 else tensor.permute(2, 0, 1)


def _from_array(array: np.ndarray, name: str, opaque: bool) -> np.ndarray:
    if array.ndim == 4:
        raise ImageError(f"{name} is a batch of the shape {array.shape}; give one image at a time, (H, W, 3)")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)) or 0 in array.shape:
        raise ImageError(f"{name} has the shape {array.shape}; expected (H, W, 3), (H, W, 4) or (H, W)")
    if array.dtype not in (np.uint8, np.uint16) and array.dtype.kind != "f":
        raise ImageError(f"{name} is of {array.dtype}; expected uint8, uint16 or floating point in [0, 1]")
    if array.dtype.kind == "f":
        _check_range(float(array.min()), float(array.max()), name)
        array = array.astype(np.float32, copy=False)
    if array.ndim == 2 or array.shape[2] == 1:
        array = np.repeat(array.reshape(*array.shape[:2], 1), 3, axis=2)
    return array if array.shape[2] == 3 and array.dtype != np.uint16 else on_white(array, name, opaque=opaque)


def _from_tensor(tensor: torch.Tensor, name: str) -> np.ndarray:
    shape = tuple(tensor.shape)
    if len(shape) == 4:
        raise ImageError(f"{name} is a batch of the shape {shape}; give one image at a time, (3, H, W)")
    if len(shape) != 3 or shape[0] not in (1, 3) or 0 in shape:
        raise ImageError(f"{name} has the shape {shape}; expected (3, H, W) or (1, H, W)")
    if tensor.is_floating_point():
        tensor = tensor.detach().float()
        _check_range(float(tensor.min()), float(tensor.max()), name)
    elif str(tensor.dtype) != "torch.uint8":
        raise ImageError(f"{name} is of {tensor.dtype}; expected uint8 or floating point in [0, 1]")
    array: np.ndarray = tensor.cpu().numpy().transpose(1, 2, 0)
    return np.repeat(array, 3, axis=2) if shape[0] == 1 else array


def _check_range(low: float, high: float, name: str) -> None:
    if math.isnan(low) or math.isnan(high):
        raise ImageError(f"{name} contains NaN; expected values in [0, 1]")
    if low < 0 or high > 1:
        raise ImageError(
            f"{name} has values from {low:g} to {high:g}; expected [0, 1]: map [-1, 1] with (x + 1) / 2, "
            "[0, 255] with x / 255, and clamp what overshoots"
        )


def _is_tensor(image: Any) -> bool:
    torch = sys.modules.get("torch")  # whoever holds a tensor has imported it
    return torch is not None and isinstance(image, torch.Tensor)


def _path_name(path: str | os.PathLike[str]) -> str:
    return os.fsdecode(path)


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # opening a named pipe would wait for its writer
