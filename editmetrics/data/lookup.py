"""Prompts, masks and references, looked up by the names of images that are paired already."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..sample import Sample
from .names import HOW_NAMES_MATCH, examples, image_name, images_by_name
from .prompts import prompt_beside, read_prompts
from .sample_set import KINDS, DataError, SampleSet


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
            images = images_by_name(Path(folder), given)
            shared = [f"{name} (in {folder})" for name, paths in images.items() if len(paths) > 1]
            left.setdefault("ambiguous", []).extend(shared)
            alone = {name: paths[0] for name, paths in images.items() if len(paths) == 1}
            _fill(pairs, field, alone, f"{kind} in {folder}", left)
    if prompt is not None:
        if prompts is not None:
            raise DataError("one prompt for all and a prompt for each image are both given; drop one of them")
        for pair in pairs:
            pair.sample = replace(pair.sample, prompt=prompt)
    elif prompts is not None:
        if isinstance(prompts, Mapping):
            _fill(pairs, "prompt", {image_name(name): text for name, text in prompts.items()}, "prompts", left)
        else:
            _fill(pairs, "prompt", read_prompts(prompts), f"prompts in {os.fspath(prompts)}", left)
    elif beside := {pair.sample.id: text for pair in pairs if (text := _prompt_beside(pair.sample))}:
        _fill(pairs, "prompt", beside, "prompts", left)
    return SampleSet([pair.sample for pair in pairs], {kind: left[kind] for kind in KINDS if left.get(kind)})


def _prompt_beside(sample: Sample) -> str | None:
    return prompt_beside(*(image for image in (sample.edited, sample.source) if image is not None))


def _fill(pairs: list[Named], field: str, table: Mapping[str, Any], what: str, left: dict[str, list[str]]) -> None:
    """Set `field` of each sample that has a name in `table`, and note what is left on either side."""
    used = set()
    for pair in pairs:
        name = next((name for name in pair.names if name in table), None)
        if name is None:
            left.setdefault(f"without_{field}", []).append(pair.sample.id)
        else:
            used.add(name)
            pair.sample = replace(pair.sample, **{field: table[name]})
    if not used:
        raise DataError(
            f"none of the {what} belongs to an image; {HOW_NAMES_MATCH}: they are called {examples(table)}, "
            f"the images {examples(pair.names[-1] for pair in pairs)}"
        )
    left.setdefault(f"{field}s", []).extend(name for name in table if name not in used)
