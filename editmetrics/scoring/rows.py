"""Scored samples of several batches and processes: without images, once each, and as JSON."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..files.score_json import score_from_json, score_to_json
from ..files.text import json_ready
from ..sample import IMAGE_FIELDS, TEXT_FIELDS, Sample, Score, images_of, plain
from .results import Column, PlanError, Results


@dataclass(frozen=True)
class ScoredRow:
    """A sample without images in memory, and its scores by the label of the metric.

    `inputs` is a hash of all that the sample has besides its edited image; None where no id was given, and the sample's
    is a number.
    """

    sample: Sample
    scores: Mapping[str, Score]
    inputs: str | None


def without_images(sample: Sample) -> Sample:
    """Return the sample with its texts, `meta` and paths; images in memory are None."""
    images: dict[str, Any] = {name: getattr(sample, name) for name in IMAGE_FIELDS}
    on_disk: dict[str, Any] = {name: image if _on_disk(image) else None for name, image in images.items()}
    return replace(sample, **on_disk)


def _on_disk(image: Any) -> bool:
    return all(isinstance(one, (str, os.PathLike)) for one in images_of(image))


def results_of(columns: Sequence[Column], rows: Sequence[ScoredRow]) -> Results:
    """Return the rows as the results of one run."""
    results = Results([row.sample for row in rows], columns)
    for index, row in enumerate(rows):
        for column in columns:
            results.put(index, column, row.scores[column.label])
    return results


def in_turn(parts: Sequence[Sequence[ScoredRow]]) -> list[ScoredRow]:
    """Return the first row of each process, then the second of each, and so on.

    Samplers deal samples out like cards, so this is the order of the data set if it was not shuffled.

    >>> in_turn([["a", "c"], ["b"]])
    ['a', 'b', 'c']
    """
    return [row for turn in itertools.zip_longest(*parts) for row in turn if row is not None]


def once_each(rows: Iterable[ScoredRow]) -> list[ScoredRow]:
    """Return the first row of each id; samples without an id of their own are numbered in this order.

    Samplers repeat samples, so that all processes have equally many; such a one has the source, prompt and so on of its
    first. Raises `PlanError` for an id that stands for different samples.
    """
    first: dict[str, ScoredRow] = {}
    listed = list(rows)
    taken = {row.sample.id for row in listed if row.inputs is not None}
    numbers = (str(number) for number in itertools.count() if str(number) not in taken)
    for row in listed:
        if row.inputs is None:
            row = replace(row, sample=replace(row.sample, id=next(numbers)))
        earlier = first.setdefault(row.sample.id, row)
        if earlier.inputs != row.inputs:
            raise PlanError(
                f"the id {row.sample.id!r} stands for two samples of different processes, with different sources or "
                "prompts; give ids that are unique in all, such as the index in the data set"
            )
    return list(first.values())


def rows_to_json(rows: Iterable[ScoredRow]) -> list[dict[str, Any]]:
    """Return rows as JSON; what JSON cannot hold in `meta` and `details` becomes text."""
    content = [
        {
            "id": row.sample.id,
            "inputs": row.inputs,
            "meta": json_ready(dict(row.sample.meta)),
            **{name: value for name in TEXT_FIELDS if (value := getattr(row.sample, name)) is not None},
            **{name: _paths(path) for name in IMAGE_FIELDS if (path := getattr(row.sample, name)) is not None},
            "scores": {label: score_to_json(score) for label, score in row.scores.items()},
        }
        for row in rows
    ]
    as_json: list[dict[str, Any]] = json.loads(json.dumps(content, default=plain))
    return as_json


def _paths(image: Any) -> str | list[str]:
    return [os.fsdecode(path) for path in image] if isinstance(image, tuple) else os.fsdecode(image)


def rows_from_json(content: Iterable[Mapping[str, Any]]) -> Iterator[ScoredRow]:
    """Yield the rows that `rows_to_json` wrote."""
    for row in content:
        fields = {name: row.get(name) for name in (*IMAGE_FIELDS, *TEXT_FIELDS)}
        if fields["questions"] is not None:
            fields["questions"] = tuple(fields["questions"])
        sample = Sample(row["id"], meta=row["meta"], **fields)
        yield ScoredRow(sample, {k: score_from_json(v) for k, v in row["scores"].items()}, row["inputs"])
