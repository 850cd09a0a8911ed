"""What is wrong with a copy of a data set, collected while it is read, so that all of it can be said at once."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.manifest import ImageFolder
from ..files.text import number_in
from ..images import Unreadable

KINDS = {
    "file": "files that are missing or not of the layout",
    "column": "columns that are missing or unknown",
    "row": "rows that cannot be read",
    "twice": "rows that are there more than once",
    "value": "values that are not among what is possible",
    "rating": "ratings that are not among what is possible",
    "path": "image paths that cannot be used",
    "image": "images that are missing or damaged",
}
"""What can be wrong, and what it is called where the problems are counted."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: of which kind, where, and what. `row` is the id of the sample that it costs; None for
    what makes the whole copy unusable."""

    kind: str
    place: str
    said: str
    row: str | None = None

    def __str__(self) -> str:
        return f"{self.place}: {self.said}"


class Findings:
    """The problems of a copy in `folder`. Each method checks one thing, and gives what is usable of it, or None."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: list[Problem] = []
        self._inside: dict[Path, ImageFolder] = {}

    def add(self, kind: str, place: str, said: str, row: str | None = None) -> None:
        self.problems.append(Problem(kind, place, said, row))

    @property
    def unusable(self) -> bool:
        """Whether something is wrong that costs more than single rows."""
        return any(problem.row is None for problem in self.problems)

    @property
    def spoiled(self) -> set[str]:
        """The ids of the samples that something is wrong with."""
        return {problem.row for problem in self.problems if problem.row is not None}

    def columns(self, place: str, there: Iterable[str], required: Collection[str], optional: Collection[str]) -> bool:
        """Whether all `required` columns are there; unknown ones are said, too, and make the copy unusable."""
        found = list(there)
        absent = [name for name in required if name not in found]
        unknown = [name for name in found if name not in required and name not in optional]
        if absent:
            self.add("column", place, f"has no column {', '.join(absent)}; it has {', '.join(found) or 'none'}")
        if unknown:
            known = ", ".join([*required, *optional])
            self.add("column", place, f"has the unknown column {', '.join(unknown)}; known are {known}")
        return not absent

    def number(self, place: str, row: str, column: str, cell: Any, low: float, high: float) -> float | None:
        """A rating as a float; None for an empty cell, and with a problem for what is no number or out of range."""
        if cell is None or (isinstance(cell, str) and not cell.strip()):
            return None
        value = None if isinstance(cell, bool) else number_in(cell)
        if value is None or not (math.isfinite(value) and low <= value <= high):
            self.add("rating", place, f"{column} is {_shown(cell)}; expected a number from {low:g} to {high:g}", row)
            return None
        return value

    def choice(
        self, place: str, row: str, column: str, cell: Any, choices: Mapping[str, str] | Collection[str],
        kind: str = "value",
    ) -> str | None:  # fmt: skip
        """One of `choices`, whatever its capitals; a mapping says what each stands for. None for an empty cell."""
        text = _plain(cell)
        if not text:
            return None
        table = choices if isinstance(choices, Mapping) else {name: name for name in choices}
        for name, meant in table.items():
            if text.casefold() == name.casefold():
                return meant
        listed = ", ".join(list(table)[:12]) + (", ..." if len(table) > 12 else "")
        self.add(kind, place, f"{column} is {_shown(cell)}; expected {listed}", row)
        return None

    def required(self, place: str, row: str, column: str, value: Any) -> None:
        """Say so when a value that every row has is empty."""
        if value is None or value == "":
            self.add("value", place, f"{column} is empty", row)

    def image(self, place: str, row: str, cell: Any, folder: Path | None = None) -> str | None:
        """The path of an image that stays inside `folder` (default: the copy's), wherever symbolic links lead."""
        root = folder or self.folder
        if root not in self._inside:
            self._inside[root] = ImageFolder(root)
        found = self._inside[root].image(cell, place)
        if isinstance(found, Unreadable):
            self.add("path", place, found.reason.removeprefix(f"{place}: "), row)
            return None
        return found

    def once(self, place_of: Iterable[tuple[str, str]], what: str = "id") -> None:
        """Say which names stand at more than one place: `place_of` are pairs of name and place."""
        places: dict[str, list[str]] = {}
        for name, place in place_of:
            places.setdefault(name, []).append(place)
        for name, found in places.items():
            if len(found) > 1:
                also = ", ".join(found[1:4]) + (", ..." if len(found) > 4 else "")
                self.add("twice", found[0], f"the {what} {name!r} is there {len(found)} times (again in {also})", name)


def by_kind(problems: Sequence[Problem]) -> dict[str, list[Problem]]:
    """The problems in the order of `KINDS`, those that cost everything first."""
    return {kind: found for kind in KINDS if (found := [p for p in problems if p.kind == kind])}


def _plain(cell: Any) -> str:
    """A cell as text; a whole number is written without its point, as spreadsheets store 1 as 1.0."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def _shown(cell: Any) -> str:
    text = repr(cell)
    return text if len(text) <= 60 else text[:57] + "..."
