"""Statistics of natural scenes: normalised luminance, and the shapes of its distribution.

Divided by their local contrast, the pixels of photographs are close to Gaussian, and products of neighbours to an
asymmetric generalised Gaussian; distortions change both. All is in float64: sums of small squares decide the last
digits of the published values.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np

Neighbours = Literal["circular", "zeros"]

STEP, LOWEST, COUNT = 0.001, 0.2, 9801
"""The shapes that are tried: 0.2, 0.201, ... 10, as in the authors' code."""

NEGLIGIBLE = 1e-9
"""The size under which a coefficient is rounding noise, and counts as 0."""

SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""From a pixel to its neighbour, (rows, columns): horizontal, vertical and the two diagonals."""


def normalised_luminance(
    luma: np.ndarray, window: int = 7, deviation: float = 7 / 6, border: Literal["nearest", "constant"] = "nearest"
) -> tuple[np.ndarray, np.ndarray]:
    """Return (x - mean) / (deviation + 1) of an image (H, W) of 0 to 255 under a Gaussian window, and the deviation.

    `border`: the image goes on with its outermost pixels ("nearest"), or with zeros ("constant").

    Coefficients of less than 1e-9 are exactly 0: a pixel that is the mean of its window, as in a flat or evenly rising
    one, leaves rounding noise of 1e-14, whose sign would count, and depends on the processor.

    >>> import numpy as np
    >>> step = np.repeat([[0.0] * 8 + [200.0] * 8], 16, axis=0)
    >>> normalised_luminance(step)[0][0, 3:9].round(3) + 0.0
    array([ 0.   ,  0.   , -0.108, -0.312, -0.692,  0.692])
    """
    import numpy as np

    weights = gaussian_window(window, deviation)
    mean = _blurred(luma, weights, border)
    contrast = np.sqrt(np.abs(_blurred(luma**2, weights, border) - mean**2))
    coefficients = (luma - mean) / (contrast + 1)
    coefficients[np.abs(coefficients) < NEGLIGIBLE] = 0
    return coefficients, contrast


def gaussian_window(size: int, deviation: float) -> np.ndarray:
    """Return the weights of a Gaussian window, which sum to 1, (size,)."""
    import numpy as np

    weights: np.ndarray = np.exp(-((np.arange(size) - (size - 1) / 2) ** 2) / (2 * deviation**2))
    return weights / weights.sum()


def _blurred(image: np.ndarray, weights: np.ndarray, border: str) -> np.ndarray:
    from scipy.ndimage import correlate1d

    result: np.ndarray = correlate1d(correlate1d(image, weights, 0, mode=border), weights, 1, mode=border)
    return result


def neighbour_products(
    coefficients: np.ndarray, shift: tuple[int, int], neighbours: Neighbours = "circular"
) -> np.ndarray:
    """Return the product of each coefficient (..., H, W) with its neighbour at `shift`.

    Across a border it is the one at the opposite border ("circular"), or 0.

    >>> import numpy as np
    >>> numbers = np.array([[1, 2, 3]])
    >>> neighbour_products(numbers, (0, 1)), neighbour_products(numbers, (0, 1), "zeros")
    (array([[3, 2, 6]]), array([[0, 2, 6]]))
    """
    import numpy as np

    rolled = np.roll(coefficients, shift, (-2, -1))
    if neighbours == "zeros":
        rows, columns = shift
        rolled[..., slice(0, rows) if rows >= 0 else slice(rows, None), :] = 0
        rolled[..., slice(0, columns) if columns >= 0 else slice(columns, None)] = 0
    return coefficients * rolled


def asymmetric_gaussian(values: np.ndarray) -> tuple[Any, Any, Any]:
    """Fit asymmetric generalised Gaussians to samples (..., n) by their moments: shape, left and right deviation.

    The shape is that of 0.2, 0.201, ... 10 whose ratio of moments is closest (Lasmar, Stitou, Berthoumieu, ICIP 2009).
    NaN for the deviations of samples without a negative or without a positive number; their shape is then 0.2.

    >>> import numpy as np
    >>> sample = 3 * np.random.default_rng(0).standard_normal(100_000)
    >>> [round(float(value), 1) for value in asymmetric_gaussian(sample)]
    [2.0, 3.0, 3.0]
    """
    import numpy as np

    squares = values**2
    negative, positive = values < 0, values > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        left = np.sqrt((squares * negative).sum(-1) / negative.sum(-1))
        right = np.sqrt((squares * positive).sum(-1) / positive.sum(-1))
        ratio = left / right
        moments = np.abs(values).mean(-1) ** 2 / squares.mean(-1)
        shaped = moments * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    return nearest_shape(shaped), left, right


def nearest_shape(moments: np.ndarray, inverse: bool = False) -> np.ndarray:
    """Return the shape of the generalised Gaussian whose (E|x|)² / E x² is nearest to `moments`; 0.2 for NaN.

    With `inverse`, `moments` are E x² / (E|x|)², and nearest in that.

    >>> import math, numpy as np
    >>> nearest_shape(np.array([2 / math.pi, 0.5])).round(3)  # a Gaussian, and Laplace's
    array([2., 1.])
    """
    import numpy as np

    ratios = (1 / _moments())[::-1] if inverse else _moments()
    above = np.searchsorted(ratios, moments).clip(1, COUNT - 1)
    nearer_below = np.abs(moments - ratios[above - 1]) <= np.abs(ratios[above] - moments)
    index = np.where(nearer_below, above - 1, above)
    index = np.where(np.isnan(moments), 0, COUNT - 1 - index if inverse else index)
    shape: np.ndarray = LOWEST + STEP * index
    return shape


@cache
def _moments() -> np.ndarray:
    """(E|x|)² / E x² of generalised Gaussians of all shapes, ascending."""
    import numpy as np
    from scipy.special import gammaln

    shapes = LOWEST + STEP * np.arange(COUNT)
    moments: np.ndarray = np.exp(2 * gammaln(2 / shapes) - gammaln(1 / shapes) - gammaln(3 / shapes))
    return moments


def scale_of(shape: np.ndarray) -> Any:
    """Return the scale of a generalised Gaussian of deviation 1: sqrt(Γ(1 / shape) / Γ(3 / shape))."""
    import numpy as np
    from scipy.special import gammaln

    return np.exp((gammaln(1 / shape) - gammaln(3 / shape)) / 2)


def mean_ratio(shape: np.ndarray) -> Any:
    """Return Γ(2 / shape) / Γ(1 / shape), by which the difference of two scales is the mean."""
    import numpy as np
    from scipy.special import gammaln

    return np.exp(gammaln(2 / shape) - gammaln(1 / shape))


def blocks(image: np.ndarray, size: int) -> np.ndarray:
    """Cut an image (H, W) into its whole blocks, row by row: (blocks, size, size)."""
    rows, columns = (side // size for side in image.shape)
    cut = image[: rows * size, : columns * size].reshape(rows, size, columns, size)
    return cut.swapaxes(1, 2).reshape(rows * columns, size, size)


def block_features(coefficients: np.ndarray) -> np.ndarray:
    """Return NIQE's 18 features of blocks of normalised luminance, (..., size, size) -> (..., 18).

    Shape and mean scale of the coefficients; shape, mean, left and right scale of the products with each of four
    neighbours, by which a block goes on at its opposite border. NaN where a distribution has one side alone, as that of
    a flat block.
    """
    import numpy as np

    flat = coefficients.reshape(*coefficients.shape[:-2], -1)
    shape, left, right = asymmetric_gaussian(flat)
    features = [shape, (left + right) / 2 * scale_of(shape)]
    for shift in SHIFTS:
        shape, left, right = asymmetric_gaussian(neighbour_products(coefficients, shift).reshape(flat.shape))
        left, right = left * scale_of(shape), right * scale_of(shape)
        features += [shape, (right - left) * mean_ratio(shape), left, right]
    return np.stack(features, -1)
