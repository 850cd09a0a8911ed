r"""The report as LaTeX tables, to be put into a paper with `\input{report}`; needs booktabs and graphicx.

The file is ASCII: letters that pdfTeX has are written as TeX has them, others by their code point, which XeTeX and
LuaTeX show and pdfTeX names.
"""

from __future__ import annotations

import re
import unicodedata

from .findings import Findings
from .plain_tables import Cell, PlainTable, plain_tables

PREAMBLE = r"""% Tables of editmetrics. Needs \usepackage{booktabs,graphicx}.
\providecommand{\editmetricscode}[1]{\ifdefined\Umathcode\symbol{"#1}\else[U+#1]\fi}
\providecommand{\editmetricsfit}[1]{\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{#1}}
"""

SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"{\char34}",
    "'": r"{\char39}",
    "`": r"\`{}",
    "-": "{-}",
    "[": "{[}",
    "]": "{]}",
    "?": "{?}",
    "!": "{!}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "…": r"\dots{}",
    "×": r"$\times$",
    "−": "$-$",
    "–": r"\textendash{}",
    "ß": r"\ss{}",
}
"""Brackets stand in braces for the sake of the row end before them, the others for that of ligatures."""

LONGEST_LINE, LONGEST_WORD = 32, 12
"""Characters of a cell from which on its column breaks lines, and that a word may have before it breaks."""

ACCENTS = {"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0308": '"', "\u0327": "c"}


def latex(found: Findings, title: str) -> str:
    """The whole report: a `table` for each part."""
    notes = "".join(f"% {_comment(note)}\n" for note in found.notes)
    return f"% {_comment(title)}\n{PREAMBLE}{notes}\n" + "\n".join(_table(table) for table in plain_tables(found))


def escaped(text: str) -> str:
    r"""Text that is set as it is, in ASCII.

    >>> print(escaped("50 % of \\input{x} & caf\u00e9"))
    50 \% of \textbackslash{}input\{x\} \& caf\'{e}
    """
    return "".join(_character(character) for character in text)


def _character(character: str) -> str:
    if character in SPECIAL:
        return SPECIAL[character]
    if " " <= character <= "~":
        return character
    if character.isspace() or unicodedata.category(character) == "Cc":
        return " "
    parts = unicodedata.normalize("NFD", character)
    if len(parts) == 2 and parts[0].isascii() and parts[0].isalpha() and parts[1] in ACCENTS:
        letter = {"i": r"\i", "j": r"\j"}.get(parts[0], parts[0]) if parts[1] != "\u0327" else parts[0]
        return f"\\{ACCENTS[parts[1]]}{{{letter}}}"
    return f"\\editmetricscode{{{ord(character):04X}}}"


def _comment(text: str) -> str:
    """Text for a comment, which ends where its line does."""
    return "".join(character if " " <= character <= "~" else "?" for character in text)


def _table(table: PlainTable) -> str:
    if not table.rows:
        return f"\\paragraph{{{escaped(table.title)}}} {escaped(table.note)}\n"
    broken = [max(len(row[place].text) for row in table.rows) > LONGEST_LINE for place in range(table.texts)]
    width = f"p{{{0.8 / max(2, sum(broken)):.2f}\\linewidth}}"
    alignment = "".join(width if long else "l" for long in broken) + "r" * (len(table.header) - table.texts)
    lines = [
        r"\begin{table}[htbp]",
        r"\centering\footnotesize",
        f"\\caption{{{escaped(' '.join(filter(None, [table.title + '.', table.note])))}}}",
        f"\\editmetricsfit{{\\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        _row([escaped(name) for name in table.header]),
        r"\midrule",
    ]
    for row in table.rows:
        lines.append(_row([_cell(cell, place < table.texts and broken[place]) for place, cell in enumerate(row)]))
        for place in range(max(len(cell.small) for cell in row)):
            below = [cell.small[place] if place < len(cell.small) else "" for cell in row]
            lines.append(_row([f"{{\\scriptsize {escaped(_with_minus(text))}}}" if text else "" for text in below]))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}}", r"\end{table}", ""])


def _row(cells: list[str]) -> str:
    return " & ".join(cells) + r" \tabularnewline"


def _cell(cell: Cell, broken: bool) -> str:
    """One cell; where its column breaks lines, long words break, too."""
    if not broken:
        text = escaped(_with_minus(cell.text))
        return f"\\textbf{{{text}}}" if cell.strong else text
    parts = re.split(f"(?<=[_./:])|(?<=[^ ]{{{LONGEST_WORD}}})", cell.text)
    return r"\raggedright " + r"\allowbreak{}".join(map(escaped, parts))


def _with_minus(text: str) -> str:
    """The hyphens before numbers as minus signs."""
    return re.sub(r"(?<![^\s(])-(?=\d)", "−", text)
