"""What the paths of a command line mean: two folders, one, several, single files, or a manifest."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from ..files.rows import TABLE_SUFFIXES
from ..files.text import DataError
from ..images import SUFFIXES, is_url, unreadable_kind
from .folders import from_files, from_folders
from .manifest import from_manifest
from .sample_set import SampleSet

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
            raise DataError(f"{_why_missing(os.fspath(path))}; {EXPECTED}")
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
    if places and all(map(os.path.isdir, places)):
        source, edited = (places[0], places[1:]) if len(places) > 1 else (None, places)
        return from_folders(source, edited, prompts=prompts, prompt=prompt, masks=masks, references=references)
    if 1 <= len(places) <= 2 and all(os.path.isfile(place) and place.suffix.lower() in SUFFIXES for place in places):
        source_file = places[0] if len(places) == 2 else None
        return from_files(source_file, places[-1], prompts=prompts, prompt=prompt, masks=masks, references=references)
    said = ", ".join(f"{place} ({_kind(place)})" for place in places)
    raise DataError(f"nothing can be made of {said or 'no path'}; {EXPECTED}")


def _why_missing(path: str) -> str:
    if is_url(path):
        whole = re.sub(r"\A([A-Za-z][A-Za-z0-9+.-]+:)/(?!/)", r"\1//", path)  # a Path keeps one slash of the two
        return f"{whole} is a URL; download it first"
    if os.path.islink(path):
        return f"{path} is a symbolic link that leads nowhere, or where nobody may enter"
    return f"{path} does not exist"


def _kind(place: Path) -> str:
    if os.path.isdir(place):
        return "a folder"
    suffix = place.suffix.lower()
    if suffix not in TABLE_SUFFIXES and (kind := unreadable_kind(place)):
        return f"an image that cannot be read here: {kind}"
    return "an image" if suffix in SUFFIXES else "a manifest" if suffix in TABLE_SUFFIXES else "a file of another kind"
