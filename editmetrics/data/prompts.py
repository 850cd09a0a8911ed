"""Prompts by the names of images: from a csv, jsonl, json or txt file, or from a text file beside each image."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files.decoding import read_json, read_text
from ..files.headings import PROMPTS, read_as, renamed
from ..files.rows import READABLE, read_rows, table_suffix
from ..files.text import LONE_SURROGATE, DataError, lines_of, stripped, usable_text
from ..images import image_name
from ..wording import in_lines

Entry = tuple[str, Any, Any]
"""The location, the name of an image, and its prompt."""


@dataclass(frozen=True)
class PromptTable:
    """Prompts by the names of images, and the headings that name and prompt were read from, where they differ."""

    path: str
    prompts: Mapping[str, str]
    headings: Mapping[str, str]


def read_prompts(path: str | os.PathLike[str], columns: Mapping[str, str] | None = None) -> dict[str, str]:
    """From the names of images to their prompts, of a file that is one of

    - a table (csv, tsv, jsonl, json, xlsx, ...): a column that names the image (name, id, image, file_name, edited,
      source, ...) and one with its prompt (prompt, instruction, edit_instruction, caption, ...); `columns` says which,
      where other headings stand: `columns={"name": "picture", "prompt": "task"}`;
    - json: `{"cat": "make it a dog", ...}`;
    - txt: lines of name, tab, prompt.

    Names stand with or without the suffix of the image and may hold folders, as in "animals/cat.jpg"; they come back
    without suffix. Images without a prompt are left out; a number in its place is an `UnusableText`. Raises
    `DataError`, with the places of all problems, for a file that cannot be read and for two prompts of one name.

    >>> read_prompts("docs/examples/prompts.csv")["cat"]
    'Give the cat bright blue eyes.'
    """
    return dict(read_prompt_table(path, columns).prompts)


def read_prompt_table(path: str | os.PathLike[str], columns: Mapping[str, str] | None = None) -> PromptTable:
    """`read_prompts`, with the headings that were read."""
    path = Path(path)
    prompts: dict[str, str] = {}
    places: dict[str, str] = {}
    entries, headings, problems = _entries(path, columns)
    for location, image, prompt in entries:
        if not isinstance(image, (str, int)) or isinstance(prompt, (dict, list)):
            problems.append(f"{location}: expected the name of an image and its prompt, not {image!r} and {prompt!r}")
            continue
        if LONE_SURROGATE.search(f"{image}{prompt}"):
            problems.append(f"{location}: holds half a character; save the file as UTF-8")
            continue
        name, text = image_name(str(image)), usable_text(prompt, f"{path}, {location}", "prompt")
        if text is None:
            continue
        if prompts.setdefault(name, text) != text:
            problems.append(f"two prompts for {name}: {prompts[name]!r} ({places[name]}), {text!r} ({location})")
        places.setdefault(name, location)
    if problems:
        raise DataError(in_lines(os.fspath(path), problems))
    return PromptTable(os.fspath(path), prompts, headings)


def _entries(path: Path, columns: Mapping[str, str] | None) -> tuple[list[Entry], Mapping[str, str], list[str]]:
    """The entries, the headings of their columns, and what is wrong with other lines."""
    if path.suffix.lower() == ".txt":
        lines = [(f"line {number}", *line.partition("\t")) for number, line in enumerate(lines_of(read_text(path)), 1)]
        entries = [(location, name.strip(), prompt) for location, name, tab, prompt in lines if tab]
        wrong = [location for location, name, tab, _ in lines if not tab and stripped(name)]
        return entries, {}, [f"{one}: has no tab; expected the name of an image, a tab and its prompt" for one in wrong]
    if table_suffix(path) is None:
        raise DataError(f"{path} is not a file of prompts; expected {', '.join(sorted(READABLE))}, or .txt")
    if table_suffix(path) == ".json" and (pairs := _json_object(path)) is not None:
        return [(f"entry {name!r}", name, prompt) for name, prompt in pairs.items()], {}, []
    rows = list(read_rows(path))
    names = dict.fromkeys(name for row in rows for name in row.cells)
    cells = {name: [row.cells.get(name) for row in rows] for name in names}
    headings = read_as(os.fspath(path), cells, PROMPTS, columns)
    problems = [f"{row.location}: {row.problem}" for row in rows if row.problem]
    for name, holding in (("name", "the names of images"), ("prompt", "their prompts")):
        if rows and name not in {*names, *headings}:
            others = ", ".join(names) or "none"
            problems.append(
                f"no column {name!r} with {holding}; its columns are {others}: choose one, as in --map "
                f"{name}={next(iter(names), 'COLUMN')}"
            )
    kept = [(row.location, renamed(row.cells, headings)) for row in rows if not row.problem]
    return [(where, cells.get("name"), cells.get("prompt")) for where, cells in kept], headings, problems


def _json_object(path: Path) -> dict[str, Any] | None:
    """From name to prompt; None for a file that holds anything but one object."""
    value = read_json(path)
    return value if isinstance(value, dict) else None
