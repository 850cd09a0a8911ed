"""Check a suite: every column can be filled, averages end in one number, and a missing answer never becomes one."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ..sample import EditMetricsError
from ..suites.aggregation import SuiteRow, filled_table
from ..suites.rows import selected

if TYPE_CHECKING:
    from ..suites import Ask, Suite, SuiteJudge

PRESENCE = ("yes", "no")


def check_suite(suite: Suite) -> list[str]:
    """Return what is wrong with a suite, a line each; empty where nothing is.

    - Every heading is named once, and every column is filled by made-up answers; of a suite without judges, every
      column is a metric, and every line's rows can be there. So it is in each variant.
    - The questions of a row have names of their own, and a shipped text has its SHA-256.
    - One missing answer leaves the primary number away, and the published rule's range holds its mean.

    >>> from editmetrics.suites import SUITES
    >>> check_suite(SUITES["gedit"])
    []
    """
    problems = [*_headings(suite)]
    if problems:  # its tables cannot be filled
        return problems
    if not suite.judges:
        in_variants = (
            f"variant {name}: {problem}" for name, one in suite.variants.items() for problem in check_suite(one)
        )
        return [*_metrics(suite), *_lines(suite), *in_variants]
    for judge in suite.judges:
        problems += [f"judge {judge.name}: {problem}" for problem in _judge(suite, judge)]
    return problems


def _headings(suite: Suite) -> Iterator[str]:
    for table in suite.tables:
        counts = Counter(column.heading for column in table.columns)
        yield from (f"two columns are called {name!r}" for name, count in counts.items() if count > 1)
    known = {dimension.name for dimension in suite.values} | {*suite.ratios}
    for column in (column for table in suite.tables for column in table.columns):
        if suite.judges and column.value not in known:
            yield f"the column {column.heading} shows {column.value!r}, which is not one of the suite's values"
        if column.levels[-1].by:
            yield f"the last step of {column.heading} has the fields {', '.join(column.levels[-1].by)}; expected none"


def _metrics(suite: Suite) -> Iterator[str]:
    from ..registry import create_metric

    for spec in suite.specs:
        try:
            create_metric(spec)
        except EditMetricsError as error:
            yield f"{spec}: {error}"


def _lines(suite: Suite) -> Iterator[str]:
    if not suite.tables and not suite.variants:
        yield "it has neither a table nor variants"
    known = {field.name: {*field.values, *(PRESENCE if field.presence else ())} for field in suite.fields}
    for block in (block for table in suite.tables for block in table.blocks):
        for name, values in block.where.items():
            if name not in known or (known[name] and not known[name] & {*values}):
                yield f"the line {block.heading} is of rows whose {name} is {' or '.join(values)}; no row can be so"


def _judge(suite: Suite, judge: SuiteJudge) -> Iterator[str]:
    yield from (f"the source has no SHA-256 of {file!r}" for file in suite.data if file not in suite.source.files)
    for prompt in (prompt for ask in judge.asks for prompt in ask.prompts()):
        if prompt.text is not None and hashlib.sha256(prompt.text.encode()).hexdigest() != prompt.sha256:
            yield f"the text {prompt.name} has another SHA-256 than it says"
        if prompt.text is None and prompt.file not in suite.source.files:
            yield f"the text {prompt.name} is in {prompt.file!r}, whose SHA-256 the source does not have"
    if suite.metric is not None:
        yield from _tables(suite, judge, [*_numbered(suite)])
        return
    rows: list[SuiteRow] = []
    for fields in _every_row(suite):
        asks = [ask for ask in judge.asks if selected(fields, ask.when)]
        names = [ask.name for ask in asks]
        if len({*names}) < len(names):
            yield f"rows with {dict(fields)} are asked {', '.join(names)}: one name twice"
            continue
        if asks:
            yield from _row(suite, fields, asks)
            rows += [_answered(suite, fields, asks, number) for number in (0, 0.5, 1)]
    if not rows:
        yield "no row is asked anything"
        return
    yield from _tables(suite, judge, rows)


def _row(suite: Suite, fields: Mapping[str, str], asks: list[Ask]) -> Iterator[str]:
    primary = next(dimension.name for dimension in suite.values if dimension.primary)
    needed = [dimension.name for dimension in suite.values if not dimension.optional]
    ranges = {dimension.name: dimension for dimension in suite.values}
    for number in (0, 1):
        values = _answered(suite, fields, asks, number).values
        if absent := [name for name in needed if name not in values]:
            yield f"rows with {dict(fields)}: every answer is there, and {', '.join(absent)} is not"
        if strange := [
            name for name, value in values.items() if name not in ranges or not ranges[name].contains(value)
        ]:
            yield f"rows with {dict(fields)}: {', '.join(strange)} is outside of its declared range, or not declared"
    for missing in asks:
        rest = {name: ask.high for ask in asks if ask is not missing for name in ask.values}
        if primary in suite.derive(rest):
            yield f"rows with {dict(fields)}: {primary} is a number without an answer to {missing.name}"


def _tables(suite: Suite, judge: SuiteJudge, rows: list[SuiteRow]) -> Iterator[str]:
    broken = [*rows, SuiteRow(rows[0].fields, {}, {}, dict.fromkeys((ask.name for ask in judge.asks), "refused"))]
    for layout in suite.tables:
        columns = set()
        for line in filled_table(suite, layout, {None: rows}, judge.name).lines:
            columns |= {number for number, cell in enumerate(line.cells) if cell.value is not None}
        yield from (
            f"the column {column.heading} is empty though every answer is there"
            for number, column in enumerate(layout.columns)
            if number not in columns
        )
        for line in filled_table(suite, layout, {None: broken}, judge.name).lines:
            for cell, column in zip(line.cells, layout.columns, strict=True):
                rule = cell.published
                if rule is None or rule.low is None or rule.expected is None or rule.high is None:
                    continue
                if not rule.low - 1e-9 <= rule.expected <= rule.high + 1e-9:
                    yield f"{column.heading}: the mean of the published rule's guess is outside of its range"


def _numbered(suite: Suite) -> Iterator[SuiteRow]:
    """Yield rows of each block whose metric gave every number."""
    for block in (block for layout in suite.tables for block in layout.blocks):
        for number in (0, 0.5, 1):
            values = {one.name: one.low + number * (one.high - one.low) for one in suite.values}
            fields = {name: values[0] for name, values in block.where.items()}
            yield SuiteRow(fields, values, ratios=dict.fromkeys(suite.ratios, (number, 1)))


def _answered(suite: Suite, fields: Mapping[str, str], asks: list[Ask], number: float) -> SuiteRow:
    answers = {name: ask.low + number * (ask.high - ask.low) for ask in asks for name in ask.values}
    people = {dimension.name: number for dimension in suite.values} if suite.people else {}
    return SuiteRow(fields, suite.derive(answers), answers, people=people)


def _every_row(suite: Suite) -> Iterator[dict[str, str]]:
    """Yield the fields of one row of each kind that the benchmark can have; fields of one column agree."""
    cells: dict[tuple[str, ...], tuple[str, ...]] = {}
    for field in suite.fields:
        cells.setdefault(field.columns, PRESENCE if field.presence else field.values or ("any",))
    for chosen in itertools.product(*cells.values()):
        of_columns = dict(zip(cells, chosen, strict=True))
        raw = {field.name: of_columns[field.columns] for field in suite.fields}
        yield {field.name: field.renamed.get(raw[field.name], raw[field.name]) for field in suite.fields}
