"""Scores of a data set compared with its ratings, under its paper's protocol."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..agreement.columns import DESCRIPTIVE, LABELS, Table, Tabular, read_table
from ..agreement.protocols import PROTOCOLS
from ..agreement.result import Agreement
from ..evaluation import evaluate_protocol
from ..evaluation.directions import directions
from .benchmark import Benchmark, BenchmarkError
from .catalogue import Published, published
from .load import Part


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found.

    - `agreement`: the figures of each metric. `published`: those that the data set's papers print.
    - `said`: what the samples are a part of, in words; None when they are all that the paper evaluates.
    - `columns`: for each metric, from rating to the score column that met it.
    """

    benchmark: Benchmark
    agreement: Agreement
    published: Sequence[Published]
    said: str | None
    columns: Mapping[str, Mapping[str, str]]

    def rows(self) -> list[dict[str, Any]]:
        """Every figure as a row: ours, and the published ones, which say so in the column `published`."""
        ours = [
            {"benchmark": self.benchmark.name, "part": self.said, "published": None, **asdict(line)}
            for line in self.agreement.lines
        ]
        theirs = [
            {
                "benchmark": self.benchmark.name,
                "part": None,
                "published": f"{row.paper}, {row.table}",
                "score": row.method,
                "rating": row.rating,
                "group": row.group,
                "measure": row.measure,
                "value": row.value,
                "note": row.note,
            }
            for row in self.published
        ]
        return [*ours, *theirs]


def evaluate(
    part: Part,
    scores: Tabular,
    *,
    pairs: Sequence[tuple[str, str]] = (),
    lower_is_better: Collection[str] = (),
    higher_is_better: Collection[str] = (),
) -> Evaluation:
    """The figures of the protocol for every metric of `scores`, a table with a row for each sample, joined by `id`.

    - `pairs`: (score column, rating). By default a column `METRIC.DIMENSION` meets the rating of that name, or the one
      that the data set pairs it with, and the column of a metric with one dimension meets every rating of quality.
    - `lower_is_better`, `higher_is_better`: columns of that direction; that of metrics which are installed is known.

    Raises `BenchmarkError` when no column meets a rating, `AgreementError` for what the protocol lacks.
    """
    bench = part.benchmark
    table = read_table(scores, "the scores")
    _require_scores(table, part)
    met, notes = meeting(table, part, pairs)
    wanted = {sample.id for sample in part.samples}
    ids = table.texts("id")
    rows = [row for row, name in enumerate(ids) if name in wanted]
    ours: dict[str, list[Any]] = {"id": [ids[row] for row in rows]}
    better = directions(
        scores,
        [column for columns in met.values() for column in columns.values()],
        lower=lower_is_better,
        higher=higher_is_better,
    )
    lower: set[str] = set()
    higher: set[str] = set()
    for metric, columns in met.items():
        for rating, column in columns.items():
            cells = table.column(column)
            ours[f"{metric}.{rating}"] = [_said(cells[row], bench, rating) for row in rows]
            (higher if better.get(column, True) else lower).add(f"{metric}.{rating}")
    protocol = PROTOCOLS[bench.protocol]
    found = evaluate_protocol(protocol, ours, _ratings(part), lower_is_better=lower, higher_is_better=higher)
    agreement = Agreement(
        found.lines, [], [], [*found.notes, *notes], {**found.settings, "benchmark": bench.title, "part": part.said}
    )
    return Evaluation(bench, agreement, published(bench.name), part.said, met)


def meeting(
    table: Table, part: Part, pairs: Sequence[tuple[str, str]] = ()
) -> tuple[dict[str, dict[str, str]], list[str]]:
    """For each metric, from rating to score column; and notes on the columns that meet none."""
    bench = part.benchmark
    found: dict[str, dict[str, str]] = {}
    notes: list[str] = []
    for column, rating in pairs:
        table.column(column)
        if rating not in bench.ratings:
            raise BenchmarkError(f"{bench.title} has no rating {rating!r}; there are {', '.join(bench.ratings)}")
        metric = column.removesuffix(f".{column.rpartition('.')[2]}") or column
        _meet(found, metric, rating, column)
    if not pairs:
        there = DESCRIPTIVE | {name for sample in part.samples for name in sample.meta if name not in bench.ratings}
        measured = table.measured()
        for column in (name for name in table.columns if name not in there and not name.endswith(".explanation")):
            metric, named, dimensions = _dimension(column, bench)
            if named is not None:
                _meet(found, metric, named, column)
            elif len(dimensions) > 1:
                notes.append(f"{column} meets no rating of {bench.title}; --pair {column}=RATING would pair it")
            elif dimensions or column in measured:
                for name, about in bench.ratings.items():
                    if about.quality:
                        _meet(found, column, name, column)
    if not found:
        raise BenchmarkError(
            f"no score column meets a rating of {bench.title} ({', '.join(bench.ratings)}); say which meets which: "
            f"--pair SCORE=RATING. Scores: {', '.join(table.columns)}"
        )
    return found, notes


