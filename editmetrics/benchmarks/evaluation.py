"""Scores of a data set compared with its ratings, under its paper's protocol."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..agreement.columns import DESCRIPTIVE, LABELS, Table, Tabular, read_table
from ..agreement.protocols import PROTOCOLS
from ..agreement.result import Agreement
from ..evaluation import evaluate_protocol
from ..evaluation.directions import directions
from ..pairs.reading import ORDERS_SUFFIX, OUTCOME_SUFFIX
from ..wording import expected_one_of, first_few, plural
from .benchmark import Benchmark, BenchmarkError
from .catalogue import Published, published
from .load import EvaluatedPart
from .stored_pairs import differences


@dataclass(frozen=True)
class Evaluation:
    """The result of `evaluate`.

    - `agreement`: the figures of each metric. `published`: those that the data set's papers print.
    - `caveat`: what the samples are a part of; None if they are all that the paper evaluates.
    - `columns`: for each metric, from a rating to the score column compared with it.
    """

    benchmark: Benchmark
    agreement: Agreement
    published: Sequence[Published]
    caveat: str | None
    columns: Mapping[str, Mapping[str, str]]

    def rows(self) -> list[dict[str, Any]]:
        """Return every figure as a row; published ones have the paper and table in the column `published`."""
        computed = [
            {"benchmark": self.benchmark.name, "part": self.caveat, "published": None, **asdict(line)}
            for line in self.agreement.lines
        ]
        printed = [
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
        return [*computed, *printed]


def evaluate(
    part: EvaluatedPart,
    scores: Tabular,
    *,
    pairs: Sequence[tuple[str, str]] = (),
    lower_is_better: Collection[str] = (),
    higher_is_better: Collection[str] = (),
    columns: Mapping[str, str] | None = None,
) -> Evaluation:
    """Return the figures of the protocol for every metric of `scores`, a table with a row for each sample and an `id`.

    Of a data set of pairs, `scores` has a row for each edit, whose differences are compared with people's preferences,
    or one for each pair, by a metric that compares two edits.

    - `pairs`: (score column, rating). By default a column `METRIC.DIMENSION` is compared with the rating of that name,
      or the one that the data set pairs it with, and a metric with one dimension with every rating of quality.
    - `lower_is_better`, `higher_is_better`: columns with that direction; it is known for installed metrics.

    Raises `BenchmarkError` if no column has a rating to compare with, `AgreementError` for what the protocol lacks.
    """
    bench = part.benchmark
    table = read_table(scores, "the scores").named(columns)
    require_scores(table, part)
    answers = table
    table = differences(table, part) if bench.pairs else table
    pairing, notes = pair_columns(table, part, pairs)
    wanted = {sample.id for sample in part.samples}
    ids = table.texts("id")
    rows = [row for row, name in enumerate(ids) if name in wanted]
    paired: dict[str, list[Any]] = {"id": [ids[row] for row in rows]}
    better = directions(
        scores,
        [column for columns in pairing.values() for column in columns.values()],
        lower=lower_is_better,
        higher=higher_is_better,
    )
    lower: set[str] = set()
    higher: set[str] = set()
    for metric, columns in pairing.items():
        for rating, column in columns.items():
            cells = table.column(column)
            paired[f"{metric}.{rating}"] = [score_or_answer(cells[row], bench, rating) for row in rows]
            (higher if better.get(column, True) else lower).add(f"{metric}.{rating}")
        for name, suffix in (("verdict", OUTCOME_SUFFIX), ("orders", ORDERS_SUFFIX)) if bench.pairs else ():
            if f"{metric}{suffix}" in answers:
                paired[f"{metric}.{name}"] = [answers.column(f"{metric}{suffix}")[row] for row in rows]
    protocol = PROTOCOLS[bench.protocol]
    result = evaluate_protocol(protocol, paired, ratings_table(part), lower_is_better=lower, higher_is_better=higher)
    agreement = Agreement(
        result.lines,
        [],
        [],
        [*result.notes, *notes],
        {**result.settings, "benchmark": bench.title, "part": part.caveat},
    )
    return Evaluation(bench, agreement, published(bench.name), part.caveat, pairing)


def pair_columns(
    table: Table, part: EvaluatedPart, pairs: Sequence[tuple[str, str]] = ()
) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Return for each metric a mapping from rating to score column; and notes on unmatched columns."""
    bench = part.benchmark
    pairing: dict[str, dict[str, str]] = {}
    notes: list[str] = []
    for column, rating in pairs:
        table.column(column)
        if rating not in bench.ratings:
            raise BenchmarkError(f"{bench.title} has no rating {rating!r}; {expected_one_of(rating, bench.ratings)}")
        metric = column.removesuffix(f".{column.rpartition('.')[2]}") or column
        _pair(pairing, metric, rating, column)
    if not pairs:
        other = DESCRIPTIVE | {name for sample in part.samples for name in sample.meta if name not in bench.ratings}
        measured = table.measured()
        for column in (name for name in table.columns if name not in other and not name.endswith(".explanation")):
            metric, named, dimensions = _dimension(column, bench)
            if named is not None:
                _pair(pairing, metric, named, column)
            elif len(dimensions) > 1:
                notes.append(f"{column} matches no rating of {bench.title}; pair it with --pair {column}=RATING")
            elif dimensions or column in measured:
                for name, aspect in bench.ratings.items():
                    if aspect.quality:
                        _pair(pairing, column, name, column)
    if not pairing:
        raise BenchmarkError(
            f"no score column matches a rating of {bench.title} ({', '.join(bench.ratings)}); pair them with "
            f"--pair SCORE=RATING. Scores: {', '.join(table.columns)}"
        )
    return pairing, notes


