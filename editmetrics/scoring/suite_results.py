"""A benchmark's tables from the results of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..files.tabular import Tabular
from ..suites import SuiteError
from ..suites.aggregation import SuiteRow, TableResult, filled_table
from ..suites.explain import differences_of
from ..suites.of_suite import notes_on_keys
from ..suites.rows import fields_of, notes_on_left_out, notes_on_rows, notes_on_sizes, ratings_of
from ..wording import plural

if TYPE_CHECKING:
    import polars

    from ..sample import Sample, Score
    from ..suites import ProtocolDifference
    from .results import Results
    from .suite_runs import SuiteRun


@dataclass(frozen=True)
class SuiteResult(Tabular):
    """A benchmark's tables, filled. `table()` has a row for each number, `overview()` the benchmark's main table.

    - `served`: the judge's models as the endpoint named them, with the number of answers; `asked`: the first and the
      last date of them.
    - `notes`: what a reader should know of the rows.
    """

    run: SuiteRun
    tables: tuple[TableResult, ...]
    served: dict[str, int]
    asked: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def differences(self) -> list[ProtocolDifference]:
        """Every point in which the run differs from the published protocol."""
        return differences_of(self.run.suite, self.run.judged)

    def __repr__(self) -> str:
        lines, differences = plural(len(self.tables[0].lines), "row"), plural(len(self.differences), "difference")
        return f"SuiteResult({self.run.suite.name}; {lines}, {differences} from the published protocol)"

    def table(self) -> polars.DataFrame:
        """Every number: its table, rows, system and column; the samples behind it; the reason where there is none.

        `published_low`, `published` and `published_high` are what the published rule for missing answers makes of it.
        """
        import polars

        rows = [
            {
                "table": table.layout.title, "rows": line.block.heading, "system": line.system, "column": heading,
                "value": cell.value, "n": cell.n, "samples": line.total, "read": line.read, "reason": cell.reason,
                "published_low": cell.published and cell.published.low,
                "published": cell.published and cell.published.expected,
                "published_high": cell.published and cell.published.high,
            }
            for table in self.tables
            for line in table.lines
            for heading, cell in zip(table.headings, line.cells, strict=True)
        ]  # fmt: skip
        return polars.DataFrame(rows, infer_schema_length=None)

    def overview(self) -> polars.DataFrame:
        """The benchmark's main table under its own headings."""
        import polars

        main = self.tables[0]
        rows = [
            {
                **({} if line.system is None else {"system": line.system}), "rows": line.block.heading,
                **{heading: cell.value for heading, cell in zip(main.headings, line.cells, strict=True)},
                "read": line.read, "samples": line.total,
            }
            for line in main.lines
        ]  # fmt: skip
        return polars.DataFrame(rows, infer_schema_length=None)


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
    notes += [*notes_on_left_out(run.suite, fields), *_notes_on_served(run, served)]
    notes += notes_on_keys(run.judged, results.samples) if run.judged else ()
    return SuiteResult(run, tables, dict(served), span, tuple(notes))


def chosen_result(results: Results, name: str | None) -> SuiteResult:
    """Return the `suite_result` of the suite called `name` in a run, or of its only one. Raises `SuiteError`."""
    runs = [run for run in results.suite_runs if name is None or name in (run.suite.name, run.metrics[0].label)]
    if len(runs) != 1:
        names = [run.metrics[0].label if run.judged else run.suite.name for run in results.suite_runs]
        known = ", ".join(names) or "none: score(..., suites=NAME) computes one"
        raise SuiteError(f"{name or 'suite()'} stands for {plural(len(runs), 'suite')} of this run; it has {known}")
    return suite_result(runs[0], results)


def _notes_on_served(run: SuiteRun, served: Mapping[str, int]) -> Iterator[str]:
    """Yield a note on answers of a model with another name than the one that was asked, but for a date behind it."""
    from ..judge.endpoint import ANY

    if run.judged is None or run.judged.backbone is not None or run.judged.model == ANY:
        return
    asked = run.judged.model
    if others := {name: count for name, count in served.items() if not name.lower().startswith(asked.lower())}:
        named = ", ".join(f"{name} ({plural(count, 'answer')})" for name, count in others.items())
        yield f"asked for {asked}, the endpoint says that it answered by another model: {named}"


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
