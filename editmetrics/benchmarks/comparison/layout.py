"""A redone comparison table for a terminal, Markdown, LaTeX and HTML: one model, with cells stacked.

A cell is this run's number, and below it the printed one with its rank (1st, 2nd), the difference, and an interval.
Without any number of this run, a cell is the printed number itself, the best of a column marked as papers do.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from ...agreement.result import ALL
from ...tables.agreement import HEADINGS
from ...tables.table import RULE, Cell, DataTable, Mark, TableCell, TableColumn, text
from ...wording import first_few, plural
from .paper_table import PaperColumn, PaperTable
from .result import ComparisonResult, tested_columns

ON_TERMINAL, IN_FILES = 3, 12
"""Columns of numbers side by side."""

OF_A_SET = 2
"""Columns of numbers side by side on a terminal where each pair is of another data set."""

NAMES = 22
"""Characters of a method's name on a terminal."""

LONGEST_REASON = 160
"""Characters of a reason on a terminal; the files have all of it."""

PLACES = {1: " 1st", 2: " 2nd"}
MARKS: dict[int, Mark] = {1: "best", 2: "second"}
NONE = "-"


def comparison_tables(result: ComparisonResult, terminal: bool = False) -> Iterator[DataTable]:
    """Yield the numbers of each rating, then the paired tests; on a terminal without single groups, for 80 columns."""
    sections = _sections(result.table, terminal)
    for number, (title, columns) in enumerate(sections):
        last = number == len(sections) - 1
        notes = [*_legend(result, terminal), *_notes(result, LONGEST_REASON if terminal else None)] if last else []
        part = f" (a part: {'; '.join(result.caveats)})" if result.caveats else ""
        titles = dict.fromkeys([result.table.table, result.table.title, title])
        table = DataTable(
            _columns(result, columns, terminal),
            list(_rows(result, columns)),
            ", ".join(name for name in titles if name != ALL) + part,
            notes,
            name=f"{_label(result.table.table)}-{number + 1}",
        )
        on_terminal = OF_A_SET if result.table.crossed else ON_TERMINAL
        yield from table.abreast(on_terminal if terminal else IN_FILES, 2)
    if result.tests:
        yield _tests(result, terminal)


def _sections(table: PaperTable, terminal: bool) -> list[tuple[str, list[PaperColumn]]]:
    """The columns of each rating; on a terminal those over all samples, where there are any."""
    if table.crossed:
        only = next(iter(table.titles.values())) if len(table.titles) == 1 else "across data sets"
        return [(only, list(table.columns))]
    sections = []
    for rating in dict.fromkeys(column.rating for column in table.columns):
        columns = [column for column in table.columns if column.rating == rating]
        whole = [column for column in columns if "=" not in column.group]
        sections.append((rating.replace("_", " "), whole if terminal and whole else columns))
    return sections


def _columns(result: ComparisonResult, columns: Sequence[PaperColumn], terminal: bool) -> list[TableColumn]:
    shown = [TableColumn("method", most=NAMES if terminal else None)]
    if result.computed:
        shown.append(TableColumn("n", "right", "never"))
    else:
        shown.append(TableColumn("computed by", wrap="ellipsis" if terminal else "fold", most=NAMES))
    for column in columns:
        above, heading = _above(result.table, column), heading_of(column.measure)
        if terminal:
            lines = [*textwrap.wrap(above, 12), *textwrap.wrap(heading, 12)]
            shown.append(TableColumn("\n".join(lines), "right", "never"))
        else:
            shown.append(TableColumn(heading, "right", "never", group=above))
    return shown


def heading_of(measure: str) -> str:
    """Return what a paper calls a measure.

    >>> heading_of("srcc"), heading_of("accuracy"), heading_of("final score")
    ('SRCC', 'accuracy', 'final score')
    """
    return HEADINGS.get(measure, measure.replace("_", " ")).replace("-\n", "").replace("\n", " ")


def _above(table: PaperTable, column: PaperColumn) -> str:
    """The heading above a measure: the data set, or the group unless it is all samples."""
    if table.crossed:
        return table.titles.get(column.data, column.data)
    return "" if column.group == "all" else column.group.partition("=")[2] or column.group


def _rows(result: ComparisonResult, columns: Sequence[PaperColumn]) -> Iterator[Sequence[Cell]]:
    own = {column: result.ranks(column) for column in columns}
    printed = {column: result.printed_ranks(column) for column in columns}
    heading = None
    cells: list[Cell]
    for method in result.table.methods:
        if method.heading != heading:
            if heading is not None:
                yield RULE
            heading = method.heading
            yield [TableCell(heading, mark="bold")]
        if result.computed:
            spec = result.specs.get(method.name)
            cells = [
                TableCell(method.name, [spec] if spec and spec != method.name else []),
                _count(result, method.name, columns),
            ]
        else:
            cells = [TableCell(method.name), TableCell(method.how)]
        for column in columns:
            cells.append(_cell(result, method.name, column, own[column], printed[column]))
        yield cells


def _count(result: ComparisonResult, name: str, columns: Sequence[PaperColumn]) -> TableCell:
    """The number of samples of a method: of its figure over all of them, or the largest group."""
    lines = [line for column in columns if (line := result.lines.get((name, column)))]
    if not lines:
        return TableCell(NONE)
    most = max(lines, key=lambda line: line.n + line.excluded)
    return TableCell(f"{most.n:,}", [f"{most.excluded:,} out"] if most.excluded else [])


