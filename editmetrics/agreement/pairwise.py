"""Pairwise accuracy: how often scores order two items as people do, or tie them where people do."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .concordance import ascents, cumulated, pairs_of
from .measure import AgreementError, Counts, Floats, Measure, UndefinedError, paired

MOST_PAIRS = 2_000_000
"""The number of pairs, all or random ones, that a tie threshold is calibrated on."""

ROUNDING = 1e-9
"""A difference that exceeds the threshold by less than this part of it is rounding."""


def pairwise_accuracy(
    scores: ArrayLike, ratings: ArrayLike, *, tie_threshold: float = 0.0, rating_tie: float = 0.0
) -> float:
    """The part of all pairs of items on which scores and ratings agree, 0 to 1; higher scores must be better.

    acc = (C + T) / P: of P pairs, C are ordered alike by both, and T are tied in both. Scores that differ by no more
    than `tie_threshold` are tied, and so are ratings that differ by no more than `rating_tie`. A pair that is tied in
    one alone counts as wrong, so a score cannot win by never, or by always, calling a tie; 0.5 is chance without ties.

    Scores and ratings (n,), finite, n >= 2. Source: Deutsch, Foster & Freitag, "Ties Matter", EMNLP 2023 (acc_eq).

    >>> pairwise_accuracy([1.0, 1.1, 2.0], [1, 1, 2])
    0.6666666666666666
    >>> pairwise_accuracy([1.0, 1.1, 2.0], [1, 1, 2], tie_threshold=0.5)
    1.0
    """
    return pairwise_measure(tie_threshold, rating_tie)(scores, ratings)


def pairwise_measure(tie_threshold: float = 0.0, rating_tie: float = 0.0) -> Measure:
    """`pairwise_accuracy` with these thresholds, as a measure that can be resampled.

    Copies of one item are no pair: a replicate's pairs are those of different items.
    """
    for name, threshold in (("tie threshold", tie_threshold), ("rating tie", rating_tie)):
        if not (np.isfinite(threshold) and threshold >= 0):
            raise AgreementError(f"the {name} is {threshold}; expected a number from 0")
    of_scores, of_ratings = tie_threshold * (1 + ROUNDING), rating_tie * (1 + ROUNDING)

    def pairwise_accuracy(scores: Floats, ratings: Floats, counts: Counts) -> Floats:
        pairs = pairs_of(counts.sum(axis=1, dtype=np.int64)[:, None]) - pairs_of(counts)
        right = _ordered(scores, of_scores, ratings, of_ratings, counts)
        if rating_tie == 0:
            right += _tied_in_both(scores, of_scores, ratings, counts)
        else:  # of all pairs, those that are apart in neither: inclusion and exclusion
            apart = _apart(scores, of_scores, counts) + _apart(ratings, of_ratings, counts)
            apart_in_both = right + _ordered(scores, of_scores, -ratings, of_ratings, counts)
            right += pairs - apart + apart_in_both
        return np.divide(right, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)

    return Measure(pairwise_accuracy, fewest=2)


def calibrated_tie_threshold(scores: ArrayLike, ratings: ArrayLike, *, rating_tie: float = 0.0, seed: int = 0) -> float:
    """The tie threshold with the best pairwise accuracy on these items, in the scores' unit.

    It lies midway between two differences of scores that occur; 0 where people see no ties. Calibrated on the very
    items that it is judged by, as in the source, it flatters a little. Of more than 2 million pairs, a random 2 million
    are used. Source: Deutsch, Foster & Freitag 2023, section 5 (tie calibration).

    >>> calibrated_tie_threshold([1.0, 1.1, 2.0, 2.2], [1, 1, 2, 2])
    0.55
    """
    x, y = paired(scores, ratings)
    if len(x) < 2:
        raise UndefinedError(f"n = {len(x)}; a tie threshold is calibrated on pairs of items")
    first, second = _some_pairs(len(x), seed)
    rating_difference = y[first] - y[second]
    tied_by_people = np.abs(rating_difference) <= rating_tie * (1 + ROUNDING)
    if not tied_by_people.any():
        return 0.0
    difference = x[first] - x[second]
    concordant = ~tied_by_people & (np.sign(difference) == np.sign(rating_difference))
    return best_tie_threshold(np.abs(difference), tied_by_people, concordant)


def best_tie_threshold(distance: Floats, tied_by_people: np.ndarray, concordant: np.ndarray) -> float:
    """Return the threshold with most pairs right: of pairs (n,) their distance in scores, whether people tie them, and
    whether scores order them as people do. It lies midway between two distances that occur.
    """
    order = np.argsort(distance)
    distance = distance[order]
    gain = np.cumsum(tied_by_people[order].astype(np.int64) - concordant[order])  # of calling the nearest k pairs ties
    last_of_equals = np.flatnonzero(np.append(np.diff(distance) > ROUNDING * distance[1:], True))
    gain, distance = gain[last_of_equals], distance[last_of_equals]
    if distance[0] > 0:  # no two scores are equal: calling no ties at all is a choice, too
        gain, distance = np.insert(gain, 0, 0), np.insert(distance, 0, 0.0)
    best = int(np.argmax(gain))
    if best == 0 and distance[0] == 0:
        return 0.0
    following = distance[best + 1] if best + 1 < len(distance) else distance[best]
    return float((distance[best] + following) / 2)


def _some_pairs(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of n items, or 2 million random ones where there are more."""
    if n * (n - 1) // 2 <= MOST_PAIRS:
        return np.triu_indices(n, 1)
    rng = np.random.default_rng(seed)
    first = rng.integers(n, size=MOST_PAIRS)
    return first, (first + rng.integers(1, n, size=MOST_PAIRS)) % n


