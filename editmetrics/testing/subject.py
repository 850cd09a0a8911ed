"""The metric under test, as checks use it: fresh instances, a loaded one, toy samples and their scores."""

from __future__ import annotations

import math
import unittest
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from ..metric import Metric
from ..options import checked_options
from ..registry import create_metric
from ..sample import IMAGE_FIELDS, Dimension, EditMetricsError, Sample, Score
from ..wording import plural
from . import toys

if TYPE_CHECKING:
    import numpy as np

RELATIVE, ABSOLUTE = 1e-4, 1e-5
"""Scores are equal to rounding when they differ by at most RELATIVE of themselves plus ABSOLUTE of their range (or
of 1, if that is less): over ten times what float32 sums in another order differ by, and less than what tables print."""


class NotApplicable(unittest.SkipTest):
    """A check does not concern this metric, or cannot tell; the message says why. pytest shows it as skipped."""


class Subject:
    """A metric under test: a spec, a class or an instance, of which checks make fresh instances.

    `setup` is called with each fresh instance before it is loaded. `device` is where a spec or a class computes, and
    `options` are those of a spec beside its own. `picture` is the height and width of the toy pictures.
    """

    def __init__(
        self,
        metric: str | type[Metric] | Metric,
        *,
        setup: Callable[[Metric], object] | None = None,
        device: str | None = "cpu",
        options: Mapping[str, Any] | None = None,
        picture: tuple[int, int] = (toys.HEIGHT, toys.WIDTH),
    ) -> None:
        first = metric
        if isinstance(first, str):
            first = create_metric(first, device=device, **(options or {}))
        elif isinstance(first, type):
            first = first().to(device)
        self.cls, self.options, self.device = type(first), first.options, first.device
        self.setup = setup
        self.size = picture
        self.label = first.label
        self._first = first if first is metric else None

    def make(self, **options: Any) -> Metric:
        """Return a fresh instance with the options of the one under test, but for `options`; not loaded."""
        return self.prepared_by_setup(self.cls(**{**self.options, **options}).to(self.device))

    def prepared_by_setup(self, metric: Metric) -> Metric:
        """Apply `setup` to an instance, and return it."""
        if self.setup is not None:
            self.setup(metric)
        return metric

    def load(self) -> Metric:
        """Return a loaded instance: the one under test, or a fresh one if that is a class or a spec."""
        metric = self._first or self.make()
        metric.load()
        return metric

    @cached_property
    def metric(self) -> Metric:
        """One loaded instance, shared by the checks."""
        try:
            return self.load()
        except Exception as error:
            raise NotApplicable(f"it cannot be loaded (see the check 'scores'): {type(error).__name__}") from error

    @property
    def samples(self) -> list[Sample]:
        """Three samples with every field, new ones each time, so that what a metric writes into them is gone."""
        return [self.sample(seed) for seed in range(1 if self.cls.of_sets else 3)]

    def sample(self, seed: int) -> Sample:
        """Return a toy sample with every field."""
        if self.cls.of_sets:
            return toys.system(seed, self.metric.minimum)  # type: ignore[attr-defined]
        return toys.sample(seed, *self.size)

    def larger_sample(self, seed: int) -> Sample:
        """Return a toy sample of larger pictures."""
        if self.cls.of_sets:
            return toys.system(seed, self.metric.minimum + 3)  # type: ignore[attr-defined]
        return toys.sample(seed, self.size[0] + 64, self.size[1] + 32)

    def picture(self, seed: int) -> np.ndarray:
        """Return a toy picture."""
        return toys.picture(seed, *self.size)

    @cached_property
    def scores(self) -> list[Score]:
        """The score of each of `samples`, alone. Raises `NotApplicable` if there are none, or if they vary."""
        scores = self.alone(self.samples)
        if len(scores) != len(self.samples) or not all(score.ok for score in scores):
            raise NotApplicable("it does not score the toy samples (see the check 'scores')")
        if any(self.differences(scores, self.alone(self.samples))):
            raise NotApplicable("it scores a sample differently each time (see the check 'determinism')")
        return scores

    def require_scores(self) -> None:
        """Raise `NotApplicable` unless it scores the toy samples: checks that build on scores begin here."""
        _ = self.scores

    def alone(self, samples: Iterable[Sample], metric: Metric | None = None) -> list[Score]:
        """Return the score of each sample by itself, from the shared instance or from `metric`."""
        metric = metric or self.metric
        return [score for sample in samples for score in metric.score([sample])]

    @property
    def required_images(self) -> list[str]:
        """The image fields that it needs, the edited image first."""
        return [name for name in sorted(IMAGE_FIELDS, key="edited".__ne__) if name in self.metric.required()]

    @property
    def compares(self) -> bool:
        """Whether it says how close two images are: it needs a source or a reference, and no text and no rival."""
        required = self.metric.required()
        return bool(required & {"source", "reference"}) and not required & {"prompt", "questions", "rival"}

    def require_comparison(self) -> None:
        """Raise `NotApplicable` unless `compares`."""
        if not self.compares:
            raise NotApplicable("it does not say how close two images are")

    def variants(self) -> Iterator[dict[str, Any]]:
        """One option at a time with another value: every choice of a Literal, the other bool, another number."""
        for option in self.cls.option_list():
            for value in _values(option.hint, option.default):
                if value != self.options[option.name] and self._accepts(option.name, value, option.hint):
                    yield {option.name: value}

    def by_required_fields(self) -> Iterator[Metric]:
        """The metric, and an instance for each set of fields that another value of an option makes it require."""
        yield self.metric
        seen = {self.metric.required()}
        for changed in self.variants():
            try:
                metric = self.make(**changed)
            except (EditMetricsError, ValueError):
                continue  # a choice that does not go with the options of the metric under test
            if metric.required() not in seen:
                seen.add(metric.required())
                yield metric

    def differences(
        self, expected: Sequence[Score], scores: Sequence[Score], metric: Metric | None = None
    ) -> Iterator[str]:
        """Yield how `scores` differ from those expected, beyond rounding; one line for each sample.

        `metric` is the one that gave them, where its options add dimensions to those of the subject's own.
        """
        if len(expected) != len(scores):
            yield f"{plural(len(scores), 'score')} for {plural(len(expected), 'sample')}"
            return
        for index, (right, wrong) in enumerate(zip(expected, scores, strict=True)):
            if right.status != wrong.status or list(right) != list(wrong):
                yield f"sample {index}: {wrong} instead of {right}"
            elif off := [name for name in right if not self.close(name, right[name], wrong[name], metric)]:
                values = ", ".join(f"{name} {wrong[name]!r} instead of {right[name]!r}" for name in off)
                yield f"sample {index}: {values}"

    def close(self, name: str, first: float, second: float, metric: Metric | None = None) -> bool:
        """Return whether two values of the dimension `name` are equal to rounding."""
        dimension = next(d for d in (metric or self.metric).dimensions if d.name == name)
        return first == second or abs(first - second) <= rounding(dimension, first, second)

    def _accepts(self, name: str, value: Any, hint: Any) -> bool:
        """Return whether the constructor accepts this value; it must accept a choice, a number may be out of bounds.

        Beside options that are not the default a choice, too, may contradict them (a variant fixes its channels).
        """
        try:
            checked_options(self.cls, {name: value})
            self.cls(**{**self.options, name: value})
        except (EditMetricsError, ValueError):
            defaults = {option.name: option.default for option in self.cls.option_list()}
            return self.options == defaults and value in _choices(hint)
        return True


@contextmanager
def undisturbed() -> Iterator[None]:
    """Restore random states and torch's settings at the end of a `with` block.

    Inside, torch computes with one thread: on small pictures several wait for one another longer than they compute.
    """
    import random

    import numpy as np
    import torch

    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    settings = torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        torch.set_num_threads(settings[0])
        torch.set_default_dtype(settings[1])
        torch.set_grad_enabled(settings[2])


def rounding(dimension: Dimension, *values: float) -> float:
    """Return how far apart two values of a dimension may be and still be equal to rounding; 0 if one is infinite."""
    if not all(math.isfinite(value) for value in values):
        return 0.0
    span = dimension.high - dimension.low
    return RELATIVE * max(abs(value) for value in values) + ABSOLUTE * min(span, 1.0)


def _choices(hint: Any) -> list[Any]:
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    return [choice for argument in get_args(hint) for choice in _choices(argument)]


def _values(hint: Any, default: Any) -> list[Any]:
    """Return values to try for an option; none for free text, whose valid values are unknown."""
    if isinstance(default, bool):
        return [not default]
    if isinstance(default, int):
        return [*_choices(hint), default + 1]
    if isinstance(default, float):
        return [*_choices(hint), default / 2]
    return _choices(hint)
