"""A table of scores: who made which number, what has none, and what belongs together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..sample import EditMetricsError
from .run_record import RunRecord


class ReportError(EditMetricsError):
    """A table that no report can be made of, and why."""


@dataclass(frozen=True, eq=False)
class ScoreColumn:
    """One metric and dimension over the samples.

    - `values`: (n,) float, infinite ones included, NaN where there is none. `statuses`, `reasons`: (n,) text.
    - `uncertainty`: (n,) standard deviations, NaN where none is known.
    - `label`: the metric with its options; `identity`: the key of what produced the numbers, None when not known.
    - `known`: False where the direction was taken for granted.
    """

    name: str
    label: str
    values: np.ndarray
    statuses: np.ndarray
    reasons: np.ndarray
    uncertainty: np.ndarray
    higher_is_better: bool = True
    known: bool = True
    unit: str = ""
    identity: str | None = None

    @property
    def arrow(self) -> str:
        """The direction that is better; nothing where none is known."""
        return "" if not self.known else "↑" if self.higher_is_better else "↓"

    @property
    def merit(self) -> np.ndarray:
        """The values, turned so that more is better."""
        return self.values if self.higher_is_better else -self.values

    @cached_property
    def percentiles(self) -> np.ndarray:
        """(n,) where each score stands among all of the column, 0 for the worst to 1 for the best; NaN without a score.

        (rank - 1/2) / n, ties at their average rank.
        """
        return percentiles(self.merit)

    def unscored(self, rows: np.ndarray) -> dict[str, int]:
        """How many of these rows have no score, by status."""
        return dict(Counter(self.statuses[rows][np.isnan(self.values[rows])].tolist()))


@dataclass(frozen=True, eq=False)
class ScoredTable:
    """Scores of n samples, whatever file they came from.

    - `ids`: (n,) text, unique. `systems`: (n,) text or None. `other`: the further columns, as text.
    - `items`: (n,) what was asked for, the same for all systems that did it; None where that is not known.
    - `clusters`: (n,) what is drawn together in a bootstrap: the source image, else the item, else the sample.
    - `explanations`, `details`: by the label of the metric, (n,), None where nothing was said.
    - `notes`: what a reader must know: a record that is gone, rows that cannot be read, numbers that do not match.
    """

    path: Path
    ids: Sequence[str]
    systems: Sequence[str | None]
    sources: Sequence[str | None]
    edits: Sequence[str | None]
    prompts: Sequence[str | None]
    columns: Sequence[ScoreColumn]
    items: Sequence[Any]
    clusters: np.ndarray
    clustered_by: str
    other: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    explanations: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    details: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    record: RunRecord | None = None
    notes: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def system_names(self) -> list[str | None]:
        """The systems in order of appearance; [None] when none is named."""
        return list(dict.fromkeys(self.systems))

    def identity_of(self, column: ScoreColumn) -> Mapping[str, Any] | None:
        """All that produced the numbers of a column; None when nothing is known of it."""
        return self.record.identities.get(column.identity) if self.record and column.identity else None


def percentiles(merit: np.ndarray) -> np.ndarray:
    """(rank - 1/2) / n of each value, more being better; NaN stays NaN.

    >>> percentiles(np.array([3.0, 1.0, np.nan, np.inf])).round(2).tolist()
    [0.5, 0.17, nan, 0.83]
    """
    from scipy.stats import rankdata

    found = np.full(len(merit), np.nan)
    there = ~np.isnan(merit)
    if there.any():
        found[there] = (rankdata(merit[there]) - 0.5) / there.sum()
    return found


def short_names(columns: Sequence[ScoreColumn]) -> list[str]:
    """What a column is called where there is little room: its dimension alone, if no other is called that."""
    dimensions = [column.name.removeprefix(f"{column.label}.") for column in columns]
    return [d if dimensions.count(d) == 1 else column.name for d, column in zip(dimensions, columns, strict=True)]
