"""Which pairs to ask about: all of them, as many of each two systems, or those that tell most about the ratings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np

from ..agreement.measure import Floats
from .battles import ArenaError
from .strengths import LONGEST, SMALLEST, STEPS

Asking: TypeAlias = Literal["all", "sampled", "adaptive"]
Duel: TypeAlias = "tuple[int, int]"
"""Two systems by number, the smaller first."""

PRIOR = 1.0
"""Standard deviation of log strengths before any battle, 174 points of Elo; it guides questions, and rates nothing."""


def balanced_order(tasks: Mapping[Duel, Sequence[str]], seed: int = 0) -> list[tuple[Duel, str]]:
    """Return all pairs, (two systems, task), in a random order of which each beginning is balanced.

    Any two systems are asked about equally often, to one, as long as they have tasks left.

    >>> order = balanced_order({(0, 1): ["cat", "dog"], (0, 2): ["cat", "dog"]})
    >>> sorted(duel for duel, _ in order[:2])
    [(0, 1), (0, 2)]
    """
    random = np.random.default_rng(seed)
    waiting = {duel: [names[n] for n in random.permutation(len(names))] for duel, names in sorted(tasks.items())}
    order: list[tuple[Duel, str]] = []
    while waiting:
        duels = list(waiting)
        for number in random.permutation(len(duels)):
            duel = duels[number]
            order.append((duel, waiting[duel].pop()))
            if not waiting[duel]:
                del waiting[duel]
    return order


def most_informative(points: Floats, left: Mapping[Duel, int], count: int) -> list[Duel]:
    """Return the `count` duels that tell most about the strengths, one after the other.

    Given points (S, S) so far and a normal prior of the strengths, a battle of i and j adds p (1 - p) to the
    information along t_i - t_j, and so shrinks the volume of the uncertainty by 1 + p (1 - p) v_ij, v being the
    variance of that difference. Duels with `left` tasks are chosen greedily by it, each as if it had been fought.

    Source: sequential D-optimal design; Chaloner & Verdinelli, Statistical Science 1995.

    >>> points = np.array([[0, 9.0, 9], [1, 0, 5], [1, 5, 0]])  # 1 and 2 are close; 0 is far ahead
    >>> most_informative(points, {(0, 1): 5, (0, 2): 5, (1, 2): 5}, 1)
    [(1, 2)]
    """
    strengths, covariance = _posterior(points)
    remaining = {duel: number for duel, number in left.items() if number > 0}
    chosen: list[Duel] = []
    while remaining and len(chosen) < count:
        duels = np.array(sorted(remaining))
        one, other = duels.T
        win = 1 / (1 + np.exp(strengths[other] - strengths[one]))
        spread = covariance[one, one] + covariance[other, other] - 2 * covariance[one, other]
        best = int(np.argmax(win * (1 - win) * spread))
        duel = int(one[best]), int(other[best])
        along = covariance[:, duel[0]] - covariance[:, duel[1]]
        weight = win[best] * (1 - win[best])
        covariance = covariance - weight * np.outer(along, along) / (1 + weight * spread[best])
        chosen.append(duel)
        remaining[duel] -= 1
        if not remaining[duel]:
            del remaining[duel]
    return chosen


def _posterior(points: Floats) -> tuple[Floats, Floats]:
    """The most probable log strengths (S,) under the prior, and their covariance (S, S)."""
    size = len(points)
    games, strengths = points + points.T, np.zeros(size)
    for _ in range(STEPS):
        win = 1 / (1 + np.exp(strengths[None] - strengths[:, None]))
        weights = games * win * (1 - win)
        information = np.diag(weights.sum(axis=1) + PRIOR**-2) - weights
        step = np.linalg.solve(information, (points - games * win).sum(axis=1) - strengths * PRIOR**-2)
        strengths = strengths + step * min(1.0, LONGEST / max(float(np.abs(step).max()), LONGEST))
        if np.abs(step).max() < SMALLEST:
            return strengths, np.linalg.inv(information)
    raise ArenaError(f"the search for strengths did not end in {STEPS} steps")
