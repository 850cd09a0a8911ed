"""Texts of file names and tables: writable, safe to show, without blanks around them, as lines, numbers and JSON."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Iterator
from typing import Any

from ..sample import EditMetricsError, UnusableText, is_blank

LONE_SURROGATE = re.compile("[\ud800-\udfff]")  # what a byte that is not UTF-8 is read as
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but line feed and tab, line separators, bidirectional overrides, and lone surrogates."""
DEEPEST = 100
"""So many lists and objects may stand in one another; Python's own limit depends on who calls."""

_BLANKS = r"[\s\u200b\u2060\ufeff]+"
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(inf|infinity)|[+-]?nan", re.IGNORECASE)
_AROUND = re.compile(rf"\A{_BLANKS}|{_BLANKS}\Z")


class DataError(EditMetricsError, ValueError):
    """A file, folder or text cannot be used; the message says which, why, and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(mended(message))  # file names need not be text


class DoubledKeyError(ValueError):
    """An object of a JSON text has a key twice, of which `json` would silently keep the last."""


def mended(text: str) -> str:
    """`text` with U+FFFD where bytes stood that are not UTF-8, and for halves of characters, so that it can be written.

    >>> mended("caf\\udce9")
    'caf\ufffd'
    """
    return LONE_SURROGATE.sub("\ufffd", text)


def told_apart(text: str) -> str:
    """`mended`, with the bytes in hexadecimal digits, so that two names that differ in such a byte still differ.

    >>> told_apart("caf\\udce9"), told_apart("caf\\udce8")
    ('caf�E9', 'caf�E8')
    """
    return LONE_SURROGATE.sub(lambda byte: f"\ufffd{ord(byte[0]) - 0xDC00 & 0x3FF:02X}", text)


def escaped(text: str) -> str:
    r"""`text` with the escapes of what cannot be written, as `scores.csv` has them: the byte 0xE9 as "\udce9".

    >>> print(escaped("caf\udce9"))
    caf\udce9
    """
    return text.encode("utf-8", "backslashreplace").decode()


def escape_terminal(text: str) -> str:
    r"""`text` with its control characters spelled out as in JSON, so that no terminal obeys them.

    >>> escape_terminal("a\x1b[31mb\u202ec\td\udc80")
    'a\\u001b[31mb\\u202ec\td\\udc80'
    """
    return CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def stripped(text: str) -> str | None:
    """`text` without the blanks around it: spaces of all kinds, line ends, zero-width spaces, byte-order marks. None
    when nothing is left that can be seen.

    >>> stripped(" 001\\u00a0"), stripped("\\u200b ")
    ('001', None)
    """
    return None if is_blank(text) else _AROUND.sub("", text)


def usable_text(cell: Any, location: str, name: str) -> str | None:
    """The text of the cell `name` at `location`: `stripped`, None if it is empty; an `UnusableText` for numbers (among
    them NaN, pandas' empty cell), for anything else that is not text, and for halves of characters.
    """
    if cell is None or isinstance(cell, UnusableText):
        return cell
    if isinstance(cell, str):
        text = stripped(cell)
        if text is None or not LONE_SURROGATE.search(text):
            return text
    hint = "; leave the cell empty if it has none" if isinstance(cell, float) and math.isnan(cell) else ""
    return UnusableText(mended(f"{location}: its {name} is {cell!r}; expected text in UTF-8{hint}"))


def lines_of(text: str) -> Iterator[str]:
    r"""The lines of a text, which end at \n, \r\n or \r; U+2028 and its kin, where `splitlines` cuts, stand inside.

    >>> list(lines_of("one\r\ntwo\u2028still two\n"))
    ['one', 'two\u2028still two']
    """
    return (line.removesuffix("\n") for line in io.StringIO(text, newline=None))


def json_ready(value: Any) -> Any:
    """`value` with the texts "inf" and "-inf" for infinities, which JSON cannot represent.

    >>> json_ready({"psnr": [math.inf, 31.5]})
    {'psnr': ['inf', 31.5]}
    """
    if isinstance(value, dict):
        return {key: json_ready(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_ready(inner) for inner in value]
    return str(float(value)) if isinstance(value, float) and math.isinf(value) else value


def arrow(higher_is_better: bool | None) -> str:
    """The better direction of a number; "" where it is unknown.

    >>> arrow(True), arrow(False), arrow(None)
    ('↑', '↓', '')
    """
    return "" if higher_is_better is None else "↑" if higher_is_better else "↓"


def with_arrow(name: str, higher_is_better: bool | None) -> str:
    """A name with the better direction of its numbers behind it.

    >>> with_arrow("lpips", False), with_arrow("size", None)
    ('lpips ↓', 'size')
    """
    return f"{name} {arrow(higher_is_better)}".rstrip()


def number_in(cell: Any) -> float | None:
    """The number that a cell holds, None if it holds none. NaN and infinity are numbers here, by their names.

    A text must be written as numbers are in tables: Python's `1_0`, digits of other scripts and `1,000` are refused,
    since another program would read them differently.

    >>> [number_in(cell) for cell in ("1e3", " -.5 ", "inf", 7, "1_0", "1,000", "\u0661", "0x1", None)]
    [1000.0, -0.5, inf, 7.0, None, None, None, None, None]
    """
    if isinstance(cell, str) and not _NUMBER.fullmatch(cell.strip()):
        return None
    try:
        return float(cell)
    except (TypeError, ValueError, OverflowError):
        return None


def parse_json(text: str) -> Any:
    """The value of a JSON text; `ValueError` for invalid JSON of any kind, for what is nested more
    than `DEEPEST` deep, and (`DoubledKeyError`) for an object that has a key twice.

    >>> parse_json('{"cat": "red", "cat": "blue"}')
    Traceback (most recent call last):
    editmetrics.files.text.DoubledKeyError: has the key 'cat' twice; keep one of them
    """
    try:
        value = json.loads(text, object_pairs_hook=_object)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    _require_shallow(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise DoubledKeyError(f"has the key {twice!r} twice; keep one of them")
    return value


def _require_shallow(value: Any) -> None:
    layer = [value]
    for _ in range(DEEPEST):
        layer = [
            inner
            for outer in layer
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not layer:
            return
    if any(isinstance(inner, (dict, list)) for inner in layer):
        raise ValueError("it is nested too deeply")
