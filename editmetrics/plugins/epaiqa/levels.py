"""The five levels of quality and the three of prompt completion: from a rating to its word, and the words' numbers."""

from __future__ import annotations

import math

from ...mllm.levels import LEVELS
from ...sample import EditMetricsError

COMPLETIONS = ("Non-Completion", "Partial Completion", "Full Completion")
"""How an answer calls the prompt completions 1, 2 and 3."""


def level_of(rating: float, low: float = 1.0, high: float = 5.0) -> str:
    """The level word of a rating on the scale `low` to `high` (section 4.2).

    The scale is mapped to [0, 5], s = 5 (rating - low) / (high - low), and cut at whole numbers, each of which belongs
    to the level above it: [0, 1) is bad, ..., [4, 5] excellent. The paper maps to [0, 5), which the highest rating is
    not in; it is excellent here. On 1 to 5 the edges are 1.8, 2.6, 3.4 and 4.2.

    Raises `EditMetricsError` for a rating outside the scale.

    >>> [level_of(rating) for rating in (1, 1.79, 1.8, 2.6, 3.4, 4.2, 5)]
    ['bad', 'bad', 'poor', 'fair', 'good', 'excellent', 'excellent']
    """
    if not low <= rating <= high:
        raise EditMetricsError(f"the rating {rating:g} is outside the label scale {low:g} to {high:g}")
    scaled = round(5 * (rating - low) / (high - low), 9)  # 1.8 is 5 * 0.8 / 4 = 1, and not 0.9999999999999998
    return LEVELS[min(math.floor(scaled), 4)]


def completion_of(rating: float) -> int:
    """A prompt completion of 1, 2 or 3; people's are votes and so whole. Raises `EditMetricsError` for another number.

    >>> completion_of(3.0)
    3
    """
    if rating not in (1, 2, 3):
        raise EditMetricsError(f"the prompt completion is {rating:g}; expected 1, 2 or 3, as people vote")
    return int(rating)
