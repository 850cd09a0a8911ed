"""Terms of a reward made comparable: minus the mean and divided by the standard deviation of a group."""

from __future__ import annotations

import statistics
from collections.abc import Hashable, Sequence


def normalised(values: Sequence[float | None], groups: Sequence[Hashable]) -> list[float | None]:
    """Return `(value - mean) / standard deviation` (n - 1) over the values of its group; None stays None.

    A group without spread, or with one value, has nothing to compare: its values are 0, the mean of every group.

    >>> normalised([1.0, 2.0, 3.0, None, 7.0], ["a", "a", "a", "a", "b"])
    [-1.0, 0.0, 1.0, None, 0.0]
    """
    members: dict[Hashable, list[float]] = {group: [] for group in groups}
    for value, group in zip(values, groups, strict=True):
        if value is not None:
            members[group].append(value)
    scales = {group: _scale(numbers) for group, numbers in members.items() if numbers}
    return [
        None if value is None else (value - scales[group][0]) / scales[group][1]
        for value, group in zip(values, groups, strict=True)
    ]


def _scale(numbers: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation; without a spread above rounding, a standard deviation of 1."""
    mean = statistics.fmean(numbers)
    spread = statistics.stdev(numbers) if len(numbers) > 1 else 0.0
    if spread <= 1e-9 * max(1.0, abs(mean)):
        return mean, 1.0
    return mean, spread
