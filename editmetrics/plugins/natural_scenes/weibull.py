"""Weibull distributions, which the magnitudes of gradients follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

STEPS = 12


def fit_weibull(values: np.ndarray) -> np.ndarray:
    """Return scale and shape of the likeliest Weibull distribution of samples (n, ...) of positive numbers, (n, 2).

    The shape k solves sum(x^k log x) / sum(x^k) - 1 / k = mean(log x), by Newton's steps; the scale is mean(x^k)^(1/k).
    NaN where all numbers of a sample are the same.

    >>> import numpy as np
    >>> sample = 3 * np.random.default_rng(0).weibull(1.7, (1, 100_000))
    >>> fit_weibull(sample).round(1)
    array([[3. , 1.7]])
    """
    import numpy as np

    logs = np.log(values.reshape(len(values), -1))
    mean, spread = logs.mean(1, keepdims=True), logs.std(1, ddof=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        shape = np.where(spread > 1e-12, 1.2 / spread, np.nan)
        centred = logs - logs.max(1, keepdims=True)
        for _ in range(STEPS):
            powers = np.exp(shape * centred)
            total = powers.sum(1, keepdims=True)
            first = (powers * centred).sum(1, keepdims=True) / total
            second = (powers * centred * centred).sum(1, keepdims=True) / total
            value = first - 1 / shape - (mean - logs.max(1, keepdims=True))
            step = value / (second - first**2 + 1 / shape**2)
            shape = np.maximum(shape - step, shape / 10)
            if np.nanmax(np.abs(step) / shape, initial=0) < 1e-10:
                break
        scale = np.exp(np.log(np.exp(shape * centred).mean(1, keepdims=True)) / shape + logs.max(1, keepdims=True))
    return np.concatenate([scale, shape], 1)
