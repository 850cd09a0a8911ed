"""Confidence intervals of shares: Wilson's, with questions about one image as one draw; and of differences of means."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist
from typing import Any

import numpy as np

from .bootstrap import cluster_codes, percentile_interval, resample


def wilson_interval(scores: Sequence[float], clusters: Sequence[Any], level: float = 0.95) -> tuple[float, float]:
    """Return the interval of the mean of scores in [0, 1].

    With mean m, n questions and the normal quantile z: (m + z^2/2n +- z sqrt(m(1-m)/n + z^2/4n^2)) / (1 + z^2/n).
    Unlike the bootstrap's it is not empty where all scores are equal, nor does it leave [0, 1]. For 0 and 1 it is exact
    to its source; half points vary less than that, so with them it is somewhat too wide. Questions of one cluster (an
    image) may be answered alike: n is divided by the design effect, by which their mean varies more than that of as
    many separate ones, where that is above 1; all alike, n is the number of clusters.

    - scores: (n,), n at least 1. clusters: (n,), equal for questions that go together.

    Source: Wilson 1927; design effect: Kish 1965, section 8.2.

    >>> low, high = wilson_interval([1, 1, 1, 0], [0, 1, 2, 3])
    >>> round(low, 3), round(high, 3)
    (0.301, 0.954)
    """
    values = np.asarray(scores, float)
    mean, n = float(values.mean()), effective_number(values, clusters)
    z = NormalDist().inv_cdf((1 + level) / 2)
    middle, half = mean + z * z / (2 * n), z * sqrt(mean * (1 - mean) / n + z * z / (4 * n * n))
    return max(0.0, (middle - half) / (1 + z * z / n)), min(1.0, (middle + half) / (1 + z * z / n))


def effective_number(values: np.ndarray, clusters: Sequence[Any]) -> float:
    """Return how many independent questions would determine the mean as well; never more than there are.

    >>> effective_number(np.array([1.0, 1.0, 0.0, 0.0]), ["a", "a", "b", "b"])
    1.0
    """
    number, n = len(set(clusters)), len(values)
    if number == n:
        return float(n)
    mean = values.mean()
    if number == 1 or mean in (0.0, 1.0):
        return float(number)
    codes = np.unique(np.asarray(clusters), return_inverse=True)[1]
    sums = np.bincount(codes, values - mean)
    variance = float((sums**2).sum()) / n**2 * number / (number - 1)
    return float(min(n, max(1.0, mean * (1 - mean) / variance))) if variance > 0 else float(n)


def paired_difference(
    first: Sequence[float],
    second: Sequence[float],
    clusters: Sequence[Any],
    level: float = 0.95,
    replicates: int = 2000,
) -> tuple[float, float, float]:
    """Return the mean of `first` minus that of `second` on the same questions, and its bootstrap interval.

    >>> paired_difference([1, 1, 0, 1], [0, 1, 0, 1], [0, 1, 2, 3])[0]
    0.25
    """
    gap = np.asarray(first, float) - np.asarray(second, float)
    values = resample(
        cluster_codes(clusters, len(gap)), lambda counts: ((counts @ gap) / counts.sum(1))[None], replicates, 0
    )[0]
    interval = percentile_interval(values, level)
    low, high = interval if interval else (float(gap.mean()),) * 2
    return float(gap.mean()), low, high
