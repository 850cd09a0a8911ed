"""Checks of the numbers: complete, in the declared range, worse for worse images, best for identical ones."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np

from ..metric import Metric
from ..sample import Sample, Score
from ..wording import plural
from . import toys
from .subject import NotApplicable, Subject, rounding


def scores(subject: Subject) -> Iterator[str]:
    """`score_batch` returns a `Score` for each sample, with exactly the declared dimensions, in order and in range."""
    metric = subject.load()
    batches: dict[Any, list[Any]] = {}
    for sample in subject.samples:
        prepared = metric.prepare(sample)
        batches.setdefault(metric.batch_key(prepared), []).append(prepared)
    for batch in batches.values():
        returned = metric.score_batch(batch)
        if not isinstance(returned, list) or len(returned) != len(batch):
            kind = plural(len(returned), "score") if isinstance(returned, list) else f"a {type(returned).__name__}"
            yield f"score_batch returned {kind} for {plural(len(batch), 'sample')}; expected a list of one Score each"
            continue
        for score in returned:
            yield from _score_problems(metric, score)


def ladders(subject: Subject) -> Iterator[str]:
    """Blur, noise and JPEG never leave the range; a metric that compares images gets worse as they grow."""
    subject.require_scores()
    dimension = subject.metric.primary()
    for name in toys.DEGRADATIONS:
        steps = _mean_of_steps(subject, name)
        if isinstance(steps, str):
            yield f"{name}: {steps}"
        elif subject.compares and dimension.higher_is_better is not None:
            losses = [-value if dimension.higher_is_better else value for value in steps]
            slack = rounding(dimension, *steps)
            swapped = sum(late < early - slack for early, late in combinations(losses, 2))
            if swapped > 1 or losses[-1] <= losses[0] + slack:
                values = ", ".join(f"{value:.6g}" for value in steps)
                yield (
                    f"{name} of rising strength gives {dimension.name} = {values}; expected it to get worse, and "
                    f"{dimension.direction} is declared (at most one pair of steps may be the other way round)"
                )


def optimum(subject: Subject) -> Iterator[str]:
    """Identical images reach the best end of the range; where that is infinite, nothing scores better."""
    subject.require_scores()
    subject.require_comparison()
    dimension = subject.metric.primary()
    best = dimension.best
    if best is None:
        raise NotApplicable("it declares no direction")
    for seed in (0, 1):
        picture = subject.picture(seed)
        same, *worse = (
            _pair(picture, image) for image in (picture, *(step(picture, 1) for step in toys.DEGRADATIONS.values()))
        )
        score, *others = subject.alone([same, *worse])
        if not score.ok:
            yield f"identical images were not scored: {score}; expected {best:g}"
        elif math.isfinite(best):
            if abs(score[dimension.name] - best) > 1e-5 * max(1.0, abs(best)):
                yield (
                    f"identical images give {dimension.name} = {score[dimension.name]!r}; "
                    f"expected {best:g}, its declared best"
                )
        elif any((float(other) > float(score)) == dimension.higher_is_better for other in others if other.ok):
            values = ", ".join(f"{float(other):.6g}" for other in others if other.ok)
            yield f"identical images give {dimension.name} = {float(score):.6g}, and degraded ones better: {values}"


def _mean_of_steps(subject: Subject, degradation: str) -> list[float] | str:
    """Return the mean primary dimension of two pictures at each strength, or the problem with one of them."""
    values = []
    for seed in (0, 1):
        picture = subject.picture(seed)
        steps = subject.alone(_pair(picture, step) for step in toys.ladder(degradation, picture))
        for strength, score in enumerate(steps, 1):
            if not score.ok or not all(math.isfinite(value) for value in score.values()):
                return f"picture {seed} at strength {strength}: {score}; expected finite numbers in the declared range"
        values.append([float(score) for score in steps])
    return [float(value) for value in np.mean(values, axis=0)]


def _pair(picture: np.ndarray, edited: np.ndarray) -> Sample:
    """Return `edited` beside the picture that it should equal, with every other field."""
    mask = toys.edit_mask(0, *picture.shape[:2])
    return Sample(
        "pair",
        edited=edited,
        source=picture,
        reference=picture,
        rival=picture,
        mask=mask,
        prompt=toys.PROMPTS[0],
        questions=toys.QUESTIONS,
        source_prompt=toys.SOURCE_PROMPT,
    )


def _score_problems(metric: Metric, score: Any) -> Iterator[str]:
    if not isinstance(score, Score):
        yield f"score_batch returned a {type(score).__name__} in its list; expected Score"
        return
    if not score.ok:
        yield f"a toy sample was not scored: {score.status}: {score.reason}"
    elif list(score) != (declared := [dimension.name for dimension in metric.dimensions]):
        yield (
            f"a score holds {', '.join(score)}; "
            f"expected exactly the declared dimensions in their order: {', '.join(declared)}"
        )
    elif problem := metric.problem_of(score):
        yield problem
    try:
        json.dumps(score.details, allow_nan=False)
    except (TypeError, ValueError) as error:
        yield f"details are not JSON and cannot be recorded: {error}"
