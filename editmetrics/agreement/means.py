"""Means of scores and differences of them, with bootstrap intervals, all over the same resamples of sources."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .bootstrap import BY_DEFAULT, Resampling, percentile_interval, resample
from .measure import Floats
from .significance import two_sided_p

FEWEST_CLUSTERS = 5
"""Fewer sources have no interval: resamples of so few span little more than the observed values."""


@dataclass(frozen=True)
class MeanEstimate:
    """A mean, or a difference of two; `low` and `high` are None for fewer than five clusters.

    `p` is two-sided, for a true value of 0. `n` values in `clusters` clusters.
    """

    value: float
    low: float | None
    high: float | None
    p: float
    n: int
    clusters: int


class ResampledMeans:
    """Means of many sets of rows over one bootstrap, in which the rows of a cluster are drawn together.

    A mean depends on the sums and sizes of its clusters only; so a replicate is a count for each cluster, and all
    means of all replicates are two products of matrices.

    - clusters: (n,) integers from 0.

    >>> means = ResampledMeans(np.arange(40))
    >>> first = means.add(np.arange(40), np.arange(40.0))
    >>> estimate = means.estimate(first)
    >>> estimate.value, estimate.low < 19.5 < estimate.high
    (19.5, True)
    """

    def __init__(self, clusters: np.ndarray, resampling: Resampling = BY_DEFAULT) -> None:
        self.clusters, self.resampling = clusters, resampling
        self._number = int(clusters.max()) + 1
        self._sums: list[Floats] = []
        self._sizes: list[Floats] = []
        self._means: Floats | None = None

    def add(self, rows: np.ndarray, values: np.ndarray) -> int:
        """Add the mean of the finite `values` (m,) of `rows` (m,); return its number for `estimate`."""
        codes = self.clusters[rows]
        self._sums.append(np.bincount(codes, weights=values, minlength=self._number).astype(np.float64))
        self._sizes.append(np.bincount(codes, minlength=self._number).astype(np.float64))
        self._means = None
        return len(self._sums) - 1

    def mean(self, index: int) -> float:
        return float(self._sums[index].sum() / self._sizes[index].sum())

    def estimate(self, index: int) -> MeanEstimate:
        """The mean that was added under this number, its interval, and its p."""
        sums, sizes = self._sums[index], self._sizes[index]
        return self._estimate(self.mean(index), self._replicates()[index], int(sizes.sum()), sizes > 0, sums != 0)

    def difference(self, index: int, other: int) -> MeanEstimate:
        """The mean of `index` minus that of `other`, which need not have rows in common."""
        size = self._sizes[index] + self._sizes[other]
        values = self._replicates()[index] - self._replicates()[other]
        return self._estimate(self.mean(index) - self.mean(other), values, int(size.sum()), size > 0, size > 0)

    def _estimate(self, value: float, replicates: Floats, n: int, drawn: np.ndarray, moved: np.ndarray) -> MeanEstimate:
        """`moved`: the clusters that differ. With k of them, even a test of all 2^k signs has a p of at least 2 / 2^k,
        and resamples of few clusters may not claim more than that."""
        interval = percentile_interval(replicates, self.resampling.level) if drawn.sum() > 1 else None
        p = max(two_sided_p(replicates), 2.0 ** (1 - int(moved.sum()))) if interval else 1.0
        low, high = interval if interval and drawn.sum() >= FEWEST_CLUSTERS else (None, None)
        return MeanEstimate(value, low, high, min(1.0, p), n, int(drawn.sum()))

    def _replicates(self) -> Floats:
        """(means, replicates), NaN where a replicate has drawn none of the rows."""
        if self._means is None:
            sums, sizes = np.stack(self._sums, axis=1), np.stack(self._sizes, axis=1)

            def compute(counts: np.ndarray) -> Floats:
                drawn = counts.astype(np.float64)
                total, size = drawn @ sums, drawn @ sizes
                return np.divide(total, size, out=np.full(size.shape, np.nan), where=size > 0).T

            self._means = resample(np.arange(self._number), compute, self.resampling.replicates, self.resampling.seed)
        return self._means
