"""A measure of agreement: a number of two arrays, computed of their rows or of many resamples of them at once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..sample import EditMetricsError
from ..wording import plural

Floats: TypeAlias = NDArray[np.float64]
Counts: TypeAlias = NDArray[np.int32]
Formula: TypeAlias = Callable[[Floats, Floats, Counts], Floats]

FEWEST = 3
"""A correlation requires more than two items: two points always lie on a line. Other measures state their number."""


class AgreementError(EditMetricsError):
    """Scores and ratings that cannot be compared, with the reason."""


class UndefinedError(AgreementError):
    """A measure without a value on these items: constant scores, no positive label, too few items."""


class Measure:
    """A measure: `measure(scores, ratings)` is its value, `measure.resampled(scores, ratings, counts)` many values.

    It is made of one formula of scores (n,), ratings (n,) and counts (replicates, n), which gives (replicates,) values
    with NaN where a replicate has none; the value of the items themselves is that of a single replicate that has each
    of them once. So a number and its interval cannot drift apart.

    `fewest` is the number of items it requires: 3 for a correlation, 2 to compare two items, 1 for a measure of each
    item by itself.
    """

    def __init__(self, formula: Formula, fewest: int = FEWEST) -> None:
        functools.update_wrapper(self, formula)
        self.name, self.fewest = formula.__name__, fewest
        self._formula = formula

    @classmethod
    def requiring(cls, fewest: int) -> Callable[[Formula], Measure]:
        """A decorator for the formula of a measure that needs `fewest` items."""
        return lambda formula: cls(formula, fewest)

    def __call__(self, scores: ArrayLike, ratings: ArrayLike) -> float:
        x, y = paired(scores, ratings)
        self._require_enough(len(x))
        value = float(self._formula(x, y, np.ones((1, len(x)), np.int32))[0])
        if np.isnan(value):
            raise UndefinedError(f"{self.name} is undefined: {_why(x, y)}")
        return value

    def resampled(self, scores: ArrayLike, ratings: ArrayLike, counts: ArrayLike) -> Floats:
        """Return the value of each replicate b, in which item i occurs `counts[b, i]` times; NaN for undefined."""
        x, y = paired(scores, ratings)
        self._require_enough(len(x))
        return self._formula(x, y, np.asarray(counts, dtype=np.int32))

    def _require_enough(self, items: int) -> None:
        if items < self.fewest:
            raise UndefinedError(f"n = {items}; {self.name} requires at least {plural(self.fewest, 'item')}")

    def __repr__(self) -> str:
        return f"<measure {self.name}>"


def defined(measure: Measure, scores: ArrayLike, ratings: ArrayLike) -> float | None:
    """Return the value of a measure, None where it is undefined."""
    try:
        return measure(scores, ratings)
    except UndefinedError:
        return None


def paired(scores: ArrayLike, ratings: ArrayLike) -> tuple[Floats, Floats]:
    """Return both as float arrays (n,). Raises `AgreementError` for other shapes, NaN and infinity."""
    x, y = (np.asarray(values, dtype=np.float64) for values in (scores, ratings))
    if x.ndim != 1 or x.shape != y.shape:
        raise AgreementError(
            f"scores and ratings have shapes {x.shape} and {y.shape}; expected (n,) twice, one per item"
        )
    for name, values in (("scores", x), ("ratings", y)):
        if not np.isfinite(values).all():
            bad = np.flatnonzero(~np.isfinite(values))
            raise AgreementError(
                f"{len(bad)} of {len(values)} {name} are NaN or infinite (the first at {bad[0]}); leave these items out"
            )
    return x, y


def _why(x: Floats, y: Floats) -> str:
    for name, values in (("scores", x), ("ratings", y)):
        if np.ptp(values) == 0:
            return f"all {name} are {values[0]:g}"
    return "the items do not contain what it counts"
