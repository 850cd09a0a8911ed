"""Text of docstrings as Markdown, for the pages that are made when the site is built."""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import Any

WIDTH = 80
"""The longest line of code, which fits beside both sidebars at 1280 pixels."""


def prose(text: str) -> str:
    """Text of a docstring as Markdown: what would be markup there, outside of backticks, is text here.

    >>> prose("a_b <c> `d_e`")
    'a\\\\_b \\\\<c> `d_e`'
    """
    parts = re.split(r"(`[^`]*`)", text.replace("\n", " ").replace("|", "\\|"))
    return "".join(part if part.startswith("`") else re.sub(r"([*_<\[])", r"\\\1", part) for part in parts)


def documented(text: str) -> str:
    """A docstring, without indentation, as Markdown: paragraphs, lists, named sections and examples."""
    return "\n\n".join(filter(None, map(_block, re.split(r"\n{2,}", inspect.cleandoc(text)))))


def _block(block: str) -> str:
    if block.startswith(">>>"):
        return f"```pycon\n{block}\n```"
    if block.startswith("    "):
        return f"```text\n{textwrap.dedent(block)}\n```"
    section = re.match(r"(\w[\w ]*):\n(?=    \S)", block)
    if section:  # "Options:" and a list of names
        lines = re.split(r"\n(?!        )", textwrap.dedent(block[section.end() :]))
        entries = (re.sub(r"\s+", " ", line).partition(": ") for line in re.split(r"\n(?=\S)", "\n".join(lines)))
        return "\n".join([f"**{section[1]}**\n", *(f"- `{name}`: {prose(rest)}" for name, _, rest in entries)])
    if re.match(r"[-*] ", block):
        return "\n".join(f"- {prose(item[2:])}" for item in re.split(r"\n(?=[-*] )", re.sub(r"\n +", " ", block)))
    return prose(block)


class Annotation:
    """The text of an annotation, without the quotes that `inspect` would put around it."""

    def __init__(self, hint: Any) -> None:
        text = hint if isinstance(hint, str) else inspect.formatannotation(hint)
        self.text = re.sub(r"\bAnnotated\[([^,\]]+), [^\]]*\]", r"\1", text)

    def __repr__(self) -> str:
        return self.text


def signature(name: str, value: Any) -> str:
    """`name(...)` as one would write it, in lines of at most `WIDTH`; without parameters where Python knows none.

    >>> print(signature("find", lambda path, *, limit=3: None))
    find(path, *, limit=3)
    """
    try:
        shape = inspect.signature(value)
    except (TypeError, ValueError):
        return name
    empty = inspect.Signature.empty
    parameters = [
        part if part.annotation is empty else part.replace(annotation=Annotation(part.annotation))
        for part in shape.parameters.values()
        if part.name not in ("self", "cls")
    ]
    result = "" if shape.return_annotation in (empty, "None", None) else f" -> {Annotation(shape.return_annotation)}"
    line = f"{name}{inspect.Signature(parameters)}{result}"
    if len(line) <= WIDTH:
        return line
    parts: list[str] = []
    for part in parameters:
        if part.kind is part.KEYWORD_ONLY and not any(text.startswith("*") for text in parts):
            parts.append("*")
        parts.append(str(part))
    return "\n".join([f"{name}(", *(f"    {text}," for text in parts), f"){result}"])
