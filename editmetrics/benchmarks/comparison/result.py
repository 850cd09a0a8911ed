"""A comparison table with all that could be computed: figures beside the printed ones, ranks and paired tests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...agreement.bootstrap import BY_DEFAULT, Resampling
from ...agreement.correlation import srcc
from ...agreement.measure import UndefinedError, defined
from ...agreement.measures import ERRORS
from ...agreement.result import SYSTEM_LEVEL, Line
from ...agreement.significance import Comparison
from ..load import EvaluatedPart
from .compute import Computation, NotComputedError
from .method_scores import RESAMPLED, MeasuredMethod
from .paper_table import PaperColumn, PaperTable

ORDER: tuple[str, ...] = ("classic", "deep", "mllm")
"""Cheap methods are computed first, so that an interrupted run has most rows."""


@dataclass(frozen=True)
class ComparisonResult:
    """A table redone.

    - `table`: with the rows that were asked for. `parts`: what was evaluated of each data set; empty if nothing was.
    - `lines`: the figures of a method in a column, by both; those of the first measure have intervals.
    - `reasons`: why a method has no scores on a data set, by both.
    - `specs`: what computed a method. `tests`: the paired tests against the paper's own method, or why `untested`.
    """

    table: PaperTable
    parts: Mapping[str, EvaluatedPart]
    lines: Mapping[tuple[str, PaperColumn], Line]
    reasons: Mapping[tuple[str, str], str]
    specs: Mapping[str, str]
    tests: Mapping[tuple[str, PaperColumn], Comparison]
    untested: str | None = None

    @property
    def computed(self) -> bool:
        """Whether any method has a figure."""
        return bool(self.lines)

    @property
    def complete(self) -> bool:
        """Whether every method that is not in print only has scores."""
        expected = {method.name for method in self.table.methods if method.reason is None}
        return not any(name in expected for name, _ in self.reasons) and all(
            line.value is not None for line in self.lines.values()
        )

    @property
    def caveats(self) -> list[str]:
        """A line for each data set of which a part is evaluated: which part."""
        return [
            f"{part.benchmark.title}: {part.caveat}" if self.table.crossed else part.caveat
            for part in self.parts.values()
            if part.caveat
        ]

    def value(self, method: str, column: PaperColumn) -> float | None:
        """Return the computed number of a method in a column."""
        line = self.lines.get((method, column))
        return line.value if line else None

    def difference(self, method: str, column: PaperColumn) -> float | None:
        """Return the computed number less the printed one; None without both."""
        value, printed = self.value(method, column), self.table.values.get((method, column))
        return None if value is None or printed is None else value - printed

    def ranks(self, column: PaperColumn) -> dict[str, int]:
        """Return the rank of each computed method in a column."""
        return ranks({method.name: self.value(method.name, column) for method in self.table.methods}, column.measure)

    def printed_ranks(self, column: PaperColumn) -> dict[str, int]:
        """Return the rank in print of each method in a column, among all of the paper's."""
        return ranks({name: v for (name, each), v in self.table.values.items() if each == column}, column.measure)

    def order_kept(self, column: PaperColumn) -> tuple[float | None, int]:
        """Return the SRCC between computed and printed numbers of the methods that have both, and their number."""
        pairs = [
            (value, self.table.values[method.name, column])
            for method in self.table.methods
            if (value := self.value(method.name, column)) is not None and (method.name, column) in self.table.values
        ]
        return defined(srcc, *zip(*pairs, strict=True)) if len(pairs) > 2 else None, len(pairs)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a row for each method and column, with everything that is known of the number."""
        for column in self.table.columns:
            own = self.ranks(column)
            printed = ranks(
                {m.name: self.table.values.get((m.name, column)) for m in self.table.methods}, column.measure
            )
            for method in self.table.methods:
                key, line = (method.name, column), self.lines.get((method.name, column))
                test = self.tests.get(key)
                part = self.parts.get(column.data)
                yield {
                    "paper": self.table.paper, "table": self.table.table, "heading": method.heading,
                    "method": method.name, "computed_by": self.specs.get(method.name),
                    "data": column.data, "part": part.caveat if part else None,
                    "rating": column.rating, "group": column.group, "measure": column.measure,
                    "value": line.value if line else None, "low": line.low if line else None,
                    "high": line.high if line else None, "rank": own.get(method.name),
                    "published": self.table.values.get(key), "published_rank": printed.get(method.name),
                    "difference": self.difference(*key), "n": line.n if line else None,
                    "left_out": line.excluded if line else None,
                    "p_against_own": test.p if test else None,
                    "reason": self.reasons.get((method.name, column.data)) or (line.note if line else None),
                    "differs": method.differs if method.name in self.specs else None,
                    "published_note": self.table.doubts.get(key),
                }  # fmt: skip


def ranks(values: Mapping[str, float | None], measure: str) -> dict[str, int]:
    """Return the rank of each method in a column, 1 for the best, equal numbers sharing the better one.

    Errors, such as RMSE, are better when lower.

    >>> ranks({"a": 0.5, "b": 0.7, "c": 0.5, "d": None}, "srcc")
    {'a': 2, 'b': 1, 'c': 2}
    """
    known = {name: -value if measure in ERRORS else value for name, value in values.items() if value is not None}
    return {name: 1 + sum(other > value for other in known.values()) for name, value in known.items()}


def only(table: PaperTable, kinds: Collection[str]) -> PaperTable | None:
    """Return the table with the methods of these kinds; the paper's own stays in print. None where it has no other."""
    left_out = f"left out: only {', '.join(kinds)}"
    kept = [
        method if method.kind in kinds else method.not_computed(left_out)
        for method in table.methods
        if method.kind in kinds or method.name == table.own
    ]
    names = {method.name for method in kept}
    doubts = {key: doubt for key, doubt in table.doubts.items() if key[0] in names}
    return replace(table, methods=kept, doubts=doubts) if any(method.kind in kinds for method in kept) else None


