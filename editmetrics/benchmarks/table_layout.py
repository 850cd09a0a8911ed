"""The layout of data sets that are one table beside their images: its columns, what may stand in them, its rows.

    FOLDER/ratings.csv (or .jsonl, .parquet)      FOLDER/.../*.png, wherever the table says

Data sets that are not public are read in this layout, which is ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.names import image_name
from ..files.rows import Row, read_rows
from ..files.text import DataError
from ..sample import Sample
from .benchmark import Rating
from .findings import Findings

SUFFIXES = (".csv", ".jsonl", ".parquet")


@dataclass(frozen=True)
class LayoutColumn:
    """A column besides the images, the prompt and the ratings.

    - `choices`: what may stand in it (a mapping says what each stands for); None for any text.
    - `low`, `high`: given instead for numbers.
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
    - `ratings`: from a rating to its column.
    - `folders`: where images may lie, tried in this order; the first that is there is taken.
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


def find_table(folder: Path, stem: str, findings: Findings) -> Path | None:
    """The table `stem` of `folder` in one of the formats; a problem when there is none, or more than one."""
    found = [folder / f"{stem}{suffix}" for suffix in SUFFIXES if (folder / f"{stem}{suffix}").is_file()]
    if len(found) == 1:
        return found[0]
    if not found:
        findings.add("file", str(folder), f"has no {stem}.csv ({', '.join(SUFFIXES[1:])} would do, too)")
    else:
        findings.add("file", str(folder), f"has {' and '.join(p.name for p in found)}; remove one")
    return None


def rows_of(path: Path, findings: Findings, kind: str | None = None) -> list[Row]:
    """The rows of a csv, jsonl or parquet file (`kind`, or by its suffix) that can be read; a problem for others."""
    try:
        rows = list(read_rows(path, kind))
    except DataError as error:
        findings.add("file", path.name, str(error))
        return []
    for row in rows:
        if row.problem:
            place = f"{path.name}, {row.location}"
            findings.add("row", place, f"{row.problem}; is the file complete?", place)
    return [row for row in rows if not row.problem]


def read_layout(
    folder: Path,
    layout: Layout,
    ratings: Mapping[str, Rating],
    findings: Findings,
    more: Callable[[dict[str, Any]], dict[str, Any]] = lambda meta: {},
) -> list[Sample]:
    """The samples of a copy in `layout`. `more` gives further `meta` of that of a row."""
    path = find_table(folder, layout.table, findings)
    rows = rows_of(path, findings) if path else []
    if not rows or path is None:
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
    names = dict.fromkeys(name for row in rows for name in row.cells)
    if not findings.columns(path.name, names, required, optional):
        return []
    root = next((folder / name for name in layout.folders if (folder / name).is_dir()), folder)
    samples, places = [], []
    for row in rows:
        place = f"{path.name}, {row.location}"
        row_id = _identifier(row, layout)
        if row_id is None:
            findings.add("value", place, f"{layout.identifier or layout.images['edited']} is empty", place)
            continue
        places.append((row_id, place))
        samples.append(_sample(row, row_id, place, layout, ratings, findings, root, more))
    findings.once(places)
    return samples


def _identifier(row: Row, layout: Layout) -> str | None:
    given = row.cells.get(layout.identifier) if layout.identifier else None
    if given not in (None, ""):
        return str(given).strip()
    edited = row.cells.get(layout.images["edited"])
    return image_name(edited) if isinstance(edited, str) and edited else None


def _sample(
    row: Row,
    row_id: str,
    place: str,
    layout: Layout,
    ratings: Mapping[str, Rating],
    findings: Findings,
    root: Path,
    more: Callable[[dict[str, Any]], dict[str, Any]],
) -> Sample:
    images: dict[str, str] = {}
    for field, header in layout.images.items():
        cell = row.cells.get(header)
        if cell in (None, ""):
            if field not in layout.optional:
                findings.required(place, row_id, header, cell)
        elif (found := findings.image(place, row_id, cell, root)) is not None:
            images[field] = found
    prompt = row.cells.get(layout.prompt)
    if layout.prompt_filled:
        findings.required(place, row_id, layout.prompt, prompt)
    meta: dict[str, Any] = {}
    for name, column in layout.columns.items():
        meta[name] = _cell(row.cells.get(name), name, column, place, row_id, findings)
    for name, header in layout.ratings.items():
        meta[name] = rating_of(row.cells.get(header), header, ratings[name], place, row_id, findings)
    meta |= more(meta)
    kept = {name: value for name, value in meta.items() if value is not None}
    text = None if prompt in (None, "") else str(prompt)
    return Sample(row_id, edited=images.get("edited"), source=images.get("source"), prompt=text, meta=kept)


def _cell(cell: Any, name: str, column: LayoutColumn, place: str, row_id: str, findings: Findings) -> Any:
    if column.filled:
        findings.required(place, row_id, name, cell)
    if not math.isnan(column.low):
        return findings.number(place, row_id, name, cell, column.low, column.high)
    if column.choices is not None:
        return findings.choice(place, row_id, name, cell, column.choices)
    return None if cell in (None, "") else str(cell)


def rating_of(cell: Any, name: str, rating: Rating, place: str, row_id: str, findings: Findings) -> float | str | None:
    """A rating of a table's cell: a number of its scale, or one of its labels; None for an empty cell."""
    if rating.labels:
        return findings.choice(place, row_id, name, cell, rating.labels, kind="rating")
    return findings.number(place, row_id, name, cell, rating.low, rating.high)
