"""Training data of HPE-LSA: images labelled real or edited, and rated edits, split by source."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

from ...data import SampleSet, from_manifest
from ...mllm.recipe import shuffled
from ...mllm.targets import Example, TargetError, TrainingSet, read_training_set
from ...sample import Sample
from ...wording import plural

AUTHENTICITY = "authenticity"
LABEL = "label of authenticity"
"""Where `labelled` puts a sample's label, in its `meta`."""


NO_EDIT = "leave the image as it is"
"""The instruction of a real image, where one is needed to score it."""

logger = logging.getLogger(__name__)


class Part(NamedTuple):
    """Training, validation or test data: every image with its label, and the edits that are rated."""

    images: Sequence[Example]
    """`targets[AUTHENTICITY]` is 1 for a real image and 0 for an edited one; the image is `sample.edited`."""
    rated: Sequence[Example]

    def real(self) -> list[Sample]:
        return [example.sample for example in self.images if example.targets[AUTHENTICITY] == 1]

    def edited(self) -> list[Sample]:
        return [example.sample for example in self.images if example.targets[AUTHENTICITY] == 0]

    def learned(self, dimensions: Sequence[str]) -> Part:
        """The examples that teach `dimensions`: labelled images for authenticity, rated edits for others."""
        return Part(
            self.images if AUTHENTICITY in dimensions else [], self.rated if set(dimensions) - {AUTHENTICITY} else []
        )

    def drawn(self, count: int | None, seed: int) -> Part:
        """At most `count` images and `count` edits, drawn by the seed; all of them for None."""

        def some(examples: Sequence[Example]) -> Sequence[Example]:
            if count is None or len(examples) <= count:
                return examples
            return [examples[index] for index in shuffled(len(examples), count, seed)]

        return Part(*map(some, self))


@dataclass(frozen=True)
class LabelledSet:
    """Training, validation and, where `fit` made the split, test data; and the samples left out, with reasons."""

    train: Part
    validation: Part
    test: Part | None
    label_scale: tuple[float, float]
    left_out: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def parts(self) -> dict[str, Part]:
        parts = {"train": self.train, "validation": self.validation}
        return parts if self.test is None else {**parts, "test": self.test}

    def counts(self) -> dict[str, Any]:
        """Counts of images by part, as a checkpoint records them."""
        sizes = {name: len(part.images) for name, part in self.parts.items()}
        rated = {f"rated {name}": len(part.rated) for name, part in self.parts.items()}
        return {**sizes, **rated, "left_out": {reason: len(ids) for reason, ids in self.left_out.items()}}

    def digest(self) -> str:
        """A checksum of ids, labels and ratings."""
        rows = (
            f"{name} {e.id} {sorted(e.targets.items())}\n"
            for name, part in self.parts.items()
            for e in [*part.images, *part.rated]
        )
        return hashlib.sha256("".join(rows).encode("utf-8", "surrogateescape")).hexdigest()

    def without(self, unusable: Mapping[str, str]) -> LabelledSet:
        """Return a copy without the samples in `unusable`, which maps ids to reasons."""
        if not unusable:
            return self
        left_out = {reason: list(ids) for reason, ids in self.left_out.items()}
        for name, reason in unusable.items():
            left_out.setdefault(reason, []).append(name)

        def usable(part: Part) -> Part:
            return Part(*([e for e in examples if e.id not in unusable] for examples in part))

        return LabelledSet(
            usable(self.train),
            usable(self.validation),
            None if self.test is None else usable(self.test),
            self.label_scale,
            left_out,
        )


def read_labelled_set(
    train: str | os.PathLike[str] | Iterable[Sample],
    val: str | os.PathLike[str] | Iterable[Sample] | None,
    *,
    targets: Mapping[str, str],
    label_scale: tuple[float, float],
    group: str | None,
    seed: int,
) -> LabelledSet:
    """Samples of manifests as `editmetrics.mllm.targets.read_training_set` takes them, with labels.

    `targets[AUTHENTICITY]` names the column that holds 1 for a real image and 0 for an edited one. Without that column,
    or where it names no real image, the sources of the edits are the real images. The other targets are rated on
    `label_scale`; only edits are. Without `val`, groups are split 4:1:1 into training, validation and test.
    """
    column = targets.get(AUTHENTICITY, AUTHENTICITY)
    ratings = {name: rating for name, rating in targets.items() if name != AUTHENTICITY}
    by_label = partial(read_training_set, targets={AUTHENTICITY: LABEL}, label_scale=(0.0, 1.0), group=group, seed=seed)
    samples = labelled(train, column)
    test: TrainingSet | None = None
    left_out: dict[str, list[str]] = {}
    if val is None:
        test = by_label(samples, ratio=(5, 1))
        _count(left_out, test.left_out)
        samples = [example.sample for example in test.train]
        split = by_label(samples, ratio=(4, 1))
        _count(left_out, split.left_out)
    else:
        split = by_label(samples, labelled(val, column))
        _count(left_out, split.left_out)
    images = {"train": split.train, "validation": split.validation}
    if test is not None:
        images["test"] = test.validation
    parts = {name: Part(examples, []) for name, examples in images.items()}
    if ratings:
        for name in list(parts)[1:]:
            rated = read_training_set(
                parts["train"].edited(), parts[name].edited(), targets=ratings, label_scale=label_scale, group=None,
                needs={"source", "edited", "prompt"},
            )  # fmt: skip
            _count(left_out, rated.left_out)
            parts[name] = parts[name]._replace(rated=rated.validation)
            parts["train"] = parts["train"]._replace(rated=rated.train)
    low, high = label_scale
    return LabelledSet(parts["train"], parts["validation"], parts.get("test"), (float(low), float(high)), left_out)


