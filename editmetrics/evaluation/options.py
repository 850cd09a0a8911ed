"""The options of `evaluate`, checked when they are made."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from ..agreement.bootstrap import LEVEL
from ..agreement.join import On
from ..agreement.measure import AgreementError
from ..agreement.measures import check_names
from ..agreement.pairing import Pairs
from ..wording import did_you_mean


@dataclass(frozen=True, kw_only=True)
class AgreementOptions:
    """The choices that `evaluate` leaves to its caller; all have a default.

    - `pairs`: the score column and rating column of each comparison. By default columns of equal names are compared
      (of `METRIC.DIMENSION`, the dimension counts, too); a single rating column is compared with all scores.
    - `on`: the columns to join by: names, "SCORES_COLUMN=RATINGS_COLUMN", or pairs. By default `id`, else `id` and
      `system`, else the path `edited`.
    - `columns`: headings to read as other columns, in the table that has them: `{"id": "Image", "system": "model"}`.
    - `measures`: names of `agreement.measures.MEASURES`; by default those that suit the ratings.
    - `group_by`: columns whose groups are measured one by one and averaged. `system`: the column of the system level;
      by default `system` where there is one.
    - `cluster`: the column whose items are resampled together (`source`). `replicates`: of the bootstrap; 0 gives no
      intervals. `level`: confidence level of the intervals. `seed`: of the bootstrap.
    - `fit`: 4 or 5 parameters of the logistic curve, None for no curve.
    - `lower_is_better`, `higher_is_better`: scores of that direction. All others have the direction of their metric, as
      the `Results` state it, or as it is installed. `known_directions`: the same from a caller that knows its columns,
      name -> whether higher is better. Scores of unknown direction count as higher is better; a note says so.
    - `scale`: (low, high) of the ratings; ratings outside are left out and counted.
    - `against`: a score column that every other one is tested against on the same items, by `measures` (default: SRCC,
      AUC for labels), with 1000 replicates unless `replicates` says otherwise.
    - `positive`: the rating that is the positive label, where ratings are words. `threshold`: scores from here on (up
      to here, for lower is better) are predicted positive; by default the one with the best balanced accuracy.
    - `tie_threshold`: scores that differ by no more are a tie, in pairwise accuracy; by default calibrated.
      `rating_tie`: the same for ratings.

    Raises `AgreementError` for an unknown measure, and for a value out of range.

    >>> AgreementOptions(cluster="source", replicates=1000).level
    0.95
    """

    pairs: Pairs = None
    on: Sequence[On] = ()
    columns: Mapping[str, str] | None = None
    measures: Sequence[str] = ()
    group_by: Sequence[str] = ()
    system: str | None = None
    cluster: str | None = None
    replicates: int = 0
    level: float = LEVEL
    seed: int = 0
    fit: Literal[4, 5] | None = 4
    lower_is_better: Collection[str] = ()
    higher_is_better: Collection[str] = ()
    known_directions: Mapping[str, bool | None] | None = None
    scale: tuple[float, float] | None = None
    against: str | None = None
    positive: str | None = None
    threshold: float | None = None
    tie_threshold: float | None = None
    rating_tie: float = 0.0

    def __post_init__(self) -> None:
        check_names(self.measures)
        if self.fit not in (4, 5, None):
            raise AgreementError(f"fit is {self.fit!r}; expected 4, 5 or None")
        if not 0 < self.level < 1:
            raise AgreementError(
                f"the level of the intervals is {self.level}; expected a number between 0 and 1, such as 0.95"
            )
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise AgreementError(f"the threshold is {self.threshold}; expected a number in the unit of the scores")
        if self.scale is not None and not self.scale[0] < self.scale[1]:
            raise AgreementError(f"the scale is {self.scale[0]} to {self.scale[1]}; expected the lowest rating first")

    def changed(self, **changes: Any) -> AgreementOptions:
        """These options with other values for some. Raises `AgreementError` for a name that is not an option."""
        names = [field.name for field in fields(self)]
        for name in changes:
            if name not in names:
                raise AgreementError(f"unknown option {name!r} of evaluate.{did_you_mean(name, names)}")
        return replace(self, **changes)
