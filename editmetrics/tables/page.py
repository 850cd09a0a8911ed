"""Tables as one HTML page."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from ..files.escaping import escape_html
from .table import DataTable, TableCell, sentence

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 15px/1.45 system-ui, sans-serif; color: #222; margin: 2em auto; max-width: 90em; padding: 0 1em }}
h1 {{ font-size: 1.4em }} h2 {{ font-size: 1.1em; margin: 2em 0 .5em }} img {{ max-width: 44em; width: 100% }}
table {{ border-collapse: collapse; display: block; overflow-x: auto; font-variant-numeric: tabular-nums }}
th, td {{ padding: .3em .7em; text-align: right; white-space: nowrap; vertical-align: top }}
th:first-child, td:first-child {{ text-align: left }}
thead th {{ border-bottom: 1px solid #222 }} thead tr.groups th {{ border-bottom: 1px solid #bbb; text-align: center }}
tbody tr:last-child td {{ border-bottom: 1px solid #222 }} td.dim {{ color: #666 }}
small {{ display: block; color: #666 }} p {{ color: #444; margin: .4em 0; max-width: 60em }}
</style></head>
<body>
{body}
</body></html>
"""

MARKS = {"best": "<b>{}</b>", "second": "<u>{}</u>", "bold": "<b>{}</b>"}


def page(tables: Iterable[DataTable], title: str, picture: str | None = None) -> str:
    """The tables below each other, under a picture from the same folder."""
    body = [f"<h1>{escape_html(title)}</h1>"]
    if picture:
        body.append(f'<img src="{escape_html(picture)}" alt="radar plot of the scores">')
    for table in tables:
        body += [f"<h2>{escape_html(table.title)}</h2>", _table(table)]
        body += [f"<p>{escape_html(sentence(note))}</p>" for note in table.notes]
    return PAGE.format(title=escape_html(title), body="\n".join(body))


def _table(table: DataTable) -> str:
    spans = [(name, len(list(columns))) for name, columns in groupby(table.columns, key=lambda column: column.group)]
    groups = "".join(f'<th colspan="{count}">{escape_html(name)}</th>' for name, count in spans)
    head = f'<tr class="groups">{groups}</tr>' if any(name for name, _ in spans) else ""
    head += f"<tr>{''.join(f'<th>{escape_html(column.heading)}</th>' for column in table.columns)}</tr>"
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.cells() if row)
    return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _cell(cell: TableCell) -> str:
    text = MARKS.get(cell.mark, "{}").format(escape_html(cell.text))
    small = "".join(f"<small>{escape_html(line)}</small>" for line in cell.small)
    attributes = ' class="dim"' if cell.mark == "dim" else ""
    attributes += f' title="{escape_html(cell.hint)}"' if cell.hint else ""
    return f"<td{attributes}>{text}{small}</td>"
