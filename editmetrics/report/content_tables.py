"""The report as tables, for Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..runs.identity import fields
from ..runs.scored_table import short_names
from ..tables.sets import sets_table
from ..tables.systems import systems_table
from ..tables.table import Cell, DataTable, TableCell, digits_of, numbers, rounded, text
from ..wording import first_few
from .content import ReportContent, agreement_lines, agreement_notes
from .leaderboard import Board, SystemMean
from .standing import orders

if TYPE_CHECKING:
    from ..agreement.result import Agreement, Line
    from ..runs.scored_table import ScoreColumn

MEANS_ABREAST, CORRELATIONS_ABREAST = 4, 8
"""Metrics side by side on a page of paper; more go into another table."""

FIRST = 5
"""Samples listed of the worst, best and most disputed."""

SHOWN_IDS = 5
LONGEST_TEXT = 200

DRAWN = {"source": "edits of one source together", "sample": "answers to one request together", "row": "one by one"}
"""How a bootstrap draws rows, by what they are clustered by."""


def content_tables(content: ReportContent) -> Iterator[DataTable]:
    """Leaderboard, groups, agreement, correlations, extreme samples, failures, provenance; wide tables in parts.

    Of metrics of sets: the number of each system with its interval, failures, provenance.
    """
    if content.table.of_sets:
        yield from (sets_table(content.table), _failures(content), *_provenance(content))
        return
    for board in content.boards:
        yield from _board(content, board).abreast(MEANS_ABREAST, kept=2 if board.column is None else 3)
        if board.column is None and (differences := differences_table(content)):
            yield differences
    if content.agreement is not None:
        yield _agreement(content, content.agreement)
    names = [*short_names(content.columns), *(f"{rating.name} (people)" for rating in content.ratings)]
    if len(names) > 1:
        rows = [
            [name, *("-" if cell.value is None else f"{cell.value:.2f}" for cell in line)]
            for name, line in zip(names, content.correlations, strict=True)
        ]
        note = "SRCC over the samples that both have scored, turned so that better is more."
        table = DataTable([*text(""), *numbers(*names)], rows, "Correlations between metrics", [note])
        yield from table.abreast(CORRELATIONS_ABREAST, kept=1)
    yield from _first(content)
    yield _failures(content)
    yield from _provenance(content)


def _board(content: ReportContent, board: Board) -> DataTable:
    grouped = board.column is not None
    names = zip(short_names(content.columns), content.columns, strict=True)
    columns = [*text(*[board.column or ""] * grouped, "system"), *numbers("samples")]
    columns += numbers(*(f"{name} {column.arrow}" for name, column in names))
    rows: list[Sequence[Cell]] = [
        [
            *[line.group or ""] * grouped,
            line.system or ("(none)" if content.compared else "all"),
            line.samples,
            *map(_mean, line.cells),
        ]
        for line in board.lines
    ]
    level = content.resampling.level
    note = (
        f"Means over the finite scores, with {level:.0%} intervals from {content.resampling.replicates} resamples that "
        f"draw {DRAWN[content.table.clustered_by]}. "
    )
    note += (
        f"Bold: better than every other system in paired tests on the samples that both have scored, p < "
        f"{1 - level:.2g} after Holm's correction for all metrics and systems."
        if content.compared
        else "One system, so nothing is ranked."
    )
    note += f" {content.likeness}" if content.likeness else ""
    title = f"By {board.column}" if grouped else "Leaderboard" if content.compared else "Mean scores"
    return DataTable(columns, rows, title, [note])


def differences_table(content: ReportContent) -> DataTable | None:
    """The systems compared with each other; None unless two of them have a score in common."""
    (comparison,) = content.boards[0].comparisons
    if not any(line.n for contest in comparison for line in contest.lines):
        return None
    return systems_table(comparison, {column.name: f" {column.arrow}" for column in content.columns})


def _mean(cell: SystemMean) -> TableCell:
    digits = digits_of(cell.low, cell.high)
    small = [] if cell.low is None else [f"{rounded(cell.low, digits)} to {rounded(cell.high, digits)}"]
    small += [f"{cell.infinite} infinite"] if cell.infinite else []
    small += [f"{count} {status}" for status, count in cell.unscored.items()]
    return TableCell(rounded(cell.mean, digits), small, "best" if cell.best else "")


def _agreement(content: ReportContent, agreement: Agreement) -> DataTable:
    arrows = {column.name: column.arrow for column in content.columns}
    rows: list[Sequence[Cell]] = [
        [f"{score} {arrows[score]}", rating, *map(_figure, (measures["srcc"], measures["plcc"])),
         measures["srcc"].n, measures["srcc"].excluded]
        for score, rating, measures in agreement_lines(agreement)
    ]  # fmt: skip
    note = "Correlations have the sign of the numbers: where lower is better, a negative one agrees."
    note = " ".join([note, *filter(None, ["; ".join(agreement_notes(agreement))])])
    columns = [*text("score", "rating"), *numbers("SRCC", "PLCC", "n", "left out")]
    return DataTable(columns, rows, "Agreement with people", [note])


def _figure(line: Line) -> TableCell:
    digits = digits_of(line.low, line.high)
    interval = [] if line.low is None else [f"{rounded(line.low, digits)} to {rounded(line.high, digits)}"]
    return TableCell(rounded(line.value, digits), interval)


def _first(content: ReportContent) -> Iterator[DataTable]:
    titles = {"worst": "Worst", "best": "Best", "disputed": "Most disputed"}
    table, standing = content.table, content.standing
    for name, order in orders(standing).items():
        disputed = name == "disputed"
        shares = standing.dispute if disputed else standing.merit
        rows: list[Sequence[Cell]] = [
            [
                table.ids[row],
                _cut(table.prompts[row] or ""),
                *[standing.disputants[row]] * disputed,
                f"{100 * shares[row]:.0f} %",
            ]
            for row in order[:FIRST]
        ]
        columns = [
            *text("pair", "prompt", *["between"] * disputed),
            *numbers("apart" if disputed else "mean percentile"),
        ]
        if rows:
            yield DataTable(columns, rows, titles[name])


def _failures(content: ReportContent) -> DataTable:
    rows: list[Sequence[Cell]] = []
    for failure in content.failures:
        ids = [content.table.ids[row] for row in failure.rows]
        texts = (failure.metrics, failure.status, _cut(failure.reason), _cut(first_few(ids, SHOWN_IDS)))
        rows.append([*texts, len(ids)])
    notes = [] if rows else ["Every metric has scored every sample."]
    columns = [*text("metrics", "status", "reason", "pairs"), *numbers("n")]
    return DataTable(columns, rows, "What was not scored", notes)


def _provenance(content: ReportContent) -> Iterator[DataTable]:
    columns: dict[str, ScoreColumn] = {}
    for column in content.columns:
        columns.setdefault(column.label, column)
    for column in columns.values():
        identity = content.table.identity_of(column)
        rows = [["identity", "not known"]]
        if identity is not None:
            rows = [["key", column.identity or ""], *([name, _cut(value)] for name, value in fields(identity).items())]
        yield DataTable(text("field", "value"), rows, f"Identity of {column.label}")


def _cut(prompt: str) -> str:
    return prompt if len(prompt) <= LONGEST_TEXT else prompt[: LONGEST_TEXT - 1] + "…"
