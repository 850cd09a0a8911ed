"""Validation during training: predictions shared among processes, and their agreement with ratings."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any, TypeVar

from ..agreement.correlation import plcc, srcc
from ..agreement.measure import UndefinedError
from .processes import shared
from .recipe import Select

T = TypeVar("T")
R = TypeVar("R")


def predictions(examples: Sequence[T], predict: Callable[[Sequence[T]], Sequence[R]]) -> list[R]:
    """Return `predict(examples)`, with the work shared among the processes of a training; each gets all numbers.

    `predict` takes some of the examples and returns a number for each.

    >>> predictions([1, 2, 3], lambda some: [2.0 * x for x in some])
    [2.0, 4.0, 6.0]
    """
    return shared(examples, predict)


def agreement(scores: Sequence[float], ratings: Sequence[float]) -> dict[str, Any]:
    """SRCC, PLCC and number of items of a validation; None where undefined, as for scores that are all alike.

    >>> agreement([1.0, 2.0, 3.0, 4.0], [10.0, 20.0, 40.0, 30.0])["srcc"], agreement([1.0, 1.0, 1.0], [1.0, 2.0, 3.0])
    (0.8, {'n': 3, 'srcc': None, 'plcc': None})
    """
    measures: dict[str, Any] = {"n": len(ratings)}
    for measure in (srcc, plcc):
        try:
            measures[measure.name] = measure(scores, ratings)
        except UndefinedError:
            measures[measure.name] = None
    return measures


def merit(measures: Mapping[str, Any], select: Select = "srcc") -> float | None:
    """Return the number by which weights are chosen, in [-1, 1]: SRCC, or the mean of SRCC and PLCC.

    None where a part of it is None or NaN: such weights are never the best.

    >>> merit({"srcc": 0.5, "plcc": 0.7}, "mean"), merit({"srcc": 0.5, "plcc": None}, "mean"), merit({"srcc": 0.5})
    (0.6, None, 0.5)
    """
    parts = [measures.get(name) for name in (("srcc", "plcc") if select == "mean" else ("srcc",))]
    known = [part for part in parts if part is not None and not math.isnan(part)]
    return fmean(known) if len(known) == len(parts) else None


def mean_merit(measured: Iterable[Mapping[str, Any]], select: Select = "srcc") -> float | None:
    """Return the mean `merit` of several dimensions; None where one has none."""
    merits = [merit(measures, select) for measures in measured]
    known = [value for value in merits if value is not None]
    return fmean(known) if merits and len(known) == len(merits) else None
