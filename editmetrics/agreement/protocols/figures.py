"""Figures of several protocols: means of lines, rankings of models, accuracy of yes-or-no answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from ..correlation import rmse, srcc
from ..labels import accuracy
from ..measure import Floats, UndefinedError
from ..result import ALL, SYSTEM_LEVEL, Line
from .protocol import Joined


def average(
    joined: Joined, lines: Sequence[Line], group: str, measure: str | None = None, rating: str | None = None
) -> Line:
    """Return the mean of lines; undefined if one of them is, since a mean of fewer would be another figure."""

    def mean() -> float:
        for line in lines:
            if line.value is None:
                raise UndefinedError(f"{line.measure} of {line.rating}, {line.group}: {line.note}")
        return float(np.mean([line.value for line in lines]))

    counts = {(line.rating, line.group): (line.n, line.excluded) for line in lines}  # two measures share their items
    n, left_out = (sum(count) for count in zip(*counts.values(), strict=True))
    groups = len({line.group for line in lines})
    name, aspect = measure or lines[0].measure, rating or lines[0].rating
    return joined.line(aspect, group, name, mean, n, left_out, groups if groups > 1 else None)


def system_lines(joined: Joined, dimension: str) -> Iterator[Line]:
    """Yield SRCC and RMSE between each system's mean score and its mean rating, over the items with both.

    These are the columns "SRCC to human" and "RMSE to human" of HPE-Bench's Table III; the RMSE is meaningful only for
    scores on the scale of the ratings. With `higher_is_better=False` scores are negated, and the RMSE is left out.
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
    """Return mean scores and ratings (dimensions, systems), and the numbers of used and of unused rated items.

    An item counts if it has a score and a rating in each of `dimensions`.
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


def answer_lines(joined: Joined, dimension: str, tasks: Mapping[str, np.ndarray]) -> Iterator[Line]:
    """Yield the accuracy of answers over all items and in each task, whose `rows` (rows,) are of bool."""
    yield _answer_accuracy(joined, dimension, None, ALL)
    for task, rows in tasks.items():
        yield _answer_accuracy(joined, dimension, rows, f"task={task}")


def _answer_accuracy(joined: Joined, dimension: str, rows: np.ndarray | None, group: str) -> Line:
    """Return the share of answers that agree with the majority's, regardless of case and outer spaces.

    `rows` (rows,) of bool are those of `group`; None for all.
    """
    answers, right = joined.texts(f"score.{dimension}"), joined.texts(f"rating.{dimension}")
    rated = np.array([answer is not None for answer in right], bool)
    rated = rated if rows is None else rated & rows
    used = rated & np.array([answer is not None for answer in answers], bool)
    correct = [g.strip().casefold() == r.strip().casefold() for g, r in zip(answers[used], right[used], strict=True)]
    left_out = int(rated.sum()) - len(correct)
    return joined.line(
        dimension, group, accuracy.name, lambda: accuracy(correct, np.ones(len(correct))), len(correct), left_out
    )
