"""Read an image from a file, bytes, a PIL image, an array or a tensor: RGB, or a clear error."""

from __future__ import annotations

import errno
import math
import os
import re
import stat
import sys
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from ..sample import UnavailableError
from .decoding import decode, on_white, pil_pixels, profile_in
from .kinds import FORMATS_IN_WORDS, open_without_waiting
from .opening import ImageError, as_image_errors, profile_of
from .profiles import Profile
from .stand_ins import Deferred, Unreadable

if TYPE_CHECKING:
    import torch

_OF_THIS_MACHINE = (errno.ENOMEM, errno.EMFILE, errno.ENFILE)  # too little memory, too many open files


class FileBytes(bytes):
    """The content of an image file, which knows the file's path for messages.

    >>> FileBytes(b"GIF89a", "cat.gif").path, len(FileBytes(b"GIF89a", "cat.gif"))
    ('cat.gif', 6)
    """

    path: str

    def __new__(cls, data: bytes, path: str) -> FileBytes:
        made = super().__new__(cls, data)
        made.path = path
        return made

    def __getnewargs__(self) -> tuple[bytes, str]:  # type: ignore[override]
        return bytes(self), self.path


def read_image(image: Any, *, name: str | None = None, profile: Profile = "ignore") -> np.ndarray:
    """The pixels of one image: (H, W, 3), uint8, or float32 in [0, 1] for 16-bit files and floating point input.

    `image` is one of

    - a path, or the bytes of a file, of a format that `editmetrics.images.kinds` lists as readable;
    - a PIL image; its EXIF orientation is applied only if it is the image that Pillow opened;
    - an array (H, W, 3), (H, W, 4), (H, W, 1) or (H, W): uint8, uint16, or floating point in [0, 1];
    - a tensor (3, H, W) or (1, H, W) on any device: uint8, or floating point in [0, 1].

    Transparency is composited on white: `alpha * colour + (1 - alpha) * white`, for 8-bit images rounded to the nearest
    level. With `profile="convert"`, colours become sRGB by the ICC profile of a file or PIL image that has one.

    The result is read-only, since metrics share it; it shares the memory of an array (H, W, 3) of
    uint8 or float32, which itself stays writable. Raises `ImageError`, which calls the image `name` (without one, its
    path or what it is), and `UnavailableError` when this machine has too little memory.

    >>> read_image("docs/examples/source/cat.jpg").dtype
    dtype('uint8')
    >>> read_image(np.array([[0.0, 1.0]]))[0, 1].tolist()
    [1.0, 1.0, 1.0]
    """
    return read_only(read_pixels(image, name, opaque=False, profile=profile))


def read_pixels(image: Any, name: str | None, opaque: bool, profile: Profile = "ignore") -> np.ndarray:
    """`read_image`, writable; with `opaque`, raises `ImageError` for transparency."""
    image = image.read() if isinstance(image, Deferred) else image
    if isinstance(image, Unreadable):
        raise UnavailableError(image.reason) if image.by_machine else ImageError(image.reason)
    if isinstance(image, (str, os.PathLike)):
        return decode(read_bytes(image), name or path_name(image), opaque=opaque, profile=profile)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return decode(bytes(image), name or str(getattr(image, "path", "the image")), opaque=opaque, profile=profile)
    if isinstance(image, np.ndarray):
        with as_image_errors(f"{name or 'the array'} cannot be read", name or "the array"):
            return _from_array(image, name or "the array", opaque)
    if is_tensor(image):
        return _from_tensor(image, name or "the tensor")
    from PIL import Image

    if isinstance(image, Image.Image):
        called = name or str(getattr(image, "filename", "")) or "the PIL image"
        return pil_pixels(image, called, opaque=opaque, profile=profile)
    raise ImageError(
        f"{name or 'the image'} is of type {type(image).__name__}; an image is a path, the bytes of a file, "
        "a PIL image, an array (H, W, 3) or a tensor (3, H, W)"
    )


def colour_profile(image: Any) -> bytes | None:
    """The ICC profile of a file's bytes or path or of a PIL image; None without one, and of arrays and tensors.

    Raises `ImageError` for what cannot be opened.

    >>> colour_profile("docs/examples/source/cat.jpg") is None
    True
    """
    if isinstance(image, (str, os.PathLike)):
        return profile_in(read_bytes(image), path_name(image))
    if isinstance(image, (bytes, bytearray, memoryview)):
        return profile_in(bytes(image), "the image")
    if isinstance(image, Unreadable):
        raise ImageError(image.reason)
    return profile_of(image) if hasattr(image, "getexif") else None


def read_only(array: np.ndarray) -> np.ndarray:
    """A view that cannot be written to."""
    view = array.view()
    view.flags.writeable = False
    return view


