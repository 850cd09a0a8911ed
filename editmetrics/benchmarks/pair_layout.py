"""Read data sets of pairs of images by a layout: a table with a row for each pair, or files of ranked images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

from ..files.rows import Row
from ..pairs.choices import rank_in
from ..sample import Sample
from ..wording import either
from .benchmark import RatedAspect
from .checks import CopyChecks
from .stored_pairs import stored_image, stored_rows
from .table_layout import rows_of

PREFERENCE = "preference"
RATINGS = {PREFERENCE: RatedAspect("which of two images people prefer", -1, 1)}
"""The rating of most data sets of pairs."""

Images = Mapping[str, tuple[str, Any]]
"""From `source`, `edited` or `rival` to the column and cell of the image."""


def edit_names(item: str, edit: str, rival: str) -> dict[str, str]:
    """Return the names in `meta` that every pair has: of what pairs share (source, prompt), and of both images."""
    return {"item": item, "edit": edit, "rival_edit": rival}


class PairsOfCopy:
    """The pairs of a copy while it is read: their images and prompts are checked, and each pair is there once."""

    def __init__(self, checks: CopyChecks, folder: Path | None = None) -> None:
        self.checks, self.folder = checks, folder
        self._samples: list[Sample] = []
        self._locations: list[tuple[str, str]] = []

    def add(self, name: str, location: str, images: Images, prompt: tuple[str, Any], meta: Mapping[str, Any]) -> None:
        """Add a pair. `prompt`: its column and cell; `meta`: with `edit`, `rival_edit` and the preference."""
        self.checks.required(location, name, *prompt)
        pixels = {
            of_sample: stored_image(self.checks, location, name, column, cell, self.folder)
            for of_sample, (column, cell) in images.items()
        }
        text = None if prompt[1] in (None, "") else str(prompt[1])
        self._locations.append((name, location))
        self._samples.append(Sample(name, prompt=text, meta=dict(meta), **pixels))

    def samples(self) -> list[Sample]:
        """Return all pairs. Names that occur more than once are problems."""
        self.checks.once(self._locations, "pair")
        return self._samples


@dataclass(frozen=True)
class PairTable:
    """A table of pairs in parquet files, with its images.

    - `images`: from `source`, `edited` and `rival` to the column; "edits[1]" is the second image of a list.
    - `prompt`, `answer`: their columns. `answers`: from a cell of `answer` to the preference, 1, 0 or -1.
    - `identifier`: the column that names a pair; without one, it is named by `named` and its row.
    - `edits`: the columns that name both images; by default PAIR/A and PAIR/B.
    - `columns`: from a name in `meta` to its column; `constants`: the rest of `meta`.
    - `files`: a pattern of the files' paths. `named`: what all pairs of these files are called after.
    """

    images: Mapping[str, str]
    prompt: str
    answer: str
    answers: Mapping[str, float]
    identifier: str | None = None
    edits: tuple[str, str] | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    files: str = "*.parquet"
    named: str = ""

    def read(self, folder: Path, pairs: PairsOfCopy) -> None:
        """Add the pairs of the copy in `folder`; what is wrong with a row is a problem of that row."""
        checks = pairs.checks
        named = [self.identifier] if self.identifier else []
        columns = [column.partition("[")[0] for column in self.images.values()]
        required = [*columns, self.prompt, self.answer, *named, *(self.edits or ()), *self.columns.values()]
        for number, (location, cells) in enumerate(stored_rows(folder, checks, dict.fromkeys(required), self.files)):
            identifier = f"{number:04}" if self.identifier is None else _plain(cells[self.identifier])
            name = f"{self.named}/{identifier}" if self.named and identifier else identifier
            answer = cells[self.answer]
            if empty := [column for column in (*named, *(self.edits or ())) if not _plain(cells[column])]:
                checks.add("value", location, f"{empty[0]} is empty", name or location)
            elif (choice := self.answers.get(_plain(answer))) is None:
                expected = ", ".join(self.answers)
                checks.add("rating", location, f"{self.answer} is {answer!r}; expected {expected}", name)
            else:
                edit, rival = (str(cells[one]) for one in self.edits) if self.edits else (f"{name}/A", f"{name}/B")
                meta: dict[str, Any] = {
                    key: str(cells[column]) for key, column in self.columns.items() if cells[column] is not None
                }
                meta |= {**self.constants, **edit_names(name, edit, rival), PREFERENCE: choice}
                images = {key: (column, _cell(cells, column)) for key, column in self.images.items()}
                pairs.add(name, location, images, (self.prompt, cells[self.prompt]), meta)


def read_tables(folder: Path, checks: CopyChecks, *tables: PairTable) -> list[Sample]:
    """Return the pairs of those tables that the copy in `folder` has; to have none is a problem."""
    pairs = PairsOfCopy(checks)
    present = [table for table in tables if any(folder.rglob(table.files))]
    if not present:
        checks.add("file", str(folder), f"has no file {either([table.files for table in tables])}")
    for table in present:
        table.read(folder, pairs)
    return pairs.samples()


def _plain(cell: Any) -> str:
    """A cell as text, "" where it is empty: whole numbers without a point."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None else str(cell)


