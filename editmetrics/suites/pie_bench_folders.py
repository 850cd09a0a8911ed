"""PIE-Bench as its script has it: `mapping_file.json`, its sources, and a folder of outputs for each method."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data import SampleSet
from ..data.sample_set import images_in, system_names
from ..files.decoding import read_json
from ..files.notes import note_once
from ..files.text import DataError
from ..images import image_name
from ..images.stand_ins import Deferred
from ..sample import Sample
from ..wording import plural
from .reading import sample_id

if TYPE_CHECKING:
    from PIL.Image import Image

MAPPING = "mapping_file.json"
IMAGES = "annotation_images"
SIDE = 512
COLUMNS = ("image_path", "original_prompt", "editing_prompt", "editing_type_id", "mask")


def cleaned(prompt: str) -> str:
    """Return a prompt without the brackets around the words that change; blanks stay as they are.

    >>> cleaned("a [rusty] bike"), cleaned("[] a bike")
    ('a rusty bike', ' a bike')
    """
    return prompt.replace("[", "").replace("]", "")


def decoded_mask(runs: Sequence[int], side: int = SIDE) -> np.ndarray:
    """Return the edited region (side, side), bool, of a flat list: start, length, start, length, ...

    A run is cut off at the last pixel. The outermost pixels, which the script counts to the region, are not added here:
    the metrics of the variant do that. Raises `ValueError` for a list of another form.

    >>> decoded_mask([1, 2, 7, 9], side=3).astype(int).tolist()
    [[0, 1, 1], [0, 0, 0], [0, 1, 1]]
    """
    pairs = np.asarray(runs)
    if pairs.ndim != 1 or len(pairs) % 2 or (len(pairs) and (pairs.dtype.kind != "i" or pairs.min() < 0)):
        raise ValueError("expected a flat list of whole numbers: start, length, start, length, ...")
    mask: np.ndarray = np.zeros(side * side, bool)
    for start, length in pairs.reshape(-1, 2):
        mask[start : start + length] = True
    return mask.reshape(side, side)


def read_folders(data: Path, outputs: Sequence[Path], prompts: Path | None) -> SampleSet | None:
    """Return a sample for each row of `data`/mapping_file.json and folder of outputs; None where it has no such file.

    Outputs have the relative paths of the sources (any suffix), in the folder or in its `annotation_images`. Both
    prompts are without brackets. Raises `DataError` for a file of another form.
    """
    if not (data / MAPPING).is_file():
        return None
    if prompts is not None:
        raise DataError(f"{data / MAPPING} has the prompts; leave out --prompts {prompts}")
    rows = _rows(data / MAPPING)
    sources = _by_name(data / IMAGES)
    names = {key: image_name(str(row["image_path"])) for key, row in rows.items()}
    missing: list[str] = []
    foreign: list[str] = []
    samples: list[Sample] = []
    named = [folder.absolute().parent if folder.name == IMAGES else folder for folder in outputs]
    for folder, system in zip(outputs, system_names(named), strict=True):
        edits = _by_name(folder / IMAGES if (folder / IMAGES).is_dir() else folder)
        foreign += [sample_id(system, name) for name in edits if name not in names.values()]
        missing += [sample_id(system, key) for key, name in names.items() if name not in edits]
        own = [key for key, name in names.items() if name in edits]
        images = last_squares([edits[names[key]] for key in own])
        if strips := sum(isinstance(image, Deferred) for image in images):
            note_once(
                f"{folder}: {plural(strips, 'image')} not square, of which the last {SIDE} x {SIDE} pixels (right, "
                "below) are judged, as by the published script"
            )
        for key, image in zip(own, images, strict=True):
            samples.append(_sample(sample_id(system, key), rows[key], sources.get(names[key]), image, system))
    if not samples:
        raise DataError(
            f"no image in {', '.join(map(str, outputs))} has the name of a row of {data / MAPPING}; expected the "
            f"sources' own paths, such as {next(iter(rows.values()))['image_path']}"
        )
    alone = [sample.id for sample in samples if sample.source is None]
    unmatched = {"keys": missing, "keyless": foreign, "edited": alone}
    return SampleSet(samples, {kind: ids for kind, ids in unmatched.items() if ids}, origin=str(data / MAPPING))


@dataclass(frozen=True)
class Strips:
    """Images of which the last 512 x 512 pixels count: source, reconstruction and edit in a row, as scripts save them.

    Row `index` has the crop of that image as `edited`.
    """

    paths: Sequence[Path]

    def __getitem__(self, index: int) -> dict[str, Image]:
        from PIL import Image

        with Image.open(self.paths[index]) as image:
            right, bottom = image.size
            if min(right, bottom) < SIDE:
                raise ValueError(f"{self.paths[index]} has {right} x {bottom} pixels; expected {SIDE} x {SIDE}")
            return {"edited": image.convert("RGB").crop((right - SIDE, bottom - SIDE, right, bottom))}


def last_squares(paths: Sequence[Path]) -> list[Path | Deferred]:
    """Return the path of each square image, and of others a stand-in for the last 512 x 512 pixels."""
    from PIL import Image

    strips = Strips(paths)
    images: list[Path | Deferred] = []
    for index, path in enumerate(paths):
        try:
            with Image.open(path) as image:
                square = image.width == image.height
        except OSError:  # it is named when it is read
            square = True
        images.append(path if square else Deferred(strips, index, "edited"))
    return images


def _rows(path: Path) -> dict[str, dict[str, Any]]:
    rows = read_json(path)
    if not isinstance(rows, dict) or not rows:
        raise DataError(f"{path} is not PIE-Bench's: expected an object of rows by their keys")
    for key, row in rows.items():
        if not isinstance(row, dict) or (missing := [name for name in COLUMNS if name not in row]):
            lacks = f"lacks {', '.join(missing)}" if isinstance(row, dict) else "is not an object"
            raise DataError(f"{path}: the row {key!r} {lacks}; expected PIE-Bench's own file")
    return rows


def _sample(identifier: str, row: dict[str, Any], source: Path | None, edited: Any, system: str | None) -> Sample:
    from PIL import Image

    try:
        mask = decoded_mask(row["mask"])
    except ValueError as error:
        raise DataError(f"{MAPPING}: the mask of {identifier} cannot be read: {error}") from error
    file = io.BytesIO()
    Image.fromarray(mask).save(file, "png")
    kept = ("editing_type_id", "editing_instruction", "image_path")
    meta: dict[str, Any] = {name: row[name] for name in kept if name in row}
    return Sample(
        identifier,
        edited=edited if isinstance(edited, Deferred) else os.fspath(edited),
        source=None if source is None else os.fspath(source),
        mask=file.getvalue(),
        prompt=cleaned(row["editing_prompt"]),
        source_prompt=cleaned(row["original_prompt"]),
        meta=meta if system is None else {"system": system, **meta},
    )


def _by_name(folder: Path) -> dict[str, Path]:
    """The images of a folder by their names, paths inside it without suffix."""
    return images_in(folder).alone() if folder.is_dir() else {}
