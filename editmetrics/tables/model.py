"""One model of a table, which terminal, Markdown, LaTeX and HTML each render in their own way.

Cells hold plain text: every renderer escapes it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

Mark = Literal["", "best", "second", "bold", "dim", "good", "bad", "warning"]


@dataclass(frozen=True)
class TableColumn:
    """A column: its heading, its alignment, and its behaviour on a narrow terminal.

    - `wrap`: `fold` breaks lines, `never` gives way last, `ellipsis` first.
    - `group`: a heading above the neighbouring columns that share it.
    - `least`, `most`: width on a terminal, in characters.
    """

    heading: str
    align: Literal["left", "right"] = "left"
    wrap: Literal["fold", "never", "ellipsis"] = "fold"
    group: str = ""
    mark: Mark = ""
    least: int | None = None
    most: int | None = None


class TableCell(NamedTuple):
    """Text, with small print behind or below it (intervals, counts); a page shows `hint` under the pointer."""

    text: str
    small: Sequence[str] = ()
    mark: Mark = ""
    hint: str = ""


Cell = TableCell | str | float | None
"""A float is shown to four significant digits, None as a dash."""

RULE: Sequence[Cell] = ()
"""A row that parts the rows above from those below, where the format has lines."""


@dataclass(frozen=True)
class DataTable:
    """A table. A row may be shorter than `columns`; `gap` is the number of blanks between columns on a terminal."""

    columns: Sequence[TableColumn]
    rows: Sequence[Sequence[Cell]]
    title: str = ""
    notes: Sequence[str] = ()
    name: str = ""
    gap: int = 2

    def cells(self) -> Iterator[list[TableCell]]:
        """The rows as cells of text."""
        for row in self.rows:
            yield [cell if isinstance(cell, TableCell) else TableCell(as_text(cell)) for cell in row]

    def abreast(self, most: int, kept: int) -> Iterator[DataTable]:
        """The table, or several with at most `most` columns beside the first `kept`; the last one has the notes."""
        starts = range(kept, len(self.columns), most)
        for start in starts:
            chosen = [*range(kept), *range(start, min(start + most, len(self.columns)))]
            yield replace(
                self,
                columns=[self.columns[index] for index in chosen],
                rows=[[row[index] for index in chosen if index < len(row)] for row in self.rows],
                title=self.title if start == kept else f"{self.title}, continued",
                notes=self.notes if start == starts[-1] else (),
            )


def text(*headings: str, wrap: Literal["fold", "never", "ellipsis"] = "fold") -> list[TableColumn]:
    """Columns of text."""
    return [TableColumn(heading, wrap=wrap) for heading in headings]


def numbers(*headings: str, wrap: Literal["fold", "never", "ellipsis"] = "never") -> list[TableColumn]:
    """Columns of numbers, aligned to the right."""
    return [TableColumn(heading, "right", wrap) for heading in headings]


def facts(rows: Sequence[Sequence[Cell]]) -> DataTable:
    """A list of facts: names, and a value for each."""
    return DataTable([TableColumn("", wrap="never", mark="bold"), TableColumn("")], rows)


def sentence(note: str) -> str:
    """A note as a sentence: with a capital, and a full stop."""
    note = note[:1].upper() + note[1:]
    return note if note.endswith((".", "?")) else f"{note}."


def number(value: float | None) -> str:
    """A number to four significant digits; a dash for None.

    >>> number(31.41592), number(0.000123456), number(None), number(math.inf)
    ('31.42', '0.0001235', '-', 'inf')
    """
    if value is None or not math.isfinite(value):
        return "-" if value is None else f"{value:g}"
    return f"{value:.4g}" if value == 0 or 1e-4 <= abs(value) < 1e6 else f"{value:.3e}"


def percent(value: float | None) -> str:
    """A percentage as papers print it; a dash for None.

    >>> percent(58.2278), percent(None)
    ('58.23', '-')
    """
    return "-" if value is None else f"{value:.2f}"


def as_text(cell: str | float | None) -> str:
    """The text of a plain cell."""
    return cell if isinstance(cell, str) else str(cell) if isinstance(cell, int) else number(cell)
