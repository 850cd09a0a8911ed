"""Checks of samples that cannot be scored: each gets a named reason, and the others keep their scores."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..metric import Metric
from ..sample import IMAGE_FIELDS, Sample, SampleError, Score
from ..scoring import score as score_all
from . import toys
from .subject import Subject


def missing_fields(subject: Subject) -> Iterator[str]:
    """Without a field that it requires, a call raises a `SampleError` that names it; a run skips that sample alone."""
    subject.require_scores()
    for metric in subject.by_required_fields():
        sample = subject.samples[0]
        present = metric.score([sample])
        for name in sorted(metric.required()):
            without: dict[str, Any] = {name: None}
            lacking = replace(sample, id="lacking", **without)
            try:
                yield f"without {name}, a call returned {metric(lacking)}; expected a SampleError that names the field"
            except SampleError as error:
                if name not in str(error) or error.status != "skipped":
                    yield (
                        f"without {name}, a call raised {error!r} with status {error.status}; "
                        "expected status 'skipped' and the field's name"
                    )
            except Exception as error:
                yield f"without {name}, a call raised {error!r}; expected a SampleError that names the field"
            for how, scores in _both_ways(metric, [lacking, sample]):
                if scores[0].status != "skipped" or name not in (scores[0].reason or ""):
                    yield (
                        f"without {name}, {how} gives {scores[0]}; "
                        "expected status 'skipped' and a reason that names the field"
                    )
                for difference in subject.differences(present, scores[1:], metric):
                    yield f"beside a sample without {name}, {how}: {difference}"


def several_images(subject: Subject) -> Iterator[str]:
    """Several images in a field are skipped by name, not scored as the first; where it declares them, scored."""
    subject.require_scores()
    sample, other = subject.samples[0], subject.sample(5)
    for name in subject.required_images:
        images: dict[str, Any] = {name: (getattr(sample, name), getattr(other, name))}
        many = replace(sample, **images)
        for how, (score,) in _both_ways(subject.metric, [many]):
            if name in subject.metric.several:
                if not score.ok:
                    yield f"with two images in {name}, which it declares in several, {how} gives {score}"
            elif score.status != "skipped" or name not in (score.reason or ""):
                yield (
                    f"with two images in {name}, {how} gives {score}; "
                    "expected status 'skipped' and the field's name, or the field in several"
                )


def corrupt_file(subject: Subject) -> Iterator[str]:
    """One damaged file fails its own sample, with the file's name; the three others score as without it."""
    subject.require_scores()
    with tempfile.TemporaryDirectory() as folder:
        names = subject.required_images
        samples = [_on_disk(subject.sample(seed), names, Path(folder)) for seed in range(4)]
        for number, name in enumerate(names):
            damaged = 1 + number % 2  # neither the first nor the last
            path = Path(getattr(samples[damaged], name))
            content = path.read_bytes()
            without = dict(_both_ways(subject.metric, [*samples[:damaged], *samples[damaged + 1 :]]))
            path.write_bytes(content[: len(content) // 2])
            for how, scores in _both_ways(subject.metric, samples):
                if scores[damaged].status != "failed" or path.name not in (scores[damaged].reason or ""):
                    yield (
                        f"with half of the {name} image, {how} gives {scores[damaged]}; "
                        "expected status 'failed' and the file's name"
                    )
                others = [*scores[:damaged], *scores[damaged + 1 :]]
                for difference in subject.differences(without[how], others):
                    yield f"beside a sample with half of its {name} image, {how}: {difference}"
            path.write_bytes(content)


def sizes(subject: Subject) -> Iterator[str]:
    """Images of any size, and pairs of two sizes, have a score or a clear reason, and disturb no others."""
    height, width = subject.size
    odd = {
        "1 x 1": toys.sample(40, 1, 1),
        "8 x 8": toys.sample(41, 8, 8),
        "1 x 200": toys.sample(42, 1, 200),
        "odd sides": toys.sample(43, height + 1, width - 1),
        "source and edited of two sizes": replace(subject.sample(44), edited=toys.picture(44, height - 12, width - 8)),
    }
    yield from _scored_or_refused(subject, odd)


def flat_images(subject: Subject) -> Iterator[str]:
    """Black, white and grey images have a score in range or a clear reason; identical ones the best score, if any."""
    black, grey, white = (np.full((*subject.size, 3), level, np.uint8) for level in (0, 200, 255))
    whole = subject.sample(50)
    pairs = {
        "black and black": (black, black),
        "white and white": (white, white),
        "grey and grey": (grey, grey),
        "black and white": (black, white),
        "black and a picture": (black, whole.edited),
        "a picture and grey": (whole.source, grey),
    }
    flat = {
        name: replace(whole, source=first, reference=first, edited=second) for name, (first, second) in pairs.items()
    }
    yield from _scored_or_refused(subject, flat)
    best = subject.metric.primary().best
    if not subject.compares or best is None or not np.isfinite(best):
        return
    for name in ("black and black", "white and white", "grey and grey"):
        (score,) = subject.metric.score([flat[name]])
        if score.ok and abs(float(score) - best) > 1e-5 * max(1.0, abs(best)):
            yield f"{name}: {score}; expected {best:g}, as for all identical images"


def _scored_or_refused(subject: Subject, odd: dict[str, Sample]) -> Iterator[str]:
    """Check that odd samples score or raise `SampleError`, and that others beside them keep their scores."""
    subject.require_scores()
    alone = []
    for name, sample in odd.items():
        try:
            alone.append(subject.metric(sample))
        except SampleError as error:
            alone.append(Score.unscored(error.status, str(error)))
        except Exception as error:
            yield (
                f"{name}: a call raised {type(error).__name__}: {error}; "
                "expected a score or a SampleError that says what is needed"
            )
            alone.append(Score.unscored("failed", f"{type(error).__name__}: {error}"))
        if "outside its declared range" in (alone[-1].reason or ""):
            yield f"{name}: {alone[-1].reason}"
    first, *rest = subject.samples
    named = [replace(sample, id=name) for name, sample in odd.items()]
    without = dict(_both_ways(subject.metric, [first, *rest]))
    for how, scores in _both_ways(subject.metric, [first, *named, *rest]):
        others, among = [scores[0], *scores[1 + len(named) :]], scores[1 : 1 + len(named)]
        for difference in subject.differences(without[how], others):
            yield f"beside {', '.join(odd)}, {how}: {difference} without them"
        for name, score, by_itself in zip(odd, among, alone, strict=True):
            if score.ok != by_itself.ok:
                yield f"{name}, among others, {how}: {score}; {by_itself} alone"


def _both_ways(metric: Metric, samples: list[Sample]) -> Iterator[tuple[str, list[Score]]]:
    """Yield the scores by `Metric.score` and by a run."""
    yield "Metric.score", metric.score(samples)
    yield "editmetrics.score", score_all(samples, metric, workers=1)[metric.label]


def _on_disk(sample: Sample, names: list[str], folder: Path) -> Sample:
    """Return the sample with only the images `names`, as PNG files."""
    from PIL import Image

    paths: dict[str, Any] = dict.fromkeys(IMAGE_FIELDS)
    for name in names:
        path = folder / f"{sample.id}-{name}.png"
        Image.fromarray(getattr(sample, name)).save(path, compress_level=1)
        paths[name] = str(path)
    return replace(sample, **paths)
