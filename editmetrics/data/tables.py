"""Rows of csv, jsonl and parquet files, each with the place it stands at; a broken row costs itself, not the file."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .sample_set import DataError

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")  # what a byte that is not UTF-8 is read as
TABLE_SUFFIXES = frozenset({".csv", ".jsonl", ".parquet"})


@dataclass(frozen=True)
class Row:
    """One row: its place ("line 7"), its cells by column, and what is wrong with it, if anything is."""

    place: str
    cells: dict[str, Any] = field(default_factory=dict)
    problem: str | None = None


def read_rows(path: Path, kind: str | None = None) -> Iterator[Row]:
    """The rows of a csv, jsonl or parquet file; `kind` is the suffix that it should have, where it has another.

    All cells of a csv are text, and empty ones are None. Raises `DataError`, with the line, when what follows cannot be
    made out either.
    """
    readers = {".csv": _csv_rows, ".jsonl": _jsonl_rows, ".parquet": _parquet_rows}
    suffix = kind or path.suffix.lower()
    if suffix not in readers:
        raise DataError(f"{path} is of an unknown kind; expected {', '.join(sorted(readers))}")
    yield from readers[suffix](path)


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, with a byte-order mark or without. Raises `DataError`, with the line, for others."""
    data = read_data(path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}, line {line}: is not UTF-8 text; save the file as UTF-8") from error


def read_data(path: Path) -> bytes:
    """The bytes of a file; `DataError` when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def mended(text: str) -> str:
    """`text` with U+FFFD where bytes stood that are not UTF-8, so that it can be written."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def parse_json(text: str) -> Any:
    """The value of a JSON text; `ValueError` for anything that is none, however it is broken."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _csv_rows(path: Path) -> Iterator[Row]:
    text = _forgiving_text(path)
    damaged = _LONE_SURROGATE.search(text) is not None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    first = 1
    try:
        header = next(reader, [])
        columns = [name.strip() or f"column_{index}" for index, name in enumerate(header, 1)]
        if twice := {name for name in columns if columns.count(name) > 1}:
            raise DataError(f"{path} has the column {', '.join(sorted(twice))} more than once; rename one")
        first = reader.line_num + 1
        for values in reader:
            place, first = f"line {first}", reader.line_num + 1
            if not values:
                continue
            cells = {name: value or None for name, value in zip(columns, values, strict=False)}
            problem = None
            if len(values) != len(columns):
                problem = f"has {len(values)} cells where the first line names {len(columns)} columns"
            if damaged and any(_LONE_SURROGATE.search(value) for value in values):
                cells = {name: value and mended(value) for name, value in cells.items()}
                problem = "is not UTF-8 text; save the file as UTF-8"
            yield Row(place, cells, problem)
    except csv.Error as error:
        raise DataError(f"{path}, from line {first} on: is not csv: {error}; a quote may be missing") from error


def _jsonl_rows(path: Path) -> Iterator[Row]:
    for number, line in enumerate(_forgiving_text(path).split("\n"), 1):
        if not line.strip():
            continue
        place = f"line {number}"
        try:
            value = parse_json(line)
        except ValueError as error:
            yield Row(place, problem=f"is not JSON: {error}")
            continue
        if "\\ud" in line.lower():  # an escape may stand for half a character, which is as broken
            line += json.dumps(value, ensure_ascii=False)
        if _LONE_SURROGATE.search(line):
            yield Row(place, problem="is not UTF-8 text; save the file as UTF-8")
        elif isinstance(value, dict):
            yield Row(place, value)
        else:
            yield Row(place, problem="is JSON, but no object; expected {...}")


def _parquet_rows(path: Path) -> Iterator[Row]:
    import polars

    data = read_data(path)
    try:
        table = polars.read_parquet(io.BytesIO(data))
    except Exception as error:  # polars raises several kinds for damaged files
        raise DataError(f"{path} cannot be read as parquet: {str(error).splitlines()[0]}") from error
    for number, cells in enumerate(table.iter_rows(named=True), 1):
        yield Row(f"row {number}", cells)


def _forgiving_text(path: Path) -> str:
    """The file as UTF-8 text, in which bytes that are none stand as lone surrogates, so that only their row is lost."""
    data = read_data(path)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{path} is UTF-16 text; save it as UTF-8")
    if b"\0" in data:
        raise DataError(f"{path}, line {data.count(10, 0, data.index(0)) + 1}: holds binary data; expected UTF-8 text")
    return data.decode("utf-8-sig", "surrogateescape")
