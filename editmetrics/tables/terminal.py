"""Tables and lines of text on a terminal, whatever is in them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from ..files.text import escape_terminal as plain
from .model import DataTable, TableColumn, sentence

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
