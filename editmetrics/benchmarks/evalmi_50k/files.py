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
from ..checks import CopyChecks
from ..table_layout import rows_of

FILE = re.compile(r"(?P<part>train|test)_AIGI_(?P<kind>mos1|mos2|qa)_fold_(?P<fold>\d+)\.jsonl")
RATING = {"mos1": "perception", "mos2": "correspondence"}
SCALE = (0.0, 100.0)
IMAGE = re.compile(r"(?:.*/)?([^/]+)/(\d{3,4})\.png")
ASKED = re.compile(r"How would you rate the correspondence of this image and its prompt\? prompt: (.+)", re.DOTALL)
KEYS, OPTIONAL = ("image", "conversations"), ("mos", "length", "id")


@dataclass
class FoldRow:
    """The entries of one image in the folds: ratings, prompt, questions and answers, and the fold that tests it."""

    location: str
    fold: str | None = None
    prompt: str | None = None
    numbers: dict[str, float] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)

    def ratings(self, first_question: str | None) -> dict[str, Any]:
        """Return the ratings, with the answer to the first question, or to the only one."""
        only = next(iter(self.answers.values())) if len(self.answers) == 1 else None
        answer = self.answers.get(first_question or "", only)
        return {**self.numbers, **({"answer": answer} if answer else {})}


def read_folds(folder: Path, checks: CopyChecks) -> dict[str, FoldRow]:
    """Return the entries of each image MODEL/NNN in the files of `data/`, or of the folder itself."""
    below = folder / "data" if (folder / "data").is_dir() else folder
    reader = _Reader(checks)
    for path in sorted(below.glob("*.jsonl")):
        if named := FILE.fullmatch(path.name):
            reader.read(path, **named.groupdict())
    return reader.rows


def image_id(cell: Any, location: str, checks: CopyChecks) -> str | None:
    """Return MODEL/NNN from the path of an image; any other path, or one that could leave its folder, is a problem."""
    path = str(cell).replace("\\", "/").removeprefix("./")
    named = IMAGE.fullmatch(path)
    if named is None or path.startswith("/") or ".." in path.split("/"):
        checks.add("value", location, f"the image is {cell!r}; expected MODEL/NNN.png", location)
        return None
    return f"{named[1]}/{named[2]}"


class _Reader:
    """Reads one file after the other, and records where they contradict each other."""

    def __init__(self, checks: CopyChecks) -> None:
        self.checks = checks
        self.rows: dict[str, FoldRow] = {}
        self.part_of: dict[tuple[str, str, str], str] = {}
        """The part of each fold, kind and image."""

    def read(self, path: Path, part: str, kind: str, fold: str) -> None:
        rows = rows_of(path, self.checks)
        names = dict.fromkeys(name for row in rows for name in row.cells)
        required = KEYS if kind == "qa" else (*KEYS, "mos")
        if not rows or not self.checks.columns(path.name, names, required, OPTIONAL):
            return
        locations = []
        for row in rows:
            location = f"{path.name}, {row.location}"
            image = row.cells.get("image")
            name = image_id(image[0] if isinstance(image, list) and len(image) == 1 else image, location, self.checks)
            if name is None:
                continue
            entry = self.rows.setdefault(name, FoldRow(location))
            self._place(entry, name, location, part, kind, fold)
            if kind == "qa":
                self._answer(entry, name, location, row)
            else:
                locations.append((name, location))
                self._rating(entry, name, location, row, kind)
        self.checks.once(locations, "image")

    def _place(self, entry: FoldRow, name: str, location: str, part: str, kind: str, fold: str) -> None:
        """Note which fold tests an image: only one may, and its training part may not hold it."""
        if self.part_of.setdefault((fold, kind, name), part) != part:
            self.checks.add("twice", location, f"{name} is in both parts of fold {fold}", name)
        if part == "test":
            if entry.fold not in (None, fold):
                self.checks.add("twice", location, f"{name} is already tested in fold {entry.fold}", name)
            entry.fold = fold

    def _rating(self, entry: FoldRow, name: str, location: str, row: Row, kind: str) -> None:
        value = self.checks.number(location, name, "mos", row.cells.get("mos"), *SCALE)
        if value is not None and entry.numbers.setdefault(RATING[kind], value) != value:
            message = f"mos is {value:g}, but {entry.numbers[RATING[kind]]:g} in another file"
            self.checks.add("rating", location, message, name)
        question, _ = self._conversation(row, location, name)
        if kind == "mos2" and (prompted := ASKED.fullmatch(question)):
            entry.prompt = prompted[1].strip()

    def _answer(self, entry: FoldRow, name: str, location: str, row: Row) -> None:
        question, answered = self._conversation(row, location, name)
        words = re.findall(r"[a-z]+", answered.lower())
        if ("yes" in words) == ("no" in words):
            self.checks.add("rating", location, f"the answer is {answered!r}; expected yes or no", name)
            return
        answer = "yes" if "yes" in words else "no"
        if entry.answers.setdefault(question, answer) != answer:
            self.checks.add("rating", location, f"the answer to {question!r} differs from another file", name)

    def _conversation(self, row: Row, location: str, name: str) -> tuple[str, str]:
        """The question, without the placeholder of the image, and the answer."""
        turns = row.cells.get("conversations")
        listed = [turn for turn in turns if isinstance(turn, dict)] if isinstance(turns, list) else []
        texts = {turn.get("from"): turn.get("value") for turn in listed}
        question, answered = texts.get("human"), texts.get("gpt")
        if not isinstance(question, str) or not isinstance(answered, str):
            expected = "[{from: human, value: ...}, {from: gpt, value: ...}]"
            self.checks.add("value", location, f"conversations are not {expected}", name)
            return "", ""
        return question.removeprefix("<image>").strip(), answered
