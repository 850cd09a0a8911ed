"""Checks of metrics of sets of images: those that look at single images, as they are for sets."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..data.image_sets import ImageSet
from ..sample import SampleError, Score
from . import toys
from .subject import NotApplicable, Subject


def batch_invariance(subject: Subject) -> Iterator[str]:
    """A system scores the same alone and beside a larger one."""
    together = subject.metric.score([subject.larger_sample(20), subject.samples[0]])
    for difference in subject.differences(subject.scores[:1], together[1:]):
        yield f"beside another system: {difference} alone; nothing may be kept of a set on the metric itself"


def undeclared_fields(subject: Subject) -> Iterator[str]:
    """The id and meta of a system, and the names of its sets, change nothing."""
    sample = subject.samples[0]
    renamed = ImageSet(sample.edited.images, "another name")
    changed = replace(sample, id="another", meta={"system": "another"}, edited=renamed)
    for difference in subject.differences(subject.scores[:1], subject.alone([changed])):
        yield f"with another id and other names: {difference}"


def ladders(subject: Subject) -> Iterator[str]:
    """A distance of sets grows with the distance of their means."""
    subject.require_scores()
    _require_reference(subject)
    count = len(subject.samples[0].edited)
    systems = [toys.system(0, count, level) for level in (128.0, 168.0, 208.0)]
    dimension = subject.metric.primary()
    steps = [float(score) for score in subject.alone(systems)]
    losses = [-step if dimension.higher_is_better else step for step in steps]
    if losses[-1] < losses[0] or sorted(losses) != losses:
        values = ", ".join(f"{step:.6g}" for step in steps)
        yield f"sets ever farther away give {dimension.name} = {values}; expected it to get worse"


def optimum(subject: Subject) -> Iterator[str]:
    """A set compared with itself reaches the best end of the range, where that is finite."""
    subject.require_scores()
    _require_reference(subject)
    best = subject.metric.primary().best
    if best is None or not np.isfinite(best):
        raise NotApplicable("its range has no best end")
    sample = subject.samples[0]
    (score,) = subject.alone([replace(sample, reference=sample.edited)])
    if not score.ok or abs(float(score) - best) > 1e-5 * max(1.0, abs(best)):
        yield f"a set compared with itself gives {score}; expected {best:g}"


def inputs_unmodified(subject: Subject) -> Iterator[str]:
    """It changes no array of a set, and takes read-only ones."""
    subject.require_scores()
    sample = subject.samples[0]
    before = [image.copy() for image in sample.edited.images]
    for image in sample.edited.images:
        image.setflags(write=False)
    for difference in subject.differences(subject.scores[:1], subject.alone([sample])):
        yield f"with read-only arrays: {difference}"
    if any((one != other).any() for one, other in zip(before, sample.edited.images, strict=True)):
        yield "it writes into the arrays of a set; work on a copy"


def input_kinds(subject: Subject) -> Iterator[str]:
    """A set gives one score as paths, bytes, PIL images or arrays, as a list or a folder, in any order."""
    from PIL import Image

    subject.require_scores()
    sample = subject.samples[0]
    arrays = sample.edited.images
    with tempfile.TemporaryDirectory() as folder:
        for index, array in enumerate(arrays):
            Image.fromarray(array).save(Path(folder, f"{index}.png"))
        paths = sorted(Path(folder).iterdir(), reverse=True)
        pictures = [Image.fromarray(array) for array in arrays]
        forms = {"paths": paths, "a folder": folder, "bytes": [path.read_bytes() for path in paths]}
        for kind, form in {**forms, "PIL images": pictures, "arrays in another order": arrays[::-1]}.items():
            for difference in subject.differences(subject.scores[:1], subject.alone([replace(sample, edited=form)])):
                yield f"a set as {kind}: {difference} as a list of arrays"


def corrupt_file(subject: Subject) -> Iterator[str]:
    """One damaged image fails the set, with its name: a set without it would be another."""
    subject.require_scores()
    sample = subject.samples[0]
    images = ImageSet([*sample.edited.images[1:], b"\x89PNG no image"], "damaged")
    (score,) = subject.metric.score([replace(sample, edited=images)])
    if score.status != "failed" or f"image {len(images)} of damaged" not in (score.reason or ""):
        yield f"with one damaged image it gives {score}; expected status 'failed' and the image's name"


def sizes(subject: Subject) -> Iterator[str]:
    """Images of any size go into a set; one of fewer images than `minimum` is refused, with both numbers."""
    subject.require_scores()
    sample = subject.samples[0]
    odd = [np.full((1, 1, 3), 7, np.uint8), np.full((1, 200, 3), 9, np.uint8), *sample.edited.images[2:]]
    (score,) = subject.metric.score([replace(sample, edited=ImageSet(odd))])
    if not score.ok:
        yield f"with images of 1 x 1 and 200 x 1 pixels it gives {score}"
    for few in (sample.edited.images[:1], sample.edited.images[:-1]):
        try:
            yield f"with {len(few)} images it gives {subject.metric(replace(sample, edited=ImageSet(few)))}"
        except SampleError as error:
            if str(len(few)) not in str(error) or str(len(sample.edited)) not in str(error):
                yield f"with {len(few)} images it raises {error}; expected both numbers"


def flat_images(subject: Subject) -> Iterator[str]:
    """Sets of one grey have a score in range or a clear reason."""
    subject.require_scores()
    sample = subject.samples[0]
    flat = ImageSet([np.full((*toys.SMALL, 3), 128, np.uint8)] * len(sample.edited))
    score: Score
    for reference in (flat, sample.reference):
        (score,) = subject.metric.score([replace(sample, edited=flat, reference=reference)])
        if not score.ok and "outside its declared range" in (score.reason or ""):
            yield f"with images of one grey: {score.reason}"


def _require_reference(subject: Subject) -> None:
    if "reference" not in subject.metric.required():
        raise NotApplicable("it compares a set with no other")


_FOR_SETS = (
    batch_invariance, undeclared_fields, ladders, optimum, inputs_unmodified, input_kinds, corrupt_file, sizes,
    flat_images,
)  # fmt: skip
CHECKS: dict[str, Callable[[Subject], Iterator[str]]] = {check.__name__: check for check in _FOR_SETS}
"""What takes the place of a check of single images."""

NOT_OF_SETS = {
    "several_images": "its fields hold sets",
    "threads": "prepare reads nothing of a set",
    "image_modes": "the check 'input_kinds' reads a set's images as other metrics' are read",
    "synchronisations": "it waits for the device once for each batch of images, and a sample has many",
}
"""Checks that do not concern metrics of sets, and why."""


def check_of(subject: Subject, name: str, usual: Callable[[Subject], Iterator[str]]) -> Any:
    """Return the check `name` for this metric: the usual one, or that of sets. Raises `NotApplicable`."""
    if not subject.cls.of_sets:
        return usual
    if name in NOT_OF_SETS:
        raise NotApplicable(NOT_OF_SETS[name])
    return CHECKS.get(name, usual)
