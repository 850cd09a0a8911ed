"""Systems by their mean scores, over all samples and in each group, with intervals, missing scores and leaders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..agreement.bootstrap import BY_DEFAULT, Resampling
from ..agreement.means import ResampledMeans
from ..agreement.systems import Scores, SystemComparison, compare_systems
from ..runs.scored_table import ScoreColumn, ScoredTable, ScoresError

GROUP_COLUMNS = ("edit_type", "task", "group")
"""Columns that distinguish kinds of edits, if a table has them."""

MOST_GROUPS = 50
"""A column with more values than this groups nothing."""


@dataclass(frozen=True)
class SystemMean:
    """The mean of one metric over the samples of a line.

    `mean`, `low`, `high`: over the finite scores; None without one, or with too few for an interval. `n`: the number of
    scores; `infinite`: of infinite ones. `unscored`: the number of missing scores by status. `best`: ahead of every
    other system by more than noise.
    """

    mean: float | None
    low: float | None
    high: float | None
    n: int
    infinite: int = 0
    unscored: Mapping[str, int] = field(default_factory=dict)
    best: bool = False


@dataclass(frozen=True)
class BoardLine:
    """One line: a system, in a group if the board has groups, the rows of its samples, and the mean of each metric."""

    group: str | None
    system: str | None
    rows: Sequence[int]
    cells: Sequence[SystemMean]

    @property
    def samples(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Board:
    """A line for each system (`column` None), or for each value of a column and system.

    `comparisons`: the systems compared with each other, for each value.
    """

    column: str | None
    lines: Sequence[BoardLine]
    comparisons: Sequence[SystemComparison]


def grouping_columns(table: ScoredTable, chosen: Sequence[str] = ()) -> list[str]:
    """The chosen columns, else the usual ones that have at least two values. Raises `ScoresError`."""
    for name in chosen:
        if name not in table.other:
            raise ScoresError(
                f"{table.path} has no column {name!r} to group by; it has {', '.join(table.other) or 'none'}"
            )
        if (count := len(set(table.other[name]))) > MOST_GROUPS:
            raise ScoresError(f"the column {name!r} has {count} values; group by one with at most {MOST_GROUPS}")
    usual = [name for name in GROUP_COLUMNS if 2 <= len(set(table.other.get(name, ()))) <= MOST_GROUPS]
    return list(chosen) or usual


def boards(table: ScoredTable, group_by: Sequence[str] = (), resampling: Resampling = BY_DEFAULT) -> list[Board]:
    """The leaderboard, and one for each grouping column.

    A system is best in a metric when it is ahead of every other one by more than noise, as `compare_systems` finds
    among the samples of the board, or of the group.
    """
    means = ResampledMeans(table.clusters, resampling)
    drafts = [
        (
            column,
            [
                _Draft(_named(group, column), rows, table, means, resampling)
                for group, rows in _groups(table, column).items()
            ],
        )
        for column in [None, *group_by]
    ]
    return [
        Board(
            column,
            [line for draft in groups for line in draft.lines(means)],
            [draft.comparison for draft in groups],
        )
        for column, groups in drafts
    ]


def system_comparison(
    table: ScoredTable, resampling: Resampling = BY_DEFAULT, rows: np.ndarray | None = None
) -> SystemComparison:
    """The systems of a table compared with each other, over all samples or those in `rows`."""
    every = np.arange(len(table)) if rows is None else rows
    columns = [Scores(c.name, c.values[every], c.higher_is_better, c.known) for c in table.columns]
    return compare_systems(columns, table.tasks.of_rows(every), resampling=resampling)


def _groups(table: ScoredTable, column: str | None) -> dict[str | None, dict[str | None, np.ndarray]]:
    """The rows of each system in each group, both in order of appearance."""
    groups = [None] * len(table) if column is None else table.other[column]
    rows: dict[str | None, dict[str | None, list[int]]] = {}
    for row, (group, system) in enumerate(zip(groups, table.systems, strict=True)):
        rows.setdefault(group, {}).setdefault(system, []).append(row)
    return {
        group: {name: np.array(by_system[name]) for name in table.system_names if name in by_system}
        for group, by_system in rows.items()
    }


def _named(group: str | None, column: str | None) -> str | None:
    return "(none)" if group is None and column is not None else group


class _Draft:
    """A group of samples whose means are registered with the bootstrap, and read when it has run."""

    def __init__(
        self,
        group: str | None,
        rows: Mapping[str | None, np.ndarray],
        table: ScoredTable,
        means: ResampledMeans,
        resampling: Resampling,
    ) -> None:
        self.group, self.rows, self.columns = group, rows, table.columns
        self.comparison = system_comparison(table, resampling, np.sort(np.concatenate(list(rows.values()))))
        self.indices: dict[tuple[str | None, str], int] = {}
        for column in table.columns:
            for system, members in rows.items():
                finite = members[np.isfinite(column.values[members])]
                if len(finite):
                    self.indices[system, column.name] = means.add(finite, column.values[finite])

    def lines(self, means: ResampledMeans) -> list[BoardLine]:
        return [
            BoardLine(
                self.group, system, rows.tolist(), [self._cell(column, system, rows, means) for column in self.columns]
            )
            for system, rows in self.rows.items()
        ]

    def _cell(self, column: ScoreColumn, system: str | None, rows: np.ndarray, means: ResampledMeans) -> SystemMean:
        values = column.values[rows]
        index = self.indices.get((system, column.name))
        estimate = None if index is None else means.estimate(index)
        return SystemMean(
            mean=None if estimate is None else estimate.value,
            low=None if estimate is None else estimate.low,
            high=None if estimate is None else estimate.high,
            n=int((~np.isnan(values)).sum()),
            infinite=int(np.isinf(values).sum()),
            unscored=column.unscored(rows),
            best=system is not None and self.comparison.best.get(column.name) == system,
        )
