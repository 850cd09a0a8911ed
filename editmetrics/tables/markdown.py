"""Tables as GitHub-flavoured Markdown: small print in brackets, the best bold, the runner-up in italics."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..files.escaping import escape_markdown
from .table import DataTable, TableCell, sentence

FIGURES = re.compile("[-0-9.,%]*")
"""Text that no renderer takes for markup inside a cell."""

MARKS = {"best": "**{}**", "second": "*{}*", "bold": "**{}**"}


def markdown(tables: Iterable[DataTable]) -> str:
    """The tables below each other, each under its title."""
    return "\n".join(map(_table, tables))


def _table(table: DataTable) -> str:
    lines = [f"## {escape_markdown(table.title)}", ""]
    if table.rows:
        headings = [f"{column.group}: {column.heading}" if column.group else column.heading for column in table.columns]
        lines.append(_line([escape_markdown(heading) or " " for heading in headings]))
        lines.append(_line(["---" if column.align == "left" else "---:" for column in table.columns]))
        lines += [_line(list(map(_cell, row))) for row in table.cells() if row]
        lines.append("")
    for note in table.notes:
        lines += [escape_markdown(sentence(note)), ""]
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: TableCell) -> str:
    text = MARKS.get(cell.mark, "{}").format(_escaped(cell.text))
    return f"{text} ({'; '.join(map(_escaped, cell.small))})" if any(cell.small) else text


def _escaped(text: str) -> str:
    return text if FIGURES.fullmatch(text) else escape_markdown(text)
