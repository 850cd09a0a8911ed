"""Checks before a command replaces a file: one of its own kind, or any with --overwrite."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from pathlib import Path

from .rows import TABLE_SUFFIXES, read_rows
from .text import DataError

MAGIC = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<"}
"""How the picture files begin that are drawn here."""


def check_table(path: Path, columns: Collection[str], overwrite: bool) -> None:
    """Raise `DataError` when `path` holds anything but a table with these `columns`, which may then be replaced."""
    _check(path, f"table with the column{'s' if len(columns) > 1 else ''} {', '.join(columns)}", overwrite,
           lambda: _has_columns(path, columns))  # fmt: skip


def check_json(path: Path, keys: Collection[str], overwrite: bool) -> None:
    """Raise `DataError` when `path` holds anything but a JSON object, or a list of objects, with these `keys`."""
    _check(path, f"JSON with the keys {', '.join(keys)}", overwrite, lambda: _has_keys(path, keys))


def check_text(path: Path, marks: Collection[str], kind: str, overwrite: bool) -> None:
    """Raise `DataError` when `path` holds anything but a text with one of `marks`, by which a `what` is known."""
    _check(path, kind, overwrite, lambda: any(mark.encode() in path.read_bytes() for mark in marks))


def check_picture(path: Path, overwrite: bool) -> None:
    """Raise `DataError` when `path` holds anything but a picture of the kind that its suffix names."""
    start = MAGIC.get(path.suffix.lower(), b"")
    _check(path, f"{path.suffix} picture", overwrite, lambda: path.read_bytes().startswith(start))


def _check(path: Path, kind: str, overwrite: bool, is_own: Callable[[], bool]) -> None:
    if overwrite or not path.exists():
        return
    try:
        fits = is_own()
    except (OSError, ValueError, DataError):
        fits = False
    if not fits:
        raise DataError(f"{path} exists and is not a {kind}, and is kept; choose another name, or --overwrite")


def _has_columns(path: Path, columns: Collection[str]) -> bool:
    """Whether the first row has the columns; a csv that is only a header counts as well."""
    if path.suffix.lower() not in TABLE_SUFFIXES:
        return False
    if path.suffix.lower() == ".csv":
        with path.open(encoding="utf-8-sig") as file:
            header = file.readline(1 << 16)
        return set(columns) <= {name.strip().strip('"') for name in header.split(",")}
    first = next(iter(read_rows(path)), None)
    return first is not None and set(columns) <= first.cells.keys()


def _has_keys(path: Path, keys: Collection[str]) -> bool:
    value = json.loads(path.read_bytes())
    first = value[0] if isinstance(value, list) and value else value
    return isinstance(first, dict) and set(keys) <= first.keys()
