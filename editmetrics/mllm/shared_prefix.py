"""Prompts that begin alike: what they have in common, their pictures above all, is computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .backbone import Backbone
    from .prefix_cache import PrefixCache
    from .prompts import Prompt
    from .tensors import Features


def shared_beginning(backbone: Backbone, prompts: Sequence[Prompt], behind: int = 1) -> int:
    """How many tokens the prompts begin with in common, all pictures among them, `behind` from the end at most.

    0 where a picture is not among them, and for prompts with other pictures.
    """
    if any(prompt.pictures != prompts[0].pictures for prompt in prompts):
        return 0
    rows = [prompt.ids.tolist() for prompt in prompts]
    columns = zip(*(row[: len(row) - behind] for row in rows), strict=False)
    length = sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))
    return length if backbone.processor.image_token_id not in rows[0][length:] else 0


def read_together(
    backbone: Backbone, prompts: Sequence[Prompt], features: Sequence[Sequence[Features]] | None = None
) -> PrefixCache:
    """The cache of `prompts`, as `Backbone.read`; what several of them begin with is computed once, and copied.

    These are prompts about the same pictures, and a prompt that is there several times.
    """
    import torch

    with torch.inference_mode():
        features = backbone.look_at(prompts) if features is None else features
    groups: dict[tuple[int, ...], list[int]] = {}
    for row, prompt in enumerate(prompts):
        groups.setdefault(tuple(map(id, prompt.pictures)) or (id(prompt),), []).append(row)
    lengths: dict[int, int] = {}  # of what is read of a row
    read_as: dict[int, int] = {}  # the row that is read in the place of each
    for rows in groups.values():
        alike = {id(prompts[row]): prompts[row] for row in rows}
        first = prompts[rows[0]]
        length = len(first) if len(alike) == 1 else shared_beginning(backbone, list(alike.values()))
        for row in rows:
            read_as[row] = rows[0] if length else row
            lengths[read_as[row]] = length or len(prompts[row])
    starts = list(lengths)
    cache = backbone.read(
        [replace(prompts[row], ids=prompts[row].ids[: lengths[row]], answer_start=lengths[row]) for row in starts],
        [features[row] for row in starts],
    )
    if len(starts) == len(prompts):
        return cache
    cache = cache.repeated([starts.index(read_as[row]) for row in range(len(prompts))])
    cache.extend([prompt.ids[lengths[read_as[row]] :].tolist() for row, prompt in enumerate(prompts)])
    return cache
