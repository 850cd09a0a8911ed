"""Do the metrics order the samples alike? SRCC of each with each, turned so that better is more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..agreement.correlation import srcc
from ..agreement.measure import UndefinedError
from .scored import ScoreColumn, percentiles


@dataclass(frozen=True)
class Correlation:
    """SRCC over the `n` samples that both have scored; None, with a note, where it is undefined."""

    value: float | None
    n: int
    note: str = ""


def correlations(columns: Sequence[ScoreColumn]) -> list[list[Correlation]]:
    """The matrix of SRCC; of ranks, so that infinite scores (PSNR of identical images) count as what they are."""
    found = [[Correlation(None, 0)] * len(columns) for _ in columns]
    for i, one in enumerate(columns):
        for j, other in enumerate(columns[: i + 1]):
            found[i][j] = found[j][i] = _correlation(one, other)
    return found


def _correlation(one: ScoreColumn, other: ScoreColumn) -> Correlation:
    both = ~np.isnan(one.values) & ~np.isnan(other.values)
    n = int(both.sum())
    try:
        return Correlation(srcc(percentiles(one.merit[both]), percentiles(other.merit[both])), n)
    except UndefinedError as undefined:
        return Correlation(None, n, str(undefined))
