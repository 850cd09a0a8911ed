"""Samples from a manifest: a csv, jsonl or parquet file with a row for each sample."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..images import Unreadable, is_url
from ..sample import FIELDS, IMAGE_FIELDS, Sample
from .names import image_name
from .sample_set import DataError, SampleSet
from .tables import Row, parse_json, read_rows


def from_manifest(path: str | os.PathLike[str], root: str | os.PathLike[str] | None = None) -> SampleSet:
    """A sample for each row of the manifest `path` (csv, jsonl or parquet).

    Columns are named as the fields of `Sample`: `edited`, and as many of `id`, `source`, `reference`, `mask`, `prompt`,
    `source_prompt` and `questions` as there are; all others, `system` and `group` among them, are kept in `meta`. Empty
    cells are no values. Cells of a csv are text and stay as they are: "007" is "007". `questions` is a list of texts,
    or the text of one; in a csv, a list stands as JSON.

    Paths are relative to the manifest's folder, or to `root`, and must stay inside it, wherever symbolic links lead. An
    image that does not keep to this fails when it is read, and with it the metrics that look at it. A row that is
    damaged or names no edited image fails as a whole. Neither stops the others.

    Without an `id`, the name of the edited image is the row's id, as `system/name` where names alone are not unique.

    Raises `DataError` when the manifest cannot be read, has no column `edited` or no rows, or two rows have one id.
    """
    path = Path(path)
    rows = list(read_rows(path))
    if not rows:
        raise DataError(f"{path} has no rows")
    columns = dict.fromkeys(column for row in rows for column in row.cells)
    if "edited" not in columns:
        raise DataError(f"{path} has no column 'edited'; its columns are {', '.join(columns) or 'none'}")
    folder = ImageFolder(path.parent if root is None else Path(root))
    if not folder.folder.is_dir():
        raise DataError(f"the root {folder.folder} is no folder; it holds the images that {path} names")
    samples = [_sample(row, f"{path}, {row.place}", folder) for row in rows]
    ids = _ids(rows, samples, folder.folder)
    places: dict[str, str] = {}
    for identifier, row in zip(ids, rows, strict=True):
        if places.setdefault(identifier, row.place) != row.place:
            twice = f"{path}: {places[identifier]} and {row.place} are both called {identifier!r}"
            raise DataError(f"{twice}; give each row its own id, or its system")
    samples = [replace(sample, id=identifier) for sample, identifier in zip(samples, ids, strict=True)]
    images = [getattr(sample, name) for sample in samples for name in IMAGE_FIELDS]
    unmatched = {"unreadable": [image.reason for image in images if isinstance(image, Unreadable)]}
    if any(sample.has("prompt") for sample in samples):
        unmatched["without_prompt"] = [sample.id for sample in samples if not sample.has("prompt")]
    return SampleSet(samples, {kind: names for kind, names in unmatched.items() if names})


class ImageFolder:
    """The folder that a manifest's paths are relative to and must not leave."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._real = os.path.realpath(folder)
        self._real_parents: dict[str, str] = {}  # few folders hold many images

    def image(self, text: Any, place: str) -> str | Unreadable:
        """The image at the path `text`, or why it cannot be used."""
        if not isinstance(text, str) or "\0" in text:
            return Unreadable(f"{place}: {text!r} is no path; expected text")
        if is_url(text):
            return Unreadable(f"{place}: {text} is a URL, and URLs are not opened; download it first")
        path = os.path.join(self.folder, text)
        if not self._resolved(path).startswith(self._real.rstrip(os.sep) + os.sep):
            return Unreadable(
                f"{place}: {text} lies outside of {self.folder}; move it inside, or name a root that holds it"
            )
        return path

    def _resolved(self, path: str) -> str:
        parent, name = os.path.split(path)
        if name in ("", os.curdir, os.pardir):
            return os.path.realpath(path)
        if parent not in self._real_parents:
            self._real_parents[parent] = os.path.realpath(parent)
        path = os.path.join(self._real_parents[parent], name)
        return os.path.realpath(path) if os.path.islink(path) else path


def _sample(row: Row, place: str, folder: ImageFolder) -> Sample:
    """The sample of one row; its id is settled when all rows are known."""
    cells = {key: value for key, value in row.cells.items() if value not in (None, "")}
    meta = {key: value for key, value in row.cells.items() if key not in FIELDS and key not in ("id", "system")}
    if "system" in cells:
        meta["system"] = str(cells["system"])
    try:
        if row.problem:
            raise ValueError(row.problem)
        if "edited" not in cells:
            raise ValueError("names no edited image")
        prompt, source_prompt = _text_of(cells, "prompt"), _text_of(cells, "source_prompt")
        questions = _questions(cells.get("questions"))
    except ValueError as error:
        return Sample("", edited=Unreadable(f"{place}: {error}"), meta=meta)
    images = {name: folder.image(cells[name], place) for name in IMAGE_FIELDS if name in cells}
    return Sample("", prompt=prompt, source_prompt=source_prompt, questions=questions, meta=meta, **images)


def _text_of(cells: Mapping[str, Any], name: str) -> str | None:
    value = cells.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"its {name} is {value!r}; expected text")
    return value


def _questions(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    if isinstance(value, str):
        value = parse_json(value) if value.lstrip().startswith("[") else [value]
    if not isinstance(value, list) or not all(isinstance(question, str) for question in value):
        raise ValueError(f"its questions are {value!r}; expected a list of texts")
    return tuple(value)


def _ids(rows: list[Row], samples: list[Sample], folder: Path) -> list[str]:
    """The id of each row: what its column says, or else the name of its edited image, or at the least its place."""
    given = [_text(row.cells.get("id")) for row in rows]
    names = ["" if said else _name(row, folder) for said, row in zip(given, rows, strict=True)]
    if max(Counter(filter(None, names)).values(), default=1) > 1:
        systems = [sample.meta.get("system") for sample in samples]
        names = [f"{system}/{name}" if system else name for system, name in zip(systems, names, strict=True)]
    return [said or name for said, name in zip(given, names, strict=True)]


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _name(row: Row, folder: Path) -> str:
    text = row.cells.get("edited")
    if row.problem or not isinstance(text, str):
        return row.place
    return image_name(os.path.relpath(text, folder) if os.path.isabs(text) else text)
