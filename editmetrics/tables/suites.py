"""Tables of suites: a benchmark's own table, and a suite explained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.markup import escape

from ..suites.explain import aggregation_line, cost, default_differences, differences_of, question_lines, sampling_line
from ..suites.inputs import INPUTS
from ..wording import plural
from .table import Block, Cell, DataTable, TableCell, facts, numbers, text

if TYPE_CHECKING:
    from ..scoring.suite_results import SuiteResult
    from ..suites import ProtocolDifference, Suite, SuiteColumn
    from ..suites.aggregation import BlockResult, SuiteCell, TableResult
    from ..suites.of_suite import OfSuite


def result_blocks(result: SuiteResult) -> Iterator[Block]:
    """A benchmark's tables under its own headings, what is missing, and how the run differs from the protocol."""
    suite, metric = result.run.suite, result.run.judged
    for table in result.tables:
        if table.lines:
            yield ""
            yield _table(result, table)
    if metric is not None:
        yield escape(_judge_line(result, metric))
    yield from (escape(f"note: {note}") for note in result.notes)
    yield from difference_blocks(differences_of(suite, metric))


def result_tables(result: SuiteResult) -> Iterator[DataTable]:
    """Yield the tables for a report: each says whose it is; notes and what differs stand below the first one."""
    suite, metric = result.run.suite, result.run.judged
    below = [*([] if metric is None else [_judge_line(result, metric)]), *result.notes]
    if points := [one.point for one in differences_of(suite, metric)]:
        below.append(f"{plural(len(points), 'difference')} from the published protocol: {'; '.join(points)}")
    for table in result.tables:
        if table.lines:
            made = _table(result, table)
            title = suite.name if made.title == suite.name else f"{suite.name}: {made.title}"
            yield replace(made, title=title, notes=[*made.notes, *below])
            below = []


def _judge_line(result: SuiteResult, metric: OfSuite) -> str:
    served = ", ".join(f"{name} ({plural(count, 'answer')})" for name, count in result.served.items()) or "no answer"
    dates = " to ".join(result.asked)
    return f"judge {metric.backbone or metric.model}, served by {served}{f', {dates}' if dates else ''}"


def difference_blocks(differences: Sequence[ProtocolDifference]) -> Iterator[Block]:
    """The points in which a run differs from the published protocol."""
    if not differences:
        return
    yield f"\n[bold]{plural(len(differences), 'difference')} from the published protocol[/]"
    for one in differences:
        yield (
            f"[bold]{escape(one.point)}[/]: published: {escape(one.published)}; here: {escape(one.here)}. "
            f"Effect: {escape(one.effect)}."
        )


def list_blocks(suites: Sequence[Suite], broken: Mapping[str, str]) -> Iterator[Block]:
    """All suites, a line each; `broken` are those that cannot be used, and why."""
    rows: list[list[Cell]] = []
    for suite in suites:
        asked = ", ".join(judge.title for judge in suite.judges) or "computed here"
        rows.append(
            [
                suite.name,
                asked,
                "" if suite.rows is None else f"{suite.rows:,}",
                suite.source.paper.partition(", arXiv")[0],
            ]
        )
    yield DataTable([*text("suite", "judge"), *numbers("samples"), *text("paper")], rows)
    yield from (f"[bold]{escape(name)}[/] cannot be used: {escape(reason)}" for name, reason in broken.items())
    yield "\n[dim]'editmetrics suite NAME' explains one, 'editmetrics score ... --suite NAME' computes it.[/]"


