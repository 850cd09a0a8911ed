"""From a folder to the questions of a benchmark; all that is wrong with it is found before the first request."""

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
from ...files.rows import TABLE_SUFFIXES, Row, read_rows, read_text
from ...files.text import parse_json
from ...images import Unreadable, read_bytes, read_image
from ...sample import SampleError
from ...wording import did_you_mean
from .answer_parser import normal
from .fields import FieldError, answer_of, options_of, text_of, type_of
from .formats import FORMATS, REQUIRED, Format
from .items import BenchmarkError, Item
from .portrait import SUBDIMENSIONS, incompleteness

NAMES = ("questions.jsonl", "questions.json", "questions.csv", "questions.parquet")
"""What the file of questions in a folder is called; else it is the only table there."""

PARTIAL = (".part", ".partial", ".crdownload", ".download", ".aria2", ".incomplete", ".tmp")
"""How downloads that are not finished are called."""

READ = {"type", "image", "question", "options", "answer", "groups"}
"""What is read of a row."""

SHOWN = 200
"""So many problems of a kind are in the message; `ProblemsError.problems` has all."""


class ProblemsError(BenchmarkError):
    """All that is wrong with a benchmark's data, by kind; nothing has been asked."""

    def __init__(self, path: Path, problems: Mapping[str, list[str]]) -> None:
        self.path, self.problems = path, dict(problems)
        count = sum(map(len, self.problems.values()))
        lines = [f"{path}: {count:,} problem{'s' if count > 1 else ''}; nothing was asked"]
        for kind, found in self.problems.items():
            lines += [f"{kind} ({len(found):,}):", *(f"  {one}" for one in found[:SHOWN])]
            if len(found) > SHOWN:
                lines.append(f"  ... and {len(found) - SHOWN:,} more; with -o FOLDER all are in its problems.txt")
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.problems)


@dataclass(frozen=True)
class Benchmark:
    """The questions of a benchmark, the file they were read from and its sha256, its layout, and notes on the copy."""

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
) -> Benchmark:
    """The questions in a folder (`questions.jsonl`, or its only table), or in a file whose images lie beside it.

    - `format`: a name of `FORMATS`, or a `Format`.
    - `complete`: insist on the paper's numbers of questions (format "portrait" only).
    - `unanswered`: take questions whose answer is not in the file; they are asked and not scored.
    - `progress`: called with the images looked at and their number.

    Every image is decoded. Raises `ProblemsError` with all that is wrong: rows that are no JSON, unknown and missing
    columns, missing or wrong types, options, answers and groups, doubled ids and questions, images that are missing,
    damaged, or outside of the folder, parts of unfinished downloads, numbers that are not the paper's.
    """
    if isinstance(format, str) and format not in FORMATS:
        raise BenchmarkError(f"there is no format {format!r}; there are {', '.join(FORMATS)}")
    layout = FORMATS[format] if isinstance(format, str) else format
    if complete and layout.name != "portrait":
        raise BenchmarkError(f"only the numbers of Q-Bench-Portrait are known, not those of {layout.name}")
    path = _file(Path(data))
    rows = _rows(path, layout)
    problems: dict[str, list[str]] = {}

    def problem(kind: str, said: str) -> None:
        problems.setdefault(kind, []).append(said)

    for partial in _partial(path.parent):
        problem("unfinished downloads", f"{partial} is part of a download that has not finished")
    columns = _columns(rows, layout, problem)
    drafts = [draft for row in rows if (draft := _draft(row, columns, layout, unanswered, problem))]
    _name(drafts, problem)
    digests = _images(drafts, path.parent, problem, progress)
    items = [item for draft in drafts if (item := draft.item(digests))]
    _doubled(items, problem)
    notes = []
    if layout.name == "portrait" and (lacking := incompleteness(items)):
        for said in lacking if complete else ():
            problem("not a complete copy", said)
        notes.append(f"not a complete copy of Q-Bench-Portrait: {lacking[0]}")
    if problems:
        raise ProblemsError(path, problems)
    if not items:
        raise BenchmarkError(f"{path} has no questions")
    if unanswered and (without := sum(item.answer is None for item in items)):
        have = "question has" if without == 1 else "questions have"
        notes.append(f"{without:,} {have} no answer in the file: asked, and not scored")
    return Benchmark(tuple(items), path, hashlib.sha256(path.read_bytes()).hexdigest(), layout, tuple(notes))


@dataclass
class _Draft:
    """What could be read of a row, before its image is looked at: all fields of a question, or some."""

    place: str
    id: str
    found: dict[str, Any]

    @property
    def image(self) -> str | None:
        return self.found.get("image")

    def item(self, digests: Mapping[str, tuple[Path, str]]) -> Item | None:
        """The question; None where something of it is missing."""
        if self.image is None or self.image not in digests or self.found.keys() != READ:
            return None
        path, digest = digests[self.image]
        return Item(id=self.id, image_sha256=digest, **{**self.found, "image": path})


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
        found = f"several tables ({', '.join(path.name for path in tables[:5])})" if tables else "no table"
        raise BenchmarkError(f"{data} holds no questions.jsonl and {found}; name the file of the questions itself")
    return tables[0]


def _rows(path: Path, layout: Format) -> list[Row]:
    """The rows of a file, as the layout has them."""
    if path.suffix.lower() == ".json":
        try:
            found = list(layout.rows(parse_json(read_text(path))))
        except ValueError as error:  # no JSON, or not of this layout
            broken = "" if isinstance(error, BenchmarkError) else "; is it half a download?"
            raise BenchmarkError(f"{path} is not as {layout.name} has it: {error}{broken}") from error
        rows = [Row(f"question {number}", cells) for number, cells in enumerate(found, 1)]
    else:
        rows = list(read_rows(path))
    return [row if row.problem else replace(row, cells=layout.row(row.cells)) for row in rows]