def _dimension(column: str, bench: Benchmark) -> tuple[str, str | None, list[str]]:
    """Metric and rating of a column `METRIC.DIMENSION` or `DIMENSION`; and the dimensions that it has, if known."""
    metric, _, end = column.rpartition(".")
    rating = bench.pairing.get(end, end)
    if rating in bench.ratings:
        return metric or "score", rating, []
    names = _dimensions_of(column)
    if len(names) == 1 and bench.pairing.get(names[0], names[0]) in bench.ratings:  # it was asked for that one alone
        return column, bench.pairing.get(names[0], names[0]), names
    return metric, None, names


def _dimensions_of(column: str) -> list[str]:
    """The dimensions of the metric that wrote a column, where this program knows it; that of its option `dimension`."""
    from ..registry import BrokenPluginError, MissingPackageError, UnknownMetricError, metric_class

    name, _, options = column.partition(":")
    try:
        names = [dimension.name for dimension in metric_class(name.partition(".")[0]).dimensions]
    except (UnknownMetricError, BrokenPluginError, MissingPackageError):
        return []
    return [asked for asked in names if f"dimension={asked}" in options.split(",")] or names


def _meet(found: dict[str, dict[str, str]], metric: str, rating: str, column: str) -> None:
    other = found.setdefault(metric, {}).setdefault(rating, column)
    if other != column:
        raise BenchmarkError(f"{column} and {other} would both meet {rating}; choose one with --pair {column}={rating}")


def _ratings(part: Part) -> dict[str, list[Any]]:
    """The table of ratings, with the columns that the protocol knows, called as it calls them."""
    bench = part.benchmark
    columns = {name: bench.protocol_columns.get(name, name) for name in PROTOCOLS[bench.protocol].columns}
    samples = sorted(part.samples, key=lambda s: str(s.meta.get(bench.split or "", "")))  # splits stand in order
    table: dict[str, list[Any]] = {"id": [sample.id for sample in samples]}
    for name, here in [*zip(bench.ratings, bench.ratings, strict=True), *columns.items()]:
        cells = [sample.meta.get(here) for sample in samples]
        if any(cell is not None for cell in cells):
            table[name] = cells
    return table


def _said(cell: Any, bench: Benchmark, rating: str) -> Any:
    """A score as the protocol reads it: for an answer, yes or no of what says so, 1 and 0 among it."""
    if "yes" not in bench.ratings[rating].labels or cell is None:
        return cell
    label = LABELS.get(str(cell).strip().lower())
    return None if label is None else "yes" if label else "no"


def _require_scores(table: Table, part: Part) -> None:
    """Raise `BenchmarkError` when the scores have no ids, or hold the ratings themselves."""
    if "id" not in table:
        raise BenchmarkError(
            f"{table.name} has no column 'id', by which scores meet ratings; it has {', '.join(table.columns)}"
        )
    row_of = {name: row for row, name in enumerate(table.texts("id"))}
    for rating in part.benchmark.ratings:
        rated = [(row_of[s.id], s.meta[rating]) for s in part.samples if rating in s.meta and s.id in row_of]
        for column in (name for name in table.columns if name == rating and len(rated) > 1):
            cells = table.column(column)
            if all(_equal(cells[row], value) for row, value in rated):
                raise BenchmarkError(
                    f"the column {column!r} of {table.name} holds the ratings themselves, not scores; remove it"
                )


def _equal(cell: Any, value: Any) -> bool:
    try:
        return float(cell) == float(value)
    except (TypeError, ValueError):
        return str(cell).strip().casefold() == str(value).casefold()


def read_scores(path: Path) -> Table:
    """A table of scores that some program has written: csv, jsonl or parquet, with a column `id`."""
    return read_table(path, str(path))
