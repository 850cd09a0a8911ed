"""Parts of a run's samples: the first of each system (`--limit`), and the share of one machine (`--shard`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..sample import Sample


def first_of_each_system(samples: Sequence[Sample], limit: int) -> list[Sample]:
    """The first `limit` samples of each system, in their order.

    >>> from editmetrics import Sample
    >>> samples = [Sample(f"{system}{n}", edited="a.png", meta={"system": system}) for system in "ab" for n in (1, 2)]
    >>> [sample.id for sample in first_of_each_system(samples, 1)]
    ['a1', 'b1']
    """
    counts: Counter[Any] = Counter()
    first = []
    for sample in samples:
        system = sample.meta.get("system")
        counts[system] += 1
        if counts[system] <= limit:
            first.append(sample)
    return first


def shard_part(text: str, samples: Sequence[Sample], output: Path | None) -> tuple[list[Sample], Path, dict[str, Any]]:
    """The samples of the shard I/N, its output file, and its description for the record."""
    from ..scoring.shards import Shard, samples_digest

    shard = Shard.parse(text)
    if output is None:
        raise click.UsageError("--shard requires -o, the table that the parts belong to")
    digest = samples_digest(sample.id for sample in samples)
    about = {"shard": [shard.index, shard.count], "total": len(samples), "samples_digest": digest}
    return shard.part_of(samples), shard.output(output), about
