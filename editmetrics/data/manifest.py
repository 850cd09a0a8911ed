"""Samples from a manifest: a csv, jsonl or parquet file with a row for each sample."""

from __future__ import annotations

import ast
import math
import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..files.headings import SAMPLE, read_as, renamed
from ..files.parquet import StoredImage
from ..files.rows import Row, read_parquet, read_rows
from ..files.text import DataError, mended, parse_json, usable_text
from ..images import Unreadable, image_name, is_url
from ..images.stand_ins import Deferred
from ..sample import FIELDS, IMAGE_FIELDS, SEVERAL_IMAGES, TEXT_FIELDS, Sample, UnusableText, images_of
from ..wording import first_few, in_lines
from .sample_set import SampleSet


def from_manifest(
    path: str | os.PathLike[str],
    root: str | os.PathLike[str] | None = None,
    columns: Mapping[str, str] | None = None,
) -> SampleSet:
    """A sample for each row of the manifest `path` (csv, jsonl, parquet, xlsx, ...; see `files.rows.READABLE`).

    Columns are named as the fields of `Sample`: `edited`, and as many of `id`, `source`, `reference`, `mask`, `prompt`,
    `source_prompt` and `questions` as there are; all others, `system` and `group` among them, are kept in `meta`. Empty
    cells are no values, and blanks around a text are no part of it. Cells of a csv are text: "007" is "007".
    Other headings, such as `edit_instruction` or `image_name`, are understood (`files.headings.SAMPLE`), with a note;
    `columns` says which heading to read as which column: `columns={"prompt": "edit_instruction"}`.
    `questions` is a list of texts, or the text of one; in a csv, a list stands as JSON. So do several sources or
    references, whose order is kept: ["a.png", "b.png"].

    Columns of a parquet file may hold the images themselves, as bytes or as `{"bytes": ..., "path": ...}`; they stay
    in the file until they are scored.

    Paths are relative to the manifest's folder, or to `root`, and must stay inside it, wherever symbolic links lead. An
    image that does not keep to this fails when it is read, and with it the metrics that look at it; a prompt that is no
    text is an `UnusableText`. A row that is damaged or names no edited image keeps what can be read of it, and its
    images fail. None of these stops the others.

    Without an `id`, the name of the edited image is the row's id, as `system/name` where names alone are not unique.

    Raises `DataError` when the manifest cannot be read, has no column `edited` or no rows, when two headings may be one
    column, or rows share an id.
    """
    return set_of_table(read_manifest(path, root), columns)


@dataclass(frozen=True)
class ManifestTable:
    """The rows of a manifest, its name in messages, and the folder that its paths are relative to."""

    name: str
    rows: list[Row]
    folder: ImageFolder

    def __post_init__(self) -> None:
        if not self.rows:
            raise DataError(f"{self.name} has no rows")


def read_manifest(path: str | os.PathLike[str], root: str | os.PathLike[str] | None = None) -> ManifestTable:
    """Read the rows of `from_manifest`, whatever their columns are."""
    path = Path(path)
    folder = ImageFolder(path.parent if root is None else Path(root))
    if not os.path.isdir(folder.folder):
        raise DataError(f"the root {folder.folder} is not a folder; expected the folder of the images in {path}")
    return ManifestTable(os.fspath(path), list(read_rows(path)), folder)


def read_parquet_files(name: str, files: Sequence[str | os.PathLike[str]]) -> ManifestTable:
    """Read a manifest in several parquet files, which messages call `name`."""
    paths = [Path(file) for file in files]
    return ManifestTable(name, list(read_parquet(*paths)), ImageFolder(paths[0].parent))


def set_of_table(table: ManifestTable, columns: Mapping[str, str] | None = None) -> SampleSet:
    """Return `from_manifest` of rows that are read."""
    name, folder = table.name, table.folder
    rows, headings = _with_headings(name, table.rows, columns)
    names = dict.fromkeys(column for row in rows for column in row.cells)
    places = [mended(f"{name}, {row.location}") for row in rows]
    samples = [sample_of(row, location, folder, names) for row, location in zip(rows, places, strict=True)]
    ids = _ids(rows, samples, folder.folder)
    require_unique_rows(name, ids, rows)
    samples = [replace(sample, id=identifier) for sample, identifier in zip(samples, ids, strict=True)]
    problems = [problems_of(sample, location) for sample, location in zip(samples, places, strict=True)]
    unmatched = {"unreadable": [problem for problem in problems if problem]}
    if any(sample.has("prompt") for sample in samples):
        without = [sample for sample in samples if not sample.has("prompt")]
        unmatched["without_prompt"] = [s.id for s in without if not isinstance(s.prompt, UnusableText)]
    return SampleSet(samples, {kind: names for kind, names in unmatched.items() if names}, headings, name)


