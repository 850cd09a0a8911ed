"""Several judges of the same battles: how often they agree, beyond chance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from .battles import INCONSISTENT, LOSS, WIN, Battles

MOST_JUDGES = 10
"""Judges up to which each two are compared; votes of a crowd are no table."""


@dataclass(frozen=True)
class JudgeAgreement:
    """Two judges on the battles that both judged without contradicting themselves.

    - `battles`: how many. `share`: those with the same outcome. `kappa`: Cohen's kappa of win, loss and tie, 0 for
      chance; None where it is undefined.
    - `inconsistent`: battles that both judged, and one of them inconsistently.
    """

    judge: str
    other: str
    battles: int
    share: float | None
    kappa: float | None
    inconsistent: int


def judge_agreement(battles: Battles) -> list[JudgeAgreement]:
    """Return the agreement of each two judges, by battles of one id and the same two systems; at most ten judges.

    Source: Cohen, Educational and Psychological Measurement 1960.
    """
    judges = sorted({judge for judge in battles.judges.tolist() if judge is not None})
    if not 2 <= len(judges) <= MOST_JUDGES:
        return []
    outcomes = {judge: dict(_outcomes(battles.where(battles.judges == judge))) for judge in judges}
    return [_agreement(one, other, outcomes[one], outcomes[other]) for one, other in combinations(judges, 2)]


def _outcomes(battles: Battles) -> Iterator[tuple[tuple[str, int, int], int]]:
    """Yield each battle with an id, turned so that the system with the smaller number is first."""
    rows = zip(battles.ids, battles.first.tolist(), battles.second.tolist(), battles.outcome.tolist(), strict=True)
    for name, first, second, outcome in rows:
        if name is not None:
            turned = {WIN: LOSS, LOSS: WIN}.get(outcome, outcome) if first > second else outcome
            yield (name, min(first, second), max(first, second)), turned


def _agreement(
    judge: str, other: str, one: dict[tuple[str, int, int], int], two: dict[tuple[str, int, int], int]
) -> JudgeAgreement:
    shared = [(one[key], two[key]) for key in one.keys() & two.keys()]
    sure = [pair for pair in shared if INCONSISTENT not in pair]
    if not sure:
        return JudgeAgreement(judge, other, 0, None, None, len(shared))
    table = np.zeros((3, 3))
    for first, second in sure:
        table[first, second] += 1
    table /= len(sure)
    share, chance = float(np.trace(table)), float(table.sum(axis=1) @ table.sum(axis=0))
    kappa = (share - chance) / (1 - chance) if chance < 1 else None
    return JudgeAgreement(judge, other, len(sure), share, kappa, len(shared) - len(sure))
