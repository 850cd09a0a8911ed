"""Models compared by their means: whether a score ranks them, and rates them, as people do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from ..correlation import rmse, srcc
from ..measure import Floats
from ..result import SYSTEM_LEVEL, Line
from .joined import Joined


def system_lines(joined: Joined, dimension: str) -> Iterator[Line]:
    """SRCC and RMSE between each system's mean score and its mean rating, over the items that have both.

    The column "SRCC to human" and "RMSE to human" of HPE-Bench's Table III; the RMSE means something only for scores
    on the scale of the ratings. With `higher_is_better=False` scores are negated, and the RMSE is left out.
    """
    mean_scores, mean_ratings, used, left_out = system_means(joined, [dimension])
    for measure in (srcc, rmse) if joined.higher_is_better else (srcc,):
        yield joined.line(
            dimension,
            SYSTEM_LEVEL,
            measure.name,
            partial(measure, mean_scores[0], mean_ratings[0]),
            used,
            left_out,
            groups=len(mean_scores[0]),
        )


def system_means(joined: Joined, dimensions: Sequence[str]) -> tuple[Floats, Floats, int, int]:
    """Mean scores and mean ratings (dimensions, systems); how many items were used, and how many rated ones were not.

    An item counts when it has a score and a rating in every one of `dimensions`.
    """
    pairs = [joined.dimension(name) for name in dimensions]
    rated = np.all([~np.isnan(ratings) for _, ratings in pairs], axis=0)
    used = rated & np.all([~np.isnan(scores) for scores, _ in pairs], axis=0)
    systems = joined.groups("system", used)
    scores, ratings = (
        np.array([[pair[side][rows].mean() for rows in systems.values()] for pair in pairs]) for side in (0, 1)
    )
    named = sum(int(rows.sum()) for rows in systems.values())
    return scores, ratings, named, int(rated.sum()) - named
