"""Text-defined levels: ratings cut into five equal intervals (equation 2)."""

from __future__ import annotations

from collections.abc import Sequence

from ...sample import EditMetricsError


class LevelError(EditMetricsError, ValueError):
    """There are no intervals: the lowest and the highest rating do not differ."""


def edges(low: float, high: float) -> list[float]:
    """The four edges between five equal intervals: m + i/5 (M - m), i = 1 to 4.

    >>> edges(0, 100)
    [20.0, 40.0, 60.0, 80.0]
    """
    if not low < high:
        raise LevelError(f"levels from {low:g} to {high:g} are no intervals; expected a lowest and a higher rating")
    return [low + i / 5 * (high - low) for i in range(1, 5)]


def level(score: float, low: float, high: float) -> int:
    """The level of a rating, from 1 (bad) to 5 (excellent).

    i if m + (i-1)/5 (M - m) < s <= m + i/5 (M - m), with `low` m and `high` M the ends of the training ratings. The
    equation leaves the lowest rating m itself out; here it is of level 1, as is what lies below it. What lies above M
    is of level 5. Source: Wang et al., ICCV 2025, equation 2.

    >>> [level(score, 0, 100) for score in (0, 20, 20.1, 80, 80.1, 100)]
    [1, 1, 2, 4, 5, 5]
    """
    return 1 + sum(score > edge for edge in edges(low, high))


def ends(ratings: Sequence[float]) -> tuple[float, float]:
    """The lowest and the highest of the training ratings, between which the intervals lie."""
    return min(ratings), max(ratings)
