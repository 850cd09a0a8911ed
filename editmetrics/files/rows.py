"""Tables on disk (csv, jsonl, parquet, xlsx): read so that a broken row costs itself alone, and written atomically."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ..wording import either, plural
from .decoding import forgiving_text, read_json, read_unpacked
from .notes import note_once
from .separated import layout_of, with_decimal_points
from .text import LONE_SURROGATE, DataError, DoubledKeyError, escaped, json_ready, mended, parse_json, stripped
from .workbook import workbook_lines
from .writing import make_folder, replacing

if TYPE_CHECKING:
    import polars

NOT_UTF8 = "is not UTF-8 text; save the file as UTF-8"

TABLE_SUFFIXES = frozenset({".csv", ".jsonl", ".parquet"})
"""The kinds of tables that are written."""

READABLE = {
    ".csv": "csv", ".tsv": "csv", ".tab": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json",
    ".parquet": "parquet", ".xlsx": "xlsx", ".xlsm": "xlsx",
}  # fmt: skip
"""The kinds of tables that are read, by suffix; each may have .gz behind it."""

SPREADSHEETS = frozenset({".xls", ".ods", ".numbers"})
"""Spreadsheets that are not read."""


@dataclass(frozen=True)
class Row:
    """One row: its location ("line 7"), its cells by column, and what is wrong with it, if anything is."""

    location: str
    cells: dict[str, Any] = field(default_factory=dict)
    problem: str | None = None


def table_suffix(path: Path) -> str | None:
    """The suffix of a table that can be read, without `.gz`; None for files of other kinds.

    >>> table_suffix(Path("mos.csv.gz")), table_suffix(Path("cat.png"))
    ('.csv', None)
    """
    bare = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    suffix = bare.suffix.lower()
    return suffix if suffix in READABLE else None


def read_rows(path: Path, kind: str | None = None) -> Iterator[Row]:
    """The rows of a table of a kind in `READABLE`; `kind` is the suffix that it should have, where it has another.

    All cells of a csv are text. Its cells may be separated by semicolons, tabs or bars, and have decimal commas then.
    In every format, blanks around a text or a column's name are dropped (`text.stripped`), and a cell of blanks is
    empty: None. Raises `DataError`, with the line, when what follows cannot be made out either.
    """
    suffix = kind or table_suffix(path)
    if suffix not in READABLE:
        hint = "; save it as .csv or .xlsx" if path.suffix.lower() in SPREADSHEETS else ""
        raise DataError(f"{path} is of an unknown kind; expected {', '.join(sorted(READABLE))}{hint}")
    if READABLE[suffix] == "csv":
        yield from _csv_rows(path, suffix)
        return
    readers: dict[str, Callable[[Path], Iterator[Row]]] = {
        "jsonl": _jsonl_rows, "json": _json_rows, "parquet": read_parquet, "xlsx": _workbook_rows,
    }  # fmt: skip
    yield from readers[READABLE[suffix]](path)


def _csv_rows(path: Path, suffix: str) -> Iterator[Row]:
    text = forgiving_text(path)
    layout = layout_of(text, suffix)
    damaged = LONE_SURROGATE.search(text) is not None
    nul = None
    if "\0" in text:  # which Python 3.10 does not read: another sign stands for it meanwhile
        nul = next(sign for sign in map(chr, range(0xE000, 0xF900)) if sign not in text)
        text = text.replace("\0", nul)
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))  # no cell is longer; Python refuses 131,073 characters
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=layout.separator, strict=True, skipinitialspace=True)
    first = 1 + layout.skipped
    rows: list[Row] = []
    try:
        for _ in range(layout.skipped):
            next(reader)
        header = next(reader, [])
        header = [name.replace(nul, "\0") for name in header] if nul else header
        columns = _column_names(path, header)
        first = reader.line_num + 1
        for values in reader:
            location, first = f"line {first}", reader.line_num + 1
            if not values:
                continue
            if nul:
                values = [value.replace(nul, "\0") for value in values]
            problem = None
            if len(values) != len(columns):
                problem = (
                    f"has {plural(len(values), 'cell')} where the first line names {plural(len(columns), 'column')}"
                )
            if damaged and any(LONE_SURROGATE.search(value) for value in values):
                values, problem = list(map(mended, values)), NOT_UTF8
            filled = {name: stripped(value) for name, value in zip(columns, values, strict=False)}
            rows.append(Row(location, dict.fromkeys(columns) | filled, problem))
    except csv.Error as error:
        raise DataError(f"{path}, from line {first} on: is not csv: {error}; a quote may be missing") from error
    with_decimal_points(path, layout, columns, [row.cells for row in rows if row.problem is None])
    yield from rows


def _column_names(path: Path, header: Sequence[Any]) -> list[str]:
    """The names of the columns, each once; those without one are called by their number."""
    columns = [mended(stripped(str(name or "")) or f"column_{index}") for index, name in enumerate(header, 1)]
    if twice := [name for name, count in Counter(columns).items() if count > 1]:
        raise DataError(f"{path} has the column {', '.join(sorted(twice))} more than once; rename one")
    return columns


def _workbook_rows(path: Path) -> Iterator[Row]:
    lines = workbook_lines(path, read_unpacked(path))
    _, header = next(lines, (0, []))
    while header and header[-1] is None:
        header.pop()
    columns = _column_names(path, header)
    for number, cells in lines:
        cells += [None] * (len(columns) - len(cells))
        if any(cell is not None for cell in cells[len(columns) :]):
            note_once(f"{path}: cells to the right of the columns that its first row names are not read")
        yield _row(f"row {number}", dict(zip(columns, cells, strict=False)))


def _json_rows(path: Path) -> Iterator[Row]:
    """The objects of a list."""
    value = read_json(path)
    if not isinstance(value, list):
        raise DataError(f"{path}: expected a list of objects, one for each row")
    for number, item in enumerate(value, 1):
        yield _object_row(f"entry {number}", item)


def _jsonl_rows(path: Path) -> Iterator[Row]:
    for line_number, line in enumerate(forgiving_text(path).split("\n"), 1):
        if not line.strip():
            continue
        location = f"line {line_number}"
        try:
            value = parse_json(line)
        except DoubledKeyError as error:
            yield Row(location, problem=str(error))
        except ValueError as error:
            yield Row(location, problem=f"is not JSON: {error}")
        else:
            doubtful = LONE_SURROGATE.search(line) is not None or "\\ud" in line.lower()
            yield _object_row(location, value, doubtful)


def _object_row(location: str, value: Any, doubtful: bool = True) -> Row:
    """The row of an object; `doubtful` if an escape may stand for half a character."""
    if not isinstance(value, dict):
        return Row(location, problem="is JSON, but no object; expected {...}")
    row = _row(location, value)
    cells = _mended_value(row.cells) if doubtful else row.cells
    return row if cells == row.cells else Row(location, cells, row.problem or NOT_UTF8)


def read_parquet(*paths: Path) -> Iterator[Row]:
    """The rows of a parquet file, or of several as one, with a `StoredImage` for the bytes of an image."""
    from .parquet import ParquetFile

    for row_number, cells in enumerate(ParquetFile(*paths), 1):
        yield _row(f"row {row_number}", cells)


def _row(location: str, cells: Mapping[str, Any]) -> Row:
    """A row of typed cells, in which texts and the names of columns have no blanks around them."""
    stripped_cells: dict[str, Any] = {}
    problem = None
    for index, (key, cell) in enumerate(cells.items(), 1):
        name = _column_name(key, index)
        if name in stripped_cells:
            problem = f"has the column {name!r} more than once; rename one"
        stripped_cells[name] = stripped(cell) if isinstance(cell, str) else cell
    return Row(location, stripped_cells, problem)


@lru_cache(maxsize=1000)
def _column_name(key: str, index: int) -> str:
    """The name of a column without blanks around it; of the same few in every row."""
    return stripped(key) or f"column_{index}"


def _mended_value(value: Any) -> Any:
    """A value of JSON with all its texts, the keys of objects among them, `mended`."""
    if isinstance(value, str):
        return mended(value)
    if isinstance(value, dict):
        return {mended(key): _mended_value(item) for key, item in value.items()}
    return [_mended_value(item) for item in value] if isinstance(value, list) else value


def require_writable(path: Path, suffixes: Collection[str] = TABLE_SUFFIXES, content: str = "a table") -> None:
    """Raise `DataError` unless `path` ends in one of `suffixes`; creates its folder."""
    if path.suffix.lower() not in suffixes:
        raise DataError(f"{path}: cannot write {content} to this kind of file; expected {either(sorted(suffixes))}")
    make_folder(path)


def write_rows(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write `rows`, from column to value, to `path`; None, NaN and missing values are empty cells (in jsonl, no key).

    Infinities are "inf" and "-inf" where the format has none, lists and objects in a csv are JSON, and bytes of
    file names or prompts that are not UTF-8 are written as escapes. Raises `OSError`, naming `path`, when it cannot be
    written; the earlier file is kept then.
    """
    require_writable(path)
    names = list(dict.fromkeys(column for row in rows for column in row))
    columns = {escaped(name): [_plain(row.get(name)) for row in rows] for name in names}
    if path.suffix.lower() == ".parquet":
        import polars

        write_frame(polars.DataFrame([_series(name, values) for name, values in columns.items()]), path)
        return
    cells = zip(*columns.values(), strict=True)
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        if path.suffix.lower() == ".jsonl":
            file.writelines(_json_line(dict(zip(columns, row, strict=True))) for row in cells)
            return
        # csv.writer, told to end lines by \n, quotes no cell with an \r, which a reader takes for the end of a line
        writer = csv.writer(SimpleNamespace(write=lambda line: file.write(line.removesuffix("\r\n") + "\n")))
        writer.writerow(columns)
        writer.writerows([_quoted_json(value) for value in row] for row in cells)


def write_frame(table: polars.DataFrame, path: Path) -> None:
    """Write `table` to `path` as csv, jsonl or parquet, by the suffix; see `write_rows`."""
    suffix = path.suffix.lower()
    with replacing(path) as temporary:
        if suffix == ".jsonl":
            with open(temporary, "w", encoding="utf-8", errors="backslashreplace", newline="") as file:
                file.writelines(map(_json_line, table.iter_rows(named=True)))
            return
        buffer = io.BytesIO()  # polars reports a full disk as something else
        (table.write_csv if suffix == ".csv" else table.write_parquet)(buffer)
        temporary.write_bytes(buffer.getbuffer())


def _json_line(row: Mapping[str, Any]) -> str:
    kept = {name: json_ready(value) for name, value in row.items() if value is not None}
    return json.dumps(kept, ensure_ascii=False) + "\n"


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


def _quoted_json(value: Any) -> Any:
    """A cell of a csv: lists and objects as the JSON that a manifest reads."""
    return json.dumps(json_ready(value), ensure_ascii=False) if isinstance(value, (dict, list)) else value


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
    text = [v if v is None or isinstance(v, str) else json.dumps(json_ready(v), ensure_ascii=False) for v in values]
    return polars.Series(name, text, polars.String)
