"""Samples, what is looked up for them by name (prompts, masks, references), and what found no partner."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..files.rows import read_text
from ..files.text import LONE_SURROGATE, DataError, mended, stripped, usable_text
from ..sample import Sample, UnusableText, is_blank
from ..wording import first_few
from .names import HOW_NAMES_MATCH, Listing, examples, image_name, images_in
from .prompts import read_prompts

KINDS = {
    "ambiguous": "names that more than one file has, so that none is used",
    "sources": "source images without an edited image",
    "edited": "edited images without a source image",
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


@dataclass(frozen=True)
class SampleSet:
    """Samples in the order of their names (or rows), and what found no partner, by kind (the keys of `KINDS`).

    It can be iterated over and has a length, so that it goes wherever samples go.

    >>> found = SampleSet([Sample("cat", edited="edits/cat.png")], {"sources": ["dog"]})
    >>> len(found), found.problems()
    (1, ['source images without an edited image (1): dog'])
    """

    samples: Sequence[Sample]
    unmatched: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        writable = {kind: [mended(name) for name in names] for kind, names in self.unmatched.items()}
        object.__setattr__(self, "unmatched", writable)  # names of files need not be text, and this is written

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)

    def __len__(self) -> int:
        return len(self.samples)

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
class Named:
    """A sample, and the names by which its prompt, mask and reference are looked up, the closest first."""

    sample: Sample
    names: tuple[str, ...]


def look_up(
    pairs: list[Named],
    unmatched: Mapping[str, Sequence[str]] | None = None,
    *,
    prompts: str | os.PathLike[str] | Mapping[str, str] | None = None,
    prompt: str | None = None,
    masks: str | os.PathLike[str] | None = None,
    references: str | os.PathLike[str] | None = None,
    named_folders: Sequence[Path] = (),
) -> SampleSet:
    """The samples of `pairs`, with what is found for them, and what is `unmatched` already with what is so here.

    `given` are all folders that the user named; one that lies inside another is not part of it.
    """
    left: dict[str, list[str]] = {kind: list(names) for kind, names in (unmatched or {}).items()}
    for folder, name, kind in ((masks, "mask", "masks"), (references, "reference", "references")):
        if folder is not None:
            listing = images_in(Path(folder), named_folders)
            left.setdefault("ambiguous", []).extend(listing.shared())
            left.setdefault("unusable", []).extend(listing.unusable)
            _fill(pairs, name, listing.alone(), f"{kind} in {folder}", left, listing)
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
            _fill_prompts(pairs, read_prompts(prompts), f"prompts in {os.fspath(prompts)}", left)
    elif beside := {pair.sample.id: text for pair in pairs if (text := _prompt_beside(pair.sample)) is not None}:
        _fill_prompts(pairs, beside, "prompts", left)
    return SampleSet([pair.sample for pair in pairs], {kind: left[kind] for kind in KINDS if left.get(kind)})


def _prompt_beside(sample: Sample) -> str | None:
    return prompt_beside(*(image for image in (sample.edited, sample.source) if image is not None))


def _fill_prompts(pairs: list[Named], table: Mapping[str, str], title: str, left: dict[str, list[str]]) -> None:
    unusable = [text.reason for text in table.values() if isinstance(text, UnusableText)]
    left.setdefault("unreadable", []).extend(unusable)
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
