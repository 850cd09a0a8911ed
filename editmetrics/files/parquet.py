"""Parquet files, whose images in columns stay in the file until they are asked for."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .decoding import GZIP, read_data, read_unpacked
from .text import DataError

if TYPE_CHECKING:
    import polars

BLOCK = 32 << 20
"""Bytes of images that are read at a time: neighbours are asked for next."""


@dataclass(frozen=True)
class StoredImage:
    """Stands for the bytes of an image file in one cell of a parquet file: `rows[index][column]`.

    `name` is the file's name where the cell has it, else "".
    """

    rows: ParquetFile
    index: int
    column: str
    name: str = ""

    def __repr__(self) -> str:
        return f"StoredImage(row {self.index + 1}, {self.column!r})"

    def read(self) -> bytes:
        """Return the bytes of the file."""
        data: bytes = self.rows[self.index][self.column]
        return data


class ParquetFile:
    """The rows of a parquet file, or of several as one: without the bytes of images, and of one row with them.

    Images are columns of bytes, or of `{"bytes": ..., "path": ...}` as data sets of Hugging Face have them, or lists of
    either. Iterating gives a mapping of cells for each row, with a `StoredImage` for an image; `file[3]` gives the
    bytes of the images of row 3, by column; those of the second image in a list are under `column[1]`.

    Raises `DataError` for a file that cannot be read as parquet.
    """

    def __init__(self, *paths: Path) -> None:
        self.paths = paths
        self._data = [read_unpacked(path) for path in paths] if any(_starts_with(path, GZIP) for path in paths) else []
        self._block: tuple[int, list[dict[str, Any]]] = (-1, [])
        with self._errors():
            schema = self._scan().collect_schema()
            count = int(self._scan().select(_polars().len()).collect().item())
        self._schema = dict(schema)
        self.images = [name for name, kind in schema.items() if _is_image(kind)]
        self._lists = {name for name in self.images if _is_list(schema[name])}
        size = sum(map(len, self._data)) or sum(map(os.path.getsize, paths))
        self._rows_a_block = max(1, BLOCK * count // max(size, 1))
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[dict[str, Any]]:
        pl = _polars()
        columns = [
            pl.col(name) if name not in self.images else _names_in(pl.col(name), kind).alias(name)
            for name, kind in self._schema.items()
        ]
        with self._errors():
            table = self._scan().select(columns).collect(engine="streaming" if self.images else "auto")
        for index, cells in enumerate(table.iter_rows(named=True)):
            yield cells | {name: self._stored(index, name, cells[name]) for name in self.images}

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return the images of one row: bytes by column."""
        number, rows = self._block
        if number != index // self._rows_a_block:
            number = index // self._rows_a_block
            scan = self._scan().select(self.images).slice(number * self._rows_a_block, self._rows_a_block)
            with self._errors():
                rows = [self._flat(row) for row in scan.collect().iter_rows(named=True)]
            self._block = (number, rows)
        return rows[index % self._rows_a_block]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_block": (-1, [])}  # a process that scores reads its own

    def _scan(self) -> polars.LazyFrame:
        files: list[Any] = [io.BytesIO(data) for data in self._data] or list(self.paths)
        return _polars().scan_parquet(files, glob=False)

    def _stored(self, index: int, column: str, cell: Any) -> Any:
        """Stand-ins for the images of a cell, of which it has the names, and whether they are in the file."""
        if column in self._lists:
            return None if cell is None else [self._one(index, f"{column}[{n}]", one) for n, one in enumerate(cell)]
        return self._one(index, column, cell)

    def _one(self, index: int, column: str, cell: Any) -> Any:
        if not cell["stored"]:
            return cell["name"]  # a path, or None
        return StoredImage(self, index, column, os.path.basename(cell["name"] or ""))

    def _flat(self, row: dict[str, Any]) -> dict[str, Any]:
        cells: dict[str, Any] = {}
        for name, cell in row.items():
            listed = {f"{name}[{n}]": one for n, one in enumerate(cell or ())} if name in self._lists else {name: cell}
            cells |= {key: one["bytes"] if isinstance(one, dict) else one for key, one in listed.items()}
        return cells

    def _errors(self) -> _AsDataErrors:
        return _AsDataErrors(", ".join(map(str, self.paths)))


class _AsDataErrors:
    """Turns an error of polars inside a `with` into a `DataError` that names the file."""

    def __init__(self, files: str) -> None:
        self.files = files

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> None:
        if isinstance(error, Exception) and not isinstance(error, DataError):  # polars raises several kinds
            reason = str(error).partition("\n")[0]
            raise DataError(f"{self.files} cannot be read as parquet: {reason}") from error


def _names_in(column: Any, kind: Any) -> Any:
    """The expression that leaves, of each image of a column, whether its bytes are there, and the name of its file."""
    pl = _polars()
    if _is_list(kind):
        return column.list.eval(_names_in(pl.element(), kind.inner))
    if kind == pl.Binary:
        return pl.struct(stored=column.is_not_null(), name=pl.lit(None, pl.String))
    named = any(field.name == "path" and field.dtype == pl.String for field in kind.fields)
    name = column.struct.field("path") if named else pl.lit(None, pl.String)
    return pl.struct(stored=column.struct.field("bytes").is_not_null(), name=name)


def _is_image(kind: Any) -> bool:
    pl = _polars()
    if _is_list(kind):
        return not _is_list(kind.inner) and _is_image(kind.inner)
    if isinstance(kind, pl.Struct):
        return {field.name for field in kind.fields} == {"bytes", "path"} and kind.to_schema()["bytes"] == pl.Binary
    return bool(kind == pl.Binary)


def _is_list(kind: Any) -> bool:
    return isinstance(kind, _polars().List)


def _starts_with(path: Path, mark: bytes) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(len(mark)) == mark
    except OSError:
        read_data(path)  # says what is wrong with it
        raise


def _polars() -> Any:
    import polars

    return polars
