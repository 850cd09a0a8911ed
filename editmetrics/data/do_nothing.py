"""The system that returns every source as it is: what doing nothing scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..files.text import DataError
from ..sample import Sample
from ..wording import plural

DO_NOTHING = "(do nothing)"
"""Its name in tables. It is scored like the others, and ranked with none of them."""


def with_source_as_system(samples: Sequence[Sample]) -> list[Sample]:
    """The samples, and for each task of theirs another one whose edited image is the source.

    A task that several systems solved is added once. A system without a name is called after its folder.

    Raises `DataError` for samples without a source.

    >>> cat = Sample("cat", source="sources/cat.png", edited="model_a/cat.png")
    >>> [(sample.id, sample.edited, sample.meta["system"]) for sample in with_source_as_system([cat])]
    [('cat', 'model_a/cat.png', 'model_a'), ('(do nothing)/cat', 'sources/cat.png', '(do nothing)')]
    """
    lacking = [sample.id for sample in samples if not sample.has("source")]
    if lacking:
        raise DataError(
            f"{plural(len(lacking), 'sample')} without a source, which doing nothing requires: {lacking[0]}"
        )
    if several := [sample.id for sample in samples if isinstance(sample.source, tuple)]:
        raise DataError(
            f"{plural(len(several), 'sample')} with several sources, of which doing nothing gives none: {several[0]}"
        )
    added: dict[Any, Sample] = {}
    named = []
    for sample in samples:
        system = sample.meta.get("system")
        name = sample.id if system is None else sample.id.removeprefix(f"{system}/")
        named.append(sample if system else replace(sample, meta={**sample.meta, "system": _folder(sample)}))
        task = (str(sample.source), str(sample.prompt), str(sample.mask), name if not sample.has("prompt") else "")
        meta = {**sample.meta, "system": DO_NOTHING}
        added.setdefault(task, replace(sample, id=f"{DO_NOTHING}/{name}", edited=sample.source, meta=meta))
    return [*named, *added.values()]


def _folder(sample: Sample) -> str:
    """The name of the folder of an edited image, which stands for its system."""
    return (Path(sample.edited).parent.name if isinstance(sample.edited, (str, Path)) else "") or "edited"
