"""The samples of a batch, from what trainers hand over, and the groups that they are compared in."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..images.stand_ins import Unreadable
from ..sample import FIELDS, Sample, images_of
from ..wording import plural
from .pixels import pixels_of
from .terms import RewardError

IN_PIXELS = ("edited", "source", "reference", "rival")
"""Fields whose images become 8-bit; a mask stays as it is."""


class RewardBatch(NamedTuple):
    """Samples, the group of each, and how many edited images had values clamped."""

    samples: list[Sample]
    groups: list[Hashable]
    clamped: int = 0


def batch_of(
    fields: Mapping[str, Any], tolerance: float, groups: Sequence[Hashable] | None = None, name: str = "a trainer"
) -> RewardBatch:
    """Return the samples of a batch whose fields are named as those of `Sample`.

    `edited` is a batch of images (`pixels_of`); each other field is None or has one value for each of them. `groups`
    are what samples are compared in; without them, samples with an equal prompt and equal sources are a group.

    Raises `RewardError` for fields of different lengths, `ImageError` for images that are none.

    >>> batch = batch_of({"edited": np.zeros((2, 8, 8, 3), np.uint8), "prompt": ["a dog", "a dog"]}, 0.1)
    >>> [sample.prompt for sample in batch.samples], len(set(batch.groups))
    (['a dog', 'a dog'], 1)
    """
    values: dict[str, Sequence[Any]] = {}
    clamped = 0
    for field in (*FIELDS, "id", "meta"):
        value = fields.get(field)
        if value is None:
            continue
        if field in IN_PIXELS:
            pixels = pixels_of(value, field, tolerance)
            values[field] = pixels.images
            clamped += pixels.clamped if field == "edited" else 0
        else:
            values[field] = value
    if "edited" not in values:
        raise RewardError(f"{name} handed over no images")
    count = len(values["edited"])
    if different := {field: len(each) for field, each in values.items() if len(each) != count}:
        field, length = next(iter(different.items()))
        raise RewardError(f"{name} handed over {plural(count, 'image')}, but {length} of {field}")
    if groups is not None and len(groups) != count:
        raise RewardError(f"{name} handed over {plural(count, 'image')}, but {len(groups)} of groups")
    samples = [_sample(index, {field: each[index] for field, each in values.items()}) for index in range(count)]
    return RewardBatch(samples, list(groups) if groups is not None else groups_of(samples), clamped)


def _sample(index: int, fields: dict[str, Any]) -> Sample:
    questions = fields.get("questions")
    if isinstance(questions, list):
        fields["questions"] = tuple(questions)
    if fields.get("meta") is None:
        fields.pop("meta", None)
    return Sample(str(fields.pop("id", index)), **fields)


def groups_of(samples: Sequence[Sample]) -> list[Hashable]:
    """The group of each sample: those with an equal prompt and equal source images are edits of the same thing.

    >>> groups = groups_of([Sample(str(i), edited="a.png", prompt=text) for i, text in enumerate("aab")])
    >>> groups[0] == groups[1] != groups[2]
    True
    """
    known: dict[int, Hashable] = {}
    groups: list[Hashable] = []
    for sample in samples:
        sources = images_of(sample.source)
        for image in sources:
            if id(image) not in known:
                known[id(image)] = _content(image)
        groups.append((sample.prompt, *(known[id(image)] for image in sources)))
    return groups


def _content(image: Any) -> Hashable:
    """A hash of an image, equal for equal content; a path stands for its file."""
    if isinstance(image, (str, os.PathLike)):
        return os.fspath(image)
    if isinstance(image, Unreadable):
        return image
    if isinstance(image, np.ndarray):
        data: Any = np.ascontiguousarray(image)
    elif isinstance(image, (bytes, bytearray, memoryview)):
        data = image
    elif hasattr(image, "tobytes"):  # a PIL image
        data = image.tobytes()
    else:
        return id(image)
    return hashlib.blake2b(data, digest_size=16).digest()


def fields_of_rows(rows: Sequence[Any], columns: Mapping[str, str]) -> dict[str, list[Any]]:
    """The fields of samples in rows (metadata of a trainer, columns of a data set): a list for each that any row has.

    `columns` names the column of a field where it has another name: `{"source": "input_image"}`. A row that is not a
    mapping has no fields.

    >>> fields_of_rows([{"mask": "m.png", "level": 3}, {}], {})
    {'mask': ['m.png', None]}
    """
    rows = [row if isinstance(row, Mapping) else {} for row in rows]
    fields: dict[str, list[Any]] = {}
    for field in FIELDS:
        column = columns.get(field, field)
        if any(row.get(column) is not None for row in rows):
            fields[field] = [row.get(column) for row in rows]
    return fields


def checked_columns(columns: Mapping[str, str] | None) -> dict[str, str]:
    """`columns` as a dictionary; raises `RewardError` for a field that a sample does not have."""
    for field in columns or {}:
        if field not in FIELDS:
            raise RewardError(f"columns names the field {field!r}; a sample has {', '.join(FIELDS)}")
    return dict(columns or {})
