"""Parts of a run's samples: the first of each system (`--limit`), and the share of one machine (`--shard`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..sample import IMAGE_FIELDS
from ..wording import plural

if TYPE_CHECKING:
    from ..sample import Sample
    from ..scoring import Results


def first_of_each_system(samples: Sequence[Sample], limit: int) -> tuple[list[Sample], dict[str, int]]:
    """The first `limit` samples of each system, in their order, and a description for the record.

    Of sets, they are all systems with the first `limit` images of each set.

    >>> from editmetrics import Sample
    >>> samples = [Sample(f"{system}{n}", edited="a.png", meta={"system": system}) for system in "ab" for n in (1, 2)]
    >>> first, about = first_of_each_system(samples, 1)
    >>> [sample.id for sample in first], about
    (['a1', 'b1'], {'per_system': 1, 'samples': 4})
    """
    from ..data import ImageSet

    counts: Counter[Any] = Counter()
    first = []
    for sample in samples:
        fields = {name: getattr(sample, name) for name in IMAGE_FIELDS}
        sets: dict[str, Any] = {n: one.first(limit) for n, one in fields.items() if isinstance(one, ImageSet)}
        if sets:
            first.append(replace(sample, **sets))
            continue
        system = sample.meta.get("system")
        counts[system] += 1
        if counts[system] <= limit:
            first.append(sample)
    return first, {"per_system": limit, "samples": len(samples)}


def limit_line(about: Mapping[str, Any], results: Results) -> str:
    """The sentence under the results of a run with `--limit`."""
    limit = about["limit"]["per_system"]
    if any(column.metric.of_sets for column in results.columns):
        return f"Only the first {plural(limit, 'image')} of each set seen, of the reference set, too (--limit {limit})."
    return f"Only {plural(len(results), 'sample')} of {about['limit']['samples']:,} scored (--limit {limit})."


def shard_part(text: str, samples: Sequence[Sample], output: Path | None) -> tuple[list[Sample], Path, dict[str, Any]]:
    """The samples of the shard I/N, its output file, and its description for the record."""
    from ..data import ImageSet
    from ..scoring.shards import Shard, samples_digest

    shard = Shard.parse(text)
    if output is None:
        raise click.UsageError("--shard requires -o, the table that the parts belong to")
    if shard.count > len(samples) and any(isinstance(sample.edited, ImageSet) for sample in samples):
        raise click.UsageError(
            f"--shard {text}: a run of sets is divided by systems, and this one has {len(samples)}; give at most as "
            "many parts, or none: the features of images are kept, and a run that was stopped resumes"
        )
    digest = samples_digest(sample.id for sample in samples)
    about = {"shard": [shard.index, shard.count], "total": len(samples), "samples_digest": digest}
    return shard.part_of(samples), shard.output(output), about
