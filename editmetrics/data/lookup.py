"""Prompts, masks and references, looked up by the names of images that are paired already."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..files.text import LONE_SURROGATE, DataError, stripped, usable_text
from ..sample import Sample, UnusableText, is_blank
from ..wording import first_few
from .names import HOW_NAMES_MATCH, Listing, examples, image_name, images_in
from .prompts import prompt_beside, read_prompts
from .sample_set import KINDS, SampleSet


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
    given: Sequence[Path] = (),
) -> SampleSet:
    """The samples of `pairs`, with what is found for them, and what is `unmatched` already with what is so here.

    `given` are all folders that the user named; one that lies inside another is not part of it.
    """
    left: dict[str, list[str]] = {kind: list(names) for kind, names in (unmatched or {}).items()}
    for folder, field, kind in ((masks, "mask", "masks"), (references, "reference", "references")):
        if folder is not None:
            listing = images_in(Path(folder), given)
            left.setdefault("ambiguous", []).extend(listing.shared())
            left.setdefault("unusable", []).extend(listing.unusable)
            _fill(pairs, field, listing.alone(), f"{kind} in {folder}", left, listing)
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


def _fill_prompts(pairs: list[Named], table: Mapping[str, str], what: str, left: dict[str, list[str]]) -> None:
    unusable = [text.reason for text in table.values() if isinstance(text, UnusableText)]
    left.setdefault("unreadable", []).extend(unusable)
    _fill(pairs, "prompt", table, what, left)


def _fill(
    pairs: list[Named],
    field: str,
    table: Mapping[str, Any],
    what: str,
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
            f"none of the {what} belongs to an image; {HOW_NAMES_MATCH}: they are called {examples(table)}, "
            f"the images {examples(pair.names[-1] for pair in pairs)}{shared}"
        )
    left.setdefault(f"{field}s", []).extend(name for name in table if name not in used)
