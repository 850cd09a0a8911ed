"""How the scores of each metric are spread, system by system, over the same bins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .scored import ScoreColumn, ScoredTable

FEWEST_BINS, MOST_BINS = 8, 24


@dataclass(frozen=True)
class Histogram:
    """`edges` (bins + 1,) over the finite scores of all systems; `counts`: (bins,) for each system."""

    edges: list[float]
    counts: Mapping[str | None, list[int]]


def histogram(column: ScoreColumn, table: ScoredTable) -> Histogram | None:
    """The histogram of a column; None when it has no finite score. Bins are as wide as Freedman and Diaconis (1981)
    have it, 8 to 24 of them."""
    finite = column.values[np.isfinite(column.values)]
    if not len(finite):
        return None
    bins = FEWEST_BINS
    spread = float(np.subtract(*np.quantile(finite, [0.75, 0.25])))
    if spread > 0:
        width = 2 * spread / len(finite) ** (1 / 3)
        bins = int(np.clip(np.ptp(finite) / width, FEWEST_BINS, MOST_BINS))
    edges = np.histogram_bin_edges(finite, bins)
    systems = np.array(table.systems, dtype=object)
    counts = {}
    for system in table.system_names:
        values = column.values[np.array([name == system for name in systems])]
        counts[system] = np.histogram(values[np.isfinite(values)], edges)[0].tolist()
    return Histogram(edges.tolist(), counts)
