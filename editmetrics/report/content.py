"""The content of a report, computed once: its page, its Markdown and its LaTeX are written from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..agreement.bootstrap import BY_DEFAULT, Resampling
from ..agreement.columns import Table, read_table
from ..agreement.correlation import srcc
from ..agreement.join import join
from ..agreement.measure import UndefinedError
from ..agreement.pairing import RatedItems, match_columns
from ..agreement.result import ALL
from ..data.do_nothing import DO_NOTHING
from ..runs.scored_table import ScoreColumn, ScoredTable, percentiles
from ..tables.results import likeness_note
from .leaderboard import Board, boards, grouping_columns
from .standing import Standing, standing

if TYPE_CHECKING:
    from ..agreement.pairing import Pairs
    from ..agreement.result import Agreement, Line


CLUSTER = "drawn together"
"""A column of cluster numbers, for the bootstrap; no table of ratings has one of that name."""

FEWEST_BINS, MOST_BINS = 8, 24


@dataclass(frozen=True)
class Histogram:
    """`edges` (bins + 1,) over the finite scores of all systems; `counts`: (bins,) for each system."""

    edges: list[float]
    counts: Mapping[str | None, list[int]]


@dataclass(frozen=True)
class Correlation:
    """SRCC over the `n` samples that both have scored; None, with a note, where it is undefined."""

    value: float | None
    n: int
    note: str = ""


@dataclass(frozen=True)
class MissingScores:
    """Scores that are missing for one reason: metrics, status, and rows."""

    metrics: str
    status: str
    reason: str
    rows: Sequence[int]


@dataclass(frozen=True, eq=False)
class ReportContent:
    """A table of scores, and everything that a report says about it.

    - `ratings`: human ratings, as columns over the same rows; `agreement`: how well the scores agree with them.
    - `correlations`: rows and columns are `columns`, then `ratings`.
    """

    table: ScoredTable
    boards: Sequence[Board]
    histograms: Sequence[Histogram | None]
    correlations: Sequence[Sequence[Correlation]]
    standing: Standing
    failures: Sequence[MissingScores]
    ratings: Sequence[ScoreColumn]
    agreement: Agreement | None
    notes: Sequence[str]
    resampling: Resampling

    @property
    def columns(self) -> Sequence[ScoreColumn]:
        return self.table.columns

    @property
    def compared(self) -> bool:
        """True with more than one system: a single one is not ranked, nor is doing nothing."""
        return len([name for name in self.table.system_names if name != DO_NOTHING]) > 1

    @property
    def likeness(self) -> str:
        """The sentence on metrics that reward doing nothing; empty without one."""
        labels = list(dict.fromkeys(column.label for column in self.columns))
        rewarding = dict.fromkeys(column.label for column in self.columns if column.rewards_no_change)
        return likeness_note(list(rewarding), len(labels))

    @property
    def unscored(self) -> np.ndarray:
        """(n,) True for samples that lack any score."""
        return np.any([np.isnan(column.values) for column in self.columns], axis=0)


def report_content(
    table: ScoredTable,
    *,
    ratings: str | Path | Table | None = None,
    pairs: Pairs = None,
    group_by: Sequence[str] = (),
    resampling: Resampling = BY_DEFAULT,
) -> ReportContent:
    """Everything that a report says about `table`, and about its agreement with `ratings` if given.

    - ratings: a csv, jsonl or parquet file with one rating for each image; `pairs` says which score meets which rating.
    - group_by: columns of the table; by default `edit_type`, `task` and `group`, if present.

    Raises `ScoresError` for missing columns, and the errors of `evaluate` for ratings.
    """
    rated, pairs_of, agreement = _ratings(table, ratings, pairs, resampling)
    return ReportContent(
        table=table,
        boards=boards(table, grouping_columns(table, group_by), resampling),
        histograms=[histogram(column, table) for column in table.columns],
        correlations=correlations([*table.columns, *rated]),
        standing=standing(table.columns, pairs_of),
        failures=_failures(table),
        ratings=rated,
        agreement=agreement,
        notes=table.notes,
        resampling=resampling,
    )


def _failures(table: ScoredTable) -> list[MissingScores]:
    """Missing scores, the most frequent first; metrics that fail alike on the same samples are one entry."""
    rows_of: dict[tuple[str, str, str], list[int]] = {}
    for column in table.columns:
        for row in np.flatnonzero(np.isnan(column.values)).tolist():
            rows_of.setdefault((column.statuses[row], column.reasons[row], column.name), []).append(row)
    alike: dict[tuple[str, str, tuple[int, ...]], list[str]] = {}
    for (status, reason, name), rows in rows_of.items():
        alike.setdefault((status, reason, tuple(rows)), []).append(name)
    missing = [
        MissingScores(_metric_names(names, table), status, reason, rows)
        for (status, reason, rows), names in alike.items()
    ]
    return sorted(missing, key=lambda failure: -len(failure.rows))


def _metric_names(names: Sequence[str], table: ScoredTable) -> str:
    """The names of columns as text; a metric's label replaces all of its dimensions."""
    if 1 < len(names) == len(table.columns):
        return "all metrics"
    label_of = {column.name: column.label for column in table.columns}
    texts: dict[str, None] = {}
    for name in names:
        label = label_of[name]
        whole = all(other in names for other in label_of if label_of[other] == label)
        texts[label if whole else name] = None
    return ", ".join(texts)


