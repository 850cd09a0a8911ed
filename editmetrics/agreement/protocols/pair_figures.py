"""Figures of protocols whose items are pairs of edits: how often a metric prefers the edit that people prefer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..bootstrap import bootstrap_interval
from ..measure import FEWEST, AgreementError, Counts, Floats, Measure
from ..preferences import CONTRADICTION, predictions, preference_accuracy
from ..result import Line
from .protocol import Joined

COLUMNS = {
    "item": "the source and instruction that edits share; its pairs are resampled together",
    "verdict": "how a judge of pairs decided: win, loss, tie or inconsistent; other metrics have none",
}
"""Columns of every protocol of pairs."""

VERDICTS = {"win": 1.0, "loss": -1.0, "tie": 0.0, "inconsistent": CONTRADICTION}


def choices(joined: Joined, dimension: str, tie_threshold: float = 0.0) -> Floats:
    """Return the metric's choice (rows,): 1 for the first edit, -1 for the second, 0 for a tie; NaN without a score.

    A difference of scores up to `tie_threshold` is a tie. The verdict of a judge of pairs is its choice, whatever the
    threshold; where it contradicts itself, the choice equals none of people's.
    """
    scores, _ = joined.dimension(dimension)
    chosen = np.where(np.isnan(scores), np.nan, predictions(np.nan_to_num(scores), tie_threshold))
    if joined.has("verdict"):
        chosen = np.array(
            [
                VERDICTS.get(str(verdict), choice)
                for verdict, choice in zip(joined.texts("verdict"), chosen, strict=True)
            ]
        )
    return chosen


def share_line(
    joined: Joined, dimension: str, measure: str, group: str, chosen: Floats, right: Floats, items: np.ndarray
) -> Line:
    """Return the share of `chosen` (n,) that equal `right` (n,), with an interval clustered by `items` (n,).

    NaN in `chosen` is left out, and counted. An interval requires three.
    """
    used = ~np.isnan(chosen)
    count = int(used.sum())
    line = joined.line(
        dimension, group, measure, lambda: preference_accuracy(chosen[used], right[used]), count, int((~used).sum())
    )
    return _with_interval(line, preference_accuracy, chosen[used], right[used], items[used])


def with_interval_of_mean(line: Line, chosen: Floats, right: Floats, groups: np.ndarray, items: np.ndarray) -> Line:
    """Return `line`, the mean of the shares of right choices in each of `groups` (n,), with its interval."""
    used = ~np.isnan(chosen)
    codes = np.unique(groups[used].astype(str), return_inverse=True)[1]
    return _with_interval(line, mean_of_groups, (chosen == right)[used], codes, items[used])


@Measure.requiring(1)
def mean_of_groups(correct: Floats, groups: Floats, counts: Counts) -> Floats:
    """The mean over groups of the share of `correct` (n,), which are 1 or 0; `groups` (n,) are numbers.

    A resample that lacks a group has no value, since a mean of fewer groups would be another figure.

    >>> mean_of_groups([1, 1, 1, 0], [0, 0, 0, 1])
    0.5
    """
    inside = (groups[:, None] == np.unique(groups)).astype(float)
    totals = counts @ inside
    right = (counts * correct) @ inside
    return np.divide(right, totals, out=np.full(right.shape, np.nan), where=totals > 0).mean(axis=1)


def _with_interval(line: Line, measure: Measure, one: np.ndarray, other: np.ndarray, items: np.ndarray) -> Line:
    """A line with an interval clustered by `items`, unless it has no value, or too few items for an interval."""
    if line.value is None or len(one) < FEWEST:
        return line
    try:
        low, high = bootstrap_interval(measure, one, other, clusters=items)
    except AgreementError:  # too many resamples lack a group: there is no interval
        return line
    return replace(line, low=low, high=high)


def item_names(joined: Joined) -> np.ndarray:
    """Return what each row's pair is resampled with (rows,); without the column `item`, each row is its own."""
    if not joined.has("item"):
        return np.arange(joined.rows).astype(str)
    return np.array([str(text) for text in joined.texts("item")])
