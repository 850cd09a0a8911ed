"""A table of scores or ratings as columns, from any source, and its cells as numbers, or the reason for none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..files.headings import ITEMS, SAMPLE, read_as, renamed
from ..files.rows import read_rows
from ..files.text import number_in
from ..wording import expected_one_of
from .measure import AgreementError, Floats

if TYPE_CHECKING:
    import polars

Tabular: TypeAlias = "str | Path | Mapping[str, Sequence[Any]] | polars.DataFrame | Table"

LABELS = {"yes": 1.0, "true": 1.0, "1": 1.0, "1.0": 1.0, "no": 0.0, "false": 0.0, "0": 0.0, "0.0": 0.0}
"""The cells that are labels by themselves, in lower case."""

DESCRIPTIVE = frozenset(
    {"id", "system", "source", "edited", "reference", "mask", "rival", "prompt", "questions", "group", "problems"}
)
"""Columns that describe the sample and are never scores or ratings."""

BESIDE_RATING = ("low", "high", "group", "votes", "wins", "losses", "ties")
"""Columns that `editmetrics ratings rank` writes beside `id` and `rating`; they are no scores or ratings."""


@dataclass(frozen=True)
class Table:
    """Columns of one length. `name` is for messages; `broken` lists the rows of its file that cannot be read.

    `headings` tells which columns were read as others (`named`); these are no scores or ratings of their own.
    """

    name: str
    columns: Mapping[str, Sequence[Any]]
    broken: Sequence[str] = ()
    headings: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __contains__(self, column: object) -> bool:
        return column in self.columns

    def named(self, columns: Mapping[str, str] | None = None, systems: bool = False) -> Table:
        """Return the table with `columns` read as others, and with an `id` if it has neither id nor path `edited`.

        The id is a column such as `image`, `file_name` or `item`, with a note; if `systems`, `model` may be the system.
        Raises `DataError` where two may be one.
        """
        known = {} if {"id", "edited"} & self.columns.keys() else dict(ITEMS)
        known |= {"system": SAMPLE["system"]} if systems else {}
        headings = read_as(self.name, self.columns, known, columns)
        if not headings:
            return self
        return replace(self, columns=renamed(self.columns, headings), headings={**self.headings, **headings})

    def column(self, name: str) -> Sequence[Any]:
        if name not in self.columns:
            raise AgreementError(f"{self.name} has no column {name!r}; it has {', '.join(self.columns) or 'none'}")
        return self.columns[name]

    def texts(self, name: str) -> list[str | None]:
        """Return the cells of a column as text, None for empty ones."""
        return [None if _empty(cell) else str(cell) for cell in self.column(name)]

    def numbers(self, name: str, infinite: bool = False) -> tuple[Floats, np.ndarray]:
        """Return the cells as floats (n,), NaN for unusable ones, and why (n,): "", "missing", "infinite", ...

        Infinite ones are unusable, unless `infinite` is set.

        Where every cell that is not empty is yes or no, true or false, these are 1 and 0.
        """
        cells = self.column(name)
        values = np.full(len(cells), np.nan)
        problems = np.full(len(cells), "", dtype=object)
        words = LABELS if self.are_labels(name) else {}
        for row, cell in enumerate(cells):
            if _empty(cell):
                problems[row] = "missing"
                continue
            number = words.get(str(cell).strip().lower(), None) if words else number_in(cell)
            if number is None or math.isnan(number):
                problems[row] = "not a number"
            elif math.isinf(number) and not infinite:
                problems[row] = "infinite"
            else:
                values[row] = number
        return values, problems

    def are_labels(self, name: str) -> bool:
        """Whether all cells that are not empty are yes or no, true or false, 1 or 0, and at least one is not empty."""
        words = {str(cell).strip().lower() for cell in self.column(name) if not _empty(cell)}
        return bool(words) and words <= LABELS.keys()

    def _stands_beside(self, name: str) -> bool:
        """Whether it is a statistic of another column, as `editmetrics ratings mos` and `rank` write them."""
        if name in BESIDE_RATING and {"rating", *BESIDE_RATING} <= self.columns.keys():
            return True
        stem, _, end = name.rpartition(".")
        return stem in self.columns and end in ("count", "sd", "low", "high", "share")

    def measured(self) -> list[str]:
        """Return the columns of which at least half of the cells that are not empty are numbers or labels."""
        names = []
        used = set(self.headings.values()) - self.headings.keys()
        for name, cells in self.columns.items():
            if name in DESCRIPTIVE | used or name.endswith(".explanation") or self._stands_beside(name):
                continue
            filled = [cell for cell in cells if not _empty(cell)]
            usable = sum(number_in(cell) is not None for cell in filled)
            if filled and (2 * usable >= len(filled) or self.are_labels(name)):
                names.append(name)
        return names


def read_table(data: Any, name: str) -> Table:
    """Read a file (`files.rows.READABLE`), a mapping of columns, a polars table, or anything whose `table()` is one.

    Raises `AgreementError` when it has no rows, or columns of different lengths; `DataError` for files that cannot be
    read.
    """
    if isinstance(data, Table):
        return data
    if isinstance(data, (str, Path)):
        table = _read_file(Path(data))
    elif isinstance(data, Mapping):
        table = Table(name, {str(column): list(cells) for column, cells in data.items()})
    elif hasattr(data, "to_dict") and hasattr(data, "iter_rows"):
        table = Table(name, data.to_dict(as_series=False))
    elif hasattr(data, "table"):
        return read_table(data.table(), name)
    else:
        raise AgreementError(
            f"{name} is a {type(data).__name__}; expected a path, a mapping of columns, a polars table or Results"
        )
    lengths = {column: len(cells) for column, cells in table.columns.items()}
    if len(set(lengths.values())) > 1:
        raise AgreementError(f"the columns of {name} differ in length: {lengths}")
    if not len(table):
        broken = f" ({'; '.join(table.broken[:3])})" if table.broken else ""
        raise AgreementError(f"{table.name} has no rows that can be read{broken}")
    return table


def own_columns(columns: Mapping[str, str] | None, *tables: Table) -> list[dict[str, str]]:
    """Return those of `columns` whose heading each table has. Raises `AgreementError` for one that none has."""
    chosen = dict(columns or {})
    known = dict.fromkeys(heading for table in tables for heading in table.columns)
    for name, heading in chosen.items():
        if heading not in known:
            names = " nor ".join(table.name for table in tables)
            raise AgreementError(
                f"{'neither ' if len(tables) > 1 else ''}{names} has a column {heading!r} to read as {name}; "
                f"{expected_one_of(heading, known)}"
            )
    return [{name: heading for name, heading in chosen.items() if heading in table} for table in tables]


def named_tables(
    scores: Table, ratings: Table, columns: Mapping[str, str] | None = None, on: Sequence[Any] = ()
) -> tuple[Table, Table]:
    """Return both tables with `columns` read as others, each heading in the table that has it (`Table.named`).

    With `on`, nothing is understood but `columns`. Raises `AgreementError` for a heading that neither table has.
    """
    own = own_columns(columns, scores, ratings)
    if on:
        left, right = (replace(table, headings=part, columns=renamed(table.columns, part))
                       for table, part in zip((scores, ratings), own, strict=True))  # fmt: skip
    else:
        left, right = scores.named(own[0], "system" in ratings), ratings.named(own[1], "system" in scores)
    return left, right


def _read_file(path: Path) -> Table:
    rows, broken = [], []
    for row in read_rows(path):
        if row.problem:
            broken.append(f"{row.location} {row.problem}")
        else:
            rows.append(row.cells)
    names = dict.fromkeys(name for cells in rows for name in cells)
    return Table(str(path), {name: [cells.get(name) for cells in rows] for name in names}, broken)


def _empty(cell: Any) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())
