"""The text of a table's bytes: gzip unpacked, UTF-8 or UTF-16 by its mark, invalid bytes kept for their row alone."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

from .text import DataError, DoubledKeyError, parse_json

GZIP = b"\x1f\x8b"
BINARY = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"PAR1", b"%PDF")
"""How the files begin that are called .csv and are spreadsheets, archives or parquet."""


def read_data(path: Path) -> bytes:
    """The bytes of a file; `DataError` when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def read_unpacked(path: Path) -> bytes:
    """The bytes of a file, unpacked where gzip packed them; `DataError` when it cannot be read or is cut off."""
    data = read_data(path)
    if not data.startswith(GZIP):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be unpacked: {error}; is its download complete?") from error


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, with a byte-order mark or without. Raises `DataError`, with the line, for others."""
    data = read_data(path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}, line {line}: is not UTF-8 text; save the file as UTF-8") from error


def forgiving_text(path: Path) -> str:
    """The text of a table: UTF-16 with its mark, as Excel saves "Unicode text", or else UTF-8.

    Bytes that are not UTF-8 become lone surrogates, so that they cost only their row.
    """
    data = read_unpacked(path)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is damaged UTF-16 text; save it as UTF-8") from error
    if data.startswith(BINARY) or b"\0" in data[:2]:  # UTF-16 without a mark; further on, a NUL is a sign of a text
        workbook = "; an Excel workbook has to be called .xlsx" if data.startswith(b"PK") else ""
        raise DataError(f"{path} holds binary data; expected UTF-8 text{workbook}")
    return data.decode("utf-8-sig", "surrogateescape")


def read_json(path: Path) -> Any:
    """The value of a JSON file, whose text is read as that of a table; `DataError` for what is not JSON."""
    try:
        return parse_json(forgiving_text(path))
    except DoubledKeyError as error:
        raise DataError(f"{path} {error}") from error
    except ValueError as error:
        raise DataError(f"{path} is not JSON: {error}") from error
