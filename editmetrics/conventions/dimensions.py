"""Dimensions of a metric out of the values of its read-out: the lowest, the mean, the geometric mean, ..."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

from ..sample import Dimension
from .reading import values_of
from .schema import Conventions, DimensionRule


def declared_dimensions(conventions: Conventions) -> tuple[Dimension, ...]:
    """Return the dimensions of the metric, the first of them the primary one."""
    return tuple(
        Dimension(
            rule.name,
            unit=rule.unit,
            low=-math.inf if rule.unbounded else rule.low,
            high=math.inf if rule.unbounded else rule.high,
            primary=not row,
            description=rule.description,
            optional=rule.optional,
        )
        for row, rule in enumerate(conventions.dimensions)
    )


def combined(conventions: Conventions, values: Mapping[str, float]) -> dict[str, float]:
    """Return each dimension that the values of a sample give; one that lacks a value is left out.

    A mean leaves out optional values that are "N/A": those of a question that has given another of its values.
    """
    known = set(values_of(conventions))
    rules = {rule.name: rule for rule in conventions.dimensions}
    absent = _left_out(conventions, values)

    def number(name: str) -> float | None:
        return values.get(name) if name in known else made(rules[name])

    def made(rule: DimensionRule) -> float | None:
        parts = {name: number(name) for name in rule.values}
        numbers = [part for part in parts.values() if part is not None]
        lacking = {name for name, part in parts.items() if part is None}
        if not numbers or (lacking - absent if rule.how == "mean" and not rule.weights else lacking):
            return None
        if rule.weights:
            total = sum(weight * number for weight, number in zip(rule.weights, numbers, strict=True))
            return total / sum(rule.weights)
        return _HOW[rule.how](numbers)

    results = {name: made(rule) for name, rule in rules.items()}
    return {name: result for name, result in results.items() if result is not None}


def _left_out(conventions: Conventions, values: Mapping[str, float]) -> set[str]:
    """Return the optional values that are "N/A" in an answer that was read."""
    forms = [question.answer for question in conventions.questions if question.answer]
    return {name for form in forms if set(form.values) & values.keys() for name in form.optional if name not in values}


def _geometric(numbers: Sequence[float]) -> float:
    return math.sqrt(math.prod(numbers)) if len(numbers) == 2 else math.prod(numbers) ** (1 / len(numbers))


def _only(numbers: Sequence[float]) -> float:
    return numbers[0]


_HOW: dict[str, Callable[[Sequence[float]], float]] = {
    "value": _only,
    "min": min,
    "mean": fmean,
    "product": math.prod,
    "geometric": _geometric,
}