def suite_blocks(suite: Suite, metric: OfSuite | None = None) -> Iterator[Block]:
    """One suite explained; `metric` is the run's, whose options may differ from the published ones."""
    yield f"[bold]{escape(suite.name)}[/], a benchmark as published\n"
    yield f"{escape(suite.about)}\n"
    yield facts([*_source_facts(suite), *_row_facts(suite)])
    if suite.variants:
        yield "\n[bold]Variants[/]"
        yield facts([[name, variant.about] for name, variant in suite.variants.items()])
    for judge in suite.judges:
        if metric is not None and metric.protocol.name != judge.name:
            continue
        rows: list[list[Cell]] = [["model", judge.snapshot], ["published as", judge.published]]
        rows += [[f"variant {name}", model] for name, model in judge.variants.items()]
        rows += [["open weights", judge.weights]] if judge.weights else []
        rows += [[name, parts] for name, parts in question_lines(judge)]
        whole = str(cost(suite, judge)) if judge.counted else "a request for each question of its rows"
        rows += [["parameters", sampling_line(judge)], ["whole benchmark", whole]]
        yield f"\n[bold]Judge {escape(judge.name)}: {escape(judge.title)}[/]"
        yield facts(rows)
    for table in suite.tables:
        yield ""
        yield _columns(suite, table.title or "Table", table.columns)
    if suite.failure.published:
        published = escape(suite.failure.published)
        yield f"\nAn answer without a number: the published script {published}; here it never is one."
    yield from difference_blocks(differences_of(suite, metric) if metric else default_differences(suite))
    if suite.unchecked:
        yield f"\nNot checked here: {escape(suite.unchecked)}."
    name = suite.name if suite.tables else f"{suite.name}:variant=NAME"
    paths = "..." if suite.folders is None else "DATA OUTPUTS"
    yield f"\n[dim]'editmetrics score {paths} --suite {escape(name)}' computes it.[/]"


def _source_facts(suite: Suite) -> Iterator[list[Cell]]:
    source = suite.source
    yield ["paper", source.paper]
    where = f"github.com/{source.repository}" if source.repository else "no official script"
    yield ["source", where + (f" at {source.commit[:12]}" if source.commit else "")]
    yield ["licences", f"code: {source.code_licence}; questions: {source.prompt_licence}; data: {source.data_licence}"]


def _row_facts(suite: Suite) -> Iterator[list[Cell]]:
    if suite.prompt == "caption":
        yield ["prompt", "a caption of the wanted image, not the instruction"]
    if suite.folders is not None:
        yield ["folder DATA", suite.folders.data]
        yield ["folder OUTPUTS", suite.folders.outputs]
    for name, columns in suite.headings.items():
        yield [f"field {name}", f"column {' or '.join(columns)}"]
    for size, title in suite.sizes.items():
        yield [f"{size:,} rows", title]
    for field in suite.fields:
        if field.compute is not None:
            yield [f"field {field.name}", f"{' or '.join(field.values)}, by looking at each row"]
            continue
        ends = {name: f" ({first}-{last})" for name, (first, last) in field.numbered.items()}
        named = [name + ends.get(name, "") for name in field.values if name != field.default]
        values = f": {', '.join(named)}" if named else ""
        needed = "" if field.needed else ", where it is there"
        yield [f"field {field.name}", f"column {' or '.join(field.columns)}{needed}{values}"]
    if suite.data:
        yield ["rows", f"not shipped: {', '.join(suite.data)} of your copy of the repository"]
    inputs = INPUTS.get(suite.name, suite.inputs)
    if inputs is not None:
        yield ["inputs", f"'editmetrics data {suite.name} FOLDER'" + ("" if inputs.name else " says how to get them")]
    if suite.people:
        yield ["people's ratings", f"columns {', '.join(suite.people.columns)}, where they are there"]


def _columns(suite: Suite, title: str, columns: Sequence[SuiteColumn]) -> DataTable:
    judges = "/".join(judge.name for judge in suite.judges)
    rows = []
    for column in columns:
        scale = "" if column.times == 1 else f", times {column.times:g}"
        scale += f", plus {column.plus:g}" if column.plus else ""
        rows_of = "" if not column.where else f" ({', '.join('/'.join(values) for values in column.where.values())})"
        rows.append(
            [
                column.heading.replace("{judge}", judges),
                f"{column.value} of people" if column.of_people else column.value,
                aggregation_line(column) + rows_of + scale,
            ]
        )
    return DataTable([*text("column", "number", "printed")], rows, title)


