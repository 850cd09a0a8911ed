"""Summaries of raw ratings: z-scores, mean opinion scores, votes, and the agreement of subjects."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from .correlation import srcc
from .measure import UndefinedError
from .ratings import Ratings


@dataclass(frozen=True)
class OpinionScore:
    """The mean opinion score of one item: of `count` ratings, their standard deviation (n - 1) and the 95 % interval.

    `mos` is None when no rating is left, the others when fewer than two are.
    """

    item: str
    mos: float | None
    count: int
    sd: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Vote:
    """The majority vote for one item: `label`, by `share` of `count` votes; None for a tie."""

    item: str
    label: str | float | None
    count: int
    share: float | None


@dataclass(frozen=True)
class Reliability:
    """The reliability of one subject: over `count` items, and the SRCC with the mean of all others' ratings of them.

    `srcc` is None, for a `reason`, where it is not defined.
    """

    subject: str
    count: int
    mean: float
    srcc: float | None
    reason: str | None = None


def z_scores(ratings: Ratings) -> Ratings:
    """Each subject's ratings as z-scores, rescaled to about 0 to 100: z = (r - mean) / sd, z' = 100 (z + 3) / 6.

    Mean and standard deviation (n - 1) are the subject's own, over all items that the subject rated. z' leaves 0 to 100
    where a rating is more than three deviations away, and is not clipped. A subject with a single rating, or with the
    same rating for all, has no z-score: these are left out and noted.

    Source: LMM4LMM (EvalMi-50K), section 3.3, whose index of the mean is read as the subject's, as in ITU-R BT.500.

    >>> z_scores(Ratings.from_columns(["ann"] * 3, ["cat", "dog", "owl"], [1, 2, 3])).value.round(2).tolist()
    [33.33, 50.0, 66.67]
    """
    count, mean, sd = _statistics(ratings.subject, ratings.value, len(ratings.subjects))
    lowest, highest = np.full(len(count), math.inf), np.full(len(count), -math.inf)
    np.minimum.at(lowest, ratings.subject, ratings.value)
    np.maximum.at(highest, ratings.subject, ratings.value)
    single, constant = count == 1, (count > 1) & (lowest == highest)
    for mask, reason in (
        (single, "the subject's only rating, which has no z-score"),
        (constant, "of a subject who rated everything alike, which has no z-score"),
    ):
        names = [ratings.subjects[index] for index in np.flatnonzero(mask)]
        ratings = ratings.without(mask[ratings.subject], reason, names)
    z = (ratings.value - mean[ratings.subject]) / sd[ratings.subject]
    return replace(ratings, value=100 * (z + 3) / 6)


def opinion_scores(ratings: Ratings, confidence: float = 0.95) -> list[OpinionScore]:
    """Return the mean opinion score of each item, with count, standard deviation (n - 1) and interval.

    MOS_j = (1/M_j) sum_i r_ij over the M_j subjects who rated item j. The interval is mean ± t sd / sqrt(M_j), with
    Student's t for M_j - 1 degrees of freedom; ITU-R BT.500 has the limit for many subjects, t = 1.96.

    >>> opinion_scores(Ratings.from_columns(["ann", "bob", "cid"], ["cat"] * 3, [3, 4, 5]))[0].mos
    4.0
    """
    from scipy.stats import t

    count, mean, sd = _statistics(ratings.item, ratings.value, len(ratings.items))
    several = count > 1
    degrees = np.where(several, count - 1, 1)
    half = t.ppf((1 + confidence) / 2, degrees) * sd / np.sqrt(np.maximum(count, 1))
    return [
        OpinionScore(
            name,
            float(mean[index]) if count[index] else None,
            int(count[index]),
            *((float(sd[index]), float(mean[index] - half[index]), float(mean[index] + half[index])))
            if several[index]
            else (None, None, None),
        )
        for index, name in enumerate(ratings.items)
    ]


def votes(ratings: Ratings) -> list[Vote]:
    """Return the majority vote of each item: the task accuracy of LMM4LMM (3.3), the prompt completion of EPAIQA (3.1).

    A tie for the first place is no verdict: neither paper says how to break one, and a label is not made up.

    >>> votes(Ratings.from_columns("abc", ["cat"] * 3, ["yes", "no", "yes"]))[0].label
    'yes'
    """
    labels, chosen = np.unique(ratings.value, return_inverse=True)
    shape = (len(ratings.items), len(labels))
    table = np.bincount(ratings.item * shape[1] + chosen, minlength=shape[0] * shape[1]).reshape(shape)
    verdicts = []
    for name, counts in zip(ratings.items, table, strict=True):
        total, most = int(counts.sum()), int(counts.max())
        decided = total > 0 and int((counts == most).sum()) == 1
        label = labels[counts.argmax()].item() if decided else None
        verdicts.append(Vote(name, label, total, most / total if total else None))
    return verdicts


def reliability(ratings: Ratings) -> list[Reliability]:
    """Return the SRCC of each subject's ratings with the mean of all others', over the items that others rated, too.

    The subject's own rating is not in the mean, so that chance gives 0. Use the ratings as they were read, before any
    are left out.
    """
    count = np.bincount(ratings.item, minlength=len(ratings.items))
    total = np.bincount(ratings.item, ratings.value, minlength=len(ratings.items))
    shared = count[ratings.item] > 1
    others = np.zeros(len(ratings))
    others[shared] = (total[ratings.item] - ratings.value)[shared] / (count[ratings.item] - 1)[shared]
    order = np.argsort(ratings.subject, kind="stable")
    ends = np.searchsorted(ratings.subject[order], np.arange(len(ratings.subjects) + 1))
    subjects = []
    for index, name in enumerate(ratings.subjects):
        rows = order[ends[index] : ends[index + 1]]
        if not len(rows):
            continue
        mean = float(ratings.value[rows].mean())
        rows = rows[shared[rows]]
        own, mean_of_others = ratings.value[rows], others[rows]
        agreement, reason = None, None
        try:
            agreement = srcc(own, mean_of_others)
        except UndefinedError as undefined:
            reason = str(undefined)
        subjects.append(Reliability(name, int(ends[index + 1] - ends[index]), mean, agreement, reason))
    return subjects


def _statistics(index: np.ndarray, value: np.ndarray, groups: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count, mean and standard deviation (n - 1) of the values of each group; zeros where there are none."""
    count = np.bincount(index, minlength=groups)
    mean = np.bincount(index, value, minlength=groups) / np.maximum(count, 1)
    squares = np.bincount(index, (value - mean[index]) ** 2, minlength=groups)
    return count, mean, np.sqrt(squares / np.maximum(count - 1, 1))
