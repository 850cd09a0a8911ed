"""Read the questions of a benchmark from a folder, and find all its problems before the first request."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...data.manifest import ImageFolder
from ...files.decoding import read_text
from ...files.rows import TABLE_SUFFIXES, Row, read_rows
from ...files.text import parse_json
from ...images import Unreadable, read_bytes, read_image
from ...sample import SampleError
from ...wording import did_you_mean, either, expected_one_of, first_few, plural
from ..benchmark import BenchmarkError
from .answer_parser import normal
from .fields import FieldError, answer_of, options_of, text_of, type_of
from .formats import FORMATS, REQUIRED, Format
from .portrait import SUBDIMENSIONS, incompleteness
from .questions import Item

NAMES = ("questions.jsonl", "questions.json", "questions.csv", "questions.parquet")
"""Names of the file of questions in a folder; otherwise it is the only table in the folder."""

PARTIAL = (".part", ".partial", ".crdownload", ".download", ".aria2", ".incomplete", ".tmp")
"""Suffixes of unfinished downloads."""

READ = {"type", "image", "question", "options", "answer", "groups"}
"""The fields that are read from a row."""

SHOWN = 200
"""How many problems of a kind the message lists; `ProblemsError.problems` has all."""


class ProblemsError(BenchmarkError):
    """A benchmark's data has problems, listed by kind; nothing has been asked."""

    def __init__(self, path: Path, problems: Mapping[str, list[str]]) -> None:
        self.path, self.problems = path, dict(problems)
        count = sum(map(len, self.problems.values()))
        lines = [f"{path}: {plural(count, 'problem')}; nothing was asked"]
        for kind, messages in self.problems.items():
            lines += [f"{kind} ({len(messages):,}):", *(f"  {message}" for message in messages[:SHOWN])]
            if len(messages) > SHOWN:
                lines.append(f"  ... and {len(messages) - SHOWN:,} more; with -o FOLDER all are in its problems.txt")
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.problems)


@dataclass(frozen=True)
class QuestionSet:
    """The questions of a benchmark, their file and its sha256, its layout, and notes on the copy."""

    items: tuple[Item, ...]
    path: Path
    sha256: str
    format: Format
    notes: tuple[str, ...] = ()


