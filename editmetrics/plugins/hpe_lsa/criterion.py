"""Equations 2 to 4 on counts, means and variances of any number of dimensions: pure functions of arrays."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ...sample import EditMetricsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Divergence = Literal["debiased", "paper", "gaussian"]

TAIL = 12.0
"""Standard deviations of a hypergeometric distribution beyond which it is left out."""


class LSAError(EditMetricsError, ValueError):
    """Layers cannot be compared: which one or which class, and why."""


@dataclass(frozen=True)
class Criterion:
    """How a layer is judged by equations 2 to 4.

    - `divergence`: of real from edited images. "paper" is equation 2 on histograms, as written; "debiased" subtracts
      what equation 2 gives on average when labels are dealt out by chance (`ChanceDivergence`), which is more than 0
      and depends on the number of images and on the shape of the distribution; "gaussian" is the closed form for a
      normal distribution with the mean and variance of each class.
    - `symmetric`: the mean of both directions, instead of real from edited images alone.
    - `bins`: of the histograms of equation 2, equally wide, from the lowest to the highest value of a dimension in real
      and edited images. `entropy_bins`: the same of equation 4.
    - `smoothing`: added to each bin's probability before the divergence, so that an empty one is not infinitely far.
    - `epsilon`: of equation 3, as a share of the variance of all images, so that units do not matter.
    - `resamples`: bootstrap samples of the images, for the share of them that choose a layer; 0 for none.
    """

    divergence: Divergence = "debiased"
    symmetric: bool = False
    bins: int = 32
    entropy_bins: int = 10
    smoothing: float = 1e-6
    epsilon: float = 1e-6
    resamples: int = 100

    @classmethod
    def of(cls, settings: Any) -> Criterion:
        """The criterion of an object that has its fields among others."""
        return cls(**{field.name: getattr(settings, field.name) for field in fields(cls)})

    def __post_init__(self) -> None:
        if min(self.bins, self.entropy_bins) < 2 or self.smoothing <= 0 or self.epsilon <= 0 or self.resamples < 0:
            raise LSAError(
                f"{self.bins} and {self.entropy_bins} bins, smoothing {self.smoothing:g}, epsilon {self.epsilon:g}, "
                f"{self.resamples} resamples; expected 2 or more bins, constants above 0, and 0 or more resamples"
            )


def histogram_divergence(p: Floats, q: Floats, smoothing: float) -> Floats:
    """Kullback-Leibler divergence of Q from P in nats (equation 2): sum P log(P / Q).

    `p`, `q`: counts (..., bins); each becomes probabilities, to which `smoothing` is added. Returns (...).

    >>> float(histogram_divergence(np.array([1.0, 1.0]), np.array([1.0, 3.0]), 1e-12).round(4))  # log(4 / 3) / 2
    0.1438
    """
    p, q = (counts / counts.sum(-1, keepdims=True) + smoothing for counts in (p, q))
    p, q = p / p.sum(-1, keepdims=True), q / q.sum(-1, keepdims=True)
    divergence: Floats = (p * np.log(p / q)).sum(-1)
    return divergence


class ChanceDivergence:
    """The mean of equation 2 over all ways to deal out `first` + `second` labels to the images of a histogram.

    The labels of the images in a bin are then hypergeometric, so the mean is a sum over bins of a number that depends
    on the bin's count alone. It is exact: no label is drawn.

    >>> chance = ChanceDivergence(1, 1, smoothing=1e-6)  # two images in two bins: always as far apart as can be
    >>> float(chance(np.array([1, 1])).round(3)), float(chance(np.array([2, 0])).round(3))
    (13.815, 0.0)
    """

    def __init__(self, first: int, second: int, smoothing: float) -> None:
        self.first, self.second, self.smoothing = first, second, smoothing
        self._of_count = np.full(first + second + 1, np.nan)

    def __call__(self, counts: NDArray[Any]) -> Floats:
        """(...), from the counts (..., bins) of both classes together."""
        counts = counts.astype(np.int64)
        for count in map(int, np.unique(counts)):
            if np.isnan(self._of_count[count]):
                self._of_count[count] = self._term(count, counts.shape[-1])
        mean: Floats = self._of_count[counts].sum(-1)
        return mean

    def _term(self, count: int, bins: int) -> float:
        """The mean of P log(P / Q) in a bin with `count` images."""
        from scipy.stats import hypergeom

        images = self.first + self.second
        share = self.first / images
        mean, reach = count * share, TAIL * (1 + (count * share * (1 - share)) ** 0.5)
        low, high = max(0, count - self.second, int(mean - reach)), min(count, self.first, int(mean + reach) + 1)
        drawn = np.arange(low, high + 1)
        p, q = drawn / self.first + self.smoothing, (count - drawn) / self.second + self.smoothing
        terms = p / (1 + bins * self.smoothing) * np.log(p / q)
        return float((hypergeom.pmf(drawn, images, count, self.first) * terms).sum())


def gaussian_divergence(means: Floats, variances: Floats) -> Floats:
    """Divergence in nats between the normal distributions of two classes: (log(w / v) + (v + (m - n)^2) / w - 1) / 2.

    `means` and `variances` are (2, ...), of which the first has m and v; variances are above 0. Returns (...).

    >>> float(gaussian_divergence(np.array([0.0, 1.0]), np.array([1.0, 1.0])))
    0.5
    """
    (m, n), (v, w) = means, variances
    divergence: Floats = 0.5 * (np.log(w / v) + (v + (m - n) ** 2) / w - 1)
    return divergence


def separability(means: Floats, variances: Floats, overall: Floats, epsilon: float) -> Floats:
    """LDR of each dimension (equation 3): (m - n)^2 / (v + w + epsilon u), 0 or more, without a unit.

    `means` and `variances` are (2, ...); `overall` (...) is u, the variance of both classes together. A dimension
    whose values are all equal has 0.

    >>> float(separability(np.array([0.0, 2.0]), np.array([1.0, 1.0]), np.array(2.0), 1e-6).round(3))
    2.0
    """
    within = variances.sum(0) + epsilon * overall
    ratio: Floats = (means[0] - means[1]) ** 2 / np.where(within > 0, within, 1.0)
    return ratio


def entropy(counts: Floats) -> Floats:
    """Shannon entropy in nats (equation 4) of the distribution with `counts` (..., bins); returns (...).

    >>> float(entropy(np.array([1.0, 1.0, 0.0])).round(4))  # log 2
    0.6931
    """
    p = counts / counts.sum(-1, keepdims=True)
    value: Floats = -(p * np.log(np.where(p > 0, p, 1.0))).sum(-1)
    return value


class Sensitivity:
    """The equations on two classes of so many images, with what their chance divergence needs computed once."""

    def __init__(self, criterion: Criterion, real: int, edited: int) -> None:
        self.criterion, self.images = criterion, (real, edited)
        self._by_chance = [
            ChanceDivergence(first, second, criterion.smoothing) for first, second in ((real, edited), (edited, real))
        ]

    def kl(self, counts: Floats, means: Floats, variances: Floats) -> Floats:
        """D_KL (...) from `counts` (2, ..., bins), `means` and `variances` (2, ...) of real and edited images."""
        if self.criterion.divergence == "gaussian":
            overall = self.overall(means, variances)
            variances = variances + self.criterion.epsilon * np.where(overall > 0, overall, 1.0)  # above 0
        one = self._direction(counts, means, variances, 0)
        if not self.criterion.symmetric:
            return one
        return (one + self._direction(counts[::-1], means[::-1], variances[::-1], 1)) / 2

    def ldr(self, means: Floats, variances: Floats) -> Floats:
        """LDR (...) from `means` and `variances` (2, ...)."""
        return separability(means, variances, self.overall(means, variances), self.criterion.epsilon)

    def overall(self, means: Floats, variances: Floats) -> Floats:
        """The variance (...) of both classes together."""
        real, edited = (count / sum(self.images) for count in self.images)
        variance: Floats = real * variances[0] + edited * variances[1] + real * edited * (means[0] - means[1]) ** 2
        return variance

    def _direction(self, counts: Floats, means: Floats, variances: Floats, direction: int) -> Floats:
        if self.criterion.divergence == "gaussian":
            return gaussian_divergence(means, variances)
        literal = histogram_divergence(counts[0], counts[1], self.criterion.smoothing)
        if self.criterion.divergence == "paper":
            return literal
        return literal - self._by_chance[direction](counts.sum(0))
