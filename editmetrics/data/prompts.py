"""Prompts by the names of images: from a csv, jsonl, json or txt file, or from a text file beside each image."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..files.rows import read_rows, read_text
from ..files.text import LONE_SURROGATE, DataError, DoubledKeyError, lines_of, parse_json, stripped, usable_text
from ..images import image_name

NAME_COLUMNS = ("name", "id", "file", "file_name", "image", "edited", "source")
PROMPT_COLUMNS = ("prompt", "instruction", "caption", "text")


def read_prompts(path: str | os.PathLike[str]) -> dict[str, str]:
    """From the names of images to their prompts, of a file that is one of

    - csv or jsonl: a column that names the image (name, id, file, file_name, image, edited or source) and one with its
      prompt (prompt, instruction, caption or text); of several, the first in this order;
    - json: `{"cat": "make it a dog", ...}`, or a list of objects with the fields above;
    - txt: lines of name, tab, prompt.

    Names stand with or without the suffix of the image and may hold folders, as in "animals/cat.jpg"; they come back
    without suffix. Images without a prompt are left out; a number in its place is an `UnusableText`. Raises
    `DataError`, with the place, for a file that cannot be read and for two different prompts of one name.

    >>> read_prompts("docs/examples/prompts.csv")["cat"]
    'Give the cat bright blue eyes.'
    """
    path = Path(path)
    prompts: dict[str, str] = {}
    places: dict[str, str] = {}
    for location, image, prompt in _entries(path):
        if not isinstance(image, (str, int)) or isinstance(prompt, (dict, list)):
            raise DataError(
                f"{path}, {location}: expected the name of an image and its prompt, not {image!r} and {prompt!r}"
            )
        if LONE_SURROGATE.search(f"{image}{prompt}"):
            raise DataError(f"{path}, {location}: holds half a character; save the file as UTF-8")
        name, text = image_name(str(image)), usable_text(prompt, f"{path}, {location}", "prompt")
        if text is None:
            continue
        if prompts.setdefault(name, text) != text:
            raise DataError(
                f"{path} has two prompts for {name}: {prompts[name]!r} ({places[name]}), {text!r} ({location})"
            )
        places.setdefault(name, location)
    return prompts


def _entries(path: Path) -> Iterator[tuple[str, Any, Any]]:
    """The place, name and prompt of each entry."""
    suffix = path.suffix.lower()
    if suffix == ".txt":
        for number, line in enumerate(lines_of(read_text(path)), 1):
            name, tab, prompt = line.partition("\t")
            if tab:
                yield f"line {number}", name.strip(), prompt
            elif stripped(line):
                raise DataError(
                    f"{path}, line {number}: has no tab; expected the name of an image, a tab and its prompt"
                )
    elif suffix == ".json":
        yield from _json_entries(path)
    elif suffix in (".csv", ".jsonl"):
        for row in read_rows(path):
            if row.problem:
                raise DataError(f"{path}, {row.location}: {row.problem}")
            yield _entry(path, row.location, row.cells)
    else:
        raise DataError(f"{path} is not a file of prompts; expected .csv, .jsonl, .json or .txt")


def _json_entries(path: Path) -> Iterator[tuple[str, Any, Any]]:
    try:
        value = parse_json(read_text(path))
    except DoubledKeyError as error:
        raise DataError(f"{path} {error}") from error
    except ValueError as error:
        raise DataError(f"{path} is not JSON: {error}") from error
    if isinstance(value, dict):
        yield from ((f"entry {name!r}", name, prompt) for name, prompt in value.items())
        return
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise DataError(f"{path}: expected an object from name to prompt, or a list of objects with name and prompt")
    for number, item in enumerate(value, 1):
        yield _entry(path, f"entry {number}", item)


def _entry(path: Path, location: str, cells: Mapping[str, Any]) -> tuple[str, Any, Any]:
    values = []
    for columns in (NAME_COLUMNS, PROMPT_COLUMNS):
        column = next((column for column in columns if column in cells), None)
        if column is None:
            raise DataError(
                f"{path}, {location}: has {', '.join(cells) or 'nothing'}; expected one of {', '.join(columns)}"
            )
        values.append(cells[column])
    return location, values[0], values[1]
