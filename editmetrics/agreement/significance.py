"""Paired tests: whether one score agrees with people better than another, and the smallest detectable difference."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from .bootstrap import BY_DEFAULT, Resampling, cluster_codes, percentile_interval, resample
from .correlation import plcc, srcc
from .measure import FEWEST, AgreementError, Floats, Measure, UndefinedError, paired

POWER = 0.8


@dataclass(frozen=True)
class Comparison:
    """The difference in agreement of two scores on the same items.

    - `difference`: measure of `score` minus that of `against`, both turned so that more is better.
    - `low`, `high`: its bootstrap interval. `p`: two-sided, that there is no difference; not corrected for several
      tests.
    - `minimum_detectable`: the true difference that such a test would find in 4 of 5 repetitions, at the level of the
      interval: smaller ones cannot be ruled out with so few items, and a test that finds nothing says no more than
      that.
    - `n`: the items that have both scores and the rating. `excluded`: the other rated items.
    """

    score: str
    against: str
    rating: str
    measure: str
    difference: float
    low: float
    high: float
    p: float
    minimum_detectable: float
    n: int
    excluded: int = 0


def paired_test(
    scores: ArrayLike,
    others: ArrayLike,
    ratings: ArrayLike,
    *,
    measure: Measure | tuple[Measure, Measure] = srcc,
    lower_is_better: bool = False,
    names: tuple[str, str, str] = ("score", "other", "rating"),
    clusters: ArrayLike | None = None,
    resampling: Resampling = BY_DEFAULT,
) -> Comparison:
    """Test whether `scores` agree with `ratings` better than `others` do, by the paired bootstrap.

    Both are measured on the same resamples of items (of clusters of items, where `clusters` (n,) are given), and the
    difference is taken in each, so that what the two share cancels. p = 2 min(#{d <= 0} + 1, #{d >= 0} + 1) /
    (replicates + 1), at most 1. The minimum detectable difference is (z_level + z_power) times the standard deviation
    of d, power .8.

    - scores, others, ratings: (n,), finite, higher is better; negate a score that is lower for better images.
    - measure: `srcc`, `plcc`, `krcc`, `auc`, ...; for errors such as `rmse`, lower_is_better=True. Two, where that of
      `others` differs, such as pairwise accuracies with tie thresholds of their own.
    - resampling: replicates, level and seed of the bootstrap.

    Raises `UndefinedError` when a measure is undefined on the items or in more than 5 % of the replicates. Source:
    Efron & Tibshirani 1993, chapters 15 and 16.

    >>> rng = np.random.default_rng(0)
    >>> people = rng.normal(size=200)
    >>> good, poor = people + rng.normal(size=200), people + 3 * rng.normal(size=200)
    >>> test = paired_test(good, poor, people)
    >>> test.difference > 0, test.p < 0.01
    (True, True)
    """
    (a, y), (b, _) = paired(scores, ratings), paired(others, ratings)
    if len(y) < FEWEST:
        raise UndefinedError(f"n = {len(y)}; a test requires at least {FEWEST} items")
    own, other = measure if isinstance(measure, tuple) else (measure, measure)
    sign = -1 if lower_is_better else 1
    difference = sign * (own(a, y) - other(b, y))
    values = resample(
        cluster_codes(clusters, len(y)),
        lambda counts: sign * (own.resampled(a, y, counts) - other.resampled(b, y, counts))[None],
        resampling.replicates,
        resampling.seed,
    )[0]
    interval = percentile_interval(values, resampling.level)
    if interval is None:
        raise UndefinedError(f"{own.name} is undefined in too many replicates to test a difference")
    return Comparison(
        *names,
        measure=own.name,
        difference=difference,
        low=interval.low,
        high=interval.high,
        p=two_sided_p(values),
        minimum_detectable=smallest_detectable(values, resampling.level),
        n=len(y),
    )


def smallest_detectable(differences: Floats, level: float) -> float:
    """The true difference that a test would find in 4 of 5 repetitions, from the replicates' differences (replicates,).

    (z_level + z_power) times their standard deviation, power .8.

    >>> round(smallest_detectable(np.array([-1.0, 1.0]), 0.95), 3)
    2.802
    """
    reach = NormalDist().inv_cdf((1 + level) / 2) + NormalDist().inv_cdf(POWER)
    return float(reach * np.nanstd(differences))


def two_sided_p(differences: Floats) -> float:
    """Two-sided p of no difference, from the differences of the replicates (replicates,), NaN left out.

    p = 2 min(#{d <= 0} + 1, #{d >= 0} + 1) / (replicates + 1), at most 1.

    >>> two_sided_p(np.linspace(-1, 99, 999))
    0.022
    """
    defined = differences[~np.isnan(differences)]
    beyond = min(int((defined <= 0).sum()), int((defined >= 0).sum()))
    return min(1.0, 2 * (beyond + 1) / (len(defined) + 1))


def williams_test(scores: ArrayLike, others: ArrayLike, ratings: ArrayLike) -> tuple[float, float]:
    """Williams' t and its two-sided p for equal PLCC of `scores` and `others` with `ratings`.

    t = (r_ay - r_by) sqrt((n - 1)(1 + r_ab) / (2 (n - 1)/(n - 3) |R| + (r_ay + r_by)^2 / 4 (1 - r_ab)^3)), with n - 3
    degrees of freedom and |R| = 1 - r_ay^2 - r_by^2 - r_ab^2 + 2 r_ay r_by r_ab. Closed, but for independent items and
    normal scores; with clusters, or for other measures, use `paired_test`. Scores, others, ratings: (n,), n > 3.
    Source: Williams 1959; Steiger, Psychological Bulletin 1980, eq. 7.

    >>> t, p = williams_test([1, 2, 3, 4, 5, 6], [2, 1, 4, 3, 6, 1], [1, 2, 3, 4, 6, 5])
    >>> round(t, 3), round(p, 3)
    (1.925, 0.15)
    """
    from scipy.stats import t as student

    ay, by, ab = plcc(scores, ratings), plcc(others, ratings), plcc(scores, others)
    n = len(np.asarray(ratings))
    if n <= 3:
        raise AgreementError(f"n = {n}; Williams' test requires at least 4 items")
    determinant = max(0.0, 1 - ay**2 - by**2 - ab**2 + 2 * ay * by * ab)
    below = 2 * (n - 1) / (n - 3) * determinant + (ay + by) ** 2 / 4 * (1 - ab) ** 3
    if not below > 0:
        raise UndefinedError("one score is a straight line of the other; there is no difference to test")
    statistic = (ay - by) * math.sqrt((n - 1) * (1 + ab) / below)
    return statistic, float(2 * student.sf(abs(statistic), n - 3))
