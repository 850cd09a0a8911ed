"""Rows into a csv, jsonl or parquet file, in one stroke: never half a file, whatever happens on the way."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .sample_set import DataError
from .tables import TABLE_SUFFIXES


def check_writable(path: Path) -> None:
    """Raise `DataError` unless `path` is a csv, jsonl or parquet file in a folder that is there."""
    if path.suffix.lower() not in TABLE_SUFFIXES:
        kinds = ", ".join(sorted(TABLE_SUFFIXES))
        raise DataError(f"{path}: tables are written as {kinds}, by the suffix; this one is {path.suffix!r}")
    if not path.parent.is_dir():
        raise DataError(f"{path}: the folder {path.parent} does not exist; make it first")


def write_rows(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write `rows`, from column to value, to `path`; None and missing values are empty cells (in jsonl, no key)."""
    check_writable(path)
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with replacing(path) as temporary:
        if path.suffix.lower() == ".parquet":
            import polars

            table = polars.DataFrame(
                [{name: row.get(name) for name in columns} for row in rows], infer_schema_length=None
            )
            whole = io.BytesIO()  # polars, writing to a disk that is full, raises what no OSError is
            table.write_parquet(whole)
            temporary.write_bytes(whole.getbuffer())
            return
        with open(temporary, "w", encoding="utf-8", newline="") as file:
            if path.suffix.lower() == ".csv":
                writer = csv.DictWriter(file, columns, lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
            else:
                for row in rows:
                    kept = {name: value for name, value in row.items() if value is not None}
                    file.write(json.dumps(kept, ensure_ascii=False, default=str) + "\n")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new file beside `path` to write to, which takes its place at the end, and is removed if anything goes wrong.

    An `OSError` on the way, such as that of a full disk, names `path`, which holds what it held.
    """
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)  # mkstemp lets nobody else read
        temporary.replace(path)
    except BaseException as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename, error.filename2 = str(path), None
        raise
