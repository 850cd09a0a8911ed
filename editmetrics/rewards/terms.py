"""The terms of a reward: which number of which metric, turned into what, with what weight."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..metric import Metric
from ..sample import Dimension, EditMetricsError, Score
from ..wording import expected_one_of

Transform = Literal["signed", "unit"] | Callable[[float], float]
"""`signed`: the value, negated where lower is better. `unit`: the declared range to [0, 1], better is higher. Or a
function of the value."""


class RewardError(EditMetricsError, ValueError):
    """A reward that cannot be computed as it was asked for."""


@dataclass(frozen=True)
class Term:
    """One number of a reward.

    - `metric`: a metric or its name with options. `weight`: its factor in the sum.
    - `dimension`: which of the metric's numbers; by default the primary one.
    - `transform`: `signed`, `unit`, or a function of the number (see `Transform`).
    - `clip`: the ends to which the transformed number is clipped.

    >>> Term("lpips", weight=0.5, clip=(-1, 0)).weight
    0.5
    """

    metric: str | Metric
    weight: float = 1.0
    dimension: str | None = None
    transform: Transform = "signed"
    clip: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.weight):
            raise RewardError(f"the weight of {self.metric} is {self.weight}; expected a finite number")
        if self.clip is not None and not self.clip[0] < self.clip[1]:
            raise RewardError(f"clip is {self.clip}; expected two numbers, the lower one first")
        if not callable(self.transform) and self.transform not in ("signed", "unit"):
            named = expected_one_of(str(self.transform), ["signed", "unit"])
            raise RewardError(f"unknown transform {self.transform!r}; {named}, or a function of the value")


def terms_of(metrics: Any, transform: Transform, clip: tuple[float, float] | None) -> list[Term]:
    """The terms of a reward: of one metric, of several, or of a mapping from metric to weight.

    >>> [(term.metric, term.weight) for term in terms_of({"psnr": 0.1, "ssim": 1}, "signed", None)]
    [('psnr', 0.1), ('ssim', 1.0)]
    """
    if isinstance(metrics, (str, Metric, Term)):
        metrics = [metrics]
    pairs: Iterable[tuple[Any, Any]] = (
        metrics.items() if isinstance(metrics, Mapping) else ((metric, 1.0) for metric in metrics)
    )
    terms = [
        metric if isinstance(metric, Term) else Term(metric, float(weight), transform=transform, clip=clip)
        for metric, weight in pairs
    ]
    if not terms:
        raise RewardError("a reward requires a metric; name one, such as 'ssim'")
    return terms


class Reading:
    """A term that knows its metric's label and dimension: from a score to the term's part of the reward."""

    def __init__(self, term: Term, label: str, dimensions: Iterable[Dimension]) -> None:
        by_name = {dimension.name: dimension for dimension in dimensions}
        name = term.dimension or next(name for name, dimension in by_name.items() if dimension.primary)
        if name not in by_name:
            raise RewardError(f"{label} has no dimension {name!r}; {expected_one_of(name, by_name)}")
        self.term, self.label, self.dimension = term, label, by_name[name]
        self.name = label if term.dimension is None else f"{label}.{name}"
        """Under which name it is logged."""
        self._check()

    def _check(self) -> None:
        """Raise `RewardError` for a transform that the dimension does not allow."""
        dimension = self.dimension
        if callable(self.term.transform):
            return
        if dimension.higher_is_better is None:
            raise RewardError(
                f"no direction of {self.name} is known, so more of it is not better: give a transform, such as "
                "lambda value: -abs(value - 1)"
            )
        if self.term.transform == "unit" and not (math.isfinite(dimension.low) and math.isfinite(dimension.high)):
            raise RewardError(
                f"the range of {self.name} is {dimension.low:g} to {dimension.high:g}, which has no unit; give a "
                "transform, such as lambda value: min(value, 50) / 50"
            )

    def part(self, score: Score) -> float | str:
        """The transformed number, or the reason why there is none."""
        if self.dimension.name not in score:
            return f"{self.label} {score.status}: {score.reason or f'no {self.dimension.name}'}"
        if not score.ok:
            return f"{self.label} {score.status}: {score.reason}"
        try:
            value = self.transformed(score[self.dimension.name])
        except (ArithmeticError, ValueError, TypeError) as error:
            return f"the transform of {self.name} failed: {type(error).__name__}: {error}"
        if not math.isfinite(value):
            return f"{self.name} is {value:g}, and no trainer can use it; give clip="
        return float(value)

    def transformed(self, value: float) -> float:
        """The number after transform and clip."""
        term, dimension = self.term, self.dimension
        if callable(term.transform):
            value = float(term.transform(value))
        elif term.transform == "unit":
            share = (value - dimension.low) / (dimension.high - dimension.low)
            value = share if dimension.higher_is_better else 1 - share
        elif not dimension.higher_is_better:
            value = -value
        return value if term.clip is None else float(min(max(value, term.clip[0]), term.clip[1]))

    def described(self) -> dict[str, Any]:
        """All of the term that a reward depends on, as JSON has it."""
        term = self.term
        function = term.transform if isinstance(term.transform, str) else _function_name(term.transform)
        return {
            "metric": self.label, "dimension": self.dimension.name, "weight": term.weight, "transform": function,
            "clip": None if term.clip is None else list(term.clip),
        }  # fmt: skip


def _function_name(function: Any) -> str:
    module, name = getattr(function, "__module__", ""), getattr(function, "__qualname__", type(function).__qualname__)
    return f"{module}.{name}".lstrip(".")
