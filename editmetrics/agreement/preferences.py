"""How often scores prefer the item of a pair that people prefer, with people's ties and without."""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import ArrayLike

from .measure import AgreementError, Counts, Floats, Measure, UndefinedError
from .pairwise import ROUNDING, best_tie_threshold

CONTRADICTION = 2.0
"""The prediction of a judge that contradicted itself: right in no pair, neither a choice nor a tie."""

ENDLESS = sys.float_info.max / 4
"""Stands for an infinite difference of scores, so that it stays larger than every other."""


@Measure.requiring(1)
def preference_accuracy(predicted: Floats, preferred: Floats, counts: Counts) -> Floats:
    """The part of pairs of which the prediction is people's choice, 0 to 1.

    predicted, preferred (n,): 1 for the first item, -1 for the second, 0 for a tie. Leave people's ties out for the
    accuracy without ties, where calling a tie is as wrong as the other item; 0.5 is chance there.

    >>> preference_accuracy([1, -1, 0, 1], [1, 1, 0, -1])
    0.5
    """
    total = counts.sum(axis=1)
    right = (counts * (predicted == preferred)).sum(axis=1)
    return np.divide(right, total, out=np.full(len(counts), np.nan), where=total > 0)


def differences(one: ArrayLike, other: ArrayLike) -> Floats:
    """Return `one` less `other`, scores (n,), NaN where one of both is; two infinite scores are equal.

    An infinite score is more than every finite one: `ENDLESS` more.

    >>> differences([2, np.inf, np.nan], [1.5, np.inf, 1]).tolist(), bool(differences([np.inf], [1])[0] == ENDLESS)
    ([0.5, 0.0, nan], True)
    """
    first, second = np.asarray(one, np.float64), np.asarray(other, np.float64)
    with np.errstate(invalid="ignore", over="ignore"):  # of infinite scores, and of very large ones
        gap = np.where(first == second, 0.0, first - second)
    return np.clip(gap, -ENDLESS, ENDLESS)


def predictions(differences: ArrayLike, tie_threshold: float = 0.0) -> Floats:
    """Return 1, -1 or 0 for each difference of scores (n,): 0, a tie, up to `tie_threshold`.

    >>> predictions([0.5, -0.2, 0.1], 0.1).tolist()
    [1.0, -1.0, 0.0]
    """
    if not (np.isfinite(tie_threshold) and tie_threshold >= 0):
        raise AgreementError(f"the tie threshold is {tie_threshold}; expected a number from 0")
    gap = np.asarray(differences, dtype=np.float64)
    return np.where(np.abs(gap) <= tie_threshold * (1 + ROUNDING), 0.0, np.sign(gap))


def calibrated_threshold(differences: ArrayLike, preferred: ArrayLike) -> float:
    """Return the tie threshold with the best accuracy with ties on these pairs, in the scores' unit.

    It lies midway between two differences that occur; 0 where people see no ties. Calibrated on the very pairs that it
    is judged by, as in the source, it flatters a little. Source: Deutsch, Foster & Freitag, "Ties Matter", EMNLP 2023,
    section 5, for pairs that people compared directly.

    >>> calibrated_threshold([0.1, -0.2, 2.0, -3.0], [0, 0, 1, -1])
    1.1
    """
    gap, choice = np.asarray(differences, np.float64), np.asarray(preferred, np.float64)
    if not len(gap):
        raise UndefinedError("no pair to calibrate a tie threshold on")
    if not (choice == 0).any():
        return 0.0
    return best_tie_threshold(np.abs(gap), choice == 0, (choice != 0) & (np.sign(gap) == choice))
