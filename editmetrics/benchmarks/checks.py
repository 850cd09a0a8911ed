"""Checks of a copy of a data set; problems are collected while it is read, so that they can be reported at once."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.manifest import ImageFolder
from ..files.text import number_in
from ..images import Unreadable
from ..wording import first_few

KINDS = {
    "file": "files that are missing or not of the layout",
    "column": "columns that are missing or unknown",
    "row": "rows that cannot be read",
    "twice": "rows that occur more than once",
    "value": "invalid values",
    "rating": "invalid ratings",
    "path": "image paths that cannot be used",
    "image": "images that are missing or damaged",
}
"""Kinds of problems, and their headings where the problems are counted."""


@dataclass(frozen=True)
class Problem:
    """One problem: its kind, location and message. `row` is the id of the sample that it spoils; None if the whole copy
    becomes unusable."""

    kind: str
    location: str
    message: str
    row: str | None = None

    def __str__(self) -> str:
        return f"{self.location}: {self.message}"


class CopyChecks:
    """The problems of a copy in `folder`. Each method checks one thing, and returns its usable value, or None."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self._inside: dict[Path, ImageFolder] = {}

    def add(self, kind: str, location: str, message: str, row: str | None = None) -> None:
        """Record a problem."""
        self.problems.append(Problem(kind, location, message, row))

    def note(self, location: str, message: str) -> None:
        """Record what a user should know of the authors' own copy, which spoils no row."""
        self.notes.append(f"{location}: {message}")

    @property
    def unusable(self) -> bool:
        """True if a problem spoils more than single rows."""
        return any(problem.row is None for problem in self.problems)

    @property
    def spoiled(self) -> set[str]:
        """The ids of samples with problems."""
        return {problem.row for problem in self.problems if problem.row is not None}

    def columns(
        self, location: str, names: Iterable[str], required: Collection[str], optional: Collection[str]
    ) -> bool:
        """Return whether all `required` columns are present. Missing and unknown ones make the copy unusable."""
        present = list(names)
        absent = [name for name in required if name not in present]
        unknown = [name for name in present if name not in required and name not in optional]
        if absent:
            self.add("column", location, f"has no column {', '.join(absent)}; it has {', '.join(present) or 'none'}")
        if unknown:
            known = ", ".join([*required, *optional])
            self.add("column", location, f"has the unknown column {', '.join(unknown)}; known are {known}")
        return not absent

    def number(self, location: str, row: str, column: str, cell: Any, low: float, high: float) -> float | None:
        """Return a rating as a float; None for an empty cell, and for an invalid number, which is a problem."""
        if cell is None or (isinstance(cell, str) and not cell.strip()):
            return None
        value = None if isinstance(cell, bool) else number_in(cell)
        if value is None or not (math.isfinite(value) and low <= value <= high):
            self.add("rating", location, f"{column} is {_shown(cell)}; expected a number from {low:g} to {high:g}", row)
            return None
        return value

    def choice(
        self, location: str, row: str, column: str, cell: Any, choices: Mapping[str, str] | Collection[str],
        kind: str = "value",
    ) -> str | None:  # fmt: skip
        """Return one of `choices`, in any case, or the value of a mapping for it. None for an empty cell."""
        text = _plain(cell)
        if not text:
            return None
        table = choices if isinstance(choices, Mapping) else {name: name for name in choices}
        for name, value in table.items():
            if text.casefold() == name.casefold():
                return value
        self.add(kind, location, f"{column} is {_shown(cell)}; expected {first_few(table, 12)}", row)
        return None

    def required(self, location: str, row: str, column: str, value: Any) -> None:
        """Record a problem if a required value is empty."""
        if value is None or value == "":
            self.add("value", location, f"{column} is empty", row)

    def image(self, location: str, row: str, cell: Any, folder: Path | None = None) -> str | None:
        """Return the path of an image inside `folder` (default: the copy's), also after following symbolic links."""
        root = folder or self.folder
        if root not in self._inside:
            self._inside[root] = ImageFolder(root)
        path = self._inside[root].image(cell, location)
        if isinstance(path, Unreadable):
            self.add("path", location, path.reason.removeprefix(f"{location}: "), row)
            return None
        return path

    def once(self, named: Iterable[tuple[str, str]], kind: str = "id") -> None:
        """Record names that occur more than once: `named` are pairs of name and location."""
        locations: dict[str, list[str]] = {}
        for name, location in named:
            locations.setdefault(name, []).append(location)
        for name, (first, *others) in locations.items():
            if others:
                repeated = f"the {kind} {name!r} occurs {len(others) + 1} times (again in {first_few(others)})"
                self.add("twice", first, repeated, name)


def by_kind(problems: Sequence[Problem]) -> dict[str, list[Problem]]:
    """Return the problems by kind, in the order of `KINDS`."""
    return {kind: same for kind in KINDS if (same := [problem for problem in problems if problem.kind == kind])}


def _plain(cell: Any) -> str:
    """A cell as text; whole numbers without a point, since spreadsheets store 1 as 1.0."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def _shown(cell: Any) -> str:
    text = repr(cell)
    return text if len(text) <= 60 else text[:57] + "..."
