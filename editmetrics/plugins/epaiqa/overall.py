"""Overall quality of its parts (harmony, local naturalness, completion) in place of a chain of thought's level."""

from __future__ import annotations

import math
from collections.abc import Sequence

EQUAL = 0.5
"""The share of harmony for weights without a fitted one."""

LEAST = 8
"""The fewest edits that a share is fitted on."""

BAD, POOR = 1.0, 2.0
"""The levels of edits that do not follow their instruction, and that follow it in part, by the question of stage 3."""

Level = tuple[float, float]
"""The mean of a level, 1 to 5, and its standard deviation."""


def overall_of_parts(completion: Sequence[float], harmony: Level, naturalness: Level, share: float = EQUAL) -> Level:
    """Overall quality, 1 to 5, and its standard deviation, of what was read of an edit's parts.

        overall = p_non 1 + p_part 2 + p_full (s h + (1 - s) n)

    `completion` holds the probabilities of Non-, Partial and Full Completion; h and n are `harmony` and `naturalness`
    with their deviations, taken as independent; s, 0 to 1, is the `share` of harmony. Our own formula: the paper reads
    overall quality after the chain of thought. Bad and poor are the paper's rule for edits that do not follow their
    instruction, or follow it in part (section E.3).

    >>> overall_of_parts((0.0, 0.0, 1.0), (4.0, 0.0), (2.0, 0.0), share=0.75)
    (3.5, 0.0)
    """
    none, part, full = completion
    looks = share * harmony[0] + (1 - share) * naturalness[0]
    variance = (share * harmony[1]) ** 2 + ((1 - share) * naturalness[1]) ** 2
    mean = none * BAD + part * POOR + full * looks
    square = none * BAD**2 + part * POOR**2 + full * (looks**2 + variance)
    return mean, math.sqrt(max(square - mean**2, 0.0))


def fitted_share(harmony: Sequence[float], naturalness: Sequence[float], overall: Sequence[float]) -> float | None:
    """The share s of harmony, 0 to 1, with the least squares of s h + (1 - s) n from overall quality; None for fewer
    than eight edits, or where harmony and naturalness are all alike.

    Of edits that follow their instruction; all three from 1 to 5.

    >>> fitted_share([1, 2, 3, 4, 5, 1, 2, 3], [5, 3, 1, 2, 4, 4, 5, 2], [3, 2.5, 2, 3, 4.5, 2.5, 3.5, 2.5])
    0.5
    """
    if len(overall) < LEAST:
        return None
    apart = [h - n for h, n in zip(harmony, naturalness, strict=True)]
    squares = sum(difference**2 for difference in apart)
    if squares == 0:
        return None
    toward = sum(d * (y - n) for d, y, n in zip(apart, overall, naturalness, strict=True))
    return min(max(toward / squares, 0.0), 1.0)
