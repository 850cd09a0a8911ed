"""Where each sample stands: by all metrics together, and how much these, or the people, disagree about it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .scored import ScoreColumn


@dataclass(frozen=True)
class Standing:
    """Of n samples, each an array (n,) with NaN where nothing can be said.

    - `merit`: the mean percentile over the metrics that scored it, 0 (worst) to 1 (best).
    - `dispute`: without ratings, the highest less the lowest of its percentiles; with ratings, the largest distance
      between the percentile of a rating and the mean percentile of the metrics that meet it.
    - `disputants`: (n,) text: between whom.
    """

    merit: np.ndarray
    dispute: np.ndarray
    disputants: Sequence[str]


def standing(
    columns: Sequence[ScoreColumn], ratings: Sequence[tuple[ScoreColumn, Sequence[ScoreColumn]]] = ()
) -> Standing:
    """The standing of each sample; `ratings` holds each rating with the metrics that it meets."""
    merit = _mean([column.percentiles for column in columns])
    if ratings:
        distances, names = [], []
        for rating, meeting in ratings:
            theirs = _mean([column.percentiles for column in meeting])
            distances.append(np.abs(theirs - rating.percentiles))
            who = meeting[0].name if len(meeting) == 1 else f"{len(meeting)} metrics"
            names.append(
                [
                    f"{who} at {_percent(a)}, people's {rating.name} at {_percent(b)}"
                    for a, b in zip(theirs, rating.percentiles, strict=True)
                ]
            )
        stacked = np.stack(distances)
        most = np.argmax(np.nan_to_num(stacked, nan=-1), axis=0)
        said = [names[index][row] if np.isfinite(stacked[index, row]) else "" for row, index in enumerate(most)]
        return Standing(merit, np.take_along_axis(stacked, most[None], axis=0)[0], said)
    stacked = np.stack([column.percentiles for column in columns])
    there = (~np.isnan(stacked)).sum(axis=0)
    top, bottom = np.nan_to_num(stacked, nan=-1), np.nan_to_num(stacked, nan=2)
    high, low = np.argmax(top, axis=0), np.argmin(bottom, axis=0)
    dispute = np.where(there >= 2, top.max(axis=0) - bottom.min(axis=0), np.nan)
    said = [
        f"{columns[best].name} at {_percent(top[best, row])}, {columns[worst].name} at {_percent(bottom[worst, row])}"
        if dispute[row] > 0
        else ""
        for row, (best, worst) in enumerate(zip(high, low, strict=True))
    ]
    return Standing(merit, dispute, said)


def orders(found: Standing) -> dict[str, list[int]]:
    """The rows from the worst on, from the best on, and from the most disputed on, without those that have no place."""
    by = {"worst": found.merit, "best": -found.merit, "disputed": -found.dispute}
    return {
        name: [row for row in np.argsort(key, kind="stable").tolist() if np.isfinite(key[row])]
        for name, key in by.items()
    }


def shown_rows(found: Standing, unscored: np.ndarray, most: int) -> list[int]:
    """The rows of a gallery of at most `most`: the worst, best, most disputed and failed in turn; in table order."""
    n = len(found.merit)
    if n <= most:
        return list(range(n))
    queues = [iter([*order, *range(n)]) for order in (*orders(found).values(), np.flatnonzero(unscored).tolist())]
    chosen: set[int] = set()
    while len(chosen) < most:
        for queue in queues:
            if len(chosen) < most:
                chosen.add(next(row for row in queue if row not in chosen))
    return sorted(chosen)


def _mean(percentiles: Sequence[np.ndarray]) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a sample that no metric scored has no mean, as is meant
        return np.nanmean(np.stack(percentiles), axis=0)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
