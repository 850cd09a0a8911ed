"""Paired differences of means over one bootstrap, judged together: better, worse, or no more than noise."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from .bootstrap import BY_DEFAULT, Resampling
from .means import ResampledMeans

TOLERANCE = 1e-6
"""Scores up to this relative difference apart are equal: other versions of a library move the last digits."""

MARGIN = 4
"""Resamples for each test, times the level of the tests: so many that a clear difference passes the correction."""

MOST_DRAWS = 200_000_000
"""Clusters drawn at most, in all resamples together, to have enough of them."""

Verdict = Literal["better", "worse", "noise", "equal", "too few"]


@dataclass(frozen=True)
class Difference:
    """`b` against `a`, by the mean of one metric.

    - `mean_a`, `mean_b`, `difference` (b - a), `low`, `high`, `p`: over the `n` samples with a finite score in both.
      `p` is two-sided and of this test alone; `verdict` is after Holm's correction for all tests.
    - `effect`: Cohen's d of paired samples, the mean of the differences over their standard deviation (n - 1); None
      where all differ by the same amount.
    - `better`, `worse`, `equal`: the number of samples on which b is better, worse, equal, infinite scores included.
    """

    higher_is_better: bool
    mean_a: float | None
    mean_b: float | None
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    effect: float | None
    n: int
    better: int
    worse: int
    equal: int
    verdict: Verdict


class Differences:
    """Differences that are tested together.

    Intervals and p are of a bootstrap that draws the rows of a cluster together; verdicts follow Holm's correction for
    all differences that were added (Holm 1979), at 1 - the level of the intervals. There are at least as many
    resamples as requested, and more where many tests would leave none of them a chance.

    - clusters: (n,) integers from 0. tolerance: relative difference up to which two scores are equal.

    >>> random = np.random.default_rng(0)
    >>> before = random.normal(size=50)
    >>> differences = Differences(np.arange(50))
    >>> differences.add(np.arange(50), before, before + 0.2 + random.normal(0, 0.1, 50))
    >>> differences.add(np.arange(50), before, before + random.normal(0, 0.1, 50))
    >>> [difference.verdict for difference in differences.judged()]
    ['better', 'noise']
    """

    def __init__(self, clusters: np.ndarray, resampling: Resampling = BY_DEFAULT, tolerance: float = TOLERANCE) -> None:
        self.clusters, self.resampling, self.tolerance = clusters, resampling, tolerance
        self._pairs: list[tuple[np.ndarray, np.ndarray, np.ndarray, bool]] = []

    def add(self, rows: np.ndarray, a: np.ndarray, b: np.ndarray, higher_is_better: bool = True) -> None:
        """Add b - a, scores (m,) of the samples in `rows` (m,), NaN where missing."""
        self._pairs.append((rows, a, b, higher_is_better))

    @property
    def replicates(self) -> int:
        """The number of resamples: as requested, or enough for p to pass the correction for all tests."""
        wanted = math.ceil(MARGIN * len(self._pairs) / (1 - self.resampling.level))
        most = MOST_DRAWS // max(1, int(self.clusters.max(initial=0)) + 1)
        return max(self.resampling.replicates, min(wanted, most))

    def judged(self) -> list[Difference]:
        """The differences in the order they were added."""
        means = ResampledMeans(self.clusters, replace(self.resampling, replicates=self.replicates))
        drafts = []
        for rows, a, b, higher in self._pairs:
            finite = np.isfinite(a) & np.isfinite(b)
            step = np.where(self.equal(a, b)[finite], 0.0, b[finite] - a[finite])
            index = means.add(rows[finite], step) if finite.any() else None
            drafts.append((self._counted(a, b, step, finite, higher), index))
        return _corrected([_measured(draft, index, means) for draft, index in drafts], 1 - self.resampling.level)

    def equal(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """True where two scores are equal, up to the tolerance."""
        with np.errstate(invalid="ignore"):  # infinity less infinity
            return (a == b) | (np.abs(a - b) <= self.tolerance * np.maximum(np.abs(a), np.abs(b)))

    def _counted(self, a: np.ndarray, b: np.ndarray, step: np.ndarray, finite: np.ndarray, higher: bool) -> Difference:
        """The line with its counts; the interval follows when the bootstrap has run."""
        both = ~np.isnan(a) & ~np.isnan(b)
        equal = both & self.equal(a, b)
        up, down = both & ~equal & (b > a), both & ~equal & (b < a)
        better, worse = (up, down) if higher else (down, up)
        spread = float(step.std(ddof=1)) if len(step) > 1 else 0.0
        return Difference(
            higher_is_better=higher,
            mean_a=float(a[finite].mean()) if finite.any() else None,
            mean_b=float(b[finite].mean()) if finite.any() else None,
            difference=None,
            low=None,
            high=None,
            p=None,
            effect=float(step.mean()) / spread if spread > 0 else None,
            n=int(finite.sum()),
            better=int(better.sum()),
            worse=int(worse.sum()),
            equal=int(equal.sum()),
            verdict="equal" if equal.any() and not up.any() and not down.any() else "too few",
        )


def _measured(draft: Difference, index: int | None, means: ResampledMeans) -> Difference:
    if index is None:
        return draft
    estimate = means.estimate(index)
    p = None if estimate.low is None else estimate.p
    verdict: Verdict = "noise" if draft.verdict == "too few" and p is not None else draft.verdict
    return replace(draft, difference=estimate.value, low=estimate.low, high=estimate.high, p=p, verdict=verdict)


def _corrected(lines: list[Difference], alpha: float) -> list[Difference]:
    """The verdicts after Holm's correction for all lines."""
    tested = sorted((line.p or 0, index) for index, line in enumerate(lines) if line.verdict == "noise")
    for rank, (p, index) in enumerate(tested):
        if p * (len(tested) - rank) >= alpha:
            break
        line = lines[index]
        gained = ((line.difference or 0) > 0) == line.higher_is_better
        lines[index] = replace(line, verdict="better" if gained else "worse")
    return lines