def _apart(values: Floats, threshold: float, counts: Counts) -> Floats:
    """Count the pairs of each replicate that differ by more than the threshold."""
    sums, index = cumulated(values, counts)
    distinct = np.unique(values)
    reach = np.searchsorted(distinct, distinct + threshold, side="right") - 1
    above = sums[:, -1:] - np.take(sums, reach[index], axis=1)
    return np.asarray((above.astype(np.int64) * counts).sum(axis=1), dtype=np.float64)


def _tied_in_both(x: Floats, threshold: float, y: Floats, counts: Counts) -> Floats:
    """Count the pairs of different items of each replicate that have equal y and x within the threshold of each other.

    Sorted by y and then x, the items that are tied with one, and follow it, are those up to a position within its y.
    """
    distinct, x_index = np.unique(x, return_inverse=True)
    y_index = np.unique(y, return_inverse=True)[1]
    reach = np.searchsorted(distinct, distinct + threshold, side="right") - 1
    order = np.lexsort((x_index, y_index))
    start = y_index * len(distinct)
    last = np.searchsorted((start + x_index)[order], (start + reach[x_index])[order], side="right") - 1
    tied = last > np.arange(len(x))
    if not tied.any():
        return np.zeros(len(counts))
    ordered = np.take(counts, order, axis=1)
    sums = np.cumsum(ordered, axis=1, dtype=np.int32)
    following = np.take(sums, last[tied], axis=1) - sums[:, tied]
    return np.asarray((following.astype(np.int64) * ordered[:, tied]).sum(axis=1), dtype=np.float64)


def _ordered(x: Floats, x_threshold: float, y: Floats, y_threshold: float, counts: Counts) -> Floats:
    """Count the ordered pairs (i, j) of each replicate with x_j > x_i + x_threshold and y_j > y_i + y_threshold.

    Each item stands twice in one sequence sorted by x: as i, moved up by the threshold, and as j. An i stands behind
    the j that are no larger; so the pairs wanted are those with i before j whose keys, made in the same way of y,
    ascend.
    """
    n = len(x)
    is_first = np.repeat([True, False], n)
    sequence = np.lexsort((is_first, np.concatenate([x + x_threshold, x])))
    keys = np.empty(2 * n, np.int64)
    keys[np.lexsort((is_first, np.concatenate([y + y_threshold, y])))] = np.arange(2 * n)
    where = is_first[sequence]
    return ascents(keys[sequence], sequence % n, counts, is_first=where, is_second=~where)
