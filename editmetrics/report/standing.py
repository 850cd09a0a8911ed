"""The rank of each sample over all metrics, and the disagreement about it between metrics, or with people."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..runs.scored_table import ScoreColumn


@dataclass(frozen=True)
class Standing:
    """Arrays (n,) over the samples, NaN where undefined.

    - `merit`: the mean percentile over the metrics that scored the sample, 0 (worst) to 1 (best).
    - `dispute`: without ratings, the highest minus the lowest of its percentiles; with ratings, the largest distance
      between the percentile of a rating and the mean percentile of the metrics that are compared with it.
    - `disputants`: (n,) text: the two sides.
    """

    merit: np.ndarray
    dispute: np.ndarray
    disputants: Sequence[str]


def standing(
    columns: Sequence[ScoreColumn], ratings: Sequence[tuple[ScoreColumn, Sequence[ScoreColumn]]] = ()
) -> Standing:
    """The standing of each sample; `ratings` holds each rating with the metrics that are compared with it."""
    merit = _mean([column.percentiles for column in columns])
    if ratings:
        sides = []
        for rating, metrics in ratings:
            name = metrics[0].name if len(metrics) == 1 else f"{len(metrics)} metrics"
            sides.append((name, _mean([column.percentiles for column in metrics]), rating))
        distances = np.stack([np.abs(mean - rating.percentiles) for _, mean, rating in sides])
        farthest = np.argmax(np.nan_to_num(distances, nan=-1), axis=0)
        dispute = np.take_along_axis(distances, farthest[None], axis=0)[0]
        disputants = [
            f"{name} at {_percent(mean[row])}, people's {rating.name} at {_percent(rating.percentiles[row])}"
            if np.isfinite(dispute[row])
            else ""
            for row, (name, mean, rating) in enumerate(sides[index] for index in farthest)
        ]
        return Standing(merit, dispute, disputants)
    stacked = np.stack([column.percentiles for column in columns])
    top, bottom = np.nan_to_num(stacked, nan=-1), np.nan_to_num(stacked, nan=2)
    high, low = np.argmax(top, axis=0), np.argmin(bottom, axis=0)
    dispute = np.where((~np.isnan(stacked)).sum(axis=0) >= 2, top.max(axis=0) - bottom.min(axis=0), np.nan)
    disputants = [
        f"{columns[best].name} at {_percent(top[best, row])}, {columns[worst].name} at {_percent(bottom[worst, row])}"
        if dispute[row] > 0
        else ""
        for row, (best, worst) in enumerate(zip(high, low, strict=True))
    ]
    return Standing(merit, dispute, disputants)


def orders(standing: Standing) -> dict[str, list[int]]:
    """The rows by rank: worst first, best first, and most disputed first; rows without a rank are left out."""
    keys = {"worst": standing.merit, "best": -standing.merit, "disputed": -standing.dispute}
    return {
        name: [row for row in np.argsort(key, kind="stable").tolist() if np.isfinite(key[row])]
        for name, key in keys.items()
    }


def shown_rows(standing: Standing, unscored: np.ndarray, most: int) -> list[int]:
    """At most `most` rows for a gallery, in table order: the worst, best, most disputed and failed in turn."""
    n = len(standing.merit)
    if n <= most:
        return list(range(n))
    queues = [iter([*order, *range(n)]) for order in (*orders(standing).values(), np.flatnonzero(unscored).tolist())]
    chosen: set[int] = set()
    while len(chosen) < most:
        for queue in queues:
            if len(chosen) < most:
                chosen.add(next(row for row in queue if row not in chosen))
    return sorted(chosen)


def _mean(percentiles: Sequence[np.ndarray]) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # NaN for a sample that no metric scored
        return np.nanmean(np.stack(percentiles), axis=0)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
