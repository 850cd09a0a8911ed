"""What the paths of a command line mean: two folders, one, several, single files, or a manifest."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..images import SUFFIXES, is_url
from .folders import from_files, from_folders
from .manifest import from_manifest
from .sample_set import DataError, SampleSet
from .tables import TABLE_SUFFIXES

EXPECTED = (
    "expected a source folder and one or more edited folders, a single folder, a source and an edited image, "
    "a single image, or a manifest (.csv, .jsonl, .parquet)"
)


def find_samples(
    paths: Sequence[str | os.PathLike[str]],
    *,
    prompts: str | os.PathLike[str] | None = None,
    prompt: str | None = None,
    masks: str | os.PathLike[str] | None = None,
    references: str | os.PathLike[str] | None = None,
    root: str | os.PathLike[str] | None = None,
) -> SampleSet:
    """The samples that `paths` stand for:

    - `source/ edited/`, or `source/ edited_a/ edited_b/`: `from_folders`, with several systems in the second form;
    - `edited/`: the same, without sources;
    - `source.png edited.png`, or `edited.png`: `from_files`;
    - `manifest.csv` (or .jsonl, .parquet): `from_manifest`, whose paths are relative to `root`.

    Raises `DataError` for anything else.

    >>> len(find_samples(["docs/examples/source/cat.jpg", "docs/examples/edited/cat.jpg"]))
    1
    """
    for path in paths:
        if not os.path.exists(path):
            said = "is a URL; download it first" if is_url(os.fspath(path)) else "does not exist"
            raise DataError(f"{os.fspath(path)} {said}; {EXPECTED}")
    places = [Path(path) for path in paths]
    more = {"prompts": prompts, "prompt": prompt, "masks": masks, "references": references}
    if len(places) == 1 and places[0].suffix.lower() in TABLE_SUFFIXES and places[0].is_file():
        if given := [name for name, value in more.items() if value is not None]:
            raise DataError(
                f"{places[0]} is a manifest: put {', '.join(given)} into its columns prompt, mask, reference"
            )
        return from_manifest(places[0], root)
    if root is not None:
        raise DataError(
            f"root={os.fspath(root)} is the folder of a manifest's paths, and no manifest is given; {EXPECTED}"
        )
    if places and all(place.is_dir() for place in places):
        source, edited = (places[0], places[1:]) if len(places) > 1 else (None, places)
        return from_folders(source, edited, prompts=prompts, prompt=prompt, masks=masks, references=references)
    if 1 <= len(places) <= 2 and all(place.is_file() and place.suffix.lower() in SUFFIXES for place in places):
        source_file = places[0] if len(places) == 2 else None
        return from_files(source_file, places[-1], prompts=prompts, prompt=prompt, masks=masks, references=references)
    said = ", ".join(f"{place} ({_kind(place)})" for place in places)
    raise DataError(f"nothing can be made of {said or 'no path'}; {EXPECTED}")


def _kind(place: Path) -> str:
    if place.is_dir():
        return "a folder"
    suffix = place.suffix.lower()
    return "an image" if suffix in SUFFIXES else "a manifest" if suffix in TABLE_SUFFIXES else "a file of another kind"