def _dimension(column: str, bench: Benchmark) -> tuple[str, str | None, list[str]]:
    """Metric and rating of a column `METRIC.DIMENSION` or `DIMENSION`; and the dimensions that it has, if known."""
    metric, _, end = column.rpartition(".")
    rating = bench.pairing.get(end, end)
    if rating in bench.ratings:
        return metric or "score", rating, []
    names = _dimensions_of(column)
    if len(names) == 1 and bench.pairing.get(names[0], names[0]) in bench.ratings:  # its only dimension
        return column, bench.pairing.get(names[0], names[0]), names
    return metric, None, names


def _dimensions_of(column: str) -> list[str]:
    """The dimensions of the metric of a column, if it is installed; only that of its option `dimension`, if set."""
    from ..registry import BrokenPluginError, MissingPackageError, UnknownMetricError, metric_class

    name, _, options = column.partition(":")
    try:
        names = [dimension.name for dimension in metric_class(name.partition(".")[0]).dimensions]
    except (UnknownMetricError, BrokenPluginError, MissingPackageError):
        return []
    return [name for name in names if f"dimension={name}" in options.split(",")] or names


def _pair(pairing: dict[str, dict[str, str]], metric: str, rating: str, column: str) -> None:
    other = pairing.setdefault(metric, {}).setdefault(rating, column)
    if other != column:
        raise BenchmarkError(f"{column} and {other} both match {rating}; choose one with --pair {column}={rating}")


def ratings_table(part: EvaluatedPart) -> dict[str, list[Any]]:
    """Return the ids and ratings of `part`, with the columns that the protocol reads under the protocol's names."""
    bench = part.benchmark
    columns = {name: bench.protocol_columns.get(name, name) for name in PROTOCOLS[bench.protocol].columns}
    samples = sorted(part.samples, key=lambda s: str(s.meta.get(bench.split or "", "")))  # splits stand in order
    table: dict[str, list[Any]] = {"id": [sample.id for sample in samples]}
    for name, own in [*zip(bench.ratings, bench.ratings, strict=True), *columns.items()]:
        cells = [sample.meta.get(own) for sample in samples]
        if any(cell is not None for cell in cells):
            table[name] = cells
    return table


def score_or_answer(cell: Any, bench: Benchmark, rating: str) -> Any:
    """Return a score as the protocol reads it; answers, such as 1 and 0, become yes and no."""
    if "yes" not in bench.ratings[rating].labels or cell is None:
        return cell
    label = LABELS.get(str(cell).strip().lower())
    return None if label is None else "yes" if label else "no"


def samples_named(part: EvaluatedPart) -> set[str]:
    """Return the ids that scores of a part may have: of its samples and, of a data set of pairs, of their edits."""
    edits = (s.meta[key] for s in part.samples for key in ("edit", "rival_edit")) if part.benchmark.pairs else ()
    return {*(sample.id for sample in part.samples), *edits}


def require_scores(table: Table, part: EvaluatedPart) -> None:
    """Raise `BenchmarkError` for scores without ids, with one twice, of no sample, or that are the ratings."""
    if "id" not in table:
        raise BenchmarkError(
            f"{table.name} has no column 'id' to join scores and ratings by; it has {', '.join(table.columns)}"
        )
    names = [str(name) for name in table.texts("id")]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise BenchmarkError(
            f"{table.name} names {plural(len(twice), 'sample')} more than once: {first_few(twice)}; keep one of each"
        )
    if not part.benchmark.pairs and not samples_named(part) & set(names):
        raise BenchmarkError(
            f"no id of {table.name} is a sample of {part.benchmark.title}: {first_few(names, 2)}; expected ids such as "
            f"{', '.join(sample.id for sample in part.samples[:2])}"
        )
    row_of = {name: row for row, name in enumerate(names)}
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
    """Read a table of scores: csv, jsonl or parquet, with a column `id`."""
    return read_table(path, str(path))
