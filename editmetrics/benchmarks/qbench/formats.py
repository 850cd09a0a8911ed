"""How a benchmark's file is laid out: its columns, the words in which it asks, the groups of its tables.

`FORMATS` has those that are known by name; `Format.with_columns` changes one for a file of one's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .items import BenchmarkError, Type
from .portrait import DIMENSIONS, SCOPES, SOURCES, SUBDIMENSIONS
from .prompts import Prompts

REQUIRED = ("image", "question")
FIELDS = ("id", "image", "type", "question", "options", "answer")
"""The fields of a question that are not groups."""


@dataclass(frozen=True)
class Format:
    """A layout.

    - `columns`: from a field (of `FIELDS`, or a group) to the columns that may hold it, the first that is there;
      several columns joined by "+" hold an option each.
    - `groups`: by what scores are broken down, beside the type.
    - `default_type`: of questions without a type.
    - `values`: what the values of a group are; others are refused. From how a file writes it to how tables show it.
    - `grouped`: every question must have a value in each group.
    - `rows`: from what a .json file holds to rows; `row`: from a row as it stands to one with the columns above.
    - `ignored`: columns that are known and not needed.
    """

    name: str
    columns: Mapping[str, tuple[str, ...]]
    groups: tuple[str, ...]
    default_type: Type | None = None
    prompts: Prompts = field(default_factory=Prompts)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    grouped: bool = False
    rows: Callable[[Any], Iterator[dict[str, Any]]] = lambda found: listed(found)
    row: Callable[[dict[str, Any]], dict[str, Any]] = dict
    ignored: frozenset[str] = frozenset()

    def with_columns(self, given: Mapping[str, str], ignored: frozenset[str] = frozenset()) -> Format:
        """The same, with fields in other columns; a field that is not in `FIELDS` is a new group.

        >>> FORMATS["portrait"].with_columns({"question": "Q"}).columns["question"]
        ('Q',)
        """
        new = tuple(name for name in given if name not in FIELDS and name not in self.groups)
        columns = {**self.columns, **{name: (column,) for name, column in given.items()}}
        return replace(self, columns=columns, groups=self.groups + new, ignored=self.ignored | ignored)


def _named(*names: str) -> Mapping[str, str]:
    """Values that are written as they are shown, in any case."""
    return {name.casefold(): name for name in names}


def _coded(*names: str) -> Mapping[str, str]:
    """Values that are written as numbers from 0."""
    return {str(code): name for code, name in enumerate(names)}


def _same(*names: str) -> dict[str, tuple[str, ...]]:
    return {name: (name,) for name in names}


def listed(found: Any) -> Iterator[dict[str, Any]]:
    """The rows of a list of objects."""
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise BenchmarkError("expected a list of objects, one for each question")
    yield from found


def _a_bench_row(row: dict[str, Any]) -> dict[str, Any]:
    """A-Bench's category, "part1 -> basic_recognition -> major", as part, area and category."""
    levels = str(row.get("category") or "").split(" -> ")
    return {**row, **dict(zip(("part", "area", "category"), levels, strict=True))} if len(levels) == 3 else row


def _aesbench_rows(found: Any) -> Iterator[dict[str, Any]]:
    """AesBench's one object, from image to its parts (AesP_data, ...), as a row for each part."""
    if not isinstance(found, dict):
        raise BenchmarkError("expected an object from image names to their questions, as AesBench_evaluation.json is")
    for image, parts in found.items():
        if not isinstance(parts, dict):
            raise BenchmarkError(f"{image!r} holds no object; expected its parts, such as AesP_data")
        for name, asked in parts.items():
            if isinstance(asked, dict) and "Question" in asked:
                part = name.removesuffix("_data")
                kind = "SC" if asked.get("Options") else "OE"
                yield {"id": f"{image}#{part}", "image": image, "part": part, "type": kind, **asked}


_OPTIONS = "option0+option1+option2+option3"

FORMATS = {
    "portrait": Format(
        "portrait",
        _same(*FIELDS, "source", "dimension", "subdimension", "scope"),
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
        _same(*FIELDS, "source", "dimension", "subdimension", "scope"),
        ("source", "dimension", "subdimension", "scope"),
    ),
}
"""The known layouts: this project's own for Q-Bench-Portrait, those of three published benchmarks, and `free`, which is
the first without its vocabulary, for questions of one's own."""