def eight_bits(pixels: np.ndarray) -> np.ndarray:
    """Pixels as `read_image` gives them, as uint8: the float32 of 16-bit images to the nearest of 256 levels.

    The array is one of its own and writable, as networks' preprocessing wants it.

    >>> eight_bits(np.full((1, 1, 3), 0.5, np.float32))[0, 0]
    array([128, 128, 128], dtype=uint8)
    """
    return pixels.copy() if pixels.dtype == np.uint8 else np.rint(pixels * 255).astype(np.uint8)


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file, for those who hash it before `read_image(data, name=path)` decodes it.

    Raises `ImageError` for a URL, and when `path` is missing, a folder, no regular file or may not be read;
    `UnavailableError` when this machine has too little memory or too many open files.
    """
    name = path_name(path)
    try:
        with open(path, "rb", opener=open_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ImageError(f"{name} is not a regular file; expected an image file ({FORMATS_IN_WORDS})")
            return file.read()
    except FileNotFoundError as error:
        if is_url(name):
            raise ImageError(f"{name} is a URL, and URLs are not opened; download it first") from error
        raise ImageError(f"{name} does not exist; expected an image file ({FORMATS_IN_WORDS})") from error
    except (IsADirectoryError, PermissionError) as error:
        if os.path.isdir(path):
            raise ImageError(f"{name} is a folder; expected an image file ({FORMATS_IN_WORDS})") from error
        raise ImageError(f"{name} may not be read: permission denied; change its permissions") from error
    except (MemoryError, OSError) as error:
        if isinstance(error, MemoryError) or error.errno in _OF_THIS_MACHINE:
            raise UnavailableError(
                f"{name} cannot be read on this machine now: {error or 'too little memory'}"
            ) from error
        raise ImageError(f"{name!r} cannot be opened: {error}") from error  # too long a name, a failing disk
    except ValueError as error:  # a NUL in the name
        raise ImageError(f"{name!r} cannot be opened: {error}") from error


def is_url(text: str) -> bool:
    """Whether `text` is a URL, which nothing here ever opens.

    >>> is_url("https://example.org/cat.png"), is_url("C:/cats/cat.png")
    (True, False)
    """
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/|data:", text) is not None


def to_tensor(pixels: np.ndarray) -> torch.Tensor:
    """An array (H, W, 3) as a tensor (3, H, W), or (H, W) as (1, H, W), of the same type, sharing its memory.

    Read-only arrays, such as those of `read_image`, and those with negative strides are copied: torch has no read-only
    tensors.

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
        raise ImageError(
            f"{name} is a batch of the shape {array.shape}; give one image at a time, (H, W, 3), or the batch to "
            "metric(source, edited)"
        )
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)) or 0 in array.shape:
        raise ImageError(f"{name} has the shape {array.shape}; expected (H, W, 3), (H, W, 4) or (H, W)")
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
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
        raise ImageError(
            f"{name} is a batch of the shape {shape}; give one image at a time, (3, H, W), or the batch to "
            "metric(source, edited)"
        )
    if len(shape) != 3 or shape[0] not in (1, 3) or 0 in shape:
        raise ImageError(f"{name} has the shape {shape}; expected (3, H, W) or (1, H, W)")
    warn_of_gradient(tensor, name)
    if tensor.is_floating_point():
        tensor = tensor.detach().float()
        _check_range(float(tensor.min()), float(tensor.max()), name)
    elif str(tensor.dtype) != "torch.uint8":
        raise ImageError(f"{name} is of {tensor.dtype}; expected uint8 or floating point in [0, 1]")
    array: np.ndarray = tensor.cpu().numpy().transpose(1, 2, 0)
    return np.repeat(array, 3, axis=2) if shape[0] == 1 else array


def warn_of_gradient(tensor: torch.Tensor, name: str) -> None:
    """Warn of an image that a gradient should reach: a score is a number, and cuts it off."""
    if tensor.requires_grad:
        warnings.warn(
            f"{name} requires a gradient, and a score has none: metric.tensors(source, edited) has one; "
            "detach() the image if none is wanted",
            stacklevel=2,
        )


def _check_range(low: float, high: float, name: str) -> None:
    if math.isnan(low) or math.isnan(high):
        raise ImageError(f"{name} contains NaN; expected values in [0, 1]")
    if low < 0 or high > 1:
        raise ImageError(
            f"{name} has values from {low:g} to {high:g}; expected [0, 1]: map [-1, 1] with (x + 1) / 2, "
            "[0, 255] with x / 255, and clamp what overshoots"
        )


def is_tensor(image: Any) -> bool:
    """Whether it is a tensor, found without importing torch."""
    torch = sys.modules.get("torch")  # imported by whoever made the tensor
    return torch is not None and isinstance(image, torch.Tensor)


def path_name(path: str | os.PathLike[str]) -> str:
    """A path as messages show it."""
    return os.fsdecode(path)
