"""Checks of battles: position bias and consistency of the judge, intransitive triples of systems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..agreement.shares import wilson_interval
from .battles import INCONSISTENT, Battles

FEWEST_ANSWERS = 5
"""Answers from which on a judge that always chooses one position is found out: by chance 1 of 16 does."""


@dataclass(frozen=True)
class PositionBias:
    """How often a judge chose the edit that it was shown first.

    - `first`, `answers`: answers for the first edit, and all that chose one of the two. `share`: their ratio; one half
      without bias, if each battle was asked in both orders or in a random one. `low`, `high`: its Wilson interval,
      answers about one source counted together.
    - `consistent`, `both_orders`: battles whose two orders agree, and all that were asked in both.
    """

    first: int
    answers: int
    share: float | None
    low: float | None
    high: float | None
    consistent: int
    both_orders: int

    @property
    def consistency(self) -> float | None:
        """The share of battles whose orders agree, of those asked in both: the judge's agreement with itself."""
        return self.consistent / self.both_orders if self.both_orders else None

    @property
    def total(self) -> bool:
        """Whether every answer chose one position, so that the answers say nothing of the systems."""
        return self.answers >= FEWEST_ANSWERS and self.first in (0, self.answers)


def position_bias(battles: Battles, level: float = 0.95) -> PositionBias:
    """Return how often the judge chose the edit shown first, and how often its two orders agree."""
    chosen = np.stack([battles.shown_first, battles.shown_second])
    first, answers = int(chosen[0].sum()), int(chosen.sum())
    asked_twice = battles.both_orders
    consistent = int((battles.outcome[asked_twice] != INCONSISTENT).sum())
    share = low = high = None
    if answers:
        scores = np.repeat([1.0, 0.0], [first, answers - first])
        clusters = np.concatenate([np.repeat(battles.clusters, counts) for counts in chosen])
        share = first / answers
        low, high = wilson_interval(scores.tolist(), clusters.tolist(), level)
    return PositionBias(first, answers, share, low, high, consistent, int(asked_twice.sum()))


@dataclass(frozen=True)
class Triples:
    """Triples of systems of which each pair met and one of the two took more points.

    - `intransitive`: those that go in a circle, which no single number for each system can express; by chance a quarter
      does. `comparable`: all of them. `examples`: the clearest circles, each as a, b, c where
      a beats b, b beats c and c beats a.
    """

    intransitive: int
    comparable: int
    examples: Sequence[tuple[int, int, int]]


def intransitive_triples(points: np.ndarray, most: int = 3) -> Triples:
    """Count the triples of systems in which a beats b, b beats c and c beats a by points; points (S, S).

    >>> intransitive_triples(np.array([[0, 2, 1], [1, 0, 2], [2, 1, 0]]))
    Triples(intransitive=1, comparable=1, examples=[(0, 1, 2)])
    """
    games = points + points.T
    lead = np.divide(points - points.T, games, out=np.zeros(points.shape), where=games > 0)
    beats = (lead > 0).astype(float)
    met = beats + beats.T
    circles = int(((beats @ beats) * beats.T).sum()) // 3
    examples = []
    if circles:
        for one, other in zip(*np.nonzero(beats), strict=True):
            for third in np.flatnonzero(beats[other] * beats[:, one]):
                if one < other and one < third:  # each circle once, from its first system
                    weakest = min(lead[one, other], lead[other, third], lead[third, one])
                    examples.append((-float(weakest), (int(one), int(other), int(third))))
    clearest = [names for _, names in sorted(examples)[:most]]
    return Triples(circles, int(((met @ met) * met).sum()) // 6, clearest)
