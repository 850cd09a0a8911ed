"""Systems by their mean scores, over all samples and in each group, with intervals, missing scores and leaders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..agreement.bootstrap import BY_DEFAULT, Resampling
from ..runs.means import ResampledMeans
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
    """One line: a system, in a group if the board has groups, and the mean of each metric."""

    group: str | None
    system: str | None
    samples: int
    cells: Sequence[SystemMean]


@dataclass(frozen=True)
class Board:
    """A line for each system (`column` None), or for each value of a column and system."""

    column: str | None
    lines: Sequence[BoardLine]


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

    A system is best in a metric when it is ahead of every other one in a paired bootstrap test: on the samples that
    both have a score of, drawn by source, p < 1 - level after Bonferroni's correction for the number of other systems.
    Where two systems share no samples, their means are compared as they are.
    """
    means = ResampledMeans(table.clusters, resampling)
    drafts = [
        (column, [_Draft(_named(group, column), rows, table, means) for group, rows in _groups(table, column).items()])
        for column in [None, *group_by]
    ]
    alpha = 1 - resampling.level
    return [
        Board(column, [line for draft in groups for line in draft.lines(means, alpha)]) for column, groups in drafts
    ]


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
        self, group: str | None, rows: Mapping[str | None, np.ndarray], table: ScoredTable, means: ResampledMeans
    ) -> None:
        self.group, self.rows, self.columns = group, rows, table.columns
        self.indices: dict[tuple[str | None, str], int] = {}
        self.contests: dict[str, tuple[str | None, list[tuple[int, int | None]]]] = {}
        for column in table.columns:
            for system, members in rows.items():
                finite = members[np.isfinite(column.values[members])]
                if len(finite):
                    self.indices[system, column.name] = means.add(finite, column.values[finite])
            self._contest(column, table, means)

    def _contest(self, column: ScoreColumn, table: ScoredTable, means: ResampledMeans) -> None:
        """Register the leading system, and the differences to test; without a known direction, none leads."""
        if not column.known:
            return
        sign = 1 if column.higher_is_better else -1
        scored = [system for system in self.rows if (system, column.name) in self.indices]
        if len(scored) < 2:
            return
        leader = max(scored, key=lambda system: sign * means.mean(self.indices[system, column.name]))
        tests: list[tuple[int, int | None]] = []
        leading = _by_item(self.rows[leader], table, column)
        for other in scored:
            if other != leader:
                following = _by_item(self.rows[other], table, column)
                shared = [item for item in leading if item in following]
                if shared:
                    rows, others = (np.array([by_item[item] for item in shared]) for by_item in (leading, following))
                    tests.append((means.add(rows, column.merit[rows] - column.merit[others]), None))
                else:
                    tests.append((self.indices[leader, column.name], self.indices[other, column.name]))
        self.contests[column.name] = leader, tests

    def lines(self, means: ResampledMeans, alpha: float) -> list[BoardLine]:
        best = {
            name: leader for name, (leader, tests) in self.contests.items() if self._ahead(name, tests, means, alpha)
        }
        lines = []
        for system, rows in self.rows.items():
            cells = [self._cell(column, system, rows, means, best) for column in self.columns]
            lines.append(BoardLine(self.group, system, len(rows), cells))
        return lines

    def _ahead(self, name: str, tests: list[tuple[int, int | None]], means: ResampledMeans, alpha: float) -> bool:
        higher = next(column.higher_is_better for column in self.columns if column.name == name)
        for index, other in tests:
            estimate = means.estimate(index) if other is None else means.difference(index, other)
            value = estimate.value if other is None or higher else -estimate.value
            if value <= 0 or estimate.p * len(tests) >= alpha:
                return False
        return True

    def _cell(
        self,
        column: ScoreColumn,
        system: str | None,
        rows: np.ndarray,
        means: ResampledMeans,
        best: Mapping[str, str | None],
    ) -> SystemMean:
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
            best=column.name in best and best[column.name] == system,
        )


def _by_item(rows: np.ndarray, table: ScoredTable, column: ScoreColumn) -> dict[object, int]:
    """From the item of each row with a finite score to the row."""
    return {
        table.items[row]: row
        for row in rows.tolist()
        if table.items[row] is not None and np.isfinite(column.values[row])
    }
