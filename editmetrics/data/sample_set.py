"""Samples, the images of folders, what is looked up by their names (prompts, masks, references), and what is unmatched.

Names are never compared by their order, and never loosely: `img1` is not `img01`, and `Cat` is not `cat`.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from ..files.decoding import read_text
from ..files.headings import by_last_parts
from ..files.notes import note_once
from ..files.text import LONE_SURROGATE, DataError, mended, stripped, told_apart, usable_text
from ..images import SUFFIXES, image_name, unreadable_kind
from ..images.kinds import KINDS as IMAGE_KINDS
from ..sample import Sample, UnusableText, is_blank
from ..wording import first_few
from .prompts import PromptTable, read_prompt_table

HOW_NAMES_MATCH = "names are matched by the path inside the folder without the suffix, letter by letter"

KINDS = {
    "ambiguous": "names that more than one file has, so that none is used",
    "sources": "source images without an edited image",
    "edited": "edited images without a source image",
    "foreign": "images whose names do not fit the pattern",
    "keys": "rows of the manifest without an edited image",
    "keyless": "edited images that belong to no row of the manifest",
    "without_prompt": "images without a prompt",
    "prompts": "prompts that name no image",
    "without_mask": "images without a mask",
    "masks": "masks that belong to no image",
    "without_reference": "images without a reference",
    "references": "references that belong to no image",
    "unusable": "files and folders that cannot be read here",
    "unreadable": "rows that cannot be used",
}
"""The keys of `SampleSet.unmatched`, and what each says about its names."""


_REMEDIES = {kind.name: f" ({kind.remedy})" for kind in IMAGE_KINDS if kind.install}


@dataclass(frozen=True)
class SampleSet:
    """Samples in the order of their names (or rows), and what found no partner, by kind (the keys of `KINDS`).

    It can be iterated over and has a length, so that it goes wherever samples go. `headings` tells which columns of a
    table were read as others, as in `{"prompt": "edit_instruction"}`; `origin` is the manifest that rows are from.

    >>> found = SampleSet([Sample("cat", edited="edits/cat.png")], {"sources": ["dog"]})
    >>> len(found), found.problems()
    (1, ['source images without an edited image (1): dog'])
    """

    samples: Sequence[Sample]
    unmatched: Mapping[str, Sequence[str]] = field(default_factory=dict)
    headings: Mapping[str, str] = field(default_factory=dict)
    origin: str | None = None

    def __post_init__(self) -> None:
        writable = {kind: [mended(name) for name in names] for kind, names in self.unmatched.items()}
        object.__setattr__(self, "unmatched", writable)  # names of files need not be text, and this is written

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)

    def __len__(self) -> int:
        return len(self.samples)

    def about(self) -> dict[str, Any]:
        """Return what the record of a run keeps of how the samples were read: nothing for usual columns and files."""
        hub = {"data_set": self.origin} if self.origin and is_hub(self.origin) else {}
        return ({"columns_read_as": dict(self.headings)} if self.headings else {}) | hub

    def problems(self, examples: int = 3) -> list[str]:
        """One line for each kind of thing that is not matched: how many, and the first `examples` names."""
        return [
            f"{KINDS[kind]} ({len(names)}): {first_few(names, examples)}"
            for kind, names in self.unmatched.items()
            if names
        ]

    def require_complete(self) -> None:
        """Raise `DataError`, listing every name, unless all is matched."""
        if problems := self.problems(examples=max(map(len, self.unmatched.values()), default=0)):
            raise DataError("not everything is matched:\n  " + "\n  ".join(problems))


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


def images_in(folder: Path, named_folders: Sequence[Path] = ()) -> Listing:
    """The images under `folder`, and what cannot be used there.

    Hidden files and folders are left out, and so are the `named_folders` that lie inside this one. Symbolic links
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


@dataclass
class Named:
    """A sample, and the names by which its prompt, mask and reference are looked up, the closest first."""

    sample: Sample
    names: tuple[str, ...]


def is_hub(path: str | os.PathLike[str]) -> bool:
    """Whether `path` is the address of a data set on the hub.

    >>> is_hub("hf://stepfun-ai/GEdit-Bench"), is_hub(Path("hf://stepfun-ai/GEdit-Bench")), is_hub("edits/")
    (True, True, False)
    """
    return re.match(r"hf:[/\\]", os.fspath(path)) is not None


def system_names(folders: Sequence[Path], systems: Sequence[str] | None = None) -> Sequence[str | None]:
    """A name for each edited folder: as little of the end of its path as tells them apart; None for a single one."""
    if systems is not None:
        if len(systems) != len(folders) or len(set(systems)) != len(systems):
            raise DataError(f"{len(folders)} edited folders need as many different systems, not {', '.join(systems)}")
        return systems
    if len(folders) == 1:
        return [None]
    parts = [Path(told_apart(os.path.abspath(folder))).parts for folder in folders]
    if len(set(parts)) < len(parts):
        raise DataError(f"an edited folder is given twice: {', '.join(map(str, folders))}")
    depth = next(n for n in range(1, max(map(len, parts)) + 1) if len({path[-n:] for path in parts}) == len(parts))
    return ["/".join(path[-depth:]) for path in parts]


