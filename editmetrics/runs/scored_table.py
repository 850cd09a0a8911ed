"""A table of scores in memory: columns of numbers with their statuses and provenance, and clusters of rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..agreement.systems import Tasks
from ..files.text import arrow
from ..sample import EditMetricsError
from .read_record import RunRecord


class ScoresError(EditMetricsError):
    """A table of scores that cannot be used as requested."""


@dataclass(frozen=True, eq=False)
class ScoreColumn:
    """One metric and dimension over the samples.

    - `values`: (n,) float, possibly infinite, NaN where missing. `statuses`, `reasons`: (n,) text.
    - `uncertainty`: (n,) standard deviations, NaN where unknown.
    - `label`: the metric with its options; `identity`: the key of its identity in the record, None if unknown.
    - `known`: False where the direction was assumed. `rewards_no_change`: True if it measures how little changed.
    - `of_sets`: True if a row is a set of images.
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
    rewards_no_change: bool = False
    of_sets: bool = False

    @property
    def arrow(self) -> str:
        """The better direction; "" if unknown."""
        return arrow(self.higher_is_better if self.known else None)

    @property
    def merit(self) -> np.ndarray:
        """The values, turned so that more is better."""
        return self.values if self.higher_is_better else -self.values

    @cached_property
    def percentiles(self) -> np.ndarray:
        """(n,) the rank of each score in the column, from 0 for the worst to 1 for the best; NaN without a score.

        (rank - 1/2) / n, ties at their average rank.
        """
        return percentiles(self.merit)

    def unscored(self, rows: np.ndarray) -> dict[str, int]:
        """Count these rows without a score, by status."""
        return dict(Counter(self.statuses[rows][np.isnan(self.values[rows])].tolist()))


@dataclass(frozen=True, eq=False)
class ScoredTable:
    """Scores of n samples, read from a file.

    - `ids`: (n,) text, unique. `systems`: (n,) text or None. `other`: the remaining columns, as text.
    - `items`: (n,) the task behind each sample, equal for all systems that solved it; None if unknown.
    - `clusters`: (n,) rows resampled together in a bootstrap: those of a source image, else of an item, else a sample.
    - `explanations`, `details`: by the label of the metric, (n,), None where missing.
    - `notes`: for readers: a missing record, rows that cannot be read, numbers that do not match.
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

    @property
    def of_sets(self) -> bool:
        """Whether a row is a set of images, and not an image."""
        return any(column.of_sets for column in self.columns)

    @cached_property
    def system_names(self) -> list[str | None]:
        """The systems in order of appearance; [None] when none is named."""
        return list(dict.fromkeys(self.systems))

    @property
    def tasks(self) -> Tasks:
        """The systems, items and clusters of the samples."""
        return Tasks(self.systems, self.items, self.clusters, self.clustered_by)

    def identity_of(self, column: ScoreColumn) -> Mapping[str, Any] | None:
        """The identity that produced the numbers of a column; None if unknown."""
        return self.record.identities.get(column.identity) if self.record and column.identity else None


def percentiles(merit: np.ndarray) -> np.ndarray:
    """(rank - 1/2) / n of each value, more being better; NaN stays NaN.

    >>> percentiles(np.array([3.0, 1.0, np.nan, np.inf])).round(2).tolist()
    [0.5, 0.17, nan, 0.83]
    """
    from scipy.stats import rankdata

    ranks = np.full(len(merit), np.nan)
    scored = ~np.isnan(merit)
    if scored.any():
        ranks[scored] = (rankdata(merit[scored]) - 0.5) / scored.sum()
    return ranks


def short_names(columns: Sequence[ScoreColumn]) -> list[str]:
    """Column names for narrow places: the dimension alone where it is unique."""
    dimensions = [column.name.removeprefix(f"{column.label}.") for column in columns]
    return [d if dimensions.count(d) == 1 else column.name for d, column in zip(dimensions, columns, strict=True)]
