"""Images as a trainer has them -> the 8-bit images that a file of them would hold, or the reason why not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..images.opening import ImageError
from ..images.read import is_tensor, warn_of_gradient
from ..images.stand_ins import Unreadable, file_or_pixels

if TYPE_CHECKING:
    import torch

TOLERANCE = 0.1
"""How far outside [0, 1] a decoder may overshoot: such values are clamped, as a diffusers pipeline clamps them."""

RANGES = "map [-1, 1] with (x + 1) / 2 and [0, 255] with x / 255; decode latents with the VAE first"


class Pixels(NamedTuple):
    """The images of a batch, one for each sample, and how many of them had values clamped.

    An image that cannot be used is an `Unreadable` with the reason.
    """

    images: list[Any]
    clamped: int


def pixels_of(images: Any, name: str, tolerance: float = TOLERANCE) -> Pixels:
    """Return the images of a batch as 8-bit arrays (H, W, 3), so that a reward is what `score` says of the saved file.

    - `images`: a tensor (N, 3, H, W) floating point in [0, 1] or uint8; an array (N, H, W, 3) of the same, or with its
      colours first; or a list of images of any kind that a `Sample` takes, of `{"bytes": ..., "path": ...}`, and of
      lists of them. Paths, bytes and PIL images stay as they are.
    - `tolerance`: values up to so far outside [0, 1] are clamped; an image with others cannot be used.

    Floating point values go to the nearest of 256 levels. Raises `ImageError` for a batch whose form says that it is
    something else: latents, video, a single image.

    >>> pixels_of(np.array([[[[0.0, 0.5, 1.04]]], [[[0.0, 0.5, 1.2]]]]), "edited")
    Pixels(images=[array([[[  0, 128, 255]]], dtype=uint8), Unreadable(reason='the edited image has values from 0 to \
1.2; expected [0, 1], or up to 0.1 outside, which is clamped: map [-1, 1] with (x + 1) / 2 and [0, 255] with x / 255; \
decode latents with the VAE first', by_machine=False)], clamped=1)
    """
    if is_tensor(images):
        return _of_batch(_channels_of_tensor(images, name), name, tolerance)
    if isinstance(images, np.ndarray) and images.dtype != object:
        return _of_batch(_channels_of_array(images, name), name, tolerance)
    singles = [_of_one(image, name, tolerance) for image in images]
    return Pixels([image for single in singles for image in single.images], sum(single.clamped for single in singles))


def _of_one(image: Any, name: str, tolerance: float) -> Pixels:
    """The image of one sample; several in a list stay together."""
    image = file_or_pixels(image)
    if isinstance(image, (list, tuple)):
        parts = [_of_one(one, name, tolerance) for one in image]
        return Pixels([[one for part in parts for one in part.images]], int(any(part.clamped for part in parts)))
    try:
        if is_tensor(image):
            return _of_batch(_channels_of_tensor(image[None] if image.ndim < 4 else image, name), name, tolerance)
        if isinstance(image, np.ndarray):
            several = image if image.ndim > 3 else image[None] if image.ndim == 3 else image[None, ..., None]
            return _of_batch(_channels_of_array(several, name), name, tolerance)
    except ImageError as error:
        return Pixels([Unreadable(str(error))], 0)
    return Pixels([image], 0)


def _channels_of_tensor(tensor: torch.Tensor, name: str) -> Any:
    """A tensor as (N, H, W, C), on its device."""
    shape = tuple(tensor.shape)
    warn_of_gradient(tensor, f"the {name} image")
    tensor = tensor.detach()
    if len(shape) == 4 and shape[1] in (1, 3):
        return tensor.permute(0, 2, 3, 1)
    if len(shape) == 4 and shape[3] in (1, 3):
        return tensor
    raise ImageError(f"{name} {_form(shape, shape[1:2])}; expected a tensor (N, 3, H, W)")


def _channels_of_array(array: np.ndarray, name: str) -> Any:
    """An array as (N, H, W, C)."""
    shape = array.shape
    if len(shape) == 4 and (shape[3] in (1, 3) or (shape[3] == 4 and array.dtype == np.uint8)):
        return array
    if len(shape) == 4 and shape[1] in (1, 3):
        return np.moveaxis(array, 1, -1)
    raise ImageError(f"{name} {_form(shape, shape[1:2])}; expected an array (N, H, W, 3)")


def _form(shape: Sequence[int], channels: Sequence[int]) -> str:
    """The beginning of a message: what a shape seems to be."""
    if len(shape) == 5:
        return f"of the shape {tuple(shape)} are videos; a reward is of images"
    if len(shape) == 4 and 0 not in shape:
        return f"of the shape {tuple(shape)} have {channels[0]} channels, so they are latents: decode them with the VAE"
    return f"have the shape {tuple(shape)}, which may be packed latents or a single image"


def _of_batch(batch: Any, name: str, tolerance: float) -> Pixels:
    """The images of a tensor or array (N, H, W, C): one pass and, from a GPU, one copy."""
    floating = batch.is_floating_point() if is_tensor(batch) else batch.dtype.kind == "f"
    if not floating and str(batch.dtype).removeprefix("torch.") != "uint8":
        raise ImageError(f"{name} is of {batch.dtype}; expected uint8, or floating point in [0, 1]")
    if not len(batch):
        return Pixels([], 0)
    if not floating:
        array = batch.cpu().numpy() if is_tensor(batch) else batch
        return Pixels([_three_colours(image) for image in array], 0)
    lows, highs, levels = _levels_of_tensor(batch) if is_tensor(batch) else _levels_of_array(batch)
    images: list[Any] = []
    clamped = 0
    for low, high, image in zip(lows, highs, levels, strict=True):
        if not -tolerance <= low <= high <= 1 + tolerance:  # false for NaN, too
            images.append(Unreadable(_outside(low, high, name, tolerance)))
            continue
        clamped += low < 0 or high > 1
        images.append(_three_colours(image))
    return Pixels(images, clamped)


def _levels_of_tensor(batch: torch.Tensor) -> tuple[list[float], list[float], np.ndarray]:
    """The lowest and the highest value of each image, and all images clamped to [0, 1] in 256 levels."""
    import torch

    flat = batch.float().flatten(1)
    ends = torch.stack([flat.amin(1), flat.amax(1)]).tolist()
    levels = batch.float().clamp(0, 1).mul(255).nan_to_num(0).round().to(torch.uint8)
    return ends[0], ends[1], levels.cpu().numpy()


def _levels_of_array(batch: np.ndarray) -> tuple[list[float], list[float], np.ndarray]:
    flat = batch.reshape(len(batch), -1)
    levels = np.rint(np.nan_to_num(np.clip(batch, 0, 1).astype(np.float32)) * 255).astype(np.uint8)
    return flat.min(1).tolist(), flat.max(1).tolist(), levels


def _outside(low: float, high: float, name: str, tolerance: float) -> str:
    if low != low or high != high:
        return f"the {name} image contains NaN; expected values in [0, 1]"
    return (
        f"the {name} image has values from {low:g} to {high:g}; expected [0, 1], or up to {tolerance:g} outside, which "
        f"is clamped: {RANGES}"
    )


def _three_colours(image: np.ndarray) -> np.ndarray:
    return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
