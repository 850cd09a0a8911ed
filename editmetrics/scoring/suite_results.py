"""A benchmark's tables from the results of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..sample import FIELDS
from ..suites import Suite
from ..suites.aggregation import SuiteRow, TableResult, filled_table
from ..suites.of_suite import OfSuite
from ..suites.rows import fields_of, notes_on_left_out, notes_on_rows, notes_on_sizes, ratings_of
from .results import PlanError
from .run import WHERE

if TYPE_CHECKING:
    from ..metric import Metric
    from ..sample import Sample, Score
    from .results import Results


@dataclass(frozen=True)
class SuiteRun:
    """A suite that is part of a run: its metrics, in the order of `Suite.specs`, or the one that asks its judge."""

    suite: Suite
    metrics: tuple[Metric, ...]

    @property
    def judged(self) -> OfSuite | None:
        """The metric that asks the suite's judge; None for a suite without one."""
        metric = self.metrics[0]
        return metric if isinstance(metric, OfSuite) else None


@dataclass(frozen=True)
class SuiteResult:
    """A benchmark's tables, filled.

    - `served`: the judge's models as the endpoint named them, with the number of answers; `asked`: the first and the
      last date of them.
    - `notes`: what a reader should know of the rows.
    """

    run: SuiteRun
    tables: tuple[TableResult, ...]
    served: dict[str, int]
    asked: tuple[str, ...]
    notes: tuple[str, ...]


def suite_result(run: SuiteRun, results: Results) -> SuiteResult:
    """Return the tables of a suite over the results of a run that has its metrics."""
    rows: dict[str | None, list[SuiteRow]] = {system: [] for system in results.systems}
    scores = [results[metric.label] for metric in run.metrics]
    served: Counter[str] = Counter()
    dates: list[str] = []
    for index, sample in enumerate(results.samples):
        own = [column[index] for column in scores]
        rows[sample.meta.get("system")].append(_row(run, sample, own))
        details = own[0].details if run.judged else {}
        served.update(details.get("served", {}))
        for answer in details.get("answers", ()):
            served[answer.get("served") or answer.get("model") or "unknown"] += 1
            dates += [str(answer["asked"])[:10]] if answer.get("asked") else []
    judge = run.judged.judged_by if run.judged else ""
    tables = tuple(filled_table(run.suite, layout, rows, judge) for layout in run.suite.tables)
    span = tuple(sorted({min(dates), max(dates)})) if dates else ()
    fields = {system: [row.fields for row in own] for system, own in rows.items()}
    notes = [*notes_on_rows(run.suite, results.samples), *notes_on_sizes(run.suite, results.samples)]
    notes += notes_on_left_out(run.suite, fields)
    return SuiteResult(run, tables, dict(served), span, tuple(notes))


def _row(run: SuiteRun, sample: Sample, scores: Sequence[Score]) -> SuiteRow:
    fields = fields_of(run.suite, sample)
    if not run.judged:
        specs = run.suite.specs
        values = {spec: float(score) for spec, score in zip(specs, scores, strict=True) if score.ok}
        unread = {spec: score.status for spec, score in zip(specs, scores, strict=True) if not score.ok}
        return SuiteRow(fields, values, unread=unread)
    (score,) = scores
    details = score.details
    unread = dict(details.get("unread", {}))
    if not score.ok and not unread:  # it was never asked
        unread = {ask.name: score.status for ask in run.judged.protocol.asks}
    return SuiteRow(
        {**fields, **details.get("fields", {})},
        dict(score),
        details.get("read", {}),
        unread,
        details.get("script_reads", {}),
        _pairs(details.get("ratios", {})),
        ratings_of(run.suite, sample),
        _pairs(details.get("script_ratios", {})),
    )


def _pairs(ratios: Mapping[str, Sequence[float]]) -> dict[str, tuple[float, float]]:
    return {name: (above, below) for name, (above, below) in ratios.items()}


def require_fields(suite: str, metrics: Sequence[Metric], samples: Sequence[Sample]) -> None:
    """Raise `PlanError`, before anything is loaded, naming each field that a metric needs and no sample has."""
    lacking: dict[str, list[str]] = {}
    for name in FIELDS:
        if any(sample.has(name) for sample in samples):
            continue
        if needing := [metric.label for metric in metrics if name in metric.required()]:
            lacking[name] = needing
    if lacking:
        lines = "\n".join(f"  {name}: give {WHERE[name]}; for {', '.join(by)}" for name, by in lacking.items())
        raise PlanError(f"the suite {suite} requires fields that no sample has:\n{lines}")
