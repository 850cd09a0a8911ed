"""What images are called: a path without its suffix, in one spelling, by which edits, masks and prompts meet.

Names are never compared by their order, and never loosely: `img1` is not `img01`, and `Cat` is not `cat`.
"""

from __future__ import annotations

import os
import posixpath
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from ..images import SUFFIXES
from .sample_set import DataError
from .tables import mended

HOW_NAMES_MATCH = "names are matched by the path inside the folder without the suffix, letter by letter"


def image_name(path: str) -> str:
    """A relative path as a name: without the suffix of an image, with "/" between folders, in Unicode's NFC.

    >>> image_name("animals/cat.v2.PNG"), image_name("cat"), image_name("./animals//cat.jpg")
    ('animals/cat.v2', 'cat', 'animals/cat')
    """
    path = posixpath.normpath(path.replace("\\", "/"))
    stem, suffix = posixpath.splitext(path)
    return unicodedata.normalize("NFC", mended(stem if suffix.lower() in SUFFIXES else path))


def images_by_name(folder: Path, given: Sequence[Path] = ()) -> dict[str, list[Path]]:
    """The images under `folder` by name, sorted; a list of several files is a name that they share.

    Hidden files and folders are left out, and so are the folders among `given` that lie inside this one. Symbolic links
    are followed, but never back into a folder that holds them. Raises `DataError` when there are no images, and for a
    folder that cannot be listed.
    """
    found: dict[str, list[Path]] = {}
    for relative in _image_files(folder, {os.path.realpath(other) for other in given}):
        found.setdefault(image_name(relative), []).append(folder / relative)
    if not found:
        raise DataError(f"the folder {folder} holds no image ({', '.join(sorted(SUFFIXES))})")
    return {name: sorted(found[name]) for name in sorted(found)}


def examples(names: Iterable[str]) -> str:
    """The first two names, for an error message."""
    return ", ".join(repr(name) for name in islice(names, 2)) or "nothing"


def _image_files(folder: Path, apart_from: set[str]) -> Iterator[str]:
    """Relative paths, with "/", of the image files under `folder`."""
    top = os.path.realpath(folder)
    waiting = [("", top, frozenset({top}))]  # a folder's relative path, its real path, and all folders that hold it
    while waiting:
        prefix, real, holders = waiting.pop()
        try:
            with os.scandir(real) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if not entry.is_dir():
                        if os.path.splitext(entry.name)[1].lower() in SUFFIXES:
                            yield prefix + entry.name
                        continue
                    inner = os.path.realpath(entry.path)
                    if inner not in holders and inner not in apart_from:
                        waiting.append((f"{prefix}{entry.name}/", inner, holders | {inner}))
        except OSError as error:
            raise DataError(f"the folder {folder / prefix} cannot be listed: {error.strerror}") from error