def _columns(rows: list[Row], layout: Format, problem: Callable[[str, str], None]) -> dict[str, list[str]]:
    """From each field to the columns of the file that hold it; unknown and missing columns are problems."""
    there = dict.fromkeys(column for row in rows for column in row.cells)
    columns: dict[str, list[str]] = {}
    for name, choices in layout.columns.items():
        for choice in choices:
            parts = [choice] if choice in there else choice.split("+")
            if all(part in there for part in parts):
                columns[name] = parts
                break
    used = {column for parts in columns.values() for column in parts} | layout.ignored
    known = {column for choices in layout.columns.values() for choice in choices for column in choice.split("+")}
    for column in there:
        if column not in used and column not in known:
            advice = f"--columns FIELD={column} says what it holds, --ignore {column} leaves it out"
            problem("unknown columns", f"{column!r}:{did_you_mean(column, known)} {advice}")
    needed = [*REQUIRED, *(() if layout.default_type else ("type",)), *(layout.groups if layout.grouped else ())]
    for name in needed:
        if rows and name not in columns:
            wanted = " or ".join(repr(choice) for choice in layout.columns.get(name, (name,)))
            problem(
                "missing columns", f"no column {wanted}, which holds the {name}; --columns {name}=... names another"
            )
    return columns


def _draft(
    row: Row, columns: Mapping[str, list[str]], layout: Format, unanswered: bool, problem: Callable[[str, str], None]
) -> _Draft | None:
    """What can be read of a row; what is wrong with it are problems, all of them."""
    if row.problem:
        problem("rows that cannot be read", f"{row.place} {row.problem}")
        return None
    cells = {
        name: row.cells.get(parts[0]) if len(parts) == 1 else [row.cells.get(part) for part in parts]
        for name, parts in columns.items()
    }
    found: dict[str, Any] = {}
    lacking = {name for name in REQUIRED if name not in columns}  # said once, of the file
    lacking |= {"type", "options", "answer"} if "type" not in columns and layout.default_type is None else set()
    readers: dict[str, tuple[str, Callable[[], Any]]] = {
        "type": ("types", lambda: type_of(cells.get("type"), layout.default_type)),
        "image": ("images", lambda: text_of(cells.get("image"), "image")),
        "question": ("questions", lambda: text_of(cells.get("question"), "question")),
        "options": ("options", lambda: options_of(cells.get("options"), found.get("type"))),
        "answer": (
            "answers",
            lambda: answer_of(cells.get("answer"), found.get("type"), found.get("options"), unanswered),
        ),
        "groups": ("groups", lambda: _groups(cells, layout)),
    }
    for name, (kind, read) in readers.items():
        try:
            if name not in lacking:
                found[name] = read()
        except FieldError as error:
            problem(kind, f"{row.place}: {error}")
    given = cells.get("id")
    return _Draft(row.place, "" if given is None else str(given), found)


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
                f"its sub-dimension is {groups['subdimension']}; those of {groups['dimension']} are {', '.join(within)}"
            )
    return groups


def _images(
    drafts: Iterable[_Draft],
    folder: Path,
    problem: Callable[[str, str], None],
    progress: Callable[[int, int], object] | None,
) -> dict[str, tuple[Path, str]]:
    """From each image's path, as the file names it, to where it is and the sha256 of its bytes; all are decoded."""
    first: dict[str, str] = {}
    for draft in drafts:
        if draft.image is not None:
            first.setdefault(draft.image, draft.place)
    inside = ImageFolder(folder)

    def look(name: str) -> tuple[Path, str] | str:
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

    found: dict[str, tuple[Path, str]] = {}
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for number, (name, seen) in enumerate(zip(first, pool.map(look, first), strict=True), 1):
            if isinstance(seen, str):
                problem("images that are missing or cannot be read", seen)
            else:
                found[name] = seen
            if progress is not None:
                progress(number, len(first))
    return found


def _name(drafts: Iterable[_Draft], problem: Callable[[str, str], None]) -> None:
    """Give each question without an id the path of its image, and a number where an image has several; find doubles."""
    count: Counter[str] = Counter()
    places: dict[str, str] = {}
    for draft in drafts:
        if not draft.id:
            name = draft.image or draft.place
            count[name] += 1
            draft.id = name if count[name] == 1 else f"{name}#{count[name]}"
        if (other := places.setdefault(draft.id, draft.place)) != draft.place:
            problem("doubled ids", f"{other} and {draft.place} are both called {draft.id!r}")


def _doubled(items: Iterable[Item], problem: Callable[[str, str], None]) -> None:
    """Find questions that are asked twice of one image, whatever its files are called."""
    seen: dict[tuple[Any, ...], str] = {}
    for item in items:
        key = item.image_sha256, item.type, normal(item.question), tuple(sorted(map(normal, item.options)))
        if (other := seen.setdefault(key, item.id)) != item.id:
            problem("doubled questions", f"{other!r} and {item.id!r} ask the same of the same image")


def _partial(folder: Path) -> Iterator[str]:
    for place in (folder, folder / "images"):
        for path in sorted(place.iterdir()) if place.is_dir() else ():
            if path.name.lower().endswith(PARTIAL):
                yield str(path.relative_to(folder))