def read_benchmark(
    data: str | os.PathLike[str],
    format: str | Format = "portrait",
    *,
    complete: bool = False,
    unanswered: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> QuestionSet:
    """Return the questions in a folder (`questions.jsonl`, or its only table), or in a file whose images lie beside it.

    - `format`: a name of `FORMATS`, or a `Format`.
    - `complete`: require the paper's numbers of questions (format "portrait" only).
    - `unanswered`: accept questions whose answer is not in the file; they are asked and not scored.
    - `progress`: called with the number of images checked so far, and of all.

    Every image is decoded. Raises `ProblemsError` with all problems: rows that are not JSON, unknown and missing
    columns, missing or invalid types, options, answers and groups, duplicate ids and questions, images that are
    missing, damaged, or outside the folder, unfinished downloads, numbers that are not the paper's.
    """
    if isinstance(format, str) and format not in FORMATS:
        raise BenchmarkError(f"no format is named {format!r}; {expected_one_of(format, FORMATS)}")
    layout = FORMATS[format] if isinstance(format, str) else format
    if complete and layout.name != "portrait":
        raise BenchmarkError(f"complete requires the format portrait; the size of {layout.name} is not known")
    path = _file(Path(data))
    rows = _rows(path, layout)
    problems: dict[str, list[str]] = {}

    def problem(kind: str, message: str) -> None:
        problems.setdefault(kind, []).append(message)

    for partial in _partial(path.parent):
        problem("unfinished downloads", f"{partial} belongs to an unfinished download")
    columns = _columns(rows, layout, problem)
    drafts = [draft for row in rows if (draft := _draft(row, columns, layout, unanswered, problem))]
    _name(drafts, problem)
    digests = _images(drafts, path.parent, problem, progress)
    items = [item for draft in drafts if (item := draft.item(digests))]
    _find_duplicates(items, problem)
    notes = []
    if layout.name == "portrait" and (lacking := incompleteness(items)):
        for message in lacking if complete else ():
            problem("not a complete copy", message)
        notes.append(f"not a complete copy of Q-Bench-Portrait: {lacking[0]}")
    if problems:
        raise ProblemsError(path, problems)
    if not items:
        raise BenchmarkError(f"{path} has no questions")
    if unanswered and (without := sum(item.answer is None for item in items)):
        notes.append(f"{plural(without, 'question')} without an answer in the file: asked, and not scored")
    return QuestionSet(tuple(items), path, hashlib.sha256(path.read_bytes()).hexdigest(), layout, tuple(notes))


@dataclass
class _Draft:
    """The fields of a question that could be read from a row, before its image is checked."""

    row: str
    id: str
    fields: dict[str, Any]

    @property
    def image(self) -> str | None:
        return self.fields.get("image")

    def item(self, digests: Mapping[str, tuple[Path, str]]) -> Item | None:
        """The question; None if a field of it is missing."""
        if self.image is None or self.image not in digests or self.fields.keys() != READ:
            return None
        path, digest = digests[self.image]
        return Item(id=self.id, image_sha256=digest, **{**self.fields, "image": path})


def _file(data: Path) -> Path:
    if data.is_file():
        return data
    if not data.is_dir():
        raise BenchmarkError(f"{data} does not exist; expected a folder with questions.jsonl and images")
    for name in NAMES:
        if (data / name).is_file():
            return data / name
    tables = sorted(path for path in data.iterdir() if path.suffix.lower() in TABLE_SUFFIXES | {".json"})
    if len(tables) != 1:
        others = f"several tables ({first_few((path.name for path in tables), 5)})" if tables else "no table"
        raise BenchmarkError(f"{data} holds no questions.jsonl and {others}; name the file of the questions itself")
    return tables[0]


def _rows(path: Path, layout: Format) -> list[Row]:
    """The rows of a file, as the layout has them."""
    if path.suffix.lower() == ".json":
        try:
            objects = list(layout.rows(parse_json(read_text(path))))
        except ValueError as error:  # not JSON, or not of this layout
            advice = "" if isinstance(error, BenchmarkError) else "; is its download complete?"
            raise BenchmarkError(f"{path} does not have the layout {layout.name}: {error}{advice}") from error
        rows = [Row(f"question {number}", cells) for number, cells in enumerate(objects, 1)]
    else:
        rows = list(read_rows(path))
    return [row if row.problem else replace(row, cells=layout.row(row.cells)) for row in rows]


def _columns(rows: list[Row], layout: Format, problem: Callable[[str, str], None]) -> dict[str, list[str]]:
    """From each field to the columns of the file that hold it; unknown and missing columns are problems."""
    present = dict.fromkeys(column for row in rows for column in row.cells)
    columns: dict[str, list[str]] = {}
    for name, choices in layout.columns.items():
        for choice in choices:
            parts = [choice] if choice in present else choice.split("+")
            if all(part in present for part in parts):
                columns[name] = parts
                break
    used = {column for parts in columns.values() for column in parts} | layout.ignored
    known = {column for choices in layout.columns.values() for choice in choices for column in choice.split("+")}
    for column in present:
        if column not in used and column not in known:
            advice = f"name its field with --columns FIELD={column}, or leave it out with --ignore {column}"
            problem("unknown columns", f"{column!r}:{did_you_mean(column, known)} {advice}")
    needed = [*REQUIRED, *(() if layout.default_type else ("type",)), *(layout.groups if layout.grouped else ())]
    for name in needed:
        if rows and name not in columns:
            expected = either(map(repr, layout.columns.get(name, (name,))))
            problem("missing columns", f"no column {expected} with the {name}; name another with --columns {name}=...")
    return columns


def _draft(
    row: Row, columns: Mapping[str, list[str]], layout: Format, unanswered: bool, problem: Callable[[str, str], None]
) -> _Draft | None:
    """The readable fields of a row; unreadable ones are problems."""
    if row.problem:
        problem("rows that cannot be read", f"{row.location} {row.problem}")
        return None
    cells = {
        name: row.cells.get(parts[0]) if len(parts) == 1 else [row.cells.get(part) for part in parts]
        for name, parts in columns.items()
    }
    fields: dict[str, Any] = {}
    lacking = {name for name in REQUIRED if name not in columns}  # reported once, for the file
    lacking |= {"type", "options", "answer"} if "type" not in columns and layout.default_type is None else set()
    readers: dict[str, tuple[str, Callable[[], Any]]] = {
        "type": ("types", lambda: type_of(cells.get("type"), layout.default_type)),
        "image": ("images", lambda: text_of(cells.get("image"), "image")),
        "question": ("questions", lambda: text_of(cells.get("question"), "question")),
        "options": ("options", lambda: options_of(cells.get("options"), fields.get("type"))),
        "answer": (
            "answers",
            lambda: answer_of(cells.get("answer"), fields.get("type"), fields.get("options"), unanswered),
        ),
        "groups": ("groups", lambda: _groups(cells, layout)),
    }
    for name, (kind, read) in readers.items():
        try:
            if name not in lacking:
                fields[name] = read()
        except FieldError as error:
            problem(kind, f"{row.location}: {error}")
    identifier = cells.get("id")
    return _Draft(row.location, "" if identifier is None else str(identifier), fields)


def _groups(cells: Mapping[str, Any], layout: Format) -> dict[str, str]:
    groups: dict[str, str] = {}
    for name in layout.groups:
        value = cells.get(name)
        known = layout.values.get(name)
        if value in (None, ""):
            if layout.grouped and name in cells:
                raise FieldError(f"has no {name}")
            continue
        text = str(value).strip()
        if known is not None:
            if text.casefold() not in known:
                raise FieldError(f"its {name} is {text!r}; expected one of {', '.join(known.values())}")
            text = known[text.casefold()]
        groups[name] = text
    if layout.name == "portrait" and {"dimension", "subdimension"} <= groups.keys():
        within = SUBDIMENSIONS[groups["dimension"]]
        if groups["subdimension"] not in within:
            raise FieldError(
                f"its sub-dimension is {groups['subdimension']}; expected one of {', '.join(within)} for "
                f"{groups['dimension']}"
            )
    return groups


def _images(
    drafts: Iterable[_Draft],
    folder: Path,
    problem: Callable[[str, str], None],
    progress: Callable[[int, int], object] | None,
) -> dict[str, tuple[Path, str]]:
    """From each image's path in the file to its actual path and the sha256 of its bytes; all are decoded."""
    first: dict[str, str] = {}
    for draft in drafts:
        if draft.image is not None:
            first.setdefault(draft.image, draft.row)
    inside = ImageFolder(folder)

    def check(name: str) -> tuple[Path, str] | str:
        path = inside.image(name, first[name])
        if not isinstance(path, Unreadable) and not os.path.exists(path):
            below = inside.image(os.path.join("images", name), first[name])
            path = below if not isinstance(below, Unreadable) and os.path.exists(below) else path
        if isinstance(path, Unreadable):
            return path.reason
        try:
            data = read_bytes(path)
            read_image(data, name=name)
        except SampleError as error:
            return f"{first[name]}: {error}"
        return Path(path), hashlib.sha256(data).hexdigest()

    digests: dict[str, tuple[Path, str]] = {}
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for number, (name, checked) in enumerate(zip(first, pool.map(check, first), strict=True), 1):
            if isinstance(checked, str):
                problem("images that are missing or cannot be read", checked)
            else:
                digests[name] = checked
            if progress is not None:
                progress(number, len(first))
    return digests


def _name(drafts: Iterable[_Draft], problem: Callable[[str, str], None]) -> None:
    """Give each question without an id the path of its image, numbered if an image has several; find duplicates."""
    count: Counter[str] = Counter()
    rows: dict[str, str] = {}
    for draft in drafts:
        if not draft.id:
            name = draft.image or draft.row
            count[name] += 1
            draft.id = name if count[name] == 1 else f"{name}#{count[name]}"
        if (other := rows.setdefault(draft.id, draft.row)) != draft.row:
            problem("duplicate ids", f"{other} and {draft.row} are both named {draft.id!r}")


def _find_duplicates(items: Iterable[Item], problem: Callable[[str, str], None]) -> None:
    """Find questions that are asked twice about one image, also under two file names."""
    seen: dict[tuple[Any, ...], str] = {}
    for item in items:
        key = item.image_sha256, item.type, normal(item.question), tuple(sorted(map(normal, item.options)))
        if (other := seen.setdefault(key, item.id)) != item.id:
            problem("duplicate questions", f"{other!r} and {item.id!r} ask the same about the same image")


def _partial(folder: Path) -> Iterator[str]:
    for searched in (folder, folder / "images"):
        for path in sorted(searched.iterdir()) if searched.is_dir() else ():
            if path.name.lower().endswith(PARTIAL):
                yield str(path.relative_to(folder))
