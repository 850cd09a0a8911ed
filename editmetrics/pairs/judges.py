"""Several judges of the same battles: how often they agree, beyond chance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

import numpy as np

from .battles import INCONSISTENT, LOSS, WIN, Battles

MOST_JUDGES = 10
"""Judges up to which each two are compared; votes of a crowd are no table."""

Key: TypeAlias = "tuple[str | int, int, int]"
"""The id of a battle, or the number of its source; and its two systems."""


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
    """Return the agreement of each two judges on the same battles; at most ten judges.

    Battles of two judges are the same if they have one id and the same two systems; without ids, if they have one
    source and the same two systems, and each judge has one such battle.

    Source: Cohen, Educational and Psychological Measurement 1960.
    """
    judges = sorted({judge for judge in battles.judges.tolist() if judge is not None})
    if not 2 <= len(judges) <= MOST_JUDGES:
        return []
    rows: dict[str, dict[Key, list[int]]] = {judge: {} for judge in judges}
    for judge, key, outcome in _outcomes(battles):
        rows[judge].setdefault(key, []).append(outcome)
    outcomes = {judge: {key: row[0] for key, row in mine.items() if len(row) == 1} for judge, mine in rows.items()}
    return [_agreement(one, other, outcomes[one], outcomes[other]) for one, other in combinations(judges, 2)]


def _outcomes(battles: Battles) -> Iterator[tuple[str, Key, int]]:
    """Yield judge, key and outcome of each battle, turned so that the system with the smaller number is first."""
    sources = battles.clusters.tolist() if battles.clustered_by == "source" else [None] * len(battles)
    rows = zip(battles.judges, battles.ids, sources, battles.first, battles.second, battles.outcome, strict=True)
    for judge, name, source, first, second, outcome in rows:
        task = name if name is not None else source
        if judge is not None and task is not None:
            turned = {WIN: LOSS, LOSS: WIN}.get(outcome, outcome) if first > second else outcome
            yield judge, (task, int(min(first, second)), int(max(first, second))), int(turned)


def _agreement(judge: str, other: str, one: Mapping[Key, int], two: Mapping[Key, int]) -> JudgeAgreement:
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
