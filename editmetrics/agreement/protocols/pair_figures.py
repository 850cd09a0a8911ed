"""Figures of protocols whose items are pairs of edits: how often a metric prefers the edit that people prefer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..bootstrap import bootstrap_interval
from ..measure import FEWEST, AgreementError, Counts, Floats, Measure
from ..preferences import CONTRADICTION, calibrated_threshold, predictions
from ..result import ALL, Line
from .protocol import Joined

PAIRS, PAIRS_WITH_TIES = "pairs_without_ties", "pairs_with_ties"
"""Accuracy over the pairs that people did not tie; and over all, close scores being ties."""

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


def tie_threshold(joined: Joined, dimension: str, rows: np.ndarray) -> float:
    """Return the tie threshold that suits the pairs of `rows` (rows,) of bool best; 0 where people see no ties."""
    scores, people = joined.dimension(dimension)
    known = rows & ~np.isnan(scores) & ~np.isnan(people)
    return calibrated_threshold(scores[known], people[known]) if known.any() else 0.0


def correct(chosen: Floats, right: Floats) -> Floats:
    """Return 1 where `chosen` (n,) equals `right` (n,), 0 elsewhere, and NaN where nothing is chosen."""
    return np.where(np.isnan(chosen), np.nan, (chosen == right).astype(float))


def share_line(joined: Joined, dimension: str, measure: str, group: str, values: Floats, items: np.ndarray) -> Line:
    """Return the mean of `values` (n,), such as 1 for right and 0 for wrong, and its interval clustered by `items`.

    `items` (n,). NaN is left out, and counted. An interval requires three.
    """
    used = ~np.isnan(values)
    count = int(used.sum())
    line = joined.line(dimension, group, measure, lambda: mean(values[used], np.ones(count)), count, int((~used).sum()))
    return _with_interval(line, mean, values[used], np.ones(count), items[used])


def share_lines(
    joined: Joined, dimension: str, measure: str, values: Floats, rows: np.ndarray, column: str
) -> Iterator[Line]:
    """Yield the share over the pairs of `rows` (rows,) of bool, and over those with each value of a column, if it is
    present."""
    items = item_names(joined)
    groups = {ALL: rows}
    if joined.has(column):
        groups |= {f"{column}={value}": inside for value, inside in joined.groups(column, rows).items()}
    for group, inside in groups.items():
        yield share_line(joined, dimension, measure, group, values[inside], items[inside])


def lines_with_and_without_ties(joined: Joined, dimension: str, group: str, rows: np.ndarray) -> Iterator[Line]:
    """Yield the accuracy over the pairs of `rows` (rows,) of bool, without those that people tie, and with them.

    With ties, differences up to the threshold that suits these pairs best are ties. Source: calc_accuracy_with_ties and
    _without_ties of TIGER-AI-Lab/EditReward; Deutsch et al., EMNLP 2023.
    """
    _, people = joined.dimension(dimension)
    names = item_names(joined)
    strict = correct(choices(joined, dimension), people)
    tied = correct(choices(joined, dimension, tie_threshold(joined, dimension, rows)), people)
    for measure, values, used in ((PAIRS, strict, rows & (people != 0)), (PAIRS_WITH_TIES, tied, rows)):
        if used.any():
            yield share_line(joined, dimension, measure, group, values[used], names[used])


def means_by_item(values: Floats, items: np.ndarray) -> tuple[Floats, np.ndarray]:
    """Return the mean of `values` (n,) of each item, NaN for one that lacks a value; and the items, in their order."""
    names, codes = np.unique(items.astype(str), return_inverse=True)
    return np.bincount(codes, weights=values, minlength=len(names)) / np.bincount(codes, minlength=len(names)), names


def with_interval_of_mean(line: Line, values: Floats, groups: np.ndarray, items: np.ndarray) -> Line:
    """Return `line`, the mean of the shares of `values` (n,) in each of `groups` (n,), with its interval."""
    used = ~np.isnan(values)
    codes = np.unique(groups[used].astype(str), return_inverse=True)[1]
    return _with_interval(line, mean_of_groups, values[used], codes, items[used])


@Measure.requiring(1)
def mean(values: Floats, weights: Floats, counts: Counts) -> Floats:
    """The mean of `values` (n,), weighted by `weights` (n,).

    >>> mean([1, 0, 0.5], [1, 1, 1])
    0.5
    """
    total = counts @ weights
    return np.divide(counts @ (weights * values), total, out=np.full(len(counts), np.nan), where=total > 0)


@Measure.requiring(1)
def mean_of_groups(values: Floats, groups: Floats, counts: Counts) -> Floats:
    """The mean over groups of the mean of `values` (n,); `groups` (n,) are numbers.

    A resample that lacks a group has no value, since a mean of fewer groups would be another figure.

    >>> mean_of_groups([1, 1, 1, 0], [0, 0, 0, 1])
    0.5
    """
    inside = (groups[:, None] == np.unique(groups)).astype(float)
    totals = counts @ inside
    sums = (counts * values) @ inside
    return np.divide(sums, totals, out=np.full(sums.shape, np.nan), where=totals > 0).mean(axis=1)


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
