"""Validation during training: predictions shared among processes, and their agreement with ratings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ..agreement.correlation import plcc, srcc
from ..agreement.measure import UndefinedError
from .processes import shared

T = TypeVar("T")


def predictions(examples: Sequence[T], predict: Callable[[Sequence[T]], Sequence[float]]) -> list[float]:
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
