"""Tables of scores as files: Markdown, an HTML page, LaTeX, and rows for csv."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from .latex import PREAMBLE
from .latex import escaped as as_latex
from .markdown import escaped as as_markdown
from .plain_text import plain
from .score_table import Column, CountTable, ScoreTable, Value, interval, percent, sentence


def csv_rows(table: ScoreTable) -> Iterator[dict[str, Any]]:
    """A row for each number: table, row, group, column, score in percent, its interval, n."""
    for kind, rows in (("baseline", table.baselines), ("model", table.rows)):
        for name, values in rows.items():
            for column, value in zip(table.columns, values, strict=True):
                yield {
                    "table": table.name,
                    "kind": kind,
                    "row": name,
                    "group": column.group,
                    "column": column.name,
                    "score": value.mean,
                    "low": value.low,
                    "high": value.high,
                    "n": value.n,
                }


def markdown(tables: Iterable[ScoreTable | CountTable]) -> str:
    """The tables as GitHub's Markdown: the best bold, the runner-up in italics, intervals in brackets."""
    parts = []
    for table in tables:
        if isinstance(table, CountTable):
            headings, rows = list(table.headings), [list(map(as_markdown, row)) for row in table.rows]
        else:
            headings = ["Model", *(f"{c.group}: {c.name}" if c.group else c.name for c in table.columns)]
            rows = [
                [as_markdown(name), *(_md_value(table, name, index, value) for index, value in enumerate(values))]
                for name, values in [*table.baselines.items(), *table.rows.items()]
            ]
        lines = [f"### {as_markdown(table.title)}", "", f"| {' | '.join(map(as_markdown, headings))} |"]
        lines += [f"|{'|'.join(['---', *['--:'] * (len(headings) - 1)])}|", *(f"| {' | '.join(row)} |" for row in rows)]
        parts.append("\n".join([*lines, "", *(f"{as_markdown(sentence(note))}\n" for note in table.notes)]))
    return "\n".join(parts)


def page(tables: Iterable[ScoreTable | CountTable], title: str, picture: str | None = None) -> str:
    """The tables as one HTML page, with a picture that lies beside it."""
    body = [f"<h1>{_e(title)}</h1>"]
    if picture:
        body.append(f'<img src="{_e(picture)}" alt="radar plot of the scores">')
    for table in tables:
        body.append(f"<h2>{_e(table.title)}</h2>")
        body.append(_html_counts(table) if isinstance(table, CountTable) else _html_scores(table))
        body += [f"<p>{_e(sentence(note))}</p>" for note in table.notes]
    return PAGE.format(title=_e(title), body="\n".join(body))


def latex(tables: Iterable[ScoreTable | CountTable]) -> str:
    r"""The tables for \input in a paper: booktabs, the best bold, the runner-up underlined, intervals below."""
    parts = [PREAMBLE.rstrip()]
    for table in tables:
        rows = _latex_counts(table) if isinstance(table, CountTable) else _latex_scores(table)
        width = len(table.headings) if isinstance(table, CountTable) else len(table.columns) + 1
        lines = ["\\begin{table*}", "\\centering", "\\resizebox{\\linewidth}{!}{%"]
        lines += [f"\\begin{{tabular}}{{l{'r' * (width - 1)}}}", "\\toprule", *rows, "\\bottomrule", "\\end{tabular}}"]
        caption = " ".join(sentence(said) for said in (table.title, *table.notes))
        lines += [f"\\caption{{{as_latex(caption)}}}", f"\\label{{tab:{table.name}}}", "\\end{table*}"]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


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
tbody tr:last-child td {{ border-bottom: 1px solid #222 }} tr.baseline td {{ color: #666 }}
small {{ display: block; color: #666 }} p {{ color: #444; margin: .4em 0; max-width: 60em }}
</style></head>
<body>
{body}
</body></html>
"""


def _html_scores(table: ScoreTable) -> str:
    groups = "".join(f'<th colspan="{count}">{_e(name)}</th>' for name, count in _spans(table.columns))
    heads = "".join(f"<th>{_e(column.name)}</th>" for column in table.columns)
    rows = []
    for name, values in table.baselines.items():
        cells = "".join(f"<td>{percent(value.mean)}</td>" for value in values)
        rows.append(f'<tr class="baseline"><td>{_e(name)}</td>{cells}</tr>')
    for name, values in table.rows.items():
        cells = ""
        for index, value in enumerate(values):
            text = {"best": "<b>{}</b>", "second": "<u>{}</u>"}.get(table.ranks(index).get(name, ""), "{}")
            under = f"<small>{interval(value)}</small>" if interval(value) else ""
            cells += f'<td title="n = {value.n}">{text.format(percent(value.mean))}{under}</td>'
        rows.append(f"<tr><td>{_e(name)}</td>{cells}</tr>")
    head = f'<thead><tr class="groups"><th></th>{groups}</tr><tr><th>Model</th>{heads}</tr></thead>'
    return f"<table>{head}<tbody>{''.join(rows)}</tbody></table>"


def _html_counts(table: CountTable) -> str:
    head = "".join(f"<th>{_e(heading)}</th>" for heading in table.headings)
    rows = "".join(f"<tr>{''.join(f'<td>{_e(cell)}</td>' for cell in row)}</tr>" for row in table.rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _latex_scores(table: ScoreTable) -> list[str]:
    spans = _spans(table.columns)
    first = " & ".join(["", *(f"\\multicolumn{{{count}}}{{c}}{{{as_latex(name)}}}" for name, count in spans)])
    rules, start = [], 2
    for name, count in spans:
        rules += [f"\\cmidrule(lr){{{start}-{start + count - 1}}}"] if name else []
        start += count
    lines = [f"{first} \\\\", "".join(rules)]
    lines += [" & ".join(["Model", *(as_latex(column.name) for column in table.columns)]) + " \\\\", "\\midrule"]
    for name, values in table.baselines.items():
        lines.append(" & ".join([as_latex(name), *(percent(value.mean) for value in values)]) + " \\\\")
    if table.baselines:
        lines.append("\\midrule")
    for name, values in table.rows.items():
        cells = []
        for index, value in enumerate(values):
            mark = {"best": "\\textbf{{{}}}", "second": "\\underline{{{}}}"}.get(table.ranks(index).get(name, ""), "{}")
            cells.append(mark.format(percent(value.mean)))
        lines.append(" & ".join([as_latex(name), *cells]) + " \\\\")
        if any(interval(value) for value in values):
            said = (
                f"{{\\scriptsize {interval(value).replace('-', '--')}}}" if interval(value) else "" for value in values
            )
            lines.append(" & ".join(["", *said]) + " \\\\")
    return lines


def _latex_counts(table: CountTable) -> list[str]:
    lines = [" & ".join(map(as_latex, table.headings)) + " \\\\", "\\midrule"]
    return lines + [" & ".join(map(as_latex, row)) + " \\\\" for row in table.rows]


def _spans(columns: Sequence[Column]) -> list[tuple[str, int]]:
    return [(name, len(list(found))) for name, found in groupby(columns, key=lambda column: column.group)]


def _md_value(table: ScoreTable, name: str, index: int, value: Value) -> str:
    mark = (
        {"best": "**{}**", "second": "*{}*"}.get(table.ranks(index).get(name, ""), "{}") if name in table.rows else "{}"
    )
    text = mark.format(percent(value.mean))
    return f"{text} ({interval(value)})" if interval(value) else text


def _e(text: str) -> str:
    return html.escape(plain(text), quote=True)
