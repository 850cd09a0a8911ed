"""The scores of one method on a part of a data set, and what the paper's protocol makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...agreement.bootstrap import Resampling, cluster_codes, percentile_interval, resample
from ...agreement.columns import Table, read_table
from ...agreement.correlation import krcc, plcc, srcc
from ...agreement.measure import Floats, Measure, UndefinedError
from ...agreement.protocols import PROTOCOLS
from ...agreement.protocols.protocol import Joined
from ...agreement.result import Line
from ...agreement.significance import Comparison, smallest_detectable, two_sided_p
from ...pairs.reading import OUTCOME_SUFFIX
from ..benchmark import Benchmark
from ..evaluation import ratings_table, score_or_answer
from ..load import EvaluatedPart
from ..stored_pairs import differences
from .paper_table import PaperColumn

RESAMPLED: Mapping[str, Measure] = {measure.name: measure for measure in (srcc, plcc, krcc)}
"""Measures with intervals and tests."""

MANY, FEWER_REPLICATES = 10_000, 200
"""From this number of items, so many replicates are drawn: intervals are narrow there, and 1,000 take minutes."""


@dataclass(frozen=True, eq=False)
class MethodScores:
    """Scores on the samples of a part, higher or lower being better.

    - `cells`: for each rating that they are compared with, the score of each sample, by its id.
    - `verdicts`: the outcomes of a judge of pairs, by id. `spec`: what computed them.
    """

    cells: Mapping[str, Mapping[str, Any]]
    higher_is_better: bool = True
    verdicts: Mapping[str, Any] = field(default_factory=dict)
    spec: str = ""


def read_scores_of(
    part: EvaluatedPart, scores: Any, columns: Mapping[str, str], higher_is_better: bool, spec: str
) -> MethodScores:
    """Return the scores in `columns` (from a rating to a column) of a table with a row for each sample, or edit.

    Of a data set of pairs, rows of edits become the differences of both.
    """
    table = read_table(scores, "the scores")
    table = differences(table, part) if part.benchmark.pairs else table
    ids = [str(name) for name in table.texts("id")]
    cells = {
        rating: {
            name: score_or_answer(cell, part.benchmark, rating)
            for name, cell in zip(ids, table.column(column), strict=True)
        }
        for rating, column in columns.items()
    }
    return MethodScores(cells, higher_is_better, _verdicts(table, ids), spec)


def joined_scores(parts: Sequence[MethodScores]) -> MethodScores:
    """Return the scores of several parts of a data set, such as the test parts of folds, as one."""
    ratings = dict.fromkeys(rating for part in parts for rating in part.cells)
    cells = {
        rating: {name: cell for part in parts for name, cell in part.cells.get(rating, {}).items()}
        for rating in ratings
    }
    return MethodScores(cells, parts[0].higher_is_better, {}, parts[0].spec)


def paired_dimensions(names: Sequence[str], bench: Benchmark) -> dict[str, str]:
    """Return the dimension of a metric that each rating is compared with: of the same name, or as the set pairs them.

    A metric with one dimension, of no rating's name, is compared with every rating of quality.

    >>> from editmetrics.benchmarks.catalogue import benchmark
    >>> paired_dimensions(["psnr"], benchmark("agiqa-3k"))
    {'perception': 'psnr', 'alignment': 'psnr'}
    >>> paired_dimensions(["perception", "correspondence"], benchmark("agiqa-3k"))
    {'perception': 'perception', 'alignment': 'correspondence'}
    """
    by_name = {bench.pairing.get(name, name): name for name in names}
    matched = {rating: by_name[rating] for rating in bench.ratings if rating in by_name}
    if matched or len(names) > 1:
        return matched
    return {rating: names[0] for rating, aspect in bench.ratings.items() if aspect.quality}


def _verdicts(table: Table, ids: Sequence[str]) -> dict[str, Any]:
    column = next((name for name in table.columns if name.endswith(OUTCOME_SUFFIX)), None)
    return {} if column is None else dict(zip(ids, table.column(column), strict=True))


class RatedPart:
    """The rated samples of a part of a data set, as its protocol reads them; read once for all methods.

    - `table`: ids, ratings and the protocol's columns. `sources`: of each row, or else its prompt; edits of one source
      are drawn together, and never parted by folds.
    """

    def __init__(self, part: EvaluatedPart) -> None:
        self.part, self.table = part, ratings_table(part)
        self.protocol = PROTOCOLS[part.benchmark.protocol]
        by_id = {sample.id: sample for sample in part.samples}
        samples = [by_id[name] for name in self.table["id"]]
        self.sources = [s.source if isinstance(s.source, str) else s.prompt or s.id for s in samples]
        self.clusters = cluster_codes(self.sources, len(samples))

    def joined(self, name: str, scores: MethodScores) -> Joined:
        """Return the scores beside the ratings. Raises `AgreementError` where the protocol cannot read them."""
        table: dict[str, Sequence[Any]] = {key: self.table[key] for key in self.protocol.columns if key in self.table}
        for rating, cells in scores.cells.items():
            if rating in self.table:
                table[f"rating.{rating}"] = self.table[rating]
                table[f"score.{rating}"] = [cells.get(name) for name in self.table["id"]]
        if scores.verdicts:
            table["verdict"] = [scores.verdicts.get(name) for name in self.table["id"]]
        return self.protocol.checked(Joined(table, name, scores.higher_is_better))

    def ratings_of(self, rating: str) -> dict[str, float]:
        """Return the rating of each sample that the protocol compares with scores of it, by its id."""
        people = MethodScores({rating: dict(zip(self.table["id"], self.table.get(rating, ()), strict=False))})
        joined = self.joined("people", people)
        list(self.protocol.figures(joined))
        compared = np.any([rows for (name, _), rows in joined.used.items() if name == rating], axis=0)
        values = joined.numbers(f"rating.{rating}")
        return {str(self.table["id"][row]): float(values[row]) for row in np.flatnonzero(compared)}


class MeasuredMethod:
    """A method's figures by the protocol of the data set, with intervals and paired tests of correlations.

    - `lines`: every figure, by rating, group and measure.
    """

    def __init__(self, rated: RatedPart, name: str, scores: MethodScores) -> None:
        self.rated, self.name, self.scores = rated, name, scores
        self._joined = rated.joined(name, scores)
        self.lines = {(line.rating, line.group, line.measure): line for line in rated.protocol.figures(self._joined)}
        self._resampled: dict[tuple[Any, ...], Floats] = {}

    def line(self, column: PaperColumn) -> Line | None:
        """Return the figure that belongs in a paper's column; None where the protocol has none."""
        groups = self.rated.part.benchmark.headline.get(column.group, (column.group,))
        named = ((column.rating, group, column.measure) for group in groups)
        return next((self.lines[key] for key in named if key in self.lines), None)

    def with_interval(self, column: PaperColumn, resampling: Resampling) -> Line | None:
        """Return the figure of a column; a correlation over all items gets its bootstrap interval.

        Samples that share a source, or else a prompt, are drawn together.
        """
        line = self.line(column)
        if line is None or line.value is None or line.low is not None:
            return line
        rows = self._rows(line)
        try:
            values = self._replicates(line, rows, resampling) if rows else None
        except UndefinedError:
            return line
        interval = None if values is None else percentile_interval(values, resampling.level)
        return line if interval is None else replace(line, low=interval.low, high=interval.high)

    def test_against(self, other: MeasuredMethod, column: PaperColumn, resampling: Resampling) -> Comparison:
        """Return the paired bootstrap test of the two methods' figures of a column, on the samples that both scored.

        Raises `UndefinedError` where there is nothing to compare, or too little.
        """
        line, others = self.line(column), other.line(column)
        rows, other_rows = (method._rows(it) if it else [] for method, it in ((self, line), (other, others)))
        if line is None or others is None or not rows or len(rows) != len(other_rows):
            raise UndefinedError(f"{column.measure} of {column.group} has no paired test")
        shared = [one & two for one, two in zip(rows, other_rows, strict=True)]
        own = self._replicates(line, shared, resampling)
        differences_of = own - other._replicates(line, shared, resampling)
        interval = percentile_interval(differences_of, resampling.level)
        if interval is None:
            raise UndefinedError("it is undefined in too many replicates to test a difference")
        every = int(np.any(shared, axis=0).sum())
        return Comparison(
            self.name,
            other.name,
            column.rating,
            column.measure,
            self._value(line, shared) - other._value(line, shared),
            interval.low,
            interval.high,
            two_sided_p(differences_of),
            smallest_detectable(differences_of, resampling.level),
            every,
            line.n + line.excluded - every,
        )

    def _rows(self, line: Line) -> list[np.ndarray]:
        """The rows of a correlation: a mask, or one for each group that it averages; none for other figures."""
        if line.measure not in RESAMPLED:
            return []
        if line.group.startswith("average over "):
            column = line.group.removeprefix("average over ")
            return [rows for (rating, group), rows in self._joined.used.items()
                    if rating == line.rating and group.startswith(f"{column}=")]  # fmt: skip
        rows = self._joined.used.get((line.rating, line.group))
        return [] if rows is None else [rows]

    def _value(self, line: Line, rows: Sequence[np.ndarray]) -> float:
        scores, ratings = self._joined.dimension(line.rating)
        return float(np.mean([RESAMPLED[line.measure](scores[mask], ratings[mask]) for mask in rows]))

    def _replicates(self, line: Line, rows: Sequence[np.ndarray], resampling: Resampling) -> Floats:
        """The figure in each resample of the samples in `rows`; drawn once, for its interval and its test."""
        every = np.flatnonzero(np.any(rows, axis=0))
        if not len(every):
            raise UndefinedError("n = 0")
        key = (line.rating, line.measure, resampling, *(mask.tobytes() for mask in rows))
        if key not in self._resampled:
            scores, ratings = (values[every] for values in self._joined.dimension(line.rating))
            inside = [np.flatnonzero(mask[every]) for mask in rows]
            measure = RESAMPLED[line.measure]

            def compute(counts: Any) -> Floats:
                values = [measure.resampled(scores[one], ratings[one], counts[:, one]) for one in inside]
                return np.asarray(np.mean(values, axis=0))[None]

            count = min(resampling.replicates, FEWER_REPLICATES) if len(every) >= MANY else resampling.replicates
            codes = cluster_codes(self.rated.clusters[every], len(every))
            codes = np.arange(len(codes)) if codes.max() + 1 == len(codes) else codes
            self._resampled[key] = resample(codes, compute, count, resampling.seed)[0]
        return self._resampled[key]
