"""Groups of samples that belong together: what training, validation and test data may not share."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..agreement.splits import SplitError, split
from ..images import read_bytes, read_image
from ..sample import FIELDS, IMAGE_FIELDS, EditMetricsError, Sample
from ..wording import expected_one_of

logger = logging.getLogger(__name__)


class TargetError(EditMetricsError, ValueError):
    """Training data cannot be used: which rows or columns, why, and what to do."""


def columns_of(group: str | None) -> list[str]:
    """The columns that `group` names, separated by commas; none for None.

    >>> columns_of("source, system"), columns_of(None)
    (['source', 'system'], [])
    """
    if group is None:
        return []
    columns = [name.strip() for name in group.split(",")]
    if "" in columns or len(set(columns)) < len(columns):
        raise TargetError(f"the group is {group!r}; expected a column, or different columns separated by commas")
    return columns


def keys_by_column(samples: Sequence[Sample], group: str | None) -> dict[str, list[str | None]]:
    """The value of each sample in each column of `group`, see `keys_of`; all samples need one in the first column."""
    return {
        column: keys_of(samples, column, all_of_them=number == 0) for number, column in enumerate(columns_of(group))
    }


def parts_of_samples(
    keys: Mapping[str, Sequence[str | None]], count: int, ratio: Sequence[float], seed: int
) -> list[frozenset[int]]:
    """The part of each of `count` samples, 0 to len(ratio) - 1, so that no two parts share a value of any column.

    - `keys`: the samples' values by column (`keys_by_column`). Those of one column are divided by `ratio`. Of several
      columns, the values of each are divided by `ratio`, and a sample is in the parts that its values are in: in one,
      or else in conflict. Of sources and systems in two halves, a sample is in the first part alone if its source and
      its system both are in the first halves. Without a column, samples are split singly.

    A sample without a value in a further column is where its other values are. Raises `SplitError` for fewer values
    than parts.

    >>> samples = [Sample(f"{a}{b}", edited=b"", prompt=a, meta={"system": b}) for a in "xy" for b in "xy"]
    >>> parts = parts_of_samples(keys_by_column(samples, "prompt,system"), 4, (1, 1), seed=0)
    >>> sorted(map(sorted, parts))
    [[0], [0, 1], [0, 1], [1]]
    """
    if not keys:
        return [frozenset([part]) for part in split([str(n) for n in range(count)], ratio, seed).tolist()]
    parts: list[frozenset[int]] = [frozenset()] * count
    for column, values in keys.items():
        known = [index for index, key in enumerate(values) if key is not None]
        try:
            of_column = split([str(values[index]) for index in known], ratio, seed).tolist()
        except SplitError as error:
            raise SplitError(f"{column}: {error}" if len(keys) > 1 else str(error)) from None
        for index, part in zip(known, of_column, strict=True):
            parts[index] |= {part}
    return parts


def sharing(samples: Sequence[Sample], others: Sequence[Sample], group: str | None) -> list[Sample]:
    """The `samples` that share a value of any column of `group` with any of `others`.

    >>> one, two = (Sample(name, edited=b"", prompt="blue", meta={"system": name}) for name in "ab")
    >>> len(sharing([one], [two], "prompt,system")), len(sharing([one], [two], "system"))
    (1, 0)
    """
    shared: set[int] = set()
    keys_of_others = keys_by_column(others, group)
    for column, keys in keys_by_column(samples, group).items():
        taken = set(keys_of_others[column]) - {None}
        shared |= {index for index, key in enumerate(keys) if key in taken}
    return [samples[index] for index in sorted(shared)]


def keys_of(samples: Sequence[Sample], column: str, *, all_of_them: bool = True) -> list[str | None]:
    """The value of each sample in `column`, or in a field of `Sample`, as text; an image by its content.

    Raises `TargetError` for samples without one; unless all of them need it, these have None, and are counted.

    >>> keys_of([Sample("a", edited=b"", prompt="red"), Sample("b", edited=b"", prompt="blue")], "prompt")
    ['red', 'blue']
    """
    values = [getattr(sample, column) if column in FIELDS else sample.meta.get(column) for sample in samples]
    missing = [value is None or (isinstance(value, str) and not value) for value in values]
    without = [sample.id for sample, is_missing in zip(samples, missing, strict=True) if is_missing]
    if without and (all_of_them or len(without) == len(samples)):
        known = dict.fromkeys(name for sample in samples for name in sample.meta)
        advice = "" if column in known or column in FIELDS else f"; {expected_one_of(column, [*FIELDS, *known])}"
        raise TargetError(
            f"{len(without)} of {len(samples)} rows have no {column!r} to be grouped by, {without[0]!r} first; name "
            f"another column, or none at all if any two samples may be on different sides{advice}"
        )
    if without:
        logger.warning("%d of %d rows have no %r and are grouped without it", len(without), len(samples), column)
    if column not in IMAGE_FIELDS:
        return [None if gone else str(value) for value, gone in zip(values, missing, strict=True)]
    digests: dict[Any, str] = {}
    for value, gone in zip(values, missing, strict=True):
        if not gone and image_key(value) not in digests:
            digests[image_key(value)] = _content(value)
    return [None if gone else digests[image_key(value)] for value, gone in zip(values, missing, strict=True)]


def image_key(image: Any) -> Any:
    """An image file by its path, any other image by its identity in memory; of several images, those of each."""
    if isinstance(image, tuple):
        return tuple(map(image_key, image))
    return os.path.abspath(image) if isinstance(image, (str, os.PathLike)) else id(image)


def _content(image: Any) -> str:
    if isinstance(image, tuple):
        return " ".join(map(_content, image))
    if isinstance(image, (str, os.PathLike)):
        return hashlib.sha256(read_bytes(image)).hexdigest()
    if isinstance(image, (bytes, bytearray, memoryview)):
        return hashlib.sha256(image).hexdigest()
    pixels = np.ascontiguousarray(read_image(image))
    return hashlib.sha256(f"{pixels.dtype}{pixels.shape}".encode() + pixels.tobytes()).hexdigest()
