"""Validation during training: the agreement of predictions with ratings, and the number that selects weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from ..agreement.correlation import plcc, srcc
from ..agreement.measure import defined
from .recipe import Select


def agreement(scores: Sequence[float], ratings: Sequence[float]) -> dict[str, Any]:
    """SRCC, PLCC and number of items of a validation; None where undefined, as for scores that are all alike.

    >>> agreement([1.0, 2.0, 3.0, 4.0], [10.0, 20.0, 40.0, 30.0])["srcc"], agreement([1.0, 1.0, 1.0], [1.0, 2.0, 3.0])
    (0.8, {'n': 3, 'srcc': None, 'plcc': None})
    """
    return {"n": len(ratings), **{measure.name: defined(measure, scores, ratings) for measure in (srcc, plcc)}}


def merit(measures: Mapping[str, Any], select: Select = "srcc") -> float | None:
    """Return the number by which weights are chosen, in [-1, 1]: SRCC, or the mean of SRCC and PLCC.

    None where a part of it is None or NaN: such weights are never the best.

    >>> merit({"srcc": 0.5, "plcc": 0.7}, "mean"), merit({"srcc": 0.5, "plcc": None}, "mean"), merit({"srcc": 0.5})
    (0.6, None, 0.5)
    """
    return mean_or_none(measures.get(name) for name in (("srcc", "plcc") if select == "mean" else ("srcc",)))


def mean_merit(measured: Iterable[Mapping[str, Any]], select: Select = "srcc") -> float | None:
    """Return the mean `merit` of several dimensions; None where one has none."""
    return mean_or_none(merit(measures, select) for measures in measured)


def mean_or_none(values: Iterable[float | None]) -> float | None:
    """Return the mean of some numbers; None where one of them is None or NaN, and for no numbers.

    >>> mean_or_none([0.5, 1.0]), mean_or_none([0.5, None]), mean_or_none([])
    (0.75, None, None)
    """
    numbers = list(values)
    known = [value for value in numbers if value is not None and not math.isnan(value)]
    return fmean(known) if known and len(known) == len(numbers) else None
