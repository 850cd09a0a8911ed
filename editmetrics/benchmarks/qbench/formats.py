"""Layouts of benchmark files: columns, prompts, and the groups of the tables.

`FORMATS` has the known ones by name; `Format.with_columns` adapts one to a file of your own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..benchmark import BenchmarkError
from .portrait import DIMENSIONS, SCOPES, SOURCES, SUBDIMENSIONS
from .questions import Prompts, Type

REQUIRED = ("image", "question")
FIELDS = ("id", "image", "type", "question", "options", "answer")
"""The fields of a question that are not groups."""


@dataclass(frozen=True)
class Format:
    """A layout.

    - `columns`: from a field (of `FIELDS`, or a group) to the columns that may hold it, the first that is present;
      several columns joined by "+" hold an option each.
    - `groups`: breakdowns of the scores, besides the type.
    - `default_type`: the type of questions without one.
    - `values`: the values of a group, from their form in the file to that in tables; others are refused.
    - `grouped`: whether every question must have a value in each group.
    - `rows`: from the contents of a .json file to rows; `row`: from a row to one with the columns above.
    - `ignored`: known columns that are not needed.
    """

    name: str
    columns: Mapping[str, tuple[str, ...]]
    groups: tuple[str, ...]
    default_type: Type | None = None
    prompts: Prompts = field(default_factory=Prompts)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    grouped: bool = False
    rows: Callable[[Any], Iterator[dict[str, Any]]] = lambda content: listed(content)
    row: Callable[[dict[str, Any]], dict[str, Any]] = dict
    ignored: frozenset[str] = frozenset()

    def with_columns(self, fields: Mapping[str, str], ignored: frozenset[str] = frozenset()) -> Format:
        """Return this layout with fields in other columns; a field that is not in `FIELDS` is a new group.

        >>> FORMATS["portrait"].with_columns({"question": "Q"}).columns["question"]
        ('Q',)
        """
        new = tuple(name for name in fields if name not in FIELDS and name not in self.groups)
        columns = {**self.columns, **{name: (column,) for name, column in fields.items()}}
        return replace(self, columns=columns, groups=self.groups + new, ignored=self.ignored | ignored)


def _named(*names: str) -> Mapping[str, str]:
    """Values whose case does not matter."""
    return {name.casefold(): name for name in names}


def _coded(*names: str) -> Mapping[str, str]:
    """Values that files have as numbers from 0."""
    return {str(code): name for code, name in enumerate(names)}


def _columns(*names: str) -> dict[str, tuple[str, ...]]:
    return {name: (name,) for name in names}


def listed(content: Any) -> Iterator[dict[str, Any]]:
    """Return the rows of a list of objects."""
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise BenchmarkError("expected a list of objects, one for each question")
    yield from content


def _a_bench_row(row: dict[str, Any]) -> dict[str, Any]:
    """A-Bench's category, "part1 -> basic_recognition -> major", as part, area and category."""
    levels = str(row.get("category") or "").split(" -> ")
    return {**row, **dict(zip(("part", "area", "category"), levels, strict=True))} if len(levels) == 3 else row


def _aesbench_rows(content: Any) -> Iterator[dict[str, Any]]:
    """AesBench's one object, from image to its parts (AesP_data, ...), as a row for each part."""
    if not isinstance(content, dict):
        raise BenchmarkError("expected an object from image names to their questions, as AesBench_evaluation.json is")
    for image, parts in content.items():
        if not isinstance(parts, dict):
            raise BenchmarkError(f"{image!r} does not hold an object; expected its parts, such as AesP_data")
        for name, row in parts.items():
            if isinstance(row, dict) and "Question" in row:
                part = name.removesuffix("_data")
                kind = "SC" if row.get("Options") else "OE"
                yield {"id": f"{image}#{part}", "image": image, "part": part, "type": kind, **row}


_OPTIONS = "option0+option1+option2+option3"

FORMATS = {
    "portrait": Format(
        "portrait",
        _columns(*FIELDS, "source", "dimension", "subdimension", "scope"),
        ("source", "dimension", "subdimension", "scope"),
        values={
            "source": _named(*SOURCES),
            "dimension": _named(*DIMENSIONS),
            "subdimension": _named(*(name for names in SUBDIMENSIONS.values() for name in names)),
            "scope": _named(*SCOPES),
        },
        grouped=True,
    ),
    "q-bench": Format(
        "q-bench",
        {
            "id": ("id",),
            "image": ("img_path", "image"),
            "question": ("question",),
            "options": ("candidates", _OPTIONS),
            "answer": ("correct_ans", "correct_choice"),
            "kind": ("type", "question_type"),
            "concern": ("concern", "question_concern"),
        },
        ("kind", "concern"),
        default_type="SC",
        prompts=Prompts(SC="{question}\nChoose between one of the options as follows:\n{options}\n"),
        values={
            "kind": _coded("Yes/No", "How", "What"),
            "concern": _coded("Global distortion", "Global other", "Local distortion", "Local other"),
        },
        ignored=frozenset({"response"}),
    ),
    "a-bench": Format(
        "a-bench",
        {
            "id": ("id",),
            "image": ("img_path", "image"),
            "question": ("question",),
            "options": ("answers", "candidates", _OPTIONS),
            "answer": ("correct_ans", "correct_choice"),
            "part": ("part",),
            "area": ("area",),
            "category": ("category",),
        },
        ("part", "area", "category"),
        default_type="SC",
        row=_a_bench_row,
        ignored=frozenset({"response"}),
    ),
    "aesbench": Format(
        "aesbench",
        {
            "id": ("id",),
            "image": ("image",),
            "type": ("type",),
            "question": ("Question",),
            "options": ("Options",),
            "answer": ("Answer",),
            "part": ("part",),
        },
        ("part",),
        default_type="SC",
        prompts=Prompts(
            SC="{question} Choose one from the following options:\n{options}\n"
            "You should output a correct option without explanation.",
            label="{letter})",
        ),
        rows=_aesbench_rows,
    ),
    "free": Format(
        "free",
        _columns(*FIELDS, "source", "dimension", "subdimension", "scope"),
        ("source", "dimension", "subdimension", "scope"),
    ),
}
"""The known layouts: this project's own for Q-Bench-Portrait, those of three published benchmarks, and `free`, the
first without its vocabulary, for questions of your own."""
