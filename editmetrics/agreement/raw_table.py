"""Tables of raw ratings in the shapes that people have: a row for each rating, or a column for each rater or item."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..files.headings import RATINGS, Known, is_file_name, read_as, renamed
from ..files.notes import note_once
from ..files.rows import Row, read_rows
from ..files.text import number_in
from ..sample import EditMetricsError
from ..wording import first_few, in_lines

VALUE = "value"
"""The column of the ratings where raters or items are columns."""

_NUMBERED = re.compile(r"(.*?)[\s_.-]*(\d+|(?<![A-Za-z])[A-Za-z])")
_RATER_WORDS = frozenset(
    {"r", "p", "s", "u", "rater", "annotator", "subject", "observer", "participant", "worker", "user"}
)


RESPONDENT = Known("any", (*RATINGS["subject"].groups, ("name", "email", "email_address", "username")))
"""The subject of a table with a row for each person: a name is a person's there."""


class RatingsError(EditMetricsError, ValueError):
    """Raw ratings that cannot be used, with the reason and the remedy."""


@dataclass(frozen=True)
class RawRating:
    """One rating, or several of one subject and item: where it stands, and the cells of its row."""

    location: str
    subject: str
    item: str
    cells: Mapping[str, Any]


@dataclass(frozen=True)
class RawTable:
    """All ratings of a table, and the columns that may hold them."""

    rows: Sequence[RawRating]
    columns: Sequence[str]
    headings: Mapping[str, str]

    def rating_columns(self) -> list[str]:
        """Return the columns besides subject and item, of which at least half of the cells are numbers."""
        return [name for name in self.columns if _are_numbers([row.cells.get(name) for row in self.rows])]


def read_raw_table(
    path: str | os.PathLike[str], subject: str = "subject", item: str = "item", raters: Sequence[str] = ()
) -> RawTable:
    """Read a table of raw ratings, and report all that is wrong with it at once.

    - `subject`, `item`: the columns that name them, or other common headings for the two; several columns that name an
      item are separated by commas (`system,image`), and joined with "/".
    - `raters`: columns that hold the ratings of one rater each, or patterns such as `r*`. By default columns that are
      numbered alike (`rater_1`, `rater_2`), where no column names the subject, and columns that are named as files are
      items, where none names the item; a note says so.

    Raises `RatingsError` for rows that cannot be read, for columns that do not exist, and for empty names.
    """
    path = Path(path)
    rows = list(read_rows(path))
    names = list(dict.fromkeys(name for row in rows for name in row.cells))
    cells = {name: [row.cells.get(name) for row in rows] for name in names}
    files = [name for name in names if is_file_name(name)]
    parts = [part.strip() for part in item.split(",")] if "," in item and item not in names else ["item"]
    by_item = len(files) > 1 and not raters and item == "item" not in names
    known = {"item": RATINGS["item"], "subject": RESPONDENT if by_item else RATINGS["subject"]}
    for name, is_asked in (("item", by_item or len(parts) > 1), ("subject", bool(raters))):
        if is_asked:
            del known[name]
    asked = {"subject": subject} | ({"item": item} if len(parts) == 1 else {})
    headings = read_as(str(path), cells, known, {name: column for name, column in asked.items() if column != name})
    columns = [name for name in names if name not in {"subject", "item", *headings.values(), *parts}]
    has = {"subject": "subject" in {*names, *headings}, "item": {*parts} <= {*names, *headings}}
    whole = [replace(row, cells=renamed(row.cells, headings)) for row in rows if not row.problem]
    numbered = [] if has["subject"] or by_item else _numbered_alike(columns, cells)
    if raters or numbered:
        chosen = _matching(path, raters, columns) if raters else numbered
        if not raters:
            note_once(f"{path}: read as one column for each rater: {first_few(chosen, 5)} (--raters NAMES chooses)")
        whole, columns, has["subject"] = _one_for_each(whole, chosen, "subject"), [VALUE], True
    elif by_item:
        note_once(f"{path}: read as one row for each rater, and one column for each item: {first_few(files, 5)}")
        if not has["subject"]:  # who answered is not told
            whole = [replace(row, cells={**row.cells, "subject": row.location}) for row in whole]
        whole, columns, has = _one_for_each(whole, files, "item"), [VALUE], {"subject": True, "item": True}
    problems = [f"has no column {name!r}; {_advice(name, cells)}" for name, is_there in has.items() if not is_there]
    places = [(row.location, f"{row.problem}; correct or remove the row") for row in rows if row.problem]
    for row in whole if all(has.values()) else ():
        if empty := [name for name in ("subject", *parts) if row.cells.get(name) in (None, "")]:
            places.append((row.location, f"column {' and '.join(map(repr, empty))} is empty; fill it in"))
    problems += [f"{location}: {text}" for location, text in sorted(places, key=lambda one: _row_number(one[0]))]
    if problems and rows:
        raise RatingsError(in_lines(str(path), problems))
    return RawTable([_raw_rating(row, parts) for row in whole], columns, headings)


def _row_number(location: str) -> int:
    return int(next(iter(re.findall(r"\d+", location)), 0))


def _advice(name: str, cells: Mapping[str, Sequence[Any]]) -> str:
    columns = f"name one of {', '.join(cells)} (--{name} COLUMN)"
    measured = [column for column in cells if _are_numbers(cells[column])]
    if name == "subject" and len(measured) > 1:
        return f"{columns}, or, if each rater has a column, name these: --raters {','.join(measured)!r}"
    return columns


def _matching(path: Path, raters: Sequence[str], columns: Sequence[str]) -> list[str]:
    """The columns that names or patterns choose."""
    patterns = [part.strip() for text in raters for part in text.split(",") if part.strip()]
    if unknown := [one for one in patterns if not fnmatch.filter(columns, one)]:
        raise RatingsError(
            f"{path} has no column {first_few(unknown)} for --raters; its columns are {', '.join(columns)}"
        )
    return [name for name in columns if any(fnmatch.fnmatch(name, one) for one in patterns)]


def _numbered_alike(columns: Sequence[str], cells: Mapping[str, Sequence[Any]]) -> list[str]:
    """The columns of numbers that are called as raters are, alike but for a number or letter; none if only one is."""
    alike: dict[str, list[str]] = {}
    for name in columns:
        match = _NUMBERED.fullmatch(name)
        if match and _are_numbers(cells[name]):
            alike.setdefault(match[1].strip().lower(), []).append(name)
    several = [names for stem, names in alike.items() if stem in _RATER_WORDS and len(names) > 1]
    return several[0] if len(several) == 1 else []


def _one_for_each(rows: Sequence[Row], columns: Sequence[str], name: str) -> list[Row]:
    """A row for each cell of `columns`: the heading in the column `name`, the cell in `VALUE`."""
    return [
        Row(f"{row.location}, {column}", {**row.cells, name: column, VALUE: row.cells.get(column)})
        for row in rows
        for column in columns
    ]


def _raw_rating(row: Row, parts: Sequence[str]) -> RawRating:
    return RawRating(
        row.location, str(row.cells["subject"]), "/".join(str(row.cells[part]) for part in parts), row.cells
    )


def _are_numbers(cells: Sequence[Any]) -> bool:
    filled = [cell for cell in cells if cell not in (None, "")]
    return 2 * sum(number_in(cell) is not None for cell in filled) >= len(filled) > 0
