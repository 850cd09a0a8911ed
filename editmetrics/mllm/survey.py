"""One pass over the images of a training set: their global statistics, sizes and formats; an image is read once."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..file_hashes import stamp
from ..images import read_bytes, read_image
from ..images.kinds import HEAD_BYTES, kind_of
from ..images.statistics import image_statistics, pair_statistics
from ..sample import Sample, SampleError, UnavailableError
from .processes import shared

KEPT = 1 << 17
"""Pairs of files whose numbers are remembered, for the folds of a cross-validation: 1 kB each."""


@dataclass(frozen=True, eq=False)
class Surveyed:
    """Measurements of one sample.

    - `edited`: `STATISTICS` of the edited image. `to_source`: their differences to those of the source, and
      `PAIR_STATISTICS`; None without a source, and where the edited image stands in its place.
    - `width`, `height`: of the edited image, in pixels. `format`: of its file; None for an image in memory.
    """

    edited: np.ndarray
    to_source: np.ndarray | None
    width: int
    height: int
    format: str | None


def survey(samples: Sequence[Sample]) -> list[Surveyed | None]:
    """Measure each sample, in threads, and shared among processes that train together; None for an unreadable image.

    >>> (measured,) = survey([Sample("a", edited=np.zeros((8, 16, 3), np.uint8))])
    >>> measured.width, measured.height, measured.format, measured.to_source
    (16, 8, None, None)
    """

    def measure(own: Sequence[Sample]) -> list[Surveyed | None]:
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            return list(threads.map(_surveyed, own))

    return shared(samples, measure)


def _surveyed(sample: Sample) -> Surveyed | None:
    before = None if isinstance(sample.source, tuple) else sample.source  # of several, none is the source
    edited, source = _version(sample.edited), _version(before)
    try:
        if isinstance(edited, tuple) and (source is None or isinstance(source, tuple)):
            return _of_files(edited, source)
        return _measured(sample.edited, before)
    except (SampleError, UnavailableError):
        return None


def _version(image: Any) -> Any:
    """A file as its path and stamp, which changes when it does; anything else as it is."""
    if not isinstance(image, (str, os.PathLike)):
        return image
    try:
        return os.path.abspath(image), stamp(Path(image))
    except OSError:
        return image


@lru_cache(KEPT)
def _of_files(edited: tuple[str, str], source: tuple[str, str] | None) -> Surveyed:
    """The numbers of a pair of files, in the versions that they have now."""
    return _measured(edited[0], None if source in (None, edited) else source[0])


def _measured(edited: Any, source: Any) -> Surveyed:
    head = read_bytes(edited) if isinstance(edited, (str, os.PathLike)) else edited
    kind = kind_of(bytes(head[:HEAD_BYTES])) if isinstance(head, (bytes, bytearray, memoryview)) else None
    after = read_image(head)
    numbers = image_statistics(after)
    to_source = None
    if source is not None and source is not edited:
        before = read_image(source)
        to_source = np.concatenate([numbers - image_statistics(before), pair_statistics(before, after)])
    return Surveyed(numbers, to_source, after.shape[1], after.shape[0], None if kind is None else kind.name)


def image_tokens(surveyed: Sequence[Surveyed], tokens: Callable[[int, int], int | None]) -> list[int | None]:
    """The tokens of each edited image by `tokens(width, height)`, which is asked once for each size."""
    counts = {size: tokens(*size) for size in dict.fromkeys((each.width, each.height) for each in surveyed)}
    return [counts[each.width, each.height] for each in surveyed]
