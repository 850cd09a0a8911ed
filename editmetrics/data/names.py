"""The names of images: paths without suffix, in one spelling, by which edits, masks and prompts are matched.

Names are never compared by their order, and never loosely: `img1` is not `img01`, and `Cat` is not `cat`.
"""

from __future__ import annotations

import os
import posixpath
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from ..files.text import DataError, stripped, told_apart
from ..images import SUFFIXES, unreadable_kind
from ..images.kinds import KINDS
from ..wording import first_few

HOW_NAMES_MATCH = "names are matched by the path inside the folder without the suffix, letter by letter"


NAMED_SUFFIXES = frozenset(suffix for kind in KINDS if kind.format for suffix in kind.suffixes.split())
"""The suffixes that are not part of a name: those of all kinds that some machine reads, so that ids do not differ."""

_REMEDIES = {kind.name: f" ({kind.remedy})" for kind in KINDS if kind.install}


@dataclass
class Listing:
    """The images and unusable files of a folder.

    - `images`: from a name to the files that have it, sorted by name; several share it.
    - `unusable`: entries that look like images and cannot be read here, and those that cannot be looked into, each with
      the reason. `unusable_names`: from the names that they would have to these lines.
    """

    folder: Path
    images: dict[str, list[Path]] = field(default_factory=dict)
    unusable: list[str] = field(default_factory=list)
    unusable_names: dict[str, str] = field(default_factory=dict)

    def alone(self) -> dict[str, Path]:
        """The images whose name no other file of the folder has."""
        return {name: paths[0] for name, paths in self.images.items() if len(paths) == 1}

    def shared(self) -> list[str]:
        """The names that several files have, with these."""
        return [f"{name} ({', '.join(map(str, paths))})" for name, paths in self.images.items() if len(paths) > 1]

    def why_none(self, name: str) -> str:
        """Describe what a folder has instead of an image of this name, as " (...)"; "" if nothing."""
        return f" ({self.unusable_names[name]})" if name in self.unusable_names else ""


def image_name(path: str) -> str:
    """A relative path as a name: without the suffix of an image, with "/" between folders, in Unicode's NFC, without
    blanks around it.

    >>> image_name("animals/cat.v2.PNG"), image_name("cat "), image_name("./animals//cat.jpg")
    ('animals/cat.v2', 'cat', 'animals/cat')
    """
    path = posixpath.normpath((stripped(path) or path).replace("\\", "/"))
    stem, suffix = posixpath.splitext(path)
    name = unicodedata.normalize("NFC", told_apart(stem if suffix.lower() in NAMED_SUFFIXES else path))
    return stripped(name) or name


def images_in(folder: Path, named_folders: Sequence[Path] = ()) -> Listing:
    """The images under `folder`, and what cannot be used there.

    Hidden files and folders are left out, and so are the folders among `given` that lie inside this one. Symbolic links
    are followed, but never back into a folder that holds them. A link that leads nowhere else than to itself, or a
    folder that may not be entered, is unusable. Raises `DataError` when there are no images, and when
    `folder` itself cannot be listed.
    """
    files: dict[str, list[Path]] = {}
    listing = Listing(folder)
    for relative, problem in _entries(folder, {os.path.realpath(other) for other in named_folders}):
        if problem is None:
            files.setdefault(image_name(relative), []).append(folder / relative)
            continue
        listing.unusable.append(f"{folder / relative}: {problem}")
        reason = f"{posixpath.basename(relative)} is there and cannot be read: {problem}"
        for name in (image_name(posixpath.splitext(relative)[0]), image_name(relative)):
            listing.unusable_names.setdefault(name, reason)
    if not files:
        unreadable = f"; what is there cannot be read: {first_few(listing.unusable, 2)}" if listing.unusable else ""
        raise DataError(f"the folder {folder} holds no image ({', '.join(sorted(SUFFIXES))}){unreadable}")
    listing.images = {name: sorted(files[name]) for name in sorted(files)}
    listing.unusable.sort()
    return listing


def examples(names: Iterable[str]) -> str:
    """The first two names, for an error message."""
    return ", ".join(repr(name) for name in islice(names, 2)) or "nothing"


def _entries(folder: Path, apart_from: set[str]) -> Iterator[tuple[str, str | None]]:
    """Relative paths, with "/", of the image files under `folder`, and of what is unusable there, with the reason."""
    top = os.path.realpath(folder)
    waiting = [("", top, frozenset({top}))]  # a folder's relative path, its real path, and all folders that hold it
    while waiting:
        prefix, real, holders = waiting.pop()
        try:
            with os.scandir(real) as scanned:
                entries = list(scanned)
        except OSError as error:
            if not prefix:
                raise DataError(f"the folder {folder} cannot be listed: {error.strerror}") from error
            yield prefix.rstrip("/"), _because(error)
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            relative = prefix + entry.name
            try:
                is_folder = entry.is_dir()
            except OSError as error:  # a link to itself, or into a folder that may not be entered
                yield relative, _because(error)
                continue
            if is_folder:
                inner = os.path.realpath(entry.path)
                if inner not in holders and inner not in apart_from:
                    waiting.append((f"{relative}/", inner, holders | {inner}))
            elif os.path.splitext(entry.name)[1].lower() in SUFFIXES:
                yield relative, None
            elif kind := unreadable_kind(entry.path):
                yield relative, kind + _REMEDIES.get(kind, "")


def _because(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
