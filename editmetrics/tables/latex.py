r"""Tables as LaTeX, to be put into a paper with `\input{tables}`; needs booktabs and graphicx.

The file is ASCII: letters that pdfTeX has are written as TeX has them, others by their code point, which XeTeX and
LuaTeX show and pdfTeX names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby

from ..files.escaping import LATEX_PREAMBLE, escape_latex, latex_comment
from .table import DataTable, TableCell, sentence

LONGEST_LINE, LONGEST_WORD = 32, 12
"""Characters of a cell from which on its column breaks lines, and that a word may have before it breaks."""

MARKS = {"best": "\\textbf{{{}}}", "second": "\\underline{{{}}}", "bold": "\\textbf{{{}}}"}


def latex(tables: Iterable[DataTable], comments: Iterable[str] = ()) -> str:
    """A `table` for each, after the commands that they need and `comments`."""
    notes = "".join(f"% {latex_comment(comment)}\n" for comment in comments)
    return f"{notes}{LATEX_PREAMBLE}\n" + "\n".join(map(_table, tables))


def _table(table: DataTable) -> str:
    rows = list(table.cells())
    notes = [sentence(note) for note in table.notes]
    if not rows:
        return f"\\paragraph{{{escape_latex(table.title)}}} {escape_latex(' '.join(notes))}\n"
    caption = escape_latex(" ".join([f"{table.title}.", *notes]))
    texts = [column.align == "left" for column in table.columns]
    broken = [
        left and max((len(row[index].text) for row in rows if index < len(row)), default=0) > LONGEST_LINE
        for index, left in enumerate(texts)
    ]
    width = f"p{{{0.8 / max(2, sum(broken)):.2f}\\linewidth}}"
    alignment = "".join(width if long else "l" if left else "r" for long, left in zip(broken, texts, strict=True))
    lines = [
        r"\begin{table}[htbp]",
        r"\centering\footnotesize",
        r"\setlength{\belowcaptionskip}{\abovecaptionskip}",  # LaTeX expects captions below, and leaves no room here
        f"\\caption{{{caption}}}",
        *([f"\\label{{tab:{table.name}}}"] if table.name else []),
        f"\\editmetricsfit{{\\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        *_groups(table),
        _row([escape_latex(column.heading) for column in table.columns]),
        r"\midrule",
    ]
    for row in rows:
        lines += _rows(row, broken) if row else [r"\midrule"]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}}", r"\end{table}", ""])


def _groups(table: DataTable) -> Iterator[str]:
    """The line of group names above the headings, and the rules below each."""
    spans = [(name, len(list(columns))) for name, columns in groupby(table.columns, key=lambda column: column.group)]
    if any(name for name, _ in spans):
        yield _row([f"\\multicolumn{{{count}}}{{c}}{{{escape_latex(name)}}}" for name, count in spans])
        start = 1
        for name, count in spans:
            if name:
                yield f"\\cmidrule(lr){{{start}-{start + count - 1}}}"
            start += count


def _rows(row: list[TableCell], broken: list[bool]) -> Iterator[str]:
    if len(row) == 1 < len(broken):  # a heading above rows, which no column confines
        yield _row([f"\\multicolumn{{{len(broken)}}}{{l}}{{{_cell(row[0], False)}}}"])
        return
    yield _row([_cell(cell, long) for cell, long in zip(row, broken, strict=False)])
    for index in range(max(len(cell.small) for cell in row)):
        below = [cell.small[index] if index < len(cell.small) else "" for cell in row]
        yield _row([f"{{\\scriptsize {escape_latex(_typeset(text))}}}" if text else "" for text in below])


def _row(cells: list[str]) -> str:
    return " & ".join(cells) + r" \tabularnewline"


def _cell(cell: TableCell, broken: bool) -> str:
    """One cell; where its column breaks lines, long words break, too."""
    if not broken:
        return MARKS.get(cell.mark, "{}").format(escape_latex(_typeset(cell.text)))
    parts = re.split(f"(?<=[_./:])|(?<=[^ ]{{{LONGEST_WORD}}})", cell.text)
    return r"\raggedright " + r"\allowbreak{}".join(map(escape_latex, parts))


def _typeset(text: str) -> str:
    """Hyphens before numbers as minus signs, those between two numbers as dashes."""
    text = re.sub(r"(?<![^\s(])-(?=\d)", "−", text)
    return re.sub(r"^(\d+\.\d+)-(\d+\.\d+)$", r"\1–\2", text)