def _ratings(
    table: ScoredTable, path: str | Path | Table | None, pairs: Pairs, resampling: Resampling
) -> tuple[list[ScoreColumn], list[tuple[ScoreColumn, list[ScoreColumn]]], Agreement | None]:
    """Ratings as columns of the table's rows, with the metrics that each is compared with; their agreement."""
    if path is None:
        return [], [], None
    from ..evaluation import evaluate

    columns: dict[str, Sequence[object]] = {"id": table.ids, CLUSTER: [str(code) for code in table.clusters]}
    for name, texts in (("system", table.systems), ("source", table.sources), ("edited", table.edits)):
        if any(texts):
            columns[name] = texts
    columns |= {column.name: [None if np.isnan(v) else v for v in column.values.tolist()] for column in table.columns}
    scores, rated = read_table(columns, str(table.path)), read_table(path, "the table of ratings")
    rated = rated.named(systems="system" in scores)
    directions = {column.name: column.higher_is_better for column in table.columns if column.known}
    by_name = {column.name: column for column in table.columns}
    compared = [pair for pair in match_columns(scores, rated, pairs) if pair[0] in by_name]
    items = RatedItems(scores, rated, join(scores, rated))
    agreement = evaluate(
        scores,
        rated,
        pairs=compared,
        measures=["srcc", "plcc"],
        known_directions=directions,
        cluster=CLUSTER if (items.joined.score_row >= 0).all() else None,
        replicates=resampling.replicates,
        level=resampling.level,
        seed=resampling.seed,
    )
    columns_of: list[tuple[ScoreColumn, list[ScoreColumn]]] = []
    for rating in dict.fromkeys(rating for _, rating in compared):
        values = np.full(len(table), np.nan)
        numbers, _ = rated.numbers(rating)
        joined = items.joined.score_row >= 0
        values[items.joined.score_row[joined]] = numbers[joined]
        statuses = np.where(np.isnan(values), "missing", "ok").astype(object)
        reasons, unknown = np.full(len(table), "", dtype=object), np.full(len(table), np.nan)
        column = ScoreColumn(rating, rating, values, statuses, reasons, unknown)
        columns_of.append((column, [by_name[score] for score, other in compared if other == rating]))
    return [column for column, _ in columns_of], columns_of, agreement


def agreement_notes(agreement: Agreement) -> list[str]:
    """Notes on joining scores and ratings; without the advice to resample by source, as the bootstrap here does."""
    return [note for note in agreement.notes if not note.startswith("items share sources")]


def agreement_lines(agreement: Agreement) -> list[tuple[str, str, dict[str, Line]]]:
    """(score, rating, the line of each measure) over all items."""
    by_pair: dict[tuple[str, str], dict[str, Line]] = {}
    for line in agreement.lines:
        if line.group == ALL:
            by_pair.setdefault((line.score, line.rating), {})[line.measure] = line
    return [(score, rating, lines) for (score, rating), lines in by_pair.items()]


def histogram(column: ScoreColumn, table: ScoredTable) -> Histogram | None:
    """The histogram of a column, with 8 to 24 bins after Freedman and Diaconis (1981).

    None without a finite score, or if the range of the scores is beyond float64.
    """
    finite = column.values[np.isfinite(column.values)]
    with np.errstate(over="ignore"):
        if not len(finite) or not np.isfinite(np.ptp(finite)):
            return None
    bins = FEWEST_BINS
    spread = float(np.subtract(*np.quantile(finite, [0.75, 0.25])))
    if spread > 0:
        width = 2 * spread / len(finite) ** (1 / 3)
        bins = int(np.clip(np.ptp(finite) / width, FEWEST_BINS, MOST_BINS))
    edges = np.histogram_bin_edges(finite, bins)
    systems = np.array(table.systems, dtype=object)
    counts = {}
    for system in table.system_names:
        values = column.values[np.array([name == system for name in systems])]
        counts[system] = np.histogram(values[np.isfinite(values)], edges)[0].tolist()
    return Histogram(edges.tolist(), counts)


def correlations(columns: Sequence[ScoreColumn]) -> list[list[Correlation]]:
    """The matrix of SRCC between columns, turned so that better is more; ranks take infinite scores as they are."""
    matrix = [[Correlation(None, 0)] * len(columns) for _ in columns]
    for i, one in enumerate(columns):
        for j, other in enumerate(columns[: i + 1]):
            matrix[i][j] = matrix[j][i] = _correlation(one, other)
    return matrix


def _correlation(one: ScoreColumn, other: ScoreColumn) -> Correlation:
    both = ~np.isnan(one.values) & ~np.isnan(other.values)
    n = int(both.sum())
    try:
        return Correlation(srcc(percentiles(one.merit[both]), percentiles(other.merit[both])), n)
    except UndefinedError as undefined:
        return Correlation(None, n, str(undefined))