def _with_headings(
    table: str, rows: list[Row], columns: Mapping[str, str] | None
) -> tuple[list[Row], Mapping[str, str]]:
    """The rows with their cells under the names of a sample's fields, and the headings that these were read from."""
    names = dict.fromkeys(mended(column) for row in rows for column in row.cells)
    cells = {name: [row.cells.get(name) for row in rows] for name in names}
    headings = read_as(table, cells, SAMPLE, columns)
    if "edited" not in {*names, *headings}:
        broken = next((f"; {row.location} {row.problem}" for row in rows if row.problem), "")
        example = next(iter(names), "COLUMN")
        raise DataError(
            f"{table} has no column 'edited'; its columns are {', '.join(names) or 'none'}{broken}. Say which one "
            f"names the edited image: --map edited={example} (columns={{'edited': {example!r}}} in Python), or "
            "name the folder of edited images behind the manifest"
        )
    return [replace(row, cells=renamed(row.cells, headings)) for row in rows] if headings else rows, headings


def require_unique_rows(table: str, ids: list[str], rows: list[Row]) -> None:
    """Raise `DataError`, with all of them, for ids that several rows have."""
    locations: dict[str, list[str]] = {}
    for identifier, row in zip(ids, rows, strict=True):
        locations.setdefault(identifier, []).append(row.location)
    if shared := [
        f"{' and '.join(where)} are both called {name!r}"
        if len(where) == 2
        else f"{first_few(where)} are all called {name!r}"
        for name, where in locations.items()
        if len(where) > 1
    ]:
        advice = "give each row its own id, or its system (--map system=COLUMN)"
        raise DataError(f"{in_lines(table, shared)}; {advice}")


