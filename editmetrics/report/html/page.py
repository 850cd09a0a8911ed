"""One HTML file: style, scripts and data inside it, and a policy that lets it run nothing else and call nobody."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from ..findings import Findings
from ..pictures import KINDS, Pictures
from .data import page_data, script_json

HERE = Path(__file__).parent

SCRIPTS = (
    "elements.js",
    "report.js",
    "numbers.js",
    "boards.js",
    "histograms.js",
    "correlations.js",
    "pair.js",
    "cards.js",
    "gallery.js",
    "failures.js",
    "provenance.js",
    "main.js",
)
"""In the order in which they are read; a file uses what stands in those before it."""

CHUNK = 60
"""The pictures of so many samples are one element of the page, which is read when one of them is looked at."""


def page(
    found: Findings, rows: Sequence[int], pictures: Pictures, links: Mapping[tuple[int, str], str], title: str
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
    yield _json_element("report", page_data(found, rows, pictures, links, title))
    yield from _pictures(rows, pictures)
    yield Template(tail).substitute(script=script)


def _pictures(rows: Sequence[int], pictures: Pictures) -> Iterator[str]:
    """Elements `pictures-0`, `pictures-1`, ... with [source, edited, difference] of each sample, and `larger-PLACE`.

    A source that another sample carries is the place of that one.
    """
    place = {row: index for index, row in enumerate(rows)}

    def carried(row: int, of: Mapping[tuple[int, str], str]) -> list[Any]:
        found: list[Any] = [of.get((row, kind)) for kind in KINDS]
        owner = pictures.shared.get(row, row)
        if owner != row and (owner, "source") in of:
            found[0] = place[owner]
        return found

    for start in range(0, len(rows), CHUNK):
        chunk = [carried(row, pictures.small) for row in rows[start : start + CHUNK]]
        yield _json_element(f"pictures-{start // CHUNK}", chunk)
    for row in rows:
        larger = carried(row, pictures.large)
        if any(one is not None for one in larger):
            yield _json_element(f"larger-{place[row]}", larger)


def _json_element(name: str, value: Any) -> str:
    return f'<script type="application/json" id="{name}">{script_json(value)}</script>\n'


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """What a content security policy calls this very text by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
