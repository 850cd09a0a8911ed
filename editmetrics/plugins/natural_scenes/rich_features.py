"""The 468 features of IL-NIQE: statistics of gradients, of colours and of log-Gabor filters beside NIQE's."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from .statistics import (
    NEGLIGIBLE,
    asymmetric_gaussian,
    block_features,
    blocks,
    gaussian_window,
    normalised_luminance,
    scale_of,
)
from .weibull import fit_weibull

if TYPE_CHECKING:
    import numpy as np

BLOCK, SIDE = 84, 524
"""The side of a block, and of the resized image."""

OPPONENT = ((0.3, 0.04, -0.35), (0.34, -0.6, 0.17), (0.06, 0.63, 0.27))
"""Weights of R, G and B in the three opponent colours; the last is luminance."""

LOG_OFFSET = 1e-5
DERIVATIVE, DERIVATIVE_FACTOR = 1.66, 0.28
"""Deviation of the Gaussian derivative, and the power of the scale that divides it."""

WAVELENGTH, WAVELENGTH_FACTOR, OCTAVE, BANDWIDTH, ANGULAR = 2.4, 0.87, 1.31, 0.55, 1.10
"""Log-Gabor filters: the shortest wavelength and the power of the scale that divides it; the factor between
wavelengths; the deviations of the logarithm of the frequency, and of the angle."""

WAVELENGTHS, ORIENTATIONS = 3, 4

SMOOTHING = 0.9
"""Deviation of the Gaussian, of 6 x 6 pixels, that smooths before each second pixel is taken."""


def rich_features(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the 468 features of each block of an image (H, W, 3) of 0 to 255, and the sharpness of the blocks.

    234 at each of two scales, in blocks of 84 and of 42 pixels: (blocks, 468) and (blocks,).

    >>> import numpy as np
    >>> noise = np.random.default_rng(0).uniform(0, 255, (84, 168, 3))
    >>> features, sharpness = rich_features(noise)
    >>> features.shape, sharpness.shape
    ((2, 468), (2,))
    """
    import numpy as np

    height, width = (side // BLOCK * BLOCK for side in image.shape[:2])
    colours = image[:height, :width]
    opponents = colours @ np.array(OPPONENT).T
    features, sharpness = [], np.empty(0)
    for scale in (1, 2):
        size = BLOCK // scale
        coefficients, contrast = normalised_luminance(opponents[..., 2], 5, 5 / 6)
        if scale == 1:
            sharpness = blocks(contrast, size).mean((1, 2))
        columns = [block_features(blocks(coefficients, size)), *_features(colours, opponents, scale, size)]
        features.append(np.concatenate(columns, 1))
        colours, opponents = _thinned(colours), _thinned(opponents)
    return np.minimum(np.concatenate(features, 1), 10_000), sharpness


def _features(colours: np.ndarray, opponents: np.ndarray, scale: int, size: int) -> Iterator[np.ndarray]:
    """Yield the features of one scale beyond NIQE's, pair by pair, (blocks, 2), in the authors' order."""
    import numpy as np

    deviation = DERIVATIVE / scale**DERIVATIVE_FACTOR
    slopes = [_derivatives(opponents[..., channel], deviation) for channel in range(3)]
    for pair in slopes:
        yield fit_weibull(blocks(_magnitude(*pair), size))
    for chroma in _log_opponents(colours):
        cut = blocks(chroma, size)
        yield np.stack([cut.mean((1, 2)), cut.var((1, 2), ddof=1)], 1)
    yield from (_shape_and_scale(blocks(slope, size)) for pair in slopes for slope in pair)
    responses, derivatives, magnitudes = [], [], []
    spectrum = np.fft.fft2(opponents[..., 2])
    for gabor in log_gabor_filters(*opponents.shape[:2], WAVELENGTH / scale**WAVELENGTH_FACTOR):
        response = np.fft.ifft2(gabor * spectrum)
        for part in (response.real, response.imag):
            pair = _derivatives(part, deviation)
            responses.append(_shape_and_scale(blocks(_without_noise(part), size)))
            derivatives += [_shape_and_scale(blocks(slope, size)) for slope in pair]
            magnitudes.append(fit_weibull(blocks(_magnitude(*pair), size)))
    yield from (*responses, *derivatives, *magnitudes)


def _shape_and_scale(cut: np.ndarray) -> np.ndarray:
    import numpy as np

    shape, left, right = asymmetric_gaussian(cut.reshape(len(cut), -1))
    return np.stack([shape, (left + right) / 2 * scale_of(shape)], 1)


def _derivatives(image: np.ndarray, deviation: float) -> tuple[np.ndarray, np.ndarray]:
    """Horizontal and vertical derivative of a Gaussian, not normalised; zeros beyond the border."""
    import numpy as np
    from scipy.ndimage import correlate1d

    half = math.ceil(3 * deviation)
    positions = np.arange(-half, half + 1)
    bell = np.exp(-(positions**2) / (2 * deviation**2))
    smooth = [correlate1d(image, bell, axis, mode="constant") for axis in (0, 1)]
    slopes = [correlate1d(smooth[axis], positions * bell, 1 - axis, mode="constant") for axis in (0, 1)]
    return _without_noise(slopes[0]), _without_noise(slopes[1])


def _magnitude(horizontal: np.ndarray, vertical: np.ndarray) -> np.ndarray:
    import numpy as np

    magnitude: np.ndarray = np.hypot(horizontal, vertical) + np.finfo(np.float64).eps
    return magnitude


def _without_noise(values: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.where(np.abs(values) < NEGLIGIBLE, 0.0, values)


def _log_opponents(colours: np.ndarray) -> list[np.ndarray]:
    """Intensity, blue against yellow, red against green, of the logarithms of the colours less their means."""
    import numpy as np

    logs = np.log(colours + LOG_OFFSET)
    red, green, blue = (logs - logs.mean((0, 1))).transpose(2, 0, 1)
    return [
        (red + green + blue) / math.sqrt(3),
        (red + green - 2 * blue) / math.sqrt(6),
        (red - green) / math.sqrt(2),
    ]


@lru_cache(maxsize=4)
def log_gabor_filters(height: int, width: int, wavelength: float) -> tuple[np.ndarray, ...]:
    """Return the filters of 3 wavelengths and 4 orientations, as factors of the spectrum of an image (H, W).

    >>> [float(gabor[0, 0]) for gabor in log_gabor_filters(8, 8, 2.4)][:2]  # they take no mean through
    [0.0, 0.0]
    """
    import numpy as np

    rows, columns = (np.fft.ifftshift((np.arange(side) - side // 2) / (side - side % 2)) for side in (height, width))
    x, y = np.meshgrid(columns, rows)
    radius, angle = np.hypot(x, y), np.arctan2(-y, x)
    radius[0, 0] = 1
    filters = []
    for number in range(WAVELENGTHS):
        radial = np.exp(-(np.log(radius * wavelength * OCTAVE**number) ** 2) / (2 * math.log(BANDWIDTH) ** 2))
        radial[0, 0] = 0
        for orientation in range(ORIENTATIONS):
            apart = angle - orientation * math.pi / ORIENTATIONS
            apart = np.abs(np.arctan2(np.sin(apart), np.cos(apart)))
            filters.append(radial * np.exp(-(apart**2) / (2 * (math.pi / ORIENTATIONS / ANGULAR) ** 2)))
    return tuple(filters)


def _thinned(image: np.ndarray) -> np.ndarray:
    """Each second pixel of an image (H, W, C), smoothed by a Gaussian of 6 x 6 pixels whose middle is the third one."""
    from scipy.ndimage import correlate1d

    weights = gaussian_window(math.ceil(6 * SMOOTHING), SMOOTHING)
    for axis in (0, 1):
        image = correlate1d(image, weights, axis, mode="nearest", origin=-1)
    return image[::2, ::2]