def _cell(
    result: ComparisonResult, name: str, column: PaperColumn, own: Mapping[str, int], printed: Mapping[str, int]
) -> TableCell:
    table, line = result.table, result.lines.get((name, column))
    published = table.values.get((name, column))
    if not result.computed:
        return TableCell(table.text(column.measure, published), (), MARKS.get(printed.get(name, 0), ""))
    small = [f"{table.text(column.measure, published)}{PLACES.get(printed.get(name, 0), '')}"]
    if line is None or line.value is None:
        return TableCell(NONE, [] if published is None else small, hint=(line.note or "") if line else "")
    difference = result.difference(name, column)
    small = [] if difference is None else [*small, _signed(table, column.measure, difference)]
    if line.low is not None and line.high is not None:
        small.append(f"{line.low:.3f} to {line.high:.3f}")
    return TableCell(table.text(column.measure, line.value), small, MARKS.get(own.get(name, 0), ""))


def _signed(table: PaperTable, measure: str, value: float) -> str:
    shown = table.text(measure, value)
    return shown if shown.startswith("-") else f"+{shown}"


def _tests(result: ComparisonResult, terminal: bool) -> DataTable:
    """The paired tests against the paper's own method."""
    rows: list[Sequence[Cell]] = []
    for column in tested_columns(result.table):
        tests = [(method, result.tests.get((method.name, column))) for method in result.table.methods]
        if any(test for _, test in tests):
            above = result.table.titles.get(column.data, column.rating.replace("_", " "))
            rows.append([TableCell(f"{above}, {heading_of(column.measure)}", mark="bold")])
        for method, test in tests:
            if test is not None:
                interval = f"{test.low:+.3f} to {test.high:+.3f}"
                detectable = f"{test.minimum_detectable:.3f}"
                p = "<0.01" if terminal and test.p < 0.01 else f"{test.p:.2g}"
                rows.append([method.name, f"{test.difference:+.4f}", interval, p, detectable, f"{test.n:,}"])
    numbers = [TableColumn(name, "right", "never") for name in ("difference", "95% interval", "p", "detectable", "n")]
    notes = [
        f"Each method less {result.table.own} as computed here, on the samples that both scored, by the paired "
        "bootstrap; samples of one source, or one prompt, are drawn together",
        "Each p is of one test alone. Differences from the detectable one on are found in 4 of 5 repetitions",
    ]
    columns = [*text("method", wrap="fold"), *numbers]
    return DataTable(columns, rows, f"Paired tests against {result.table.own}", notes, name="paired-tests")


def _legend(result: ComparisonResult, terminal: bool) -> Iterator[str]:
    if not result.computed:
        yield f"All numbers are printed in {result.table.paper}, {result.table.table}; none is computed here"
        return
    yield (
        f"In each cell: this run's number; below it that of {result.table.paper}, {result.table.table}, with its rank; "
        "the difference; and a 95% bootstrap interval of the first measure, samples of one source drawn together"
    )
    if terminal and _sections(result.table, True) != _sections(result.table, False):
        yield "Single groups are in the written files"


def _notes(result: ComparisonResult, longest: int | None) -> Iterator[str]:
    """The order of methods, and what was not computed, differs or is doubtful, and why, in `longest` characters."""
    table = result.table
    if result.computed:
        for column in tested_columns(table):
            value, count = result.order_kept(column)
            if value is not None:
                above = table.titles.get(column.data, column.rating.replace("_", " "))
                yield (
                    f"{above}: {plural(count, 'method')} both computed and printed, whose order agrees by an SRCC of "
                    f"{value:.2f} ({heading_of(column.measure)})"
                )
        if result.untested:
            yield result.untested
    for reason, names in _by_reason(result).items():
        reason = textwrap.shorten(reason, longest, placeholder=" ...") if longest else reason
        yield f"not computed: {', '.join(names)}: {reason}"
    differing: dict[str, list[str]] = {}
    for method in table.methods:
        if method.differs and (not result.computed or method.name in result.specs):
            differing.setdefault(method.differs, []).append(method.name)
    for differs, names in differing.items():
        yield f"{', '.join(names)}: {differs}"
    doubts: dict[str, list[str]] = {}
    for (name, _), doubt in table.doubts.items():
        doubts.setdefault(doubt, []).append(name)
    for doubt, names in doubts.items():
        yield f"in print: {doubt} ({len(names)}: {first_few(dict.fromkeys(names), 6)})"
    yield from table.notes


def _by_reason(result: ComparisonResult) -> dict[str, list[str]]:
    """The methods without scores, by the reason; those in print only before anything is computed, too."""
    reasons: dict[str, dict[str, None]] = {}
    for method in result.table.methods:
        if result.computed or result.reasons:
            own = {reason: None for (name, _), reason in result.reasons.items() if name == method.name}
        else:
            own = {method.reason: None} if method.reason else {}
        for reason in own:
            reasons.setdefault(reason, {})[method.name] = None
    return {reason: list(names) for reason, names in reasons.items()}


def _label(title: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in title.lower())
