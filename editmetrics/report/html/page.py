"""One HTML file: style, scripts and data inside it, and a policy that allows no other script and no network."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from ..content import ReportContent
from ..pictures import KINDS, ReportPictures
from .data import page_data, script_json

FOLDER = Path(__file__).parent

SCRIPTS = (
    "elements.js",
    "report.js",
    "numbers.js",
    "tables.js",
    "boards.js",
    "histograms.js",
    "correlations.js",
    "compare.js",
    "pair.js",
    "cards.js",
    "gallery.js",
    "failures.js",
    "provenance.js",
    "main.js",
)
"""In loading order: a file uses the ones before it."""

CHUNK = 60
"""Samples whose pictures share one element of the page, which is parsed when one of them is shown."""


def page(
    content: ReportContent,
    rows: Sequence[int],
    pictures: ReportPictures,
    links: Mapping[tuple[int, str], str],
    title: str,
) -> Iterator[str]:
    """The text of the page, piece by piece; `rows` are the samples in the gallery."""
    style = _read("style.css")
    script = '"use strict";\n(() => {\n' + "\n".join(map(_read, SCRIPTS)) + "\n})();\n"
    policy = (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    head, tail = _read("page.html").split("<!-- data -->\n")
    yield Template(head).substitute(title=html.escape(title), policy=policy, style=style)
    yield _json_element("report", page_data(content, rows, pictures, links, title))
    yield from _pictures(rows, pictures)
    yield Template(tail).substitute(script=script)


def _pictures(rows: Sequence[int], pictures: ReportPictures) -> Iterator[str]:
    """Elements `pictures-0`, `pictures-1`, ... with [source, edited, difference] of each sample, and `larger-INDEX`.

    A source that another sample carries is the index of that sample.
    """
    index_of = {row: index for index, row in enumerate(rows)}

    def carried(row: int, encoded: Mapping[tuple[int, str], str]) -> list[Any]:
        texts: list[Any] = [encoded.get((row, kind)) for kind in KINDS]
        owner = pictures.shared.get(row, row)
        if owner != row and (owner, "source") in encoded:
            texts[0] = index_of[owner]
        return texts

    for start in range(0, len(rows), CHUNK):
        chunk = [carried(row, pictures.small) for row in rows[start : start + CHUNK]]
        yield _json_element(f"pictures-{start // CHUNK}", chunk)
    for row in rows:
        larger = carried(row, pictures.large)
        if any(one is not None for one in larger):
            yield _json_element(f"larger-{index_of[row]}", larger)


def _json_element(name: str, value: Any) -> str:
    return f'<script type="application/json" id="{name}">{script_json(value)}</script>\n'


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """The source expression of a content security policy for exactly this text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
