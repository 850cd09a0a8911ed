"""Confounds: sizes or formats of images that tell their ratings, so that a metric may learn them and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..agreement.correlation import srcc
from ..agreement.labels import auc
from ..agreement.measure import UndefinedError
from .baseline import is_label
from .groups import image_key
from .survey import Surveyed
from .targets import Example

LEAST_AUC, LEAST_SRCC = 0.7, 0.3
"""What a column must reach by itself, of a label and of a rating, in either direction."""

LEAST_GROUPS = 20
MOST_CHANCE = 0.001
"""The fewest sources that anything is concluded from, and the most that the p-value may be, over all columns."""


class Confound(NamedTuple):
    """A column that predicts a dimension by itself: AUC of a label (0.5 to 1), |SRCC| of a rating; p-value; rows."""

    column: str
    measure: str
    value: float
    p: float
    rows: int


def confounds(
    columns: Mapping[str, Sequence[float | None]], ratings: Sequence[float], groups: Sequence[Any]
) -> list[Confound]:
    """The columns that predict `ratings` (n,) by themselves, strongest first.

    A column is named if its AUC (for labels; c or 1 - c) is at least `LEAST_AUC`, or its |SRCC| (for ratings) at least
    `LEAST_SRCC`, and chance would rarely do it: p <= `MOST_CHANCE` / columns, where p is that of Student's t of the
    SRCC, with the number of different `groups` (sources) in place of the number of rows, since edits of one source are
    no independent evidence. Fewer than `LEAST_GROUPS` of them, or a column that is constant, tell nothing.

    >>> sizes, labels = [64.0] * 30 + [128.0] * 30, [0.0] * 30 + [1.0] * 30
    >>> [(one.column, one.value) for one in confounds({"width": sizes}, labels, range(60))]
    [('width', 1.0)]
    """
    label = is_label(ratings)
    named = []
    for name, values in columns.items():
        known = [row for row, value in enumerate(values) if value is not None]
        x, y = (np.array([numbers[row] for row in known], float) for numbers in (values, ratings))
        count = len({groups[row] for row in known})
        if count < LEAST_GROUPS or len(set(x)) < 2 or len(set(y)) < 2:
            continue
        try:
            correlation = srcc(x, y)
            value = max(auc(x, y), auc(-x, y)) if label else abs(correlation)
        except UndefinedError:
            continue
        p = _chance(correlation, count)
        if value >= (LEAST_AUC if label else LEAST_SRCC) and p <= MOST_CHANCE / len(columns):
            named.append(Confound(name, "AUC" if label else "SRCC", float(value), p, len(known)))
    return sorted(named, key=lambda one: -one.value)


def confounds_of(
    examples: Sequence[Example], surveyed: Mapping[int, Surveyed | None], tokens: Mapping[int, int | None]
) -> dict[str, list[Confound]]:
    """By dimension, what size, aspect ratio, file format and the number of image tokens predict of its ratings.

    `surveyed` and `tokens` are by id(sample).
    """
    by_dimension = {}
    for dimension in dict.fromkeys(name for example in examples for name in example.targets):
        rows = [(e, one) for e in examples if dimension in e.targets and (one := surveyed[id(e.sample)]) is not None]
        columns: dict[str, list[float | None]] = {
            "width": [one.width for _, one in rows],
            "height": [one.height for _, one in rows],
            "pixels": [one.width * one.height for _, one in rows],
            "aspect ratio": [one.width / one.height for _, one in rows],
            "image tokens": [tokens.get(id(e.sample)) for e, _ in rows],
        }
        for kind in sorted({one.format for _, one in rows if one.format is not None}):
            columns[f"file format {kind}"] = [float(one.format == kind) for _, one in rows]
        groups = [image_key(e.sample.edited if e.sample.source is None else e.sample.source) for e, _ in rows]
        if named := confounds(columns, [e.targets[dimension] for e, _ in rows], groups):
            by_dimension[dimension] = named
    return by_dimension


def described(dimension: str, named: Sequence[Confound]) -> str:
    """A warning about the confounds of a dimension: the columns, the numbers, and what to do."""
    columns = ", ".join(f"{one.column} ({one.measure} {one.value:.2f})" for one in named)
    return (
        f"{dimension} can be told from {columns} alone, over {named[0].rows} rows: the metric may learn that instead "
        "of the edit. Save all images in one size and format, or balance it over the ratings"
    )


def _chance(correlation: float, count: int) -> float:
    """Two-sided p-value of a correlation of `count` independent pairs, by Student's t."""
    from scipy.stats import t

    if abs(correlation) >= 1:
        return 0.0
    return float(2 * t.sf(abs(correlation) * ((count - 2) / (1 - correlation**2)) ** 0.5, count - 2))
