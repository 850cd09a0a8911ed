"""The options of `combine`, checked when they are made."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from ..agreement.bootstrap import LEVEL, REPLICATES
from ..agreement.join import On
from ..agreement.measure import AgreementError
from ..wording import did_you_mean

FEWEST_REPLICATES = 100
"""Resamples below which the ends of an interval are chance."""


@dataclass(frozen=True, kw_only=True)
class CombineOptions:
    """The choices that `combine` leaves to its caller; all have a default.

    - `metrics`: the score columns; by default those that a record or the name of an installed metric tells to be some.
    - `rating`: the rating column; by default the only one, or the only one called MOS, rating, ...
    - `regressors`: of `ridge`, `svr` and `forest`; by default all, or ridge alone without scikit-learn.
    - `group`: the column whose rows stay together, in a fold and in a resample; by default `source`, if present.
    - `folds`: their number. `fold`: a column that names the fold of each row, in place of them.
    - `on`, `columns`, `lower_is_better`, `higher_is_better`: as for `evaluate`.
    - `baseline`: whether to measure ridge regression on image statistics, too, where the images are at hand.
    - `replicates`, `level`: of the bootstrap intervals. `seed`: of folds, forests, shuffles and the bootstrap.

    Raises `AgreementError` for a value out of range.

    >>> CombineOptions(folds=10).changed(seed=1).seed
    1
    """

    metrics: Sequence[str] = ()
    rating: str | None = None
    regressors: Sequence[str] = ()
    group: str | None = None
    folds: int = 5
    fold: str | None = None
    on: Sequence[On] = ()
    columns: Mapping[str, str] | None = None
    lower_is_better: Collection[str] = ()
    higher_is_better: Collection[str] = ()
    baseline: bool = True
    replicates: int = REPLICATES
    level: float = LEVEL
    seed: int = 0

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise AgreementError(f"folds is {self.folds}; expected 2 or more")
        if self.replicates < FEWEST_REPLICATES:
            raise AgreementError(f"replicates is {self.replicates}; expected {FEWEST_REPLICATES} or more")
        if not 0 < self.level < 1:
            raise AgreementError(f"level is {self.level}; expected a number between 0 and 1, such as 0.95")

    def changed(self, **changes: Any) -> CombineOptions:
        """These options with other values for some. Raises `AgreementError` for a name that is not an option."""
        names = [field.name for field in fields(self)]
        for name in changes:
            if name not in names:
                raise AgreementError(f"unknown option {name!r} of combine.{did_you_mean(name, names)}")
        return replace(self, **changes)
