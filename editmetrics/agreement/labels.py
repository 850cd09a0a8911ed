"""Measures for binary classification: accuracy, precision, recall, F1 and AUC.

Each is called with two arrays (n,): what was predicted, 0 or 1 (for `auc`: scores), and the labels of people, 0 or 1.
The counts they are made of: true positives TP, false positives FP, true negatives TN, false negatives FN.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .correlation import ranks
from .measure import AgreementError, Counts, Floats, Measure, UndefinedError, paired


class Confusion(NamedTuple):
    """Counts of true and false positives and negatives in each replicate (replicates,)."""

    tp: Floats
    fp: Floats
    tn: Floats
    fn: Floats


def confusion(predicted: Floats, labels: Floats, counts: Counts) -> Confusion:
    """TP, FP, TN and FN of each replicate. Raises `AgreementError` unless all are 0 or 1."""
    for name, values in (("predictions", predicted), ("labels", labels)):
        if not np.isin(values, (0, 1)).all():
            other = values[~np.isin(values, (0, 1))][0]
            raise AgreementError(f"{name} hold {other:g}; expected 0 and 1 (scores become labels by a threshold)")
    kinds = [predicted * labels, predicted * (1 - labels), (1 - predicted) * (1 - labels), (1 - predicted) * labels]
    return Confusion(*(counts.astype(np.float64) @ np.stack(kinds, axis=1)).T)


@Measure.requiring(1)
def accuracy(predicted: Floats, labels: Floats, counts: Counts) -> Floats:
    """Accuracy, 0 to 1: (TP + TN) / (TP + FP + TN + FN), the part of the items whose label is right.

    >>> accuracy([1, 1, 0, 0], [1, 0, 0, 0])
    0.75
    """
    c = confusion(predicted, labels, counts)
    return _part(c.tp + c.tn, c.fp + c.fn)


@Measure.requiring(1)
def recall(predicted: Floats, labels: Floats, counts: Counts) -> Floats:
    """Recall (sensitivity, true positive rate), 0 to 1: TP / (TP + FN). Undefined without positive labels.

    >>> recall([1, 0, 0, 0], [1, 1, 0, 0])
    0.5
    """
    c = confusion(predicted, labels, counts)
    return _part(c.tp, c.fn)


@Measure.requiring(1)
def specificity(predicted: Floats, labels: Floats, counts: Counts) -> Floats:
    """Specificity (true negative rate), 0 to 1: TN / (TN + FP). Undefined without negative labels.

    >>> specificity([1, 0, 0, 0], [1, 1, 0, 0])
    1.0
    """
    c = confusion(predicted, labels, counts)
    return _part(c.tn, c.fp)


@Measure.requiring(2)
def balanced_accuracy(predicted: Floats, labels: Floats, counts: Counts) -> Floats:
    """Balanced accuracy, 0 to 1: (recall + specificity) / 2; 0.5 is chance, however rare the positives are.

    Undefined unless both labels occur.

    >>> balanced_accuracy([1, 0, 0, 0], [1, 1, 0, 0])
    0.75
    """
    c = confusion(predicted, labels, counts)
    return (_part(c.tp, c.fn) + _part(c.tn, c.fp)) / 2


@Measure.requiring(1)
def precision(predicted: Floats, labels: Floats, counts: Counts) -> Floats:
    """Precision, 0 to 1: TP / (TP + FP). Undefined when nothing is predicted positive.

    >>> precision([1, 1, 0, 0], [1, 0, 0, 0])
    0.5
    """
    c = confusion(predicted, labels, counts)
    return _part(c.tp, c.fp)


@Measure.requiring(1)
def f1(predicted: Floats, labels: Floats, counts: Counts) -> Floats:
    """F1, 0 to 1: 2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall. Undefined without any positive.

    >>> f1([1, 1, 0, 0], [1, 0, 0, 0])
    0.6666666666666666
    """
    c = confusion(predicted, labels, counts)
    return _part(2 * c.tp, c.fp + c.fn)


@Measure.requiring(1)
def f1_positive(predicted: Floats, labels: Floats, counts: Counts) -> Floats:
    """F1 on the positive items alone, 0 to 1: 2 R / (1 + R) with the recall R. Undefined without positive labels.

    Without negative items nothing can be a false positive, so precision is 1 and this is recall in other words; it
    says nothing of how many negatives are taken for positives, and is no substitute for `f1`. Tables of detection on
    edited images alone print it as F1.

    >>> f1_positive([1, 0, 0, 1], [1, 1, 0, 0])
    0.6666666666666666
    """
    c = confusion(predicted, labels, counts)
    return _part(2 * c.tp, c.fn)


@Measure.requiring(2)
def auc(scores: Floats, labels: Floats, counts: Counts) -> Floats:
    """Area under the ROC curve, 0 to 1: how often a positive item scores above a negative one, ties counting half.

    AUC = (R - P (P + 1) / 2) / (P N) with P positives, whose ranks add up to R, and N negatives. Needs no threshold;
    0.5 is chance. Undefined unless both labels occur. Source: Hanley & McNeil 1982; Mann & Whitney 1947.

    >>> auc([0.9, 0.4, 0.6, 0.1], [1, 1, 0, 0])
    0.75
    """
    if not np.isin(labels, (0, 1)).all():
        raise AgreementError("labels hold other numbers than 0 and 1")
    of_positives = np.einsum("bn,bn,n->b", counts, ranks(scores, counts), labels)
    positives = counts.astype(np.float64) @ labels
    negatives = counts.sum(axis=1) - positives
    pairs = positives * negatives
    above = of_positives - positives * (positives + 1) / 2
    return np.divide(above, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)


def best_threshold(scores: ArrayLike, labels: ArrayLike) -> float:
    """The threshold t whose balanced accuracy is best when scores >= t are predicted positive; in the scores' unit.

    It lies midway between two scores that occur; of several that are as good, the lowest. Chosen on the very items it
    is judged by, it flatters, the more the fewer they are: give a threshold from other data where there is one. Raises
    `UndefinedError` unless both labels occur and the scores differ. Source: Youden 1950 (J = recall + specificity -
    1).

    >>> best_threshold([0.1, 0.2, 0.6, 0.8], [0, 0, 1, 1])
    0.4
    """
    x, y = paired(scores, labels)
    if not len(y) or not np.isin(y, (0, 1)).all() or np.ptp(y) == 0:
        raise UndefinedError("a threshold can be chosen only where both labels occur, 0 and 1")
    if np.ptp(x) == 0:
        raise UndefinedError(f"all scores are {x[0]:g}; no threshold tells them apart")
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    steps = np.flatnonzero(np.diff(x)) + 1  # everything from here on is predicted positive
    missed = np.cumsum(y)[steps - 1]
    kept_out = steps - missed
    best = steps[np.argmax((y.sum() - missed) / y.sum() + kept_out / (len(y) - y.sum()))]
    return float((x[best - 1] + x[best]) / 2)


def _part(part: Floats, rest: Floats) -> Floats:
    """part / (part + rest), and NaN where both are 0."""
    whole = part + rest
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
