"""SRCC, KRCC, PLCC, RMSE and MAE between scores and ratings, of the items themselves and of many resamples at once.

Each is called with two arrays (n,): `srcc(scores, ratings)`; `srcc.resampled(scores, ratings, counts)` gives one value
for each row of counts (replicates, n). Signs are those of the numbers: the SRCC of a score that is lower for better
images is negative when it agrees with people.
"""

from __future__ import annotations

import numpy as np

from .concordance import ascents, cumulated, pairs_of
from .measure import Counts, Floats, Measure

NEGLIGIBLE = 1e-13
"""A variance below this part of the mean square about the centre of all items is rounding: a constant."""


@Measure
def plcc(scores: Floats, ratings: Floats, counts: Counts) -> Floats:
    """Pearson's linear correlation coefficient, -1 to 1.

    r = sum (x - mean x)(y - mean y) / sqrt(sum (x - mean x)^2 sum (y - mean y)^2), of the scores as they are. The
    literature often means the one after a logistic fit: `plcc(fit_logistic(x, y)(x), y)`.

    Scores and ratings (n,), finite, n >= 3. Raises `UndefinedError` when either is constant. Source: Pearson 1895.

    >>> round(plcc([1, 2, 3, 4], [1, 2, 3, 5]), 12)
    0.982707629824
    """
    return correlation_of_moments(_centred(scores), _centred(ratings), counts)


@Measure
def srcc(scores: Floats, ratings: Floats, counts: Counts) -> Floats:
    """Spearman's rank correlation coefficient, -1 to 1: the PLCC of the ranks, ties having their average rank.

    Scores and ratings (n,), finite, n >= 3. Raises `UndefinedError` when either is constant. Source: Spearman 1904.

    >>> srcc([1, 2, 3, 4], [10, 20, 30, 25])
    0.8
    """
    size = counts.sum(axis=1, dtype=np.int64)
    x, y = (ranks(values, counts) - (size + 1)[:, None] / 2 for values in (scores, ratings))
    weighted = counts * x
    across = np.einsum("bn,bn->b", weighted, y)
    of_x = np.einsum("bn,bn->b", weighted, x)
    np.multiply(counts, y, out=weighted)
    of_y = np.einsum("bn,bn->b", weighted, y)
    return _ratio(across, np.sqrt(of_x * of_y))


@Measure
def krcc(scores: Floats, ratings: Floats, counts: Counts) -> Floats:
    """Kendall's rank correlation coefficient tau-b, -1 to 1.

    tau_b = (C - D) / sqrt((P - T_x)(P - T_y)): of P pairs of items, C are ordered alike by scores and ratings, D
    otherwise; T_x and T_y are tied in the scores and in the ratings.

    Scores and ratings (n,), finite, n >= 3: of two items it could only be 1 or -1, which `pairwise_accuracy` says more
    plainly. Raises `UndefinedError` when either is constant. Source: Kendall 1945.

    >>> krcc([1, 2, 3, 4], [10, 20, 30, 25])
    0.6666666666666666
    """
    (of_x, x), (of_y, y) = (cumulated(values, counts) for values in (scores, ratings))
    both, _ = cumulated(np.asarray(x * (y.max() + 1) + y, dtype=np.float64), counts)
    pairs = pairs_of(counts.sum(axis=1, dtype=np.int64)[:, None])
    tied_x, tied_y, tied_both = (pairs_of(np.diff(sums, axis=1, prepend=0)) for sums in (of_x, of_y, both))
    order = np.lexsort((-y, x))  # ratings fall within a tie of x, so that it counts no ascent
    concordant = ascents(y[order], order, counts)
    discordant = pairs - tied_x - tied_y + tied_both - concordant
    return _ratio(concordant - discordant, np.sqrt((pairs - tied_x) * (pairs - tied_y)))


@Measure.requiring(1)
def rmse(scores: Floats, ratings: Floats, counts: Counts) -> Floats:
    """Root mean square error, in the unit of the ratings: sqrt(mean (x - y)^2).

    It compares the numbers as they are, so it means something only for scores on the scale of the ratings, such as
    those of a model trained on MOS. Scores and ratings (n,), finite, n >= 1.

    >>> rmse([1, 2, 3], [1, 2, 6])
    1.7320508075688772
    """
    return np.sqrt(_mean((scores - ratings) ** 2, counts))


@Measure.requiring(1)
def mae(scores: Floats, ratings: Floats, counts: Counts) -> Floats:
    """Mean absolute error, in the unit of the ratings: mean |x - y|. As `rmse`, for scores on the scale of the ratings.

    >>> mae([1, 2, 3], [1, 2, 6])
    1.0
    """
    return _mean(np.abs(scores - ratings), counts)


def ranks(values: Floats, counts: Counts) -> Floats:
    """Return the rank of each item in each replicate (replicates, n), from 1; copies and ties share their average rank.

    >>> ranks(np.array([5.0, 7.0, 5.0]), np.array([[1, 1, 1], [2, 1, 0]], dtype=np.int32))
    array([[1.5, 3. , 1.5],
           [1.5, 3. , 1.5]])
    """
    sums, index = cumulated(values, counts)
    twice = sums.copy()
    twice[:, 1:] += sums[:, :-1]  # a tie stands between what is below it and what is up to it
    return np.asarray((np.take(twice, index, axis=1) + 1) / 2)


def correlation_of_moments(x: Floats, y: Floats, counts: Counts) -> Floats:
    """The PLCC of each replicate, for x and y that are centred on the mean of all items."""
    moments = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1)
    size, sum_x, sum_y, xx, yy, xy = (counts.astype(np.float64) @ moments).T
    size = np.maximum(size, 1)
    spread_x, spread_y = xx - sum_x**2 / size, yy - sum_y**2 / size
    constant = (spread_x <= NEGLIGIBLE * xx) | (spread_y <= NEGLIGIBLE * yy)
    return _ratio(xy - sum_x * sum_y / size, np.sqrt(np.where(constant, 0, spread_x * spread_y)))


def _centred(values: Floats) -> Floats:
    """The values with mean 0 and largest magnitude 1, so that their squares neither overflow nor vanish."""
    centred = values - values.mean() if np.ptp(values) else np.zeros_like(values)
    return centred / (np.abs(centred).max() or 1.0)


def _mean(values: Floats, counts: Counts) -> Floats:
    size = counts.sum(axis=1, dtype=np.int64)
    return _ratio(counts.astype(np.float64) @ values, size.astype(np.float64))


def _ratio(above: Floats, below: Floats) -> Floats:
    """above / below, and NaN where below is 0."""
    return np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)
