"""Global statistics of an image: numbers of its colours, contrast, sharpness, noise and size, and none of its content.

What they predict of a rating, anybody can predict without looking at what the image shows: a metric that learned to
look should do better (`editmetrics.mllm.baseline`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from .read import eight_bits

SIDE = 256
"""Pixels along the longest side of what colours and frequencies are measured on, and along that of the middle part,
at its full resolution, that details are measured on. Smaller images are measured as they are."""

BANDS = (0.0, 0.0625, 0.125, 0.25, 0.5, math.inf)
"""Ends of the bands of spatial frequency, in cycles per pixel."""

_MOMENTS = ("mean", "deviation", "skew")
STATISTICS = (
    *(f"{moment} of {channel}" for channel in ("red", "green", "blue", "brightness") for moment in _MOMENTS),
    "dark share", "bright share", "entropy of brightness", "contrast of blocks",
    "mean of red-green", "deviation of red-green", "mean of yellow-blue", "deviation of yellow-blue",
    "colourfulness", "mean of saturation", "deviation of saturation",
    "variance of the Laplacian", "mean gradient", "deviation of the gradient", "horizontal gradient",
    "vertical gradient", "edge share", "noise", "blockiness",
    *(f"energy from {low:g} to {high:g}" for low, high in pairwise(BANDS)),
    "pixels", "aspect ratio",
)  # fmt: skip
"""The names of the numbers that `image_statistics` returns, in their order."""

PAIR_STATISTICS = ("mean difference", "deviation of the difference", "changed share", "correlation of brightness")
"""The names of the numbers that `pair_statistics` returns, in their order."""


def image_statistics(pixels: np.ndarray) -> np.ndarray:
    """Return `STATISTICS` of an image (H, W, 3), uint8 or float32 in [0, 1]: float64, finite.

    Colours are in levels of 0 to 255 on the image, reduced by whole factors to at most `SIDE` pixels a side; brightness
    is the mean of the three channels. Energies, variances of details and sizes are natural logarithms. Colourfulness is
    that of Hasler & Süsstrunk 2003, noise that of Immerkær 1996, both in levels.

    >>> grey = np.full((16, 24, 3), 128, np.uint8)
    >>> numbers = dict(zip(STATISTICS, image_statistics(grey).tolist(), strict=True))
    >>> numbers["mean of red"], numbers["colourfulness"], numbers["noise"], round(numbers["aspect ratio"], 3)
    (128.0, 0.0, 0.0, 0.405)
    """
    levels = eight_bits(pixels)
    height, width = levels.shape[:2]
    small = _channels(_reduced(levels))
    numbers = [*_colours(small), *_details(_mean(_channels(_middle(levels)))), *_energies(_mean(small))]
    return np.array([*numbers, math.log(height * width), math.log(width / height)])


def pair_statistics(source: np.ndarray, edited: np.ndarray) -> np.ndarray:
    """Return `PAIR_STATISTICS` of two images (H, W, 3), the source brought to the size of the edited one.

    >>> black, white = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8)
    >>> pair_statistics(black, white).tolist()
    [255.0, 0.0, 1.0, 0.0]
    """
    from PIL import Image

    after = _reduced(eight_bits(edited))
    before = eight_bits(source)
    if before.shape != edited.shape:
        before = np.asarray(Image.fromarray(before).resize((after.shape[1], after.shape[0]), Image.Resampling.BOX))
    else:
        before = _reduced(before)
    difference = np.abs(after.astype(np.float64) - before).mean(axis=2)
    one, two = (image.mean(axis=2) - image.mean() for image in (before.astype(np.float64), after.astype(np.float64)))
    spread = math.sqrt(float((one**2).sum() * (two**2).sum()))
    correlation = float((one * two).sum()) / spread if spread > 0 else 0.0
    return np.array([difference.mean(), difference.std(), (difference > 8).mean(), correlation])


def _reduced(levels: np.ndarray) -> np.ndarray:
    """The image at most `SIDE` pixels a side: means over squares of pixels."""
    factor = -(-max(levels.shape[:2]) // SIDE)
    if factor == 1:
        return levels
    from PIL import Image

    return np.asarray(Image.fromarray(levels).reduce(factor))


def _middle(levels: np.ndarray) -> np.ndarray:
    """The middle of the image at full resolution, at most `SIDE` pixels a side; it begins on a block of 8 pixels."""
    top, left = (max(side - SIDE, 0) // 2 // 8 * 8 for side in levels.shape[:2])
    return levels[top : top + SIDE, left : left + SIDE]


def _moments(values: np.ndarray) -> tuple[float, float, float]:
    mean, deviation = float(values.mean()), float(values.std())
    if deviation <= 1e-9:
        return mean, deviation, 0.0
    standardised = (values - mean) / deviation
    return mean, deviation, float((standardised * standardised * standardised).mean())  # ** 3 takes ten times as long


def _channels(levels: np.ndarray) -> list[np.ndarray]:
    """The channels of an image one by one, float64; numpy is slow along an axis of three."""
    return [levels[..., channel].astype(np.float64) for channel in range(3)]


def _mean(channels: Sequence[np.ndarray]) -> np.ndarray:
    red, green, blue = channels
    mean: np.ndarray = (red + green + blue) / 3
    return mean


def _colours(channels: Sequence[np.ndarray]) -> list[float]:
    brightness = _mean(channels)
    red, green, blue = channels
    numbers = [number for channel in (*channels, brightness) for number in _moments(channel)]
    shares = np.bincount(brightness.astype(int).ravel(), minlength=256) / brightness.size
    entropy = float(-(shares[shares > 0] * np.log2(shares[shares > 0])).sum())
    blocks = [part.mean() for rows in np.array_split(brightness, min(4, len(brightness)))
              for part in np.array_split(rows, min(4, rows.shape[1]), axis=1)]  # fmt: skip
    numbers += [(brightness < 16).mean(), (brightness > 239).mean(), entropy, float(np.std(blocks))]
    opponents = [red - green, (red + green) / 2 - blue]
    spreads = [(float(each.mean()), float(each.std())) for each in opponents]
    colourfulness = math.hypot(*(spread for _, spread in spreads)) + 0.3 * math.hypot(*(mean for mean, _ in spreads))
    saturation = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    pairs = [number for spread in spreads for number in spread]
    return [*numbers, *pairs, colourfulness, float(saturation.mean()), float(saturation.std())]


def _details(image: np.ndarray) -> list[float]:
    """Sharpness, noise and blockiness of one channel; 0 where the image is too small to have any."""
    padded = np.pad(image, 1, mode="edge")
    inside = (slice(1, -1), slice(1, -1))
    up, down, left, right = padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]
    laplacian = up + down + left + right - 4 * padded[inside]
    across, along = (right - left) / 2, (down - up) / 2
    gradient = np.hypot(across, along)
    corners = padded[:-2, :-2] + padded[:-2, 2:] + padded[2:, :-2] + padded[2:, 2:]
    mask = corners - 2 * (up + down + left + right) + 4 * padded[inside]  # Immerkær's, which no linear ramp excites
    noise = math.sqrt(math.pi / 2) / 6 * float(np.abs(mask[inside]).mean()) if min(image.shape) > 2 else 0.0
    return [
        math.log1p(float(laplacian.var())), float(gradient.mean()), float(gradient.std()),
        float(np.abs(across).mean()), float(np.abs(along).mean()), float((gradient > 16).mean()), noise,
        _blockiness(image) + _blockiness(image.T),
    ]  # fmt: skip


def _blockiness(image: np.ndarray) -> float:
    """Mean step between rows at the edges of blocks of 8, less that between other rows."""
    steps = np.abs(np.diff(image, axis=0)).mean(axis=1)
    edges = np.arange(len(steps)) % 8 == 7
    return float(steps[edges].mean() - steps[~edges].mean()) if edges.any() else 0.0


def _energies(image: np.ndarray) -> list[float]:
    """The logarithm of the power in each of the bands of frequency, per pixel."""
    power = np.abs(np.fft.rfft2(image - image.mean())) ** 2 / image.size**2
    radius = np.hypot(np.fft.fftfreq(image.shape[0])[:, None], np.fft.rfftfreq(image.shape[1])[None])
    band = np.digitize(radius.ravel(), BANDS[1:-1])
    energies = np.bincount(band, power.ravel(), minlength=len(BANDS) - 1)
    return [float(energy) for energy in np.log1p(energies)]
