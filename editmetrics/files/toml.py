"""TOML files: their content, and the line on which a key stands, for messages."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Key = tuple["str | int", ...]
"""The way to a value: names of tables and keys, and numbers of elements of arrays of tables, from 0."""

_TABLE = re.compile(r"\s*(\[\[?)\s*([\w.\-\"' ]+?)\s*\]\]?\s*(?:#.*)?")
_ENTRY = re.compile(r"\s*([\w.\-]+|\"[^\"]*\"|'[^']*')\s*=")


def parse_toml(text: str) -> dict[str, Any]:
    """Return the content of a TOML text. Raises `ValueError`, which names the line.

    >>> parse_toml('[sampling]\\ntemperature = 0.7')
    {'sampling': {'temperature': 0.7}}
    """
    return tomllib.loads(text)


def line_of(text: str, key: Sequence[str | int]) -> int:
    """Return the line, from 1, on which `key` stands in a TOML text; where it is missing, that of its table; else 1.

    >>> text = 'name = "a"\\n[[heads]]\\nlayers = [1]\\n[[heads]]\\nlayers = [2]'
    >>> line_of(text, ("heads", 1, "layers")), line_of(text, ("heads", 0, "file")), line_of(text, ("title",))
    (5, 2, 1)
    """
    lines = dict(_keys(text))
    wanted = tuple(key)
    while wanted and wanted not in lines:
        wanted = wanted[:-1]
    return lines.get(wanted, 1)


def _keys(text: str) -> Iterator[tuple[Key, int]]:
    """Yield each table and key with its line; of texts over several lines only the first is looked at."""
    counts: dict[Key, int] = {}
    table: Key = ()
    quote = ""
    for number, line in enumerate(text.splitlines(), 1):
        if quote:
            quote = "" if quote in line else quote
            continue
        if match := _TABLE.fullmatch(line):
            names = tuple(name.strip("\"' ") for name in match[2].split("."))
            if match[1] == "[[":
                parent = _numbered(names[:-1], counts)
                array = (*parent, names[-1])
                counts[array] = counts.get(array, -1) + 1
            table = _numbered(names, counts)
            yield table, number
        elif match := _ENTRY.match(line):
            yield (*table, match[1].strip("\"'")), number
            quote = next((mark for mark in ("'''", '"""') if line.count(mark) % 2), "")


def _numbered(names: Sequence[str], counts: dict[Key, int]) -> Key:
    """Return the names with, behind each array of tables, the number of its last element."""
    key: Key = ()
    for name in names:
        key = (*key, name)
        if key in counts:
            key = (*key, counts[key])
    return key