def compare(
    table: PaperTable,
    computation: Computation | None,
    *,
    resampling: Resampling = BY_DEFAULT,
    starting: Callable[[str], None] = lambda text: None,
) -> ComparisonResult:
    """Compute every method of `table` that can be, and return it beside what the paper prints.

    - `computation`: the copies and how to compute; None for what is in print alone.
    - `starting`: called with a line before each method.
    """
    if computation is None:
        return ComparisonResult(table, {}, {}, {}, {}, {})
    data = [name for name in dict.fromkeys(column.data for column in table.columns) if name in computation.parts]
    measured: dict[tuple[str, str], MeasuredMethod] = {}
    reasons: dict[tuple[str, str], str] = {}
    specs: dict[str, str] = {}
    by_cost = sorted(table.methods, key=lambda method: ORDER.index(method.kind))
    for number, method in enumerate(by_cost, 1):
        starting(f"{number} of {len(by_cost)}: {method.name} ({method.how})")
        for name in data:
            try:
                figures = computation.measured(method, name, table.data)
            except NotComputedError as error:
                reasons[method.name, name] = str(error)
            else:
                measured[method.name, name] = figures
                specs[method.name] = figures.scores.spec
    lines = dict(_lines(table, measured, resampling))
    tests, untested = _tests(table, measured, reasons, resampling)
    parts = {name: computation.parts[name] for name in data}
    return ComparisonResult(table, parts, lines, reasons, specs, tests, untested)


def tested_columns(table: PaperTable) -> list[PaperColumn]:
    """Return the columns with intervals and tests: the first correlation of each rating over all samples."""
    chosen: dict[tuple[str, str], PaperColumn] = {}
    for column in table.columns:
        if column.measure in RESAMPLED and "=" not in column.group and column.group != SYSTEM_LEVEL:
            chosen.setdefault((column.data, column.rating), column)
    return list(chosen.values())


def _lines(
    table: PaperTable, measured: Mapping[tuple[str, str], MeasuredMethod], resampling: Resampling
) -> Iterator[tuple[tuple[str, PaperColumn], Line]]:
    with_interval = set(tested_columns(table))
    for (name, data), method in measured.items():
        for column in (column for column in table.columns if column.data == data):
            line = method.with_interval(column, resampling) if column in with_interval else method.line(column)
            if line is not None:
                yield (name, column), line


def _tests(
    table: PaperTable,
    measured: Mapping[tuple[str, str], MeasuredMethod],
    reasons: Mapping[tuple[str, str], str],
    resampling: Resampling,
) -> tuple[dict[tuple[str, PaperColumn], Comparison], str | None]:
    """Each method against the paper's own; and why there are none."""
    tests: dict[tuple[str, PaperColumn], Comparison] = {}
    if table.own is None:
        return tests, None
    for column in tested_columns(table):
        own = measured.get((table.own, column.data))
        for (name, data), method in measured.items():
            if own is None or data != column.data or name == table.own or method.line(column) is None:
                continue
            try:
                tests[name, column] = replace(
                    method.test_against(own, column, resampling), score=name, against=table.own
                )
            except UndefinedError:  # too few samples that both scored: no test, as the table of tests shows
                continue
    if tests or not measured:
        return tests, None
    reason = next(
        (text for (name, _), text in reasons.items() if name == table.own), "too few samples that both scored"
    )
    return tests, f"no paired tests against {table.own}: {reason}"