def look_up(
    pairs: list[Named],
    unmatched: Mapping[str, Sequence[str]] | None = None,
    *,
    prompts: str | os.PathLike[str] | Mapping[str, str] | PromptTable | None = None,
    prompt: str | None = None,
    masks: str | os.PathLike[str] | None = None,
    references: str | os.PathLike[str] | None = None,
    named_folders: Sequence[Path] = (),
) -> SampleSet:
    """The samples of `pairs`, with what is found for them, and what is `unmatched` already with what is so here.

    `named_folders` are all folders that the user named; one that lies inside another is not part of it.
    """
    left: dict[str, list[str]] = {kind: list(names) for kind, names in (unmatched or {}).items()}
    for folder, name, kind in ((masks, "mask", "masks"), (references, "reference", "references")):
        if folder is not None:
            listing = images_in(Path(folder), named_folders)
            left.setdefault("ambiguous", []).extend(listing.shared())
            left.setdefault("unusable", []).extend(listing.unusable)
            _fill(pairs, name, listing.alone(), f"{kind} in {folder}", left, listing)
    headings: Mapping[str, str] = {}
    if prompt is not None:
        if prompts is not None:
            raise DataError("one prompt for all and a prompt for each image are both given; drop one of them")
        if LONE_SURROGATE.search(prompt):
            raise DataError(f"the prompt {prompt!r} is not UTF-8 text; type it in a terminal that is set to UTF-8")
        if is_blank(prompt):
            left["without_prompt"] = [pair.sample.id for pair in pairs]
        for pair in pairs:
            pair.sample = replace(pair.sample, prompt=stripped(prompt))
    elif prompts is not None:
        if isinstance(prompts, Mapping):
            texts = {
                image_name(name): usable_text(text, f"prompts[{name!r}]", "prompt") for name, text in prompts.items()
            }
            _fill_prompts(pairs, {name: text for name, text in texts.items() if text is not None}, "prompts", left)
        else:
            table = prompts if isinstance(prompts, PromptTable) else read_prompt_table(prompts)
            headings = table.headings
            _fill_prompts(pairs, table.prompts, f"prompts in {table.path}", left)
    elif beside := {pair.sample.id: text for pair in pairs if (text := _prompt_beside(pair.sample)) is not None}:
        _fill_prompts(pairs, beside, "prompts", left)
    listed = {kind: left[kind] for kind in KINDS if left.get(kind)}
    return SampleSet([pair.sample for pair in pairs], listed, headings)


def _prompt_beside(sample: Sample) -> str | None:
    return prompt_beside(*(image for image in (sample.edited, sample.source) if image is not None))


def _fill_prompts(pairs: list[Named], table: Mapping[str, str], title: str, left: dict[str, list[str]]) -> None:
    unusable = [text.reason for text in table.values() if isinstance(text, UnusableText)]
    left.setdefault("unreadable", []).extend(unusable)
    names = {name for pair in pairs for name in pair.names}
    if not names & table.keys() and (matched := by_last_parts(table, names)):
        name, ending = next(iter(matched.items()))
        note_once(f"the {title} are matched by the last parts of their names: {name!r} is {ending!r}")
        table = {matched.get(name, name): text for name, text in table.items()}
    _fill(pairs, "prompt", table, title, left)


def _fill(
    pairs: list[Named],
    field: str,
    table: Mapping[str, Any],
    title: str,
    left: dict[str, list[str]],
    listing: Listing | None = None,
) -> None:
    """Set `field` of each sample that has a name in `table`, and note what is left on either side.

    `listing` is the folder that `table` comes from, and knows why an image that is there is not in it.
    """
    used = set()
    for pair in pairs:
        name = next((name for name in pair.names if name in table), None)
        if name is None:
            why = next((why for name in pair.names if listing and (why := listing.why_none(name))), "")
            left.setdefault(f"without_{field}", []).append(pair.sample.id + why)
        else:
            used.add(name)
            pair.sample = replace(pair.sample, **{field: table[name]})
    if not used:
        shared = f"; ambiguous names are not used: {first_few(listing.shared(), 2)}" if listing and not table else ""
        raise DataError(
            f"none of the {title} belongs to an image; {HOW_NAMES_MATCH}: they are called {examples(table)}, "
            f"the images {examples(pair.names[-1] for pair in pairs)}{shared}"
        )
    left.setdefault(f"{field}s", []).extend(name for name in table if name not in used)


def prompt_beside(*images: Path) -> str | None:
    """The text of the file beside an image that is named as it is, with the suffix .txt; None if there is none, or one
    without a text. A file that cannot be read is an `UnusableText`.

    Raises `DataError` when there are several with different texts.
    """
    texts: dict[str, Path] = {}
    for file in dict.fromkeys(image.with_suffix(".txt") for image in images):
        if not os.path.isfile(file):
            continue
        try:
            text = stripped(read_text(file))
        except DataError as error:
            return UnusableText(str(error))
        if text is not None:
            texts.setdefault(text, file)
    if len(texts) > 1:
        raise DataError(f"{' and '.join(map(str, texts.values()))} differ; keep the one that is the prompt")
    return next(iter(texts), None)
