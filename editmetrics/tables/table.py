"""The model of a table, and how a terminal shows it; Markdown, LaTeX and HTML have a module each that renders it.

Cells hold plain text: every renderer escapes it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from ..files.text import escape_terminal as plain

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


def digits_of(low: float | None, high: float | None) -> int | None:
    """The number of decimals that an interval supports: two significant digits of its width; None without one.

    >>> digits_of(0.002142, 0.06699), digits_of(-14.84, 0.3), digits_of(1200.0, 5300.0), digits_of(None, None)
    (3, 0, 0, None)
    """
    if low is None or high is None or not math.isfinite(high - low) or high <= low:
        return None
    return max(0, 1 - math.floor(math.log10(high - low)))


def rounded(value: float | None, decimals: int | None) -> str:
    """A number with this many decimals; to four significant digits where they are unknown, or many.

    >>> rounded(0.034567, 3), rounded(18.08, None), rounded(3.2e-7, 9)
    ('0.035', '18.08', '3.200e-07')
    """
    if value is None or decimals is None or decimals > 6 or not math.isfinite(value):
        return number(value)
    return f"{value:.{decimals}f}"


def percent(value: float | None) -> str:
    """A percentage as papers print it; a dash for None.

    >>> percent(58.2278), percent(None)
    ('58.23', '-')
    """
    return "-" if value is None else f"{value:.2f}"


def as_text(cell: str | float | None) -> str:
    """The text of a plain cell."""
    return cell if isinstance(cell, str) else str(cell) if isinstance(cell, int) else number(cell)


STYLES = {"best": "bold", "second": "underline", "good": "bold green", "bad": "bold red", "warning": "yellow"}

Block = DataTable | str
"""A table, or a line with rich's markup."""


class PlainConsole(Console):
    """A console that writes no escape sequences but its own: those of its styles and progress bars."""

    def render_str(self, text: str, *arguments: Any, **options: Any) -> Text:
        return super().render_str(plain(text), *arguments, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(plain(segment.text), segment.style)


def show(blocks: Iterable[Block], output: Path | None = None, console: Console | None = None) -> None:
    """Print tables with their titles and notes, and lines between them; at the end, that `output` was written."""
    console = console or standard_output()
    for block in blocks:
        if isinstance(block, str):
            console.print(block)
            continue
        if block.title:
            console.print(f"[bold]{escape(block.title)}[/]")
        console.print(_rich_table(block))
        for note in block.notes:
            console.print(escape(sentence(note)))
    if output is not None:
        console.print(f"wrote {escape(str(output))}")


def _rich_table(table: DataTable) -> Table:
    """A table without lines; small print is below its cells, dimmed."""
    headed = any(column.heading for column in table.columns)
    shown = Table(box=None, pad_edge=False, header_style="bold", show_header=headed, padding=(0, table.gap, 0, 0))
    for column in table.columns:
        _add_column(shown, column)
    for row in table.cells():
        if row:
            shown.add_row(*(Text(plain(cell.text), style=STYLES.get(cell.mark, cell.mark)) for cell in row))
        for index in range(max((len(cell.small) for cell in row), default=0)):
            small = [cell.small[index] if index < len(cell.small) else "" for cell in row]
            shown.add_row(*map(Text, map(plain, small)), style="dim")
    return shown


def _add_column(shown: Table, column: TableColumn) -> None:
    shown.add_column(
        Text(plain(column.heading), style="dim" if column.mark == "dim" else ""),
        style=STYLES.get(column.mark, column.mark),
        justify=column.align,
        no_wrap=column.wrap == "never",
        overflow="fold" if column.wrap == "fold" else "ellipsis",
        min_width=column.least,
        max_width=column.most,
    )


def standard_output() -> Console:
    """Standard output, as wide as the terminal; at least 120 columns where it is none."""
    console = PlainConsole(file=_below(sys.stdout), highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, 120)
    return console


def error_output() -> Console:
    """Standard error, for progress bars."""
    return PlainConsole(file=_below(sys.stderr))


def _below(stream: Any) -> Any:
    """The stream under the program's filter of escape sequences, for a console that filters them itself."""
    return getattr(stream, "rich_proxied_file", stream)
