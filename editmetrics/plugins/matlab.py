"""MATLAB's rgb2gray, rgb2ycbcr and imresize, with which the authors' code reads images, and OpenCV's; in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

Gray = Literal["rgb2gray", "rgb2ycbcr", "opencv"]
Beyond = Literal["symmetric", "replicate"]

GRAYS: dict[Gray, tuple[tuple[float, float, float], float]] = {
    "rgb2gray": ((0.298936021293775, 0.587043074451121, 0.114020904255103), 0.0),
    "rgb2ycbcr": ((65.481 / 255, 128.553 / 255, 24.966 / 255), 16.0),
    "opencv": ((9798 / 2**15, 19235 / 2**15, 3735 / 2**15), 0.0),
}
"""Weights of R, G and B, and the offset, for levels of 0 to 255. The first are those of MATLAB's matrix for YIQ."""


def to_gray(levels: np.ndarray, how: Gray = "rgb2gray") -> np.ndarray:
    """Return the grey levels (H, W), whole numbers, of an image (H, W, 3) of 0 to 255.

    - `rgb2gray`: MATLAB's, 0.2989 R + 0.5870 G + 0.1140 B, 0 to 255.
    - `rgb2ycbcr`: the Y of MATLAB's, 16 to 235.
    - `opencv`: cvtColor's, rgb2gray with weights of whole 2^-15.

    >>> import numpy as np
    >>> [float(to_gray(np.full((1, 1, 3), 255.0), how)[0, 0]) for how in ("rgb2gray", "rgb2ycbcr", "opencv")]
    [255.0, 235.0, 255.0]
    """
    import numpy as np

    (red, green, blue), offset = GRAYS[how]
    gray = levels[..., 0] * red + levels[..., 1] * green + levels[..., 2] * blue
    rounded: np.ndarray = np.floor(gray + (offset + 0.5))
    return rounded


def resized(
    image: np.ndarray,
    size: tuple[int, int],
    *,
    scale: float | None = None,
    antialias: bool = True,
    sharpness: float = -0.5,
    border: Beyond = "symmetric",
) -> np.ndarray:
    """Return an image (H, W, ...) in another size, (height, width), by bicubic interpolation as MATLAB's imresize.

    - `scale`: the factor, if it is not that of the sizes: imresize(image, 0.5) of an odd side has its size rounded up.
    - `antialias`: widen the kernel where an image shrinks. With False, `sharpness=-0.75` and `border="replicate"`, it
      is OpenCV's INTER_CUBIC.

    Values are not rounded, and may lie beyond those of the image.

    >>> import numpy as np
    >>> resized(np.arange(8.0)[None], (1, 4), scale=0.5).round(4)
    array([[0.4492, 2.4883, 4.5117, 6.5508]])
    """
    for axis, wanted in enumerate(size):
        factor = wanted / image.shape[axis] if scale is None else scale
        image = _resized_along(image, axis, wanted, factor, antialias, sharpness, border)
    return image


def halved(image: np.ndarray) -> np.ndarray:
    """Return an image (H, W, ...) in half the size, as MATLAB's imresize(image, 0.5)."""
    height, width = (math.ceil(side / 2) for side in image.shape[:2])
    return resized(image, (height, width), scale=0.5)


def resized_in_eight_bits(levels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return an image (H, W, ...) of whole numbers of 0 to 255 in another size, as MATLAB's imresize of type uint8.

    The direction that shrinks more, or grows less, comes first; after each, values are rounded and clipped.

    >>> import numpy as np
    >>> resized_in_eight_bits(np.array([[0.0, 0.0, 255.0, 255.0]]), (1, 6))
    array([[  0.,   0.,  31., 224., 255., 255.]])
    """
    import numpy as np

    for axis in sorted((0, 1), key=lambda axis: size[axis] / levels.shape[axis]):
        factor = size[axis] / levels.shape[axis]
        exact = _resized_along(levels, axis, size[axis], factor, True, -0.5, "symmetric")
        levels = np.floor(exact + 0.5).clip(0, 255)
    return levels


def resize_taps(
    length: int,
    wanted: int,
    factor: float,
    kernel: Callable[[np.ndarray], np.ndarray],
    reach: int,
    antialias: bool = True,
    border: Beyond = "symmetric",
) -> tuple[np.ndarray, np.ndarray]:
    """Return which pixels of a side of `length` make each of `wanted` ones, and their weights: both (taps, wanted).

    `kernel` gives weights by distance, 0 from `reach` pixels on; it is as much wider as the image shrinks.

    >>> positions, weights = resize_taps(4, 2, 0.5, triangle, 1)
    >>> (positions * weights).sum(0)
    array([0.625, 2.375])
    """
    import numpy as np

    stretch = factor if antialias and factor < 1 else 1.0
    centres = (np.arange(wanted) + 0.5) / factor - 0.5
    taps = np.arange(math.ceil(2 * reach / stretch) + 2)
    positions = np.floor(centres - reach / stretch).astype(int) + taps[:, None]
    weights = kernel((centres - positions) * stretch)
    weights /= weights.sum(0)
    if border == "symmetric":
        positions %= 2 * length
        positions = np.where(positions < length, positions, 2 * length - 1 - positions)
    else:
        positions = positions.clip(0, length - 1)
    return positions, weights


def triangle(distance: np.ndarray) -> np.ndarray:
    """Return the weights of linear interpolation, which reach 1 pixel."""
    import numpy as np

    weights: np.ndarray = np.maximum(0, 1 - np.abs(distance))
    return weights


def _resized_along(
    image: np.ndarray, axis: int, wanted: int, factor: float, antialias: bool, sharpness: float, border: Beyond
) -> np.ndarray:
    kernel = partial(_cubic, sharpness=sharpness)
    positions, weights = resize_taps(image.shape[axis], wanted, factor, kernel, 2, antialias, border)
    shape = [1] * image.ndim
    shape[axis] = wanted
    result: np.ndarray = sum(
        image.take(position, axis) * weight.reshape(shape)
        for position, weight in zip(positions, weights, strict=True)
        if weight.any()
    )
    return result


def _cubic(distance: np.ndarray, sharpness: float) -> np.ndarray:
    """Weights of the cubic convolution kernel (Keys 1981); `sharpness` is its parameter a."""
    import numpy as np

    x, a = np.abs(distance), sharpness
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))
