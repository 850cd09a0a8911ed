"""A benchmark's inputs in a folder: images as they are published, and a manifest of prompts and keys."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files.decoding import read_json
from ..files.rows import write_rows
from ..files.text import DataError
from ..files.writing import make_folder, replacing
from ..images.kinds import HEAD_BYTES, kind_of
from ..sample import IMAGE_FIELDS
from ..wording import first_few
from .input_files import StoredFile
from .inputs import InputRow, StoredImage

MANIFEST = "manifest.csv"
ORIGIN = "origin.json"
"""The file that says where the inputs are from: data set, commit, licence."""


UNFIT = frozenset('\0\\:*?"<>|')
"""Characters that some system does not allow in the name of a file."""


@dataclass(frozen=True)
class LaidOut:
    """A benchmark's inputs in a folder: the manifest, the number of its rows, and the first output's name, if any."""

    manifest: Path
    rows: int
    first: str
    written: int


def lay_out(rows: Iterable[InputRow], folder: Path, origin: dict[str, Any], overwrite: bool = False) -> LaidOut:
    """Write the images of `rows` and a manifest into `folder`; images that are there, of the same size, are kept.

    The bytes of images stay as they are. The manifest has a row for each, with `id`, `save_as` (the name of an output
    in a folder of outputs, as the benchmark's script has it), the paths of the images, `prompt`, and all other columns.
    `origin` says where they are from; a folder with inputs of another origin is refused, unless `overwrite`.

    Raises `DataError` for names that lead out of the folder, and images that are none.
    """
    _check_origin(folder, origin, overwrite)
    table: list[dict[str, Any]] = []
    counts: Counter[str] = Counter()
    written = 0
    for row in rows:
        name = _checked(row.name)
        counts[name] += 1
        identifier = name if counts[name] == 1 else f"{name}_{counts[name]}"  # as two pairs of GEdit-Bench's rows
        cells: dict[str, Any] = {"id": identifier} | ({} if "edited" in row.images else {"save_as": f"{name}.png"})
        for field, images in row.images.items():
            several = len(images) > 1
            paths = []
            for number, image in enumerate(images, 1):
                path, new = _write_image(image, folder, f"{field}/{identifier}" + (f"_{number}" if several else ""))
                paths.append(path)
                written += new
            cells[field] = paths if several else paths[0]
        table.append({**cells, **{name: cell for name, cell in row.columns.items() if name not in cells}})
    if not table:
        raise DataError(f"{folder}: the benchmark's files have no rows; nothing was written")
    make_folder(folder / ORIGIN)
    with replacing(folder / ORIGIN) as temporary:
        temporary.write_text(json.dumps({**origin, "rows": len(table)}, indent=2) + "\n", encoding="utf-8")
    write_rows(table, folder / MANIFEST)
    return LaidOut(folder / MANIFEST, len(table), table[0].get("save_as", ""), written)


def _check_origin(folder: Path, origin: dict[str, Any], overwrite: bool) -> None:
    known = read_json(folder / ORIGIN) if (folder / ORIGIN).is_file() else None
    other = [name for name in ("suite", "data_set", "commit") if known and known.get(name) != origin.get(name)]
    if known and other and not overwrite:
        raise DataError(
            f"{folder} has the inputs of {known.get('suite')} ({known.get('data_set')}, {known.get('commit')}); name "
            "another folder, or replace them with --overwrite"
        )
    if known is None and folder.is_dir() and not overwrite and (strange := sorted(folder.iterdir())):
        partial = [path for path in strange if path.name not in (*IMAGE_FIELDS, MANIFEST)]
        if partial:
            raise DataError(f"{folder} holds other files ({first_few(p.name for p in partial)}); name a new folder")


def _checked(name: str) -> str:
    """The name of an output, which stays inside a folder. Raises `DataError` for another."""
    if any(_unfit(part) for part in name.split("/")):
        raise DataError(f"the name of an output, {name!r}, is not a path inside a folder; the data set has changed")
    return name


def _unfit(part: str) -> bool:
    return not part.strip() or part.startswith(".") or len(part.encode()) > 200 or bool(set(part) & UNFIT)


def _write_image(image: StoredImage | StoredFile, folder: Path, stem: str) -> tuple[str, bool]:
    """Write the bytes of an image, and return its path in the folder, and whether it is new."""
    data = image.read()
    kind = kind_of(data[:HEAD_BYTES])
    if kind is None:
        raise DataError(f"{stem}: {getattr(image, 'name', '') or 'a cell'} is not an image; is the download complete?")
    path = f"{stem}{kind.suffixes.split()[0]}"
    target = folder / path
    if target.is_file() and target.read_bytes() == data:
        return path, False
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as temporary:
        temporary.write_bytes(data)
    return path, True
