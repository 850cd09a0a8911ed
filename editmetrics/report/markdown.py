"""The report as Markdown: tables that any renderer shows, and text that no renderer takes for markup."""

from __future__ import annotations

import re

from .findings import Findings
from .plain_tables import Cell, PlainTable, plain_tables

UNSEEN = r"\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069"
"""Characters that end a line, or turn the direction of all that follows in it."""


def markdown(found: Findings, title: str) -> str:
    """The whole report, as GitHub-flavoured Markdown."""
    parts = [f"# {escaped(title)}\n"]
    parts += [f"> {escaped(note)}\n" for note in found.notes]
    parts += [_table(table) for table in plain_tables(found)]
    return "\n".join(parts)


def escaped(text: str) -> str:
    r"""Text that shows as it is: no markup, no HTML, no link, no mention of anybody.

    >>> print(escaped("a|b <img> *c* @you http://x"))
    a\|b &lt;img&gt; \*c\* &#64;you http&#58;//x
    """
    text = re.sub(f"[{UNSEEN}]+", " ", text)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*_{}\[\]()#+!|~$-])", r"\\\1", text)
    text = re.sub(r"\bwww\.", "www&#46;", text, flags=re.IGNORECASE)
    return text.replace("@", "&#64;").replace("://", "&#58;//")


def _table(table: PlainTable) -> str:
    lines = [f"## {escaped(table.title)}", ""]
    if table.rows:
        lines.append(_line([escaped(name) or " " for name in table.header]))
        lines.append(_line(["---" if place < table.texts else "---:" for place in range(len(table.header))]))
        lines += [_line([_cell(cell) for cell in row]) for row in table.rows]
        lines.append("")
    if table.note:
        lines += [escaped(table.note), ""]
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    text = f"**{escaped(cell.text)}**" if cell.strong else escaped(cell.text)
    return f"{text} ({escaped('; '.join(cell.small))})" if cell.small else text
