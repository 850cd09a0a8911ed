"""Read data sets that are one table beside their images, by a layout: columns, their values, and rows.

    FOLDER/ratings.csv (or .jsonl, .parquet)      FOLDER/.../*.png, wherever the table says

Data sets that are not public are read in this project's own layout.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files.decoding import read_json
from ..files.rows import Row, read_rows
from ..files.text import DataError
from ..images import image_name
from ..sample import Sample
from ..wording import either
from .benchmark import RatedAspect
from .checks import CopyChecks

SUFFIXES = (".csv", ".jsonl", ".parquet")


@dataclass(frozen=True)
class LayoutColumn:
    """A column besides the images, the prompt and the ratings.

    - `choices`: its valid values (or a mapping from them to their meaning); None for any text.
    - `low`, `high`: the range of a column of numbers.
    - `required`: whether the table must have it; `filled`: whether every row must.
    """

    choices: Mapping[str, str] | Collection[str] | None = None
    low: float = math.nan
    high: float = math.nan
    required: bool = True
    filled: bool = True


@dataclass(frozen=True)
class Layout:
    """The table of a data set: which images each row has, its other columns, and its ratings.

    - `images`: from the field of a sample to the column that names it. `optional` are fields that a row may lack.
    - `prompt`, `identifier`: their columns; without an identifier, the name of the edited image is the row's id.
      `prompt_filled`: whether every row must have a prompt.
    - `columns`: all others, by name; `ignored` are known and not read.
    - `ratings`: from a rating to its column. `rated`: whether every row must have all of them.
    - `suffixes`: of the table, which is `table` with one of them.
    - `folders`: where images may lie, tried in this order; the first that exists is used.
    """

    table: str
    ratings: Mapping[str, str]
    images: Mapping[str, str]
    columns: Mapping[str, LayoutColumn]
    prompt: str = "prompt"
    prompt_filled: bool = True
    identifier: str | None = "id"
    optional: Collection[str] = ()
    ignored: Collection[str] = ()
    folders: Sequence[str] = (".",)
    rated: bool = False
    suffixes: Sequence[str] = SUFFIXES


def find_table(folder: Path, stem: str, checks: CopyChecks, suffixes: Sequence[str] = SUFFIXES) -> Path | None:
    """Return the table `stem` of `folder` in one of the formats; none, or more than one, is a problem."""
    tables = [folder / f"{stem}{suffix}" for suffix in suffixes if (folder / f"{stem}{suffix}").is_file()]
    if len(tables) == 1:
        return tables[0]
    if not tables:
        others = f" (or {either(suffixes[1:])})" if len(suffixes) > 1 else ""
        checks.add("file", str(folder), f"has no {stem}{suffixes[0]}{others}")
    else:
        checks.add("file", str(folder), f"has {' and '.join(p.name for p in tables)}; remove one")
    return None


def entries_of(path: Path, checks: CopyChecks) -> list[Row]:
    """Return the entries of a JSON object of objects as rows, each at its `location`; others are problems."""
    try:
        table = read_json(path)
    except DataError as error:
        checks.add("file", path.name, str(error))
        return []
    if not isinstance(table, dict):
        checks.add("file", path.name, f"is a {type(table).__name__}; expected an object with an entry for each name")
        return []
    rows = []
    for name, cells in table.items():
        if isinstance(cells, dict):
            rows.append(Row(name, cells))
        else:
            checks.add("row", f"{path.name}, {name}", f"is a {type(cells).__name__}; expected an object")
    return rows


def mean_of(values: Any) -> Any:
    """Return the mean of a list of ratings; anything else as it is, so that a check names it.

    >>> mean_of([4, 5]), mean_of("four"), mean_of([4, None]), mean_of([])
    (4.5, 'four', [4, None], None)
    """
    if not isinstance(values, list):
        return values
    numbers = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
    if len(numbers) < len(values):
        return values
    return sum(numbers) / len(numbers) if numbers else None


def rows_of(path: Path, checks: CopyChecks, kind: str | None = None) -> list[Row]:
    """Return the readable rows of a csv, jsonl or parquet file (`kind`, or by its suffix); others are problems."""
    try:
        rows = list(read_rows(path, kind))
    except DataError as error:
        checks.add("file", path.name, str(error))
        return []
    for row in rows:
        if row.problem:
            location = f"{path.name}, {row.location}"
            checks.add("row", location, f"{row.problem}; is the file complete?", location)
    return [row for row in rows if not row.problem]


def read_layout(
    folder: Path,
    layout: Layout,
    ratings: Mapping[str, RatedAspect],
    checks: CopyChecks,
    more: Callable[[dict[str, Any]], dict[str, Any]] = lambda meta: {},
) -> list[Sample]:
    """Return the samples of a copy in `layout`. `more` derives additional `meta` from that of a row."""
    path = find_table(folder, layout.table, checks, layout.suffixes)
    rows = rows_of(path, checks) if path else []
    return samples_of(rows, str(path and path.name), folder, layout, ratings, checks, more)


def samples_of(
    rows: Sequence[Row],
    name: str,
    folder: Path,
    layout: Layout,
    ratings: Mapping[str, RatedAspect],
    checks: CopyChecks,
    more: Callable[[dict[str, Any]], dict[str, Any]] = lambda meta: {},
) -> list[Sample]:
    """Return the samples of rows that come from the file `name`, as `read_layout` does."""
    if not rows:
        return []
    required = [
        *(column for field, column in layout.images.items() if field not in layout.optional),
        layout.prompt,
        *layout.ratings.values(),
        *(name for name, column in layout.columns.items() if column.required),
    ]
    optional = [
        *(column for field, column in layout.images.items() if field in layout.optional),
        *([layout.identifier] if layout.identifier else []),
        *(name for name, column in layout.columns.items() if not column.required),
        *layout.ignored,
    ]
    names = dict.fromkeys(column for row in rows for column in row.cells)
    if not checks.columns(name, names, required, optional):
        return []
    root = next((folder / below for below in layout.folders if (folder / below).is_dir()), folder)
    samples, locations = [], []
    for row in rows:
        location = f"{name}, {row.location}"
        row_id = _identifier(row, layout)
        if row_id is None:
            checks.add("value", location, f"{layout.identifier or layout.images['edited']} is empty", location)
            continue
        locations.append((row_id, location))
        samples.append(_sample(row, row_id, location, layout, ratings, checks, root, more))
    checks.once(locations)
    return samples


def _identifier(row: Row, layout: Layout) -> str | None:
    name = row.cells.get(layout.identifier) if layout.identifier else None
    if name not in (None, ""):
        return str(name).strip()
    edited = row.cells.get(layout.images["edited"])
    return image_name(edited) if isinstance(edited, str) and edited else None


def _sample(
    row: Row,
    row_id: str,
    location: str,
    layout: Layout,
    ratings: Mapping[str, RatedAspect],
    checks: CopyChecks,
    root: Path,
    more: Callable[[dict[str, Any]], dict[str, Any]],
) -> Sample:
    images: dict[str, str] = {}
    for field, header in layout.images.items():
        cell = row.cells.get(header)
        if cell in (None, ""):
            if field not in layout.optional:
                checks.required(location, row_id, header, cell)
        elif (path := checks.image(location, row_id, cell, root)) is not None:
            images[field] = path
    prompt = row.cells.get(layout.prompt)
    if layout.prompt_filled:
        checks.required(location, row_id, layout.prompt, prompt)
    meta: dict[str, Any] = {}
    for name, column in layout.columns.items():
        meta[name] = _cell(row.cells.get(name), name, column, location, row_id, checks)
    for name, header in layout.ratings.items():
        if layout.rated:
            checks.required(location, row_id, header, row.cells.get(header))
        meta[name] = rating_of(row.cells.get(header), header, ratings[name], location, row_id, checks)
    meta |= more(meta)
    kept = {name: value for name, value in meta.items() if value is not None}
    text = None if prompt in (None, "") else str(prompt)
    return Sample(row_id, edited=images.get("edited"), source=images.get("source"), prompt=text, meta=kept)


def _cell(cell: Any, name: str, column: LayoutColumn, location: str, row_id: str, checks: CopyChecks) -> Any:
    if column.filled:
        checks.required(location, row_id, name, cell)
    if not math.isnan(column.low):
        return checks.number(location, row_id, name, cell, column.low, column.high)
    if column.choices is not None:
        return checks.choice(location, row_id, name, cell, column.choices)
    return None if cell in (None, "") else str(cell)


def rating_of(
    cell: Any, name: str, rating: RatedAspect, location: str, row_id: str, checks: CopyChecks
) -> float | str | None:
    """Return the rating in a cell: a number of its scale, or one of its labels; None for an empty cell."""
    if rating.labels:
        return checks.choice(location, row_id, name, cell, rating.labels, kind="rating")
    return checks.number(location, row_id, name, cell, rating.low, rating.high)