class ImageFolder:
    """The folder that a manifest's paths are relative to and must not leave."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._real = os.path.realpath(folder)
        self._real_parents: dict[str, str] = {}  # few folders hold many images

    def image(self, text: Any, location: str) -> str | Unreadable:
        """The image at the path `text`, or why it cannot be used."""
        if not isinstance(text, str) or "\0" in text:
            return Unreadable(f"{location}: {text!r} is not a path; expected text")
        if is_url(text):
            return Unreadable(f"{location}: {text} is a URL, and URLs are not opened; download it first")
        path = os.path.join(self.folder, text)
        if not self._holds(self._resolved(path)):
            return Unreadable(mended(f"{location}: {self._why_outside(text)}"))
        if "\\" in text and os.sep != "\\" and not os.path.lexists(path):
            slashes = text.replace("\\", "/")
            return Unreadable(f"{location}: {text} does not exist; folders are separated by /, as in {slashes}")
        return path

    def _holds(self, path: str) -> bool:
        return path.startswith(self._real.rstrip(os.sep) + os.sep)

    def _why_outside(self, text: str) -> str:
        """Explain a path that leads out of the folder, and how to correct it; no root helps a path with "../"."""
        lies = f"{text} lies outside of {self.folder}"
        if os.path.isabs(text):
            return f"{lies}; move it inside, or name a root that holds it"
        if self._holds(os.path.normpath(os.path.join(self._real, text))):
            return f"{lies}, where a symbolic link leads; put a copy of the file into the folder"
        return (
            f"{lies}, which paths must not leave; move it inside, or write all paths relative to a folder that holds "
            "every image, without '..', and name that folder as the root"
        )

    def _resolved(self, path: str) -> str:
        parent, name = os.path.split(path)
        if name in ("", os.curdir, os.pardir):
            return os.path.realpath(path)
        if parent not in self._real_parents:
            self._real_parents[parent] = os.path.realpath(parent)
        path = os.path.join(self._real_parents[parent], name)
        return os.path.realpath(path) if os.path.islink(path) else path


def sample_of(row: Row, location: str, folder: ImageFolder, columns: Collection[str]) -> Sample:
    """The sample of one row; its id is settled when all rows are known.

    The cells of a damaged row cannot be assigned to columns: it keeps its texts, and none of its images is used.
    """
    cells = {key: value for key, value in row.cells.items() if not _empty(value)}
    meta = {
        key: value
        for key, value in row.cells.items()
        if key not in FIELDS and key not in ("id", "system") and not _holds_images(value)
    }
    if system := _text(cells.get("system")):
        meta["system"] = system
    fields: dict[str, Any] = {name: _text_of(name, cells[name], location) for name in TEXT_FIELDS if name in cells}
    if row.problem:
        reason = f"{location}: {row.problem}"
        fields |= {name: UnusableText(reason) for name in TEXT_FIELDS if name in columns and name not in cells}
        fields |= {name: Unreadable(reason) for name in IMAGE_FIELDS if name in columns}
    else:
        fields["edited"] = Unreadable(f"{location}: names no edited image")
        fields |= {name: _images(name, cells[name], folder, location) for name in IMAGE_FIELDS if name in cells}
    return Sample("", meta=meta, **fields)


def _images(name: str, cell: Any, folder: ImageFolder, location: str) -> Any:
    """The image of a cell, or several of a list, which a csv has as JSON."""
    if name not in SEVERAL_IMAGES:
        return _image(cell, folder, location)
    if isinstance(cell, str) and cell.startswith("[") and cell.endswith("]"):
        cell = _listed(cell)
    if isinstance(cell, (list, tuple)):
        return [_image(one, folder, location) for one in cell] or Unreadable(f"{location}: its list of images is empty")
    return _image(cell, folder, location)


def _image(cell: Any, folder: ImageFolder, location: str) -> str | Deferred | Unreadable:
    """The image of a cell: at a path, or in the table itself."""
    if isinstance(cell, StoredImage):
        return Deferred(cell.rows, cell.index, cell.column)
    return folder.image(cell, location)


def _listed(cell: str) -> Any:
    """The texts of a list in JSON, or as Python shows one, which pandas writes; the cell itself for anything else."""
    for read in (parse_json, ast.literal_eval):
        with suppress(ValueError, SyntaxError, MemoryError, RecursionError):  # a file may be called so
            listed = read(cell)
            if isinstance(listed, list) and all(isinstance(one, str) for one in listed):
                return listed
    return cell


def problems_of(sample: Sample, location: str) -> str | None:
    """All that is wrong with one row, once each."""
    values = [getattr(sample, name) for name in TEXT_FIELDS]
    values += [image for name in IMAGE_FIELDS for image in images_of(getattr(sample, name))]
    reasons = dict.fromkeys(value.reason for value in values if isinstance(value, (Unreadable, UnusableText)))
    texts = [reason.removeprefix(f"{location}: ") for reason in reasons]
    return f"{location}: {'; '.join(texts)}" if texts else None


def _holds_images(cell: Any) -> bool:
    return isinstance(cell[0] if isinstance(cell, list) and cell else cell, StoredImage)


def _empty(cell: Any) -> bool:
    return cell is None or cell == ""


def _text_of(name: str, cell: Any, location: str) -> Any:
    """The text of a cell, the texts of `questions`, or an `UnusableText`."""
    if name != "questions":
        return usable_text(cell, location, name)
    value = cell
    if isinstance(cell, str):
        try:
            value = parse_json(cell) if cell.lstrip().startswith("[") else [cell]
        except ValueError as error:
            return UnusableText(f"{location}: its questions are not a list of texts: {error}")
    if not isinstance(value, list) or not all(isinstance(question, str) for question in value):
        return UnusableText(mended(f"{location}: its questions are {cell!r}; expected a list of texts"))
    return tuple(value)


def _ids(rows: list[Row], samples: list[Sample], folder: Path) -> list[str]:
    """The id of each row: what its column says, or else the name of its edited image, or at the least its place."""
    ids = [_text(row.cells.get("id")) for row in rows]
    names = ["" if id_ else _name(row, folder) for id_, row in zip(ids, rows, strict=True)]
    if max(Counter(filter(None, names)).values(), default=1) > 1:
        systems = [sample.meta.get("system") for sample in samples]
        names = [f"{system}/{name}" if system else name for system, name in zip(systems, names, strict=True)]
    return [id_ or name for id_, name in zip(ids, names, strict=True)]


def _text(value: Any) -> str:
    """An id as text; "" for NaN, which pandas puts into empty cells."""
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else mended(str(value).strip())


def _name(row: Row, folder: Path) -> str:
    text = row.cells.get("edited")
    text = text.name if isinstance(text, StoredImage) else text
    if row.problem or not isinstance(text, str) or not text:
        return row.location
    return image_name(os.path.relpath(text, folder) if os.path.isabs(text) else text)
