"""Text escaped for the document it is written to, so that names, prompts and answers of servers stay plain text."""

from __future__ import annotations

import html
import re
import unicodedata

from .text import escape_terminal

UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]+")
"""Characters that end a line, or turn the direction of the rest of it."""

LATEX_PREAMBLE = r"""% Tables of editmetrics. Needs \usepackage{booktabs,graphicx}.
\providecommand{\editmetricscode}[1]{\ifdefined\Umathcode\symbol{"#1}\else[U+#1]\fi}
\providecommand{\editmetricsfit}[1]{\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{#1}}
"""
"""The definitions that a document needs for text from `escape_latex`."""

LATEX_SPECIAL = {
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

LATEX_ACCENTS = {"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0308": '"', "\u0327": "c"}


def escape_html(text: str) -> str:
    """Text for an HTML page, attributes included.

    >>> escape_html("<b> & 'c'")
    '&lt;b&gt; &amp; &#x27;c&#x27;'
    """
    return html.escape(escape_terminal(text), quote=True)


def escape_markdown(text: str) -> str:
    r"""Text for Markdown in one line: no markup, no HTML, no link, no mention of a user.

    >>> print(escape_markdown("a|b <img> *c* @you http://x"))
    a\|b &lt;img&gt; \*c\* &#64;you http&#58;//x
    """
    text = UNSEEN.sub(" ", text)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*_{}\[\]()#+!|~$-])", r"\\\1", text)
    text = re.sub(r"\bwww\.", "www&#46;", text, flags=re.IGNORECASE)
    return text.replace("@", "&#64;").replace("://", "&#58;//")


def escape_latex(text: str) -> str:
    r"""Text for LaTeX, in ASCII; see `LATEX_PREAMBLE`.

    >>> print(escape_latex("50 % of \\input{x} & caf\u00e9"))
    50 \% of \textbackslash{}input\{x\} \& caf\'{e}
    """
    return "".join(_latex_character(character) for character in text)


def latex_comment(text: str) -> str:
    """Text for a LaTeX comment, which ends at the end of its line."""
    return "".join(character if " " <= character <= "~" else "?" for character in text)


def _latex_character(character: str) -> str:
    if character in LATEX_SPECIAL:
        return LATEX_SPECIAL[character]
    if " " <= character <= "~":
        return character
    if character.isspace() or unicodedata.category(character) == "Cc":
        return " "
    parts = unicodedata.normalize("NFD", character)
    if len(parts) == 2 and parts[0].isascii() and parts[0].isalpha() and parts[1] in LATEX_ACCENTS:
        letter = {"i": r"\i", "j": r"\j"}.get(parts[0], parts[0]) if parts[1] != "\u0327" else parts[0]
        return f"\\{LATEX_ACCENTS[parts[1]]}{{{letter}}}"
    return f"\\editmetricscode{{{ord(character):04X}}}"