def _cell(cells: Mapping[str, Any], column: str) -> Any:
    """The image of "edits[1]", the second of a list, or of a column; None where the list ends before."""
    name, _, index = column.partition("[")
    if not index:
        return cells[name]
    listed = cells[name] if isinstance(cells[name], list) else []
    number = int(index.rstrip("]"))
    return listed[number] if number < len(listed) else None


@dataclass(frozen=True)
class RankedImages:
    """Images that people ranked together, as pairs: equal ranks are ties. `ranks`: 1 is best."""

    name: str
    location: str
    prompt: tuple[str, Any]
    images: tuple[str, Sequence[Any]]
    ranks: Sequence[float]
    source: tuple[str, Any] | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    def add_to(self, pairs: PairsOfCopy) -> None:
        """Add K(K-1)/2 pairs of K images; those of one set share its `item`."""
        column, cells = self.images
        for one, other in combinations(range(len(cells)), 2):
            letters = [_letter(index) for index in (one, other)]
            choice = float((self.ranks[one] < self.ranks[other]) - (self.ranks[one] > self.ranks[other]))
            names = edit_names(self.name, *(f"{self.name}/{letter}" for letter in letters))
            meta = {**self.meta, **names, PREFERENCE: choice}
            images = {"source": self.source} if self.source else {}
            images |= {
                key: (f"{column}[{n}]", cells[n]) for key, n in (("edited", one), ("rival", other))
            }  # fmt: skip
            pairs.add(f"{self.name}/{letters[0]}vs{letters[1]}", self.location, images, self.prompt, meta)


def _letter(index: int) -> str:
    """A to Z, and numbers from 27 on."""
    return chr(ord("A") + index) if index < 26 else f"{index + 1}"


@dataclass(frozen=True)
class RankedSets:
    """A JSON file of ranked sets: its columns. Sets are named by `identifier`, or numbered from 0."""

    images: str
    ranks: str
    prompt: str = "prompt"
    identifier: str | None = None

    def read(self, path: Path, checks: CopyChecks) -> Iterator[RankedImages]:
        """Yield the sets of a file; a set whose ranks and images do not fit is a problem."""
        rows = rows_of(path, checks, kind=".json")
        names = dict.fromkeys(name for row in rows for name in row.cells)
        required = [self.images, self.ranks, self.prompt, *([self.identifier] if self.identifier else [])]
        if rows and checks.columns(path.name, names, required, names):
            for number, row in enumerate(rows):
                yield from self._set(number, row, f"{path.name}, {row.location}", checks)

    def _set(self, number: int, row: Row, location: str, checks: CopyChecks) -> Iterator[RankedImages]:
        images, ranks = row.cells.get(self.images), row.cells.get(self.ranks)
        name = f"{number:04}" if self.identifier is None else _plain(row.cells.get(self.identifier))
        numbers = [rank_in(rank) for rank in ranks] if isinstance(ranks, list) else []
        if not name:
            checks.add("value", location, f"{self.identifier} is empty", location)
        elif not isinstance(images, list) or len(images) < 2 or len(images) != len(numbers) or None in numbers:
            message = f"{self.images} and {self.ranks} are no two lists of one length, 2 or more, of paths and ranks"
            checks.add("rating", location, message, name)
        else:
            known = [rank for rank in numbers if rank is not None]
            yield RankedImages(name, location, (self.prompt, row.cells.get(self.prompt)), (self.images, images), known)