def _table(result: SuiteResult, table: TableResult) -> DataTable:
    systems = any(line.system is not None for line in table.lines)
    columns = [*text("system")] if systems else []
    longest = max(len(line.block.heading) for line in table.lines)  # numbers give way before names of rows do
    columns += [replace(text("rows")[0], least=longest), *numbers(*table.headings, "read")]
    rows: list[list[Cell]] = []
    for line in table.lines:
        head: list[Cell] = [line.system] if systems else []
        cells = [_cell(cell, column) for cell, column in zip(line.cells, table.layout.columns, strict=True)]
        rows.append([*head, line.block.heading, *cells, f"{line.read:,} of {line.total:,}"])
    notes = [note for line in table.lines for note in _notes(table, line)] if table == result.tables[0] else []
    if result.run.judged is None and table == result.tables[0]:
        scaled = [column for column in table.layout.columns if column.times != 1]
        factors = ", ".join(f"{column.heading} times {column.times:,g}" for column in scaled)
        notes = [*([f"printed as published: {factors}"] if factors else []), *notes]
        notes += [note for line in table.lines for note in _counts(table, line)]
    if any(cell.published for line in table.lines for cell in line.cells):
        notes.append("below a number: what the published rule for failures makes of it, on average (from-to)")
    return DataTable(columns, rows, table.layout.title or f"{result.run.suite.name}", notes)


def _cell(cell: SuiteCell, column: SuiteColumn) -> TableCell:
    if cell.value is None:
        return TableCell("-", hint=cell.reason)
    return TableCell(f"{cell.value:.{column.digits}f}", small=[_published(cell, column)] if cell.published else ())


def _notes(table: TableResult, line: BlockResult) -> Iterator[str]:
    """The samples that a line of the table leaves out, and the cells that are empty."""
    name = ", ".join(filter(None, (line.block.heading, line.system)))
    if line.block.rows is not None and line.total != line.block.rows:
        of_all = "of" if line.total < line.block.rows else "samples for the"
        yield f"{name}: {line.total:,} {of_all} {line.block.rows:,} rows of the benchmark"
    if line.unread:
        counts = ", ".join(f"{count:,} {status}" for status, count in sorted(line.unread.items()))
        script = f"; the published script would have read {line.script_reads:,} of them" if line.script_reads else ""
        yield f"{name}: without a number: {counts}{script}"
    empty: dict[str, list[str]] = {}
    for cell, heading in zip(line.cells, table.headings, strict=True):
        if cell.value is None:
            empty.setdefault(cell.reason, []).append(heading)
    for reason, headings in empty.items():
        yield f"{name}: {', '.join(headings)} {'is' if len(headings) == 1 else 'are'} empty: {reason}"


def _counts(table: TableResult, line: BlockResult) -> Iterator[str]:
    """The number of samples behind each mean of a suite without judges, where columns differ in it."""
    name = ", ".join(filter(None, (line.block.heading, line.system)))
    cells = [(heading, cell) for heading, cell in zip(table.headings, line.cells, strict=True) if cell.n]
    if len({cell.n for _, cell in cells}) > 1:
        groups: dict[int, list[str]] = {}
        for heading, cell in cells:
            groups.setdefault(cell.n, []).append(heading)
        yield f"{name}: " + "; ".join(f"{', '.join(own)}: mean of {plural(n, 'sample')}" for n, own in groups.items())
    for heading, cell in cells:
        if cell.infinite:
            yield f"{name}: {plural(cell.infinite, 'infinite number')} of {heading} (equal images) left out of its mean"


def _published(cell: SuiteCell, column: SuiteColumn) -> str:
    """The number by the published rule for failures: its mean and its range."""
    rule = cell.published
    if rule is None or rule.low is None or rule.expected is None or rule.high is None:
        return ""
    low, expected, high = (f"{end:.{column.digits}f}" for end in (rule.low, rule.expected, rule.high))
    return expected if low == high else f"{expected} ({low}-{high})"
