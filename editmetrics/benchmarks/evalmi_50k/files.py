"""EvalMi-50K's files: its Excel workbooks, and its five folds for training and testing.

A fold is JSON lines with an image, its rating and a conversation. The test parts of the folds hold each image once; so
one fold's two files, or all five test files, hold them all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...files.rows import Row
from ...registry import MissingPackageError
from ..findings import Findings
from ..table_layout import rows_of

FILE = re.compile(r"(?P<part>train|test)_AIGI_(?P<kind>mos1|mos2|qa)_fold_(?P<fold>\d+)\.jsonl")
RATING = {"mos1": "perception", "mos2": "correspondence"}
SCALE = (0.0, 100.0)
IMAGE = re.compile(r"(?:.*/)?([^/]+)/(\d{3,4})\.png")
ASKED = re.compile(r"How would you rate the correspondence of this image and its prompt\? prompt: (.+)", re.DOTALL)
KEYS, OPTIONAL = ("image", "conversations"), ("mos", "length", "id")


@dataclass
class FoldRow:
    """What the folds say of one image: its ratings, prompt, questions and answers, and the fold that tests it."""

    place: str
    fold: str | None = None
    prompt: str | None = None
    numbers: dict[str, float] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)

    def ratings(self, first_question: str | None) -> dict[str, Any]:
        """The ratings, with the answer to the first question, or to the only one."""
        only = next(iter(self.answers.values())) if len(self.answers) == 1 else None
        answer = self.answers.get(first_question or "", only)
        return {**self.numbers, **({"answer": answer} if answer else {})}


def read_folds(folder: Path, findings: Findings) -> dict[str, FoldRow]:
    """From MODEL/NNN to what the files in `data/`, or in the folder itself, say of it."""
    below = folder / "data" if (folder / "data").is_dir() else folder
    reader = _Reader(findings)
    for path in sorted(below.glob("*.jsonl")):
        if named := FILE.fullmatch(path.name):
            reader.read(path, **named.groupdict())
    return reader.found


def image_id(cell: Any, place: str, findings: Findings) -> str | None:
    """MODEL/NNN of the path of an image; a problem for any other path, and for one that could leave its folder."""
    path = str(cell).replace("\\", "/").removeprefix("./")
    named = IMAGE.fullmatch(path)
    if named is None or path.startswith("/") or ".." in path.split("/"):
        findings.add("value", place, f"the image is {cell!r}; expected MODEL/NNN.png", place)
        return None
    return f"{named[1]}/{named[2]}"


class _Reader:
    """Reads one file after the other, and says where they contradict each other."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.found: dict[str, FoldRow] = {}
        self.part_of: dict[tuple[str, str, str], str] = {}
        """Of each fold, kind and image, the part that it is in."""

    def read(self, path: Path, part: str, kind: str, fold: str) -> None:
        rows = rows_of(path, self.findings)
        names = dict.fromkeys(name for row in rows for name in row.cells)
        required = KEYS if kind == "qa" else (*KEYS, "mos")
        if not rows or not self.findings.columns(path.name, names, required, OPTIONAL):
            return
        places = []
        for row in rows:
            place = f"{path.name}, {row.location}"
            image = row.cells.get("image")
            name = image_id(image[0] if isinstance(image, list) and len(image) == 1 else image, place, self.findings)
            if name is None:
                continue
            entry = self.found.setdefault(name, FoldRow(place))
            self._place(entry, name, place, part, kind, fold)
            if kind == "qa":
                self._answer(entry, name, place, row)
            else:
                places.append((name, place))
                self._rating(entry, name, place, row, kind)
        self.findings.once(places, "image")

    def _place(self, entry: FoldRow, name: str, place: str, part: str, kind: str, fold: str) -> None:
        """Note which fold tests an image: only one may, and its training part may not hold it."""
        if self.part_of.setdefault((fold, kind, name), part) != part:
            self.findings.add("twice", place, f"{name} is in both parts of fold {fold}", name)
        if part == "test":
            if entry.fold not in (None, fold):
                self.findings.add("twice", place, f"{name} is tested in fold {entry.fold} already", name)
            entry.fold = fold

    def _rating(self, entry: FoldRow, name: str, place: str, row: Row, kind: str) -> None:
        value = self.findings.number(place, name, "mos", row.cells.get("mos"), *SCALE)
        if value is not None and entry.numbers.setdefault(RATING[kind], value) != value:
            said = f"mos is {value:g} here and {entry.numbers[RATING[kind]]:g} in another file"
            self.findings.add("rating", place, said, name)
        asked, _ = self._conversation(row, place, name)
        if kind == "mos2" and (prompted := ASKED.fullmatch(asked)):
            entry.prompt = prompted[1].strip()

    def _answer(self, entry: FoldRow, name: str, place: str, row: Row) -> None:
        asked, answered = self._conversation(row, place, name)
        words = re.findall(r"[a-z]+", answered.lower())
        if ("yes" in words) == ("no" in words):
            self.findings.add("rating", place, f"the answer is {answered!r}; expected yes or no", name)
            return
        answer = "yes" if "yes" in words else "no"
        if entry.answers.setdefault(asked, answer) != answer:
            self.findings.add("rating", place, f"the answer to {asked!r} is another in another file", name)

    def _conversation(self, row: Row, place: str, name: str) -> tuple[str, str]:
        """What is asked, without the place of the image, and what is answered."""
        turns = row.cells.get("conversations")
        listed = [turn for turn in turns if isinstance(turn, dict)] if isinstance(turns, list) else []
        said = {turn.get("from"): turn.get("value") for turn in listed}
        asked, answered = said.get("human"), said.get("gpt")
        if not isinstance(asked, str) or not isinstance(answered, str):
            expected = "[{from: human, value: ...}, {from: gpt, value: ...}]"
            self.findings.add("value", place, f"conversations are not {expected}", name)
            return "", ""
        return asked.removeprefix("<image>").strip(), answered


def workbook_rows(path: Path, findings: Findings) -> list[Row]:
    """The rows of the first sheet of `path`, whose first row names the columns; a problem when it cannot be read.

    Formulas stand for the values that were stored with them. Raises `MissingPackageError` without openpyxl.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise MissingPackageError(
            f"{path.name} is an Excel workbook, which openpyxl reads: pip install 'editmetrics[benchmarks]'"
        ) from error
    from zipfile import BadZipFile

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (BadZipFile, OSError, KeyError, ValueError, openpyxl.utils.exceptions.InvalidFileException) as error:
        findings.add("file", path.name, f"cannot be read as an Excel workbook ({error}); is its download complete?")
        return []
    try:
        lines = book.worksheets[0].iter_rows(values_only=True)
        header = [str(cell).strip() if cell is not None else "" for cell in next(lines, ())]
        named = [(place, name) for place, name in enumerate(header) if name]
        if twice := sorted({name for _, name in named if header.count(name) > 1}):
            findings.add("column", path.name, f"has the column {', '.join(twice)} more than once")
        rows = []
        for number, cells in enumerate(lines, 2):
            found = {name: cells[place] if place < len(cells) else None for place, name in named}
            if any(cell is not None for cell in found.values()):
                rows.append(Row(f"row {number}", found))
        return rows
    finally:
        book.close()
