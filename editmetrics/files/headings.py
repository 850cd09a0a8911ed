"""The columns of other people's tables: which heading holds the prompt, the edited image, the rating, ..."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..wording import did_you_mean, in_lines
from .notes import note_once
from .text import DataError

_FILE = re.compile(r".+\.[A-Za-z]{2,5}\d?")

IMAGE_NAMES = (
    "image", "image_name", "image_file", "image_path", "img", "img_name", "img_path", "picture", "photo", "file",
    "file_name", "file_path", "path",
)  # fmt: skip
"""Headings of a column that names a file, or the image that is meant."""

TASK_COLUMNS = ("task", "task_type", "edit_type", "category")
"""Headings of a column that names the kind of edit, the first one first."""


@dataclass(frozen=True)
class Known:
    """The headings that a column is known by, in groups: of two in one group, neither is taken.

    `holds`: "image" where its cells must name files (or be images), "text" where they must not, "any" for either.
    `files`: whether, without such a heading, the only column that names files is it.
    """

    holds: Literal["image", "text", "any"]
    groups: tuple[tuple[str, ...], ...]
    files: bool = False


PROMPT = Known(
    "text",
    (
        ("instruction", "edit_instruction", "editing_instruction", "edit_prompt", "editing_prompt", "text_prompt",
         "target_prompt", "prompt_text", "edit_text"),
        ("caption", "text"),
    ),
)  # fmt: skip

SAMPLE = {
    "edited": Known(
        "image",
        (
            ("edited_image", "edited_img", "edited_path", "edited_file", "edit", "edit_image", "output", "output_image",
             "output_path", "result", "result_image", "generated", "generated_image", "prediction"),
            ("target", "target_image", "target_img", "target_path", "after"),
            IMAGE_NAMES,
        ),
    ),
    "source": Known(
        "image",
        (
            ("source_image", "source_img", "source_path", "source_file", "src", "src_image", "src_img", "original",
             "original_image", "original_path", "input", "input_image", "input_img", "input_path", "before"),
            ("sources", "source_images", "inputs", "input_images"),
        ),
    ),
    "reference": Known(
        "image",
        (
            ("reference_image", "reference_path", "ref", "gt", "ground_truth", "gt_image"),
            ("references", "reference_images"),
            ("target", "target_image", "target_img", "target_path"),
        ),
    ),
    "mask": Known("image", (("mask_image", "mask_img", "mask_path", "mask_file"),)),
    "rival": Known("image", (("rival_image", "rival_path"),)),
    "prompt": PROMPT,
    "source_prompt": Known("text", (("source_caption", "original_caption", "original_prompt", "input_caption"),)),
    "questions": Known("any", ()),
    "id": Known("any", ()),
    "system": Known("text", (("model", "model_name", "editing_model"), ("method",), ("editor",))),
}  # fmt: skip
"""The columns of a manifest, in the order in which they take their headings."""

KEYS = {
    **SAMPLE,
    "source": Known("image", (*SAMPLE["source"].groups, IMAGE_NAMES)),
    "id": Known("any", (("key",), ("uid",), ("idx",), ("index",), ("prompt_id", "item_id", "sample_id"), ("name",))),
}
del KEYS["edited"]
"""The columns of a manifest whose edited images are in a folder, by its keys."""

PROMPTS = {
    "name": Known("any", (("id",), IMAGE_NAMES, ("edited", "edited_image"), ("source", "source_image", "original"))),
    "prompt": PROMPT,
}
"""The columns of a file of prompts."""

ITEMS = {
    "id": Known(
        "any", (("item", "item_id", "sample_id", "stimulus"), ("name", *IMAGE_NAMES), ("image_id",)), files=True
    ),
}
"""The column that names the rows of scores and of ratings, where there is no path `edited` either."""

RATINGS = {
    "item": Known(
        "any", (("id", "item_id", "stimulus"), ("name", *IMAGE_NAMES), ("image_id",), ("edited",)), files=True
    ),
    "subject": Known(
        "any",
        (
            ("rater", "rater_id", "annotator", "annotator_id", "subject_id", "observer", "participant",
             "participant_id", "worker", "worker_id", "user", "user_id"),
        ),
    ),
    "value": Known("any", (("rating", "score", "mos", "opinion", "grade"),)),
}  # fmt: skip
"""The columns of raw ratings."""

MOS_NAMES = ("mos", "score", "rating", "dmos", "mean_opinion_score", "human_score", "human_rating")
"""Headings of the rating of an item."""

PLAIN = {("name", "id"), ("item", "id")}
"""Headings that stand for a name and need no note."""


def read_as(
    table: str,
    cells: Mapping[str, Sequence[Any]],
    known: Mapping[str, Known],
    columns: Mapping[str, str | tuple[str, ...]] | None = None,
) -> dict[str, str]:
    """Return which heading of a table holds each column, where it is not the column's own name.

    - `table`: its name, for messages. `cells`: its columns by heading.
    - `known`: the columns to look for. One whose own name is a heading is that one; otherwise case, spaces, hyphens and
      underscores do not matter, and the first group with one of its headings counts. What was understood is logged.
    - `columns`: from a column (of any name) to the heading to take for it, as `--map` says; or to several, of which the
      first that is there is taken: for a text in any case, otherwise where no heading is the column's own name.

    Raises `DataError`, naming the choice, for two headings of one group, and for headings that do not exist.

    >>> read_as("t.csv", {"Image": ["a.png"], "edit_instruction": ["red"]}, SAMPLE)
    {'edited': 'Image', 'prompt': 'edit_instruction'}
    >>> read_as("t.csv", {"prompt": ["red"], "caption": ["a rose"]}, SAMPLE, {"prompt": ("output_caption", "caption")})
    {'prompt': 'caption'}
    """
    chosen = _chosen(columns or {}, cells, known)
    problems = [
        f"no column {heading!r} to read as {name}; its columns are {', '.join(cells) or 'none'}."
        f"{did_you_mean(heading, cells)}"
        for name, heading in chosen.items()
        if heading not in cells
    ]
    taken = {*chosen.values(), *(name for name in known if name in cells and name not in chosen)}
    understood: dict[str, str] = {}
    for name, column in known.items():
        if name in chosen or name in cells:
            continue
        named_files = [head for head in cells if _holds(cells[head], "image")] if column.files else []
        for group in ((name,), *column.groups, named_files if len(named_files) == 1 else ()):
            fits = [head for head in headed(cells, group) if head not in taken and _holds(cells[head], column.holds)]
            if len(fits) > 1:
                problems.append(
                    f"the columns {' and '.join(map(repr, fits))} may both be {name}; choose one: --map "
                    f"{name}={fits[0]} (columns={{{name!r}: {fits[0]!r}}} in Python)"
                )
            if fits:
                understood[name] = fits[0]
                taken.add(fits[0])
                break
    if problems:
        raise DataError(in_lines(table, problems))
    if readings := [f"{heading!r} as {name}" for name, heading in understood.items() if (name, heading) not in PLAIN]:
        note_once(f"{table}: read {', '.join(readings)} (--map {next(iter(understood))}=COLUMN chooses another)")
    return {**understood, **chosen}


def _chosen(
    columns: Mapping[str, str | tuple[str, ...]], cells: Collection[str], known: Mapping[str, Known]
) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for name, headings in columns.items():
        if isinstance(headings, str):
            chosen[name] = headings
            continue
        present = [heading for heading in headings if heading in cells]
        if present and (name not in cells or (name in known and known[name].holds == "text")):
            chosen[name] = present[0]
    return chosen


def renamed(cells: Mapping[str, Any], headings: Mapping[str, str]) -> dict[str, Any]:
    """Return the cells of a row under the names of `read_as`; under their headings they stay.

    >>> renamed({"Image": "a.png"}, {"edited": "Image"})
    {'Image': 'a.png', 'edited': 'a.png'}
    """
    return {**cells, **{name: cells.get(heading) for name, heading in headings.items()}}


def by_last_parts(names: Iterable[str], known: Collection[str]) -> dict[str, str] | None:
    """Return the one of `known` that each name ends with, at a "/": `sources/cat` is `cat`; None if two names are one.

    >>> by_last_parts(["sources/cat", "sources/dog"], {"cat", "eel"})
    {'sources/cat': 'cat'}
    """
    matched: dict[str, str] = {}
    for name in names:
        parts = name.split("/")
        endings = ("/".join(parts[start:]) for start in range(len(parts)))
        if ending := next((ending for ending in endings if ending in known), None):
            matched[name] = ending
    return matched if len(set(matched.values())) == len(matched) else None


def headed(headings: Iterable[str], names: Collection[str]) -> list[str]:
    """Return those of `headings` that are one of `names`, whatever their case, spaces, hyphens and underscores.

    >>> headed(["MOS", "mos_sd"], MOS_NAMES)
    ['MOS']
    """
    simple = {_simple(name) for name in names}
    return [heading for heading in headings if _simple(heading) in simple]


def is_file_name(text: str) -> bool:
    """Whether a text ends in a suffix, as names of files do.

    >>> is_file_name("a/cat.jpg"), is_file_name("a cat.")
    (True, False)
    """
    return _FILE.fullmatch(text.strip()) is not None


def _simple(heading: str) -> str:
    return re.sub(r"[\s_.-]+", "", heading).lower()


def _holds(cells: Sequence[Any], kind: str) -> bool:
    """Whether most cells name files or are images (`kind` "image"), or do not ("text")."""
    filled = [cell for cell in cells if not (cell is None or cell == "" or isinstance(cell, (bool, int, float)))]
    files = sum(not isinstance(cell, str) or is_file_name(cell.strip().rstrip('"]')) for cell in filled)
    if kind == "any":
        return True
    return 2 * files >= len(filled) > 0 if kind == "image" else 2 * files < len(filled)
