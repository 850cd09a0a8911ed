"""A training manifest: samples with human ratings, checked, and split so that no source is on both sides.

One row for each rated sample: the columns of `Sample`, and one column for each target.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..data import SampleSet, from_manifest
from ..images import ImageError, read_image
from ..sample import IMAGE_FIELDS, Sample
from ..wording import expected_one_of, first_few, plural
from .groups import TargetError, columns_of, image_key, keys_by_column, parts_of_samples, sharing

logger = logging.getLogger(__name__)

LEAST = 3
"""So many samples a validation set needs, for a correlation to mean anything."""


class Example(NamedTuple):
    """One sample to learn from: the sample, and its rating by dimension, on the label scale."""

    sample: Sample
    targets: dict[str, float]

    @property
    def id(self) -> str:
        return self.sample.id


@dataclass(frozen=True)
class TrainingSet:
    """Samples that a metric is trained and validated on, and those left out, with reasons.

    - `train`, `validation`: the examples.
    - `label_scale`: the ends of the scale of all targets.
    - `left_out`: from a reason to the ids of the rows that it cost.
    - `headings`: the columns of the manifests that were read as others, as in `{"prompt": "edit_instruction"}`.
    """

    train: Sequence[Example]
    validation: Sequence[Example]
    label_scale: tuple[float, float]
    left_out: Mapping[str, Sequence[str]] = field(default_factory=dict)
    headings: Mapping[str, str] = field(default_factory=dict)

    def counts(self) -> dict[str, Any]:
        """Counts of used samples, and of those left out by reason, as a checkpoint records them."""
        return {
            "train": len(self.train),
            "validation": len(self.validation),
            "left_out": {reason: len(ids) for reason, ids in self.left_out.items()},
            **({"columns_read_as": dict(self.headings)} if self.headings else {}),
        }

    def problems(self, examples: int = 3) -> list[str]:
        """A line for each reason that rows were left out: how many, and the first `examples` ids."""
        return [f"{len(ids)} left out, {reason}: {first_few(ids, examples)}" for reason, ids in self.left_out.items()]

    def digest(self) -> str:
        """A checksum of ids and targets: two sets with equal digests train on the same ratings."""
        text = "".join(f"{part} {e.id} {sorted(e.targets.items())}\n" for part, examples in self.parts.items()
                       for e in examples)  # fmt: skip
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()

    @property
    def parts(self) -> dict[str, Sequence[Example]]:
        return {"train": self.train, "validation": self.validation}


def read_training_set(
    train: str | os.PathLike[str] | Iterable[Sample],
    val: str | os.PathLike[str] | Iterable[Sample] | None = None,
    *,
    targets: Mapping[str, str],
    label_scale: tuple[float, float] = (0.0, 100.0),
    group: str | None = "source",
    needs: Collection[str] = ("edited",),
    ratio: tuple[float, float] = (4, 1),
    seed: int = 0,
) -> TrainingSet:
    """Samples with ratings from manifests, or from samples whose `meta` holds the ratings.

    - `train`, `val`: a manifest, a `SampleSet` (`from_manifest` with `columns`), or samples. Without `val`, groups of
      `train` are set aside for validation, so that rows are as `ratio`, training to validation.
    - `targets`: the column of the rating of each dimension, as in `{"visual_quality": "mos_v"}`.
    - `label_scale`: the lowest and highest rating there can be. A rating outside is an error, never clamped.
    - `group`: what training and validation may not share: a column or a field of `Sample`, or several, separated by
      commas (see `parts_of_samples`). Images are compared by content, so that copies of a source under other names stay
      together. None: samples are split one by one, and nothing is checked.
    - `needs`: the fields that the metric cannot do without.

    A row without a rating, or with one that is not a number, is left out and counted, and so is one whose images cannot
    be read or that lacks what the metric needs. Raises `TargetError`: no such column, ratings outside the scale, groups
    on both sides, no two different ratings of a dimension, nothing left; `DataError` for an unreadable manifest.

    >>> samples = [Sample(str(n), edited=np.full((8, 8, 3), n, np.uint8), meta={"mos": n}) for n in range(20)]
    >>> found = read_training_set(samples, targets={"quality": "mos"}, group=None, ratio=(3, 1))
    >>> len(found.train), len(found.validation), found.train[0].targets
    (15, 5, {'quality': 0.0})
    """
    low, high = _checked_scale(label_scale)
    if not targets:
        raise TargetError("no target is given; say which column rates which dimension, as in visual_quality=mos_v")
    left_out: dict[str, list[str]] = {}
    headings: dict[str, str] = {}
    parts = []
    for samples, name in ((train, "the training data"), (val, "the validation data")):
        if samples is not None:
            sample_set = _sample_set(samples)
            rated, origin = list(sample_set), sample_set.origin or name
            headings |= sample_set.headings
            _require_columns(rated, targets, origin)
            examples = _usable(_rated(rated, targets, left_out), needs, left_out)
            _require_in_scale(examples, targets, low, high, origin)
            parts.append((examples, origin))
    training, origin = parts[0]
    if val is not None:
        validation = parts[1][0]
        _require_apart(training, validation, group)
    else:
        training, validation = _split(training, group, ratio, seed, left_out)
    found_set = TrainingSet(training, validation, (low, high), left_out, headings)
    for line in found_set.problems():
        logger.warning(line)
    _require_something(found_set, targets, origin)
    return found_set


def set_aside(
    samples: str | os.PathLike[str] | Iterable[Sample],
    *,
    group: str | None = "source",
    needs: Collection[str] = ("edited",),
    ratio: tuple[float, float] = (4, 1),
    seed: int = 0,
) -> tuple[list[Sample], list[Sample]]:
    """Samples to train on, and others to validate on: for several trainings, each on the rows that are rated for it.

    As `read_training_set` sets them aside, with or without ratings; a row that lacks what is needed, or whose images
    cannot be read, stays with the training samples, where `read_training_set` counts it.

    >>> samples = [Sample(str(n), edited=np.full((8, 8, 3), n, np.uint8)) for n in range(10)]
    >>> [len(part) for part in set_aside(samples, group=None)]
    [8, 2]
    """
    everything = list(_sample_set(samples))
    usable = _usable([Example(sample, {}) for sample in everything], needs, {})
    if not usable:
        return everything, []
    training, validation = _split(usable, group, ratio, seed, {})
    apart = {id(example.sample) for example in (*training, *validation)}
    conflicts = {id(example.sample) for example in usable} - apart
    if conflicts:
        logger.warning("%d rows are left out: %s are not all on one side", len(conflicts), group)
    chosen = conflicts | {id(example.sample) for example in validation}
    return [s for s in everything if id(s) not in chosen], [example.sample for example in validation]


def _checked_scale(label_scale: Sequence[float]) -> tuple[float, float]:
    low, high = (float(end) for end in label_scale)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise TargetError(f"the label scale is {low:g} to {high:g}; expected the lowest rating and a higher one")
    return low, high


def _sample_set(source: str | os.PathLike[str] | Iterable[Sample]) -> SampleSet:
    if isinstance(source, (str, os.PathLike)):
        return from_manifest(source)
    return source if isinstance(source, SampleSet) else SampleSet(list(source))


def _require_columns(samples: Sequence[Sample], targets: Mapping[str, str], origin: str) -> None:
    if not samples:
        raise TargetError(f"{origin} has no rows")
    columns = dict.fromkeys(column for sample in samples for column in sample.meta)
    for dimension, column in targets.items():
        if column not in columns:
            advice = expected_one_of(column, columns)
            raise TargetError(f"{origin} has no column {column!r}, which is to rate {dimension}; {advice}")


def _rated(samples: Iterable[Sample], targets: Mapping[str, str], left_out: dict[str, list[str]]) -> list[Example]:
    examples = []
    for sample in samples:
        ratings = {}
        for dimension, column in targets.items():
            value = sample.meta.get(column)
            rating = _number(value)
            if rating is None:
                missing = value is None or (isinstance(value, str) and not value.strip())
                reason = f"no rating in {column}" if missing else f"no number in {column}"
                left_out.setdefault(reason, []).append(sample.id)
                break
            ratings[dimension] = rating
        else:
            examples.append(Example(sample, ratings))
    return examples


def rated(sample: Sample, targets: Mapping[str, str]) -> Example:
    """The sample with the ratings in its `meta` that are numbers.

    >>> sample = Sample("a", edited=b"", meta={"mos": "3.5", "align": ""})
    >>> rated(sample, {"quality": "mos", "alignment": "align"}).targets
    {'quality': 3.5}
    """
    numbers = {dimension: _number(sample.meta.get(column)) for dimension, column in targets.items()}
    return Example(sample, {dimension: number for dimension, number in numbers.items() if number is not None})


def _number(value: Any) -> float | None:
    """A finite number, also from the text of a csv; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float, np.integer, np.floating)):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _usable(examples: list[Example], needs: Collection[str], left_out: dict[str, list[str]]) -> list[Example]:
    """The examples that have what is needed and whose images can be read; each file is read once."""
    images = {image_key(image): image for example in examples for image in _images(example.sample, needs)}
    with ThreadPoolExecutor() as threads:
        problems = dict(zip(images, threads.map(_reading_problem, images.values()), strict=True))
    unreadable = {key: problem for key, problem in problems.items() if problem}
    if unreadable:
        logger.warning("%s cannot be read: %s", plural(len(unreadable), "image"), first_few(unreadable.values(), 2))
    usable = []
    for example in examples:
        missing = sorted(name for name in needs if not example.sample.has(name))
        if missing:
            left_out.setdefault(f"no {', no '.join(missing)}", []).append(example.id)
        elif several := [name for name in IMAGE_FIELDS if name in needs and _is_several(example.sample, name)]:
            left_out.setdefault(f"several images as {' and '.join(several)}", []).append(example.id)
        elif any(image_key(image) in unreadable for image in _images(example.sample, needs)):
            left_out.setdefault("an image cannot be read", []).append(example.id)
        else:
            usable.append(example)
    return usable


