"""Screening of subjects and of single ratings: ITU-R BT.500, and the interquartile range."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .ratings import Ratings, RatingsError


@dataclass(frozen=True)
class ObserverScreening:
    """BT.500's counts for a subject: ratings far above (`above`, P_i) and far below (`below`, Q_i) the mean."""

    subject: str
    ratings: int
    above: int
    below: int
    rejected: bool


def screen_observers(ratings: Ratings) -> list[ObserverScreening]:
    """Screen each subject with a rating by Recommendation ITU-R BT.500.

    For each item with mean m, standard deviation S (n - 1) and kurtosis b = m4 / m2^2 (moments over n), a rating u is
    far above the mean when u >= m + k S, and far below when u <= m - k S; k = 2 where 2 <= b <= 4 (the ratings look
    normal), else k = sqrt(20). Subject i with P_i ratings far above, Q_i far below, of n_i, is rejected when

        (P_i + Q_i) / n_i > 0.05  and  |P_i - Q_i| / (P_i + Q_i) < 0.3

    which rejects subjects who stray in both directions and keeps those who are merely stricter than the others. An item
    that all rate alike has S = 0 and does not count. The Recommendation says to screen once, without repeating it on
    the rest, in tests with fewer than about twenty non-expert observers. It is applied to raw ratings, before z-scores.

    A rating can be at most (n - 1) / sqrt(n) deviations from a mean that it is part of: an item with fewer than 6
    ratings cannot reach k = 2, nor one with fewer than 22 reach sqrt(20).

    Source: Recommendation ITU-R BT.500-13, Annex 2, section 2.3.1; in BT.500-14 and -15, Annex 1 to Part 1, A1-2.3.1.
    """
    items = len(ratings.items)
    count = np.bincount(ratings.item, minlength=items)
    mean = np.bincount(ratings.item, ratings.value, minlength=items) / np.maximum(count, 1)
    distance = ratings.value - mean[ratings.item]
    second = np.bincount(ratings.item, distance**2, minlength=items) / np.maximum(count, 1)
    fourth = np.bincount(ratings.item, distance**4, minlength=items) / np.maximum(count, 1)
    varies = _spread(ratings, items) > 0
    kurtosis = np.divide(fourth, second**2, out=np.zeros(items), where=varies)
    deviation = np.sqrt(second * count / np.maximum(count - 1, 1))
    limit = np.where((kurtosis >= 2) & (kurtosis <= 4), 2.0, np.sqrt(20.0)) * deviation
    limit, counts = limit[ratings.item], varies[ratings.item]
    above = np.bincount(ratings.subject[counts & (distance >= limit)], minlength=len(ratings.subjects))
    below = np.bincount(ratings.subject[counts & (distance <= -limit)], minlength=len(ratings.subjects))
    total = np.bincount(ratings.subject, minlength=len(ratings.subjects))
    screened = []
    for index in np.flatnonzero(total):
        p, q, n = int(above[index]), int(below[index]), int(total[index])
        rejected = (p + q) / n > 0.05 and abs(p - q) / (p + q) < 0.3
        screened.append(ObserverScreening(ratings.subjects[index], n, p, q, rejected))
    return screened


def without_rejected_observers(ratings: Ratings) -> Ratings:
    """Return the ratings without those of subjects that `screen_observers` rejects; a note names these."""
    rejected = {screening.subject for screening in screen_observers(ratings) if screening.rejected}
    dropped = np.array([name in rejected for name in ratings.subjects], bool)
    return ratings.without(
        dropped[ratings.subject] if len(ratings) else np.zeros(0, bool),
        "of a subject rejected by the screening of ITU-R BT.500",
        sorted(rejected),
    )


def without_outliers(ratings: Ratings, whisker: float = 1.5) -> Ratings:
    """Return the ratings without those far outside the middle half of their item's: the interquartile range rule.

    A rating is left out when it is below Q1 - w IQR or above Q3 + w IQR of the item's ratings, w = `whisker`. Quartiles
    are interpolated linearly (type 7 of Hyndman and Fan, NumPy's default). Where the middle half agrees (IQR = 0), as
    it often does on a scale of five, every other rating of the item is an outlier: that is the rule.

    Source: EPAIQA, section 3.1, which names the rule; w = 1.5 is Tukey's, and the quartiles are our reading.
    """
    if not whisker >= 0:
        raise RatingsError(f"the whisker is {whisker} interquartile ranges; expected a number from 0")
    order = np.lexsort((ratings.value, ratings.item))
    value = ratings.value[order]
    count = np.bincount(ratings.item, minlength=len(ratings.items))
    start = np.concatenate(([0], np.cumsum(count)[:-1]))
    used = count > 0
    first, third = np.zeros(len(count)), np.zeros(len(count))
    for quartile, share in ((first, 0.25), (third, 0.75)):
        position = (count[used] - 1) * share
        low = np.floor(position).astype(int)
        high = np.minimum(low + 1, count[used] - 1)
        below, above = value[start[used] + low], value[start[used] + high]
        quartile[used] = below + (position - low) * (above - below)
    reach = whisker * (third - first)
    dropped = (ratings.value < (first - reach)[ratings.item]) | (ratings.value > (third + reach)[ratings.item])
    names = [
        f"{ratings.subjects[ratings.subject[k]]} on {ratings.items[ratings.item[k]]}" for k in np.flatnonzero(dropped)
    ]
    return ratings.without(dropped, f"outlier: beyond {whisker:g} interquartile ranges of the item's quartiles", names)


def _spread(ratings: Ratings, items: int) -> np.ndarray:
    """The highest less the lowest rating of each item; exactly 0 where all are alike."""
    lowest, highest = np.full(items, np.inf), np.full(items, -np.inf)
    np.minimum.at(lowest, ratings.item, ratings.value)
    np.maximum.at(highest, ratings.item, ratings.value)
    return np.where(np.isfinite(lowest), highest, 0) - np.where(np.isfinite(lowest), lowest, 0)