def labelled(source: str | os.PathLike[str] | Iterable[Sample], column: str = AUTHENTICITY) -> list[Sample]:
    """The samples of a manifest, each with its label in `meta[LABEL]`; sources are added where no image is real.

    Raises `TargetError` for a label that is neither 1 nor 0, for a column that is not there, unless it is the usual
    one, and for edits without sources where these are needed.

    >>> [(s.id, s.meta[LABEL]) for s in labelled([Sample("a", edited="a.png", source="b.png")])]
    [('a', 0), ('source of a', 1)]
    """
    if isinstance(source, (str, os.PathLike)):
        source = from_manifest(source)
    samples = list(source.samples if isinstance(source, SampleSet) else source)
    has_labels = any(column in sample.meta for sample in samples)
    if not has_labels and column != AUTHENTICITY:
        raise TargetError(
            f"the column {column!r} does not exist; expected one with 1 for real images and 0 for edited ones"
        )
    labels = [_label(sample, column) if has_labels else 0 for sample in samples]
    marked = [
        # a real image is of its own source, so that its edits stay on its side of a split
        replace(s, source=s.edited if label and s.source is None else s.source, meta={**s.meta, LABEL: label})
        for s, label in zip(samples, labels, strict=True)
    ]
    return marked if any(labels) else [*marked, *_sources(marked)]


def labelled_for_folds(samples: Sequence[Sample], targets: Mapping[str, str]) -> list[Sample]:
    """The samples of `labelled`, each with its label in the column of labels, too, as a cross-validation takes them.

    A real image is its own source, by which it is grouped, and gets the instruction `NO_EDIT` if it has none, so that
    it is scored; only its authenticity is measured, since ratings are those of edits.

    >>> sample = Sample("a", edited="a.png", source="b.png", prompt="blue", meta={"mos": 3})
    >>> marked = labelled_for_folds([sample], {"quality": "mos"})
    >>> [(s.prompt, s.meta["authenticity"], s.meta.get("mos")) for s in marked]
    [('blue', 0, 3), ('leave the image as it is', 1, None)]
    """
    column = targets.get(AUTHENTICITY, AUTHENTICITY)
    ratings = set(targets.values()) - {column}
    marked = labelled(samples, column)
    if not any(column in sample.meta for sample in samples):
        logger.warning(
            "no column %r: all %s count as edits, and their %s as real images",
            column, plural(len(samples), "row"), plural(len(marked) - len(samples), "source"),
        )  # fmt: skip
    ready = []
    for sample in marked:
        label = sample.meta[LABEL]
        meta = {name: value for name, value in sample.meta.items() if not (label and name in ratings)}
        prompt = sample.prompt or (NO_EDIT if label else None)
        ready.append(replace(sample, prompt=prompt, meta={**meta, column: label}))
    return ready


def _label(sample: Sample, column: str) -> int | None:
    value = sample.meta.get(column)
    if value is None or str(value).strip() == "":
        return None  # left out and counted, as any row without a rating
    try:
        label = float(str(value))
    except ValueError:
        label = -1.0
    if label not in (0.0, 1.0):
        raise TargetError(f"{sample.id}: {column} is {value!r}; expected 1 for a real image and 0 for an edited one")
    return int(label)


def _sources(samples: Sequence[Sample]) -> list[Sample]:
    """Each source once, as a real image."""
    sources: dict[Any, Sample] = {}
    for sample in samples:
        if sample.source is None:
            continue
        source = sample.source
        key = os.fspath(source) if isinstance(source, (str, os.PathLike)) else id(source)
        meta = {name: value for name, value in sample.meta.items() if name != LABEL}
        sources.setdefault(key, Sample(f"source of {sample.id}", edited=source, source=source, meta={**meta, LABEL: 1}))
    if not sources:
        raise TargetError(
            "no image is real: the edits have no sources, and no column says which images are real; add a column "
            f"{AUTHENTICITY} with 1 for real images and 0 for edited ones"
        )
    return list(sources.values())


def _count(left_out: dict[str, list[str]], more: Mapping[str, Sequence[str]]) -> None:
    for reason, ids in more.items():
        shown = "no label" if LABEL in reason else reason
        known = left_out.setdefault(shown, [])
        known += [name for name in ids if name not in set(known)]
