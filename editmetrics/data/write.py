"""Rows into a csv, jsonl or parquet file, in one stroke: never half a file, whatever happens on the way."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from .sample_set import DataError
from .tables import TABLE_SUFFIXES
from .text import escaped

if TYPE_CHECKING:
    import polars


def check_writable(path: Path) -> None:
    """Raise `DataError` unless `path` is a csv, jsonl or parquet file in a folder that is there."""
    if path.suffix.lower() not in TABLE_SUFFIXES:
        kinds = ", ".join(sorted(TABLE_SUFFIXES))
        raise DataError(f"{path}: tables are written as {kinds}, by the suffix; this one is {path.suffix!r}")
    if not path.parent.is_dir():
        raise DataError(f"{path}: the folder {path.parent} does not exist; make it first")


def write_rows(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write `rows`, from column to value, to `path`; None, NaN and missing values are empty cells (in jsonl, no key).

    Infinities are "inf" and "-inf" where the format has none, lists and objects in a csv are JSON, and what is no text
    in a file name or a prompt is written as an escape. Raises `OSError`, naming `path`, when it cannot be written; a
    file that was there before is kept then.
    """
    check_writable(path)
    names = list(dict.fromkeys(column for row in rows for column in row))
    columns = {escaped(name): [_plain(row.get(name)) for row in rows] for name in names}
    with replacing(path) as temporary:
        if path.suffix.lower() == ".parquet":
            import polars

            data = io.BytesIO()  # of a full disk, polars says that the file is out of specification
            polars.DataFrame([_series(name, values) for name, values in columns.items()]).write_parquet(data)
            temporary.write_bytes(data.getbuffer())
            return
        cells = zip(*columns.values(), strict=True)
        with open(temporary, "w", encoding="utf-8", newline="") as file:
            # Told to end lines by \n, csv.writer quotes no cell with an \r, which a reader takes for a line's end.
            if path.suffix.lower() == ".csv":
                writer = csv.writer(SimpleNamespace(write=lambda line: file.write(line.removesuffix("\r\n") + "\n")))
                writer.writerow(columns)
                writer.writerows([_quoted_json(value) for value in row] for row in cells)
            else:
                for row in cells:
                    kept = {name: value for name, value in zip(columns, row, strict=True) if value is not None}
                    file.write(json.dumps(_finite(kept), ensure_ascii=False) + "\n")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new file beside `path` to write to, which takes its place at the end, and is removed if anything goes wrong.

    An `OSError` on the way, such as that of a full disk, names `path`, which holds what it held.
    """
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)  # mkstemp lets nobody else read
        with temporary.open("rb") as written:
            os.fsync(written.fileno())  # what the disk refuses late, it refuses before the old file is gone
        temporary.replace(path)
    except BaseException as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:
            error.filename, error.filename2 = str(path), None
        raise


def _plain(value: Any) -> Any:
    """`value` as JSON has it, infinities excepted: texts that can be written, no NaN, and text for what is unknown."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, Mapping):
        return {escaped(str(key)): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return _plain(value.item()) if hasattr(value, "item") else escaped(str(value))  # a number of numpy or torch


def _finite(value: Any) -> Any:
    """`value` with "inf" and "-inf" for the infinities, which JSON has not."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return str(value) if isinstance(value, float) and math.isinf(value) else value


def _quoted_json(value: Any) -> Any:
    """A cell of a csv: lists and objects as the JSON that a manifest reads."""
    return json.dumps(_finite(value), ensure_ascii=False) if isinstance(value, (dict, list)) else value


def _series(name: str, values: list[Any]) -> polars.Series:
    """A column of one type; as text where values of several kinds, or numbers beyond 64 bits, stand in it."""
    import polars

    if not any(isinstance(value, dict) or (type(value) is int and abs(value) >= 2**63) for value in values):
        try:
            return polars.Series(name, values, strict=True)
        except (TypeError, OverflowError, polars.exceptions.PolarsError):
            pass  # values of several kinds
    if all(value is None or type(value) in (int, float) for value in values):
        return polars.Series(name, [None if value is None else float(value) for value in values], polars.Float64)
    text = [v if v is None or isinstance(v, str) else json.dumps(_finite(v), ensure_ascii=False) for v in values]
    return polars.Series(name, text, polars.String)
