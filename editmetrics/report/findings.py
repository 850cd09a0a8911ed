"""All that a report says, found once: what its pages, its Markdown and its LaTeX are written from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..agreement.columns import read_table
from ..agreement.join import join
from ..agreement.pairing import RatedItems, meeting_columns
from ..agreement.result import ALL
from .correlations import Correlation, correlations
from .histograms import Histogram, histogram
from .leaderboard import Board, boards, grouping_columns
from .scored import ScoreColumn, ScoredTable
from .standing import Standing, standing

if TYPE_CHECKING:
    from ..agreement.pairing import Pairs
    from ..agreement.result import Agreement, Line


CLUSTER = "drawn together"
"""The column that says which rows a bootstrap draws together; no table of ratings has one of that name."""


@dataclass(frozen=True)
class Failure:
    """What has no score for one reason: of which metrics, with which status, and the rows it happened to."""

    metrics: str
    status: str
    reason: str
    rows: Sequence[int]


@dataclass(frozen=True, eq=False)
class Findings:
    """A table of scores, and all that a report says of it.

    - `ratings`: what people said, as columns over the same rows; `agreement`: how well the scores agree with it.
    - `correlations`: of `columns` and then `ratings`, in that order.
    - `settings`: of the intervals.
    """

    table: ScoredTable
    boards: Sequence[Board]
    histograms: Sequence[Histogram | None]
    correlations: Sequence[Sequence[Correlation]]
    standing: Standing
    failures: Sequence[Failure]
    ratings: Sequence[ScoreColumn]
    agreement: Agreement | None
    notes: Sequence[str]
    replicates: int
    level: float
    seed: int

    @property
    def columns(self) -> Sequence[ScoreColumn]:
        return self.table.columns

    @property
    def compared(self) -> bool:
        """Whether there are systems to rank: with one there is nothing to claim."""
        return len(self.table.system_names) > 1

    @property
    def unscored(self) -> np.ndarray:
        """(n,) whether a sample lacks any score."""
        return np.any([np.isnan(column.values) for column in self.columns], axis=0)


def findings(
    table: ScoredTable,
    *,
    ratings: str | Path | None = None,
    pairs: Pairs = None,
    group_by: Sequence[str] = (),
    replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Findings:
    """All that a report says of `table`, and of how it agrees with `ratings` where these are given.

    - ratings: a csv, jsonl or parquet file with one rating for each image; `pairs` says which score meets which rating.
    - group_by: columns of the table; by default `edit_type`, `task` and `group`, where there.

    Raises `ReportError` for columns that are not there, and what `evaluate` raises for ratings.
    """
    rated, meeting, agreement = _ratings(table, ratings, pairs, replicates, level, seed)
    return Findings(
        table=table,
        boards=boards(table, grouping_columns(table, group_by), replicates=replicates, level=level, seed=seed),
        histograms=[histogram(column, table) for column in table.columns],
        correlations=correlations([*table.columns, *rated]),
        standing=standing(table.columns, meeting),
        failures=_failures(table),
        ratings=rated,
        agreement=agreement,
        notes=table.notes,
        replicates=replicates,
        level=level,
        seed=seed,
    )


def _failures(table: ScoredTable) -> list[Failure]:
    """What has no score, the most frequent first; metrics that fail alike on the same samples are one failure."""
    rows_of: dict[tuple[str, str, str], list[int]] = {}
    for column in table.columns:
        for row in np.flatnonzero(np.isnan(column.values)).tolist():
            rows_of.setdefault((column.statuses[row], column.reasons[row], column.name), []).append(row)
    alike: dict[tuple[str, str, tuple[int, ...]], list[str]] = {}
    for (status, reason, name), rows in rows_of.items():
        alike.setdefault((status, reason, tuple(rows)), []).append(name)
    found = [Failure(_said_of(names, table), status, reason, rows) for (status, reason, rows), names in alike.items()]
    return sorted(found, key=lambda failure: -len(failure.rows))


def _said_of(names: Sequence[str], table: ScoredTable) -> str:
    """Columns in words: all of them, else by metric where all dimensions of it are among them."""
    if 1 < len(names) == len(table.columns):
        return "all metrics"
    label_of = {column.name: column.label for column in table.columns}
    said: dict[str, None] = {}
    for name in names:
        label = label_of[name]
        whole = all(other in names for other in label_of if label_of[other] == label)
        said[label if whole else name] = None
    return ", ".join(said)


def _ratings(
    table: ScoredTable, path: str | Path | None, pairs: Pairs, replicates: int, level: float, seed: int
) -> tuple[list[ScoreColumn], list[tuple[ScoreColumn, list[ScoreColumn]]], Agreement | None]:
    """Ratings as columns of the table's rows, with the metrics that each meets; how they agree."""
    if path is None:
        return [], [], None
    from ..evaluation import evaluate

    columns: dict[str, Sequence[object]] = {"id": table.ids, CLUSTER: [str(code) for code in table.clusters]}
    for name, texts in (("system", table.systems), ("source", table.sources), ("edited", table.edits)):
        if any(texts):
            columns[name] = texts
    columns |= {column.name: [None if np.isnan(v) else v for v in column.values.tolist()] for column in table.columns}
    scores, rated = read_table(columns, str(table.path)), read_table(path, "the table of ratings")
    directions = {column.name: column.higher_is_better for column in table.columns if column.known}
    meeting = meeting_columns(scores, rated, pairs)
    meeting = [(score, rating) for score, rating in meeting if score in {column.name for column in table.columns}]
    items = RatedItems(scores, rated, join(scores, rated))
    agreement = evaluate(
        scores,
        rated,
        pairs=meeting,
        measures=["srcc", "plcc"],
        known_directions=directions,
        cluster=CLUSTER if (items.joined.score_row >= 0).all() else None,
        replicates=replicates,
        level=level,
        seed=seed,
    )
    by_name = {column.name: column for column in table.columns}
    found: dict[str, ScoreColumn] = {}
    for rating in dict.fromkeys(rating for _, rating in meeting):
        values = np.full(len(table), np.nan)
        numbers, _ = rated.numbers(rating)
        there = items.joined.score_row >= 0
        values[items.joined.score_row[there]] = numbers[there]
        absent = np.where(np.isnan(values), "missing", "ok").astype(object)
        reasons, unknown = np.full(len(table), "", dtype=object), np.full(len(table), np.nan)
        found[rating] = ScoreColumn(rating, rating, values, absent, reasons, unknown)
    met = {rating: [by_name[score] for score, other in meeting if other == rating] for rating in found}
    return list(found.values()), [(found[name], met[name]) for name in found], agreement


def agreement_notes(agreement: Agreement) -> list[str]:
    """How scores and ratings were joined, and what was left out; the bootstrap draws by source, whatever is advised."""
    return [note for note in agreement.notes if not note.startswith("items share sources")]


def agreement_lines(agreement: Agreement) -> list[tuple[str, str, dict[str, Line]]]:
    """(score, rating, the line of each measure) over all items."""
    found: dict[tuple[str, str], dict[str, Line]] = {}
    for line in agreement.lines:
        if line.group == ALL:
            found.setdefault((line.score, line.rating), {})[line.measure] = line
    return [(score, rating, lines) for (score, rating), lines in found.items()]