def _is_several(sample: Sample, name: str) -> bool:
    return isinstance(getattr(sample, name), tuple)


def _images(sample: Sample, needs: Collection[str]) -> list[Any]:
    return [getattr(sample, name) for name in IMAGE_FIELDS if name in needs and sample.has(name)]


def _reading_problem(image: Any) -> str:
    """The reason that an image cannot be read, or an empty text."""
    try:
        read_image(image)
    except ImageError as error:
        logger.info("%s", error)
        return str(error)
    return ""


def _require_in_scale(
    examples: Sequence[Example], targets: Mapping[str, str], low: float, high: float, origin: str
) -> None:
    for dimension, column in targets.items():
        outside = [(e.id, e.targets[dimension]) for e in examples if not low <= e.targets[dimension] <= high]
        if outside:
            first = first_few(f"{name} ({value:g})" for name, value in outside)
            lowest, highest = (f(e.targets[dimension] for e in examples) for f in (min, max))
            raise TargetError(
                f"{origin}: {len(outside)} of {len(examples)} ratings in {column} are outside the label scale "
                f"{low:g} to {high:g}: {first}; the column runs from {lowest:g} "
                f"to {highest:g}. Correct the rows, or give the scale that the ratings have"
            )


def _split(
    examples: list[Example],
    group: str | None,
    ratio: tuple[float, float],
    seed: int,
    left_out: dict[str, list[str]],
) -> tuple[list[Example], list[Example]]:
    """Training and validation examples; of several columns, those in conflict are left out."""
    samples = [example.sample for example in examples]
    keys = keys_by_column(samples, group)
    if not examples:
        raise TargetError(f"no sample can be used: {'; '.join(f'{len(i)} {why}' for why, i in left_out.items())}")
    counts = {column: len(set(values)) for column, values in keys.items()} or {"sample": len(samples)}
    for column, count in counts.items():
        if count < 2:
            raise TargetError(
                f"{len(examples)} usable samples are of {count} {column}: there is nothing to set "
                "aside for validation; give a validation set"
            )
    parts = parts_of_samples(keys, len(samples), ratio, seed)
    training, validation = ([e for e, part in zip(examples, parts, strict=True) if part == {n}] for n in (0, 1))
    if conflicts := [e.id for e, part in zip(examples, parts, strict=True) if len(part) > 1]:
        left_out.setdefault(f"in conflict: of {' and '.join(keys)}, not all are on one side", []).extend(conflicts)
    return training, validation


def _require_apart(training: Sequence[Example], validation: Sequence[Example], group: str | None) -> None:
    shared = sharing([example.sample for example in validation], [example.sample for example in training], group)
    if shared:
        first = first_few(sample.id for sample in shared)
        raise TargetError(
            f"{len(shared)} of {len(validation)} validation samples share their {' or '.join(columns_of(group))} with "
            f"the training data, so that their scores would say little: {first}. Take them out, or "
            "allow it with group=None ('--group none')"
        )


def _require_something(data: TrainingSet, targets: Mapping[str, str], origin: str) -> None:
    for name, examples, least in (("training", data.train, 1), ("validation", data.validation, LEAST)):
        if len(examples) < least:
            reasons = "; ".join(data.problems()) or "there were no more rows"
            raise TargetError(
                f"{origin}: {plural(len(examples), 'sample')} left for {name}, which requires at least {least} "
                f"({reasons})"
            )
        for dimension, column in targets.items():
            if len(examples) >= LEAST and len({example.targets[dimension] for example in examples}) == 1:
                raise TargetError(
                    f"each of {plural(len(examples), 'sample')} for {name} has the same rating "
                    f"{examples[0].targets[dimension]:g} in {column}; there is nothing to learn or to correlate with"
                )
