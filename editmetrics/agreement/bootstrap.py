"""Bootstrap intervals: draw rows with replacement, those of one cluster together, and take the measure again.

A replicate is kept as counts, how often it holds each item, so that a measure sorts its items once for many replicates.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .measure import FEWEST, AgreementError, Counts, Floats, Measure, UndefinedError, paired

REPLICATES = 1000
LEVEL = 0.95

CHUNK = 4_000_000
"""Counts that each thread holds at once (16 MB; measures need a few times as much)."""

DEFINED = 0.95
"""The share of replicates in which the measure must be defined for an interval."""


@dataclass(frozen=True)
class Resampling:
    """Settings of a bootstrap, and the level of its intervals; without replicates there are none."""

    replicates: int = REPLICATES
    level: float = LEVEL
    seed: int = 0


BY_DEFAULT = Resampling()


class Interval(NamedTuple):
    low: float
    high: float


def bootstrap_interval(
    measure: Measure,
    scores: ArrayLike,
    ratings: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    resampling: Resampling = BY_DEFAULT,
) -> Interval:
    """Return the percentile interval of a measure: the middle `level` of its values over many resamples.

    - scores, ratings: (n,), finite.
    - clusters: (n,) of anything that can be sorted; items with the same one (all edits of one source) are drawn
      together. None: each item is drawn alone.

    - resampling: replicates, level and seed.

    Raises `AgreementError` when the measure is undefined in more than 5 % of the replicates. Source: Efron &
    Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3; clusters: Davison & Hinkley 1997, section 3.8.

    >>> from editmetrics.agreement import srcc
    >>> x = np.arange(100.0)
    >>> low, high = bootstrap_interval(srcc, x, x + 30 * np.sin(x))
    >>> low < srcc(x, x + 30 * np.sin(x)) < high
    True
    """
    x, y = paired(scores, ratings)
    if len(x) < FEWEST:
        raise UndefinedError(f"n = {len(x)}; an interval requires at least {FEWEST} items")
    codes = cluster_codes(clusters, len(x))
    replicates = resampling.replicates
    values = resample(codes, lambda counts: measure.resampled(x, y, counts)[None], replicates, resampling.seed)[0]
    interval = percentile_interval(values, resampling.level)
    if interval is None:
        raise AgreementError(
            f"{measure.name} is undefined in {np.isnan(values).sum()} of {replicates} replicates: too many"
        )
    return interval


def percentile_interval(values: Floats, level: float = LEVEL) -> Interval | None:
    """Return the middle `level` of the values of replicates; None when fewer than 95 % of them are not NaN."""
    if not 0 < level < 1:
        raise AgreementError(f"the level of the intervals is {level}; expected a number between 0 and 1, such as 0.95")
    defined = values[~np.isnan(values)]
    if not len(defined) or len(defined) < DEFINED * len(values):
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def cluster_codes(clusters: ArrayLike | None, n: int) -> NDArray[np.int64]:
    """Return a number from 0 for each item's cluster; without `clusters`, each item is its own."""
    if clusters is None:
        return np.arange(n)
    names = np.asarray(clusters)
    if names.shape != (n,):
        raise AgreementError(f"clusters have the shape {names.shape}; expected one for each item, ({n},)")
    return np.unique(names, return_inverse=True)[1]


def resample(clusters: NDArray[np.int64], compute: Callable[[Counts], Floats], replicates: int, seed: int) -> Floats:
    """Return `compute(counts)` over all replicates, computed in chunks by several threads: (values, replicates).

    `compute` takes counts (chunk, n) and gives (values, chunk). Replicate b has a random stream of its own, made of
    `seed` and b, so the result depends neither on the chunks nor on the threads; and two calls with the same clusters
    and seed see the same replicates, which is what makes a test paired.
    """
    if replicates < 1:
        raise AgreementError(f"{replicates} replicates; expected 1 or more")
    streams = np.random.SeedSequence(seed).spawn(replicates)
    number = int(clusters.max()) + 1
    alone = number == len(clusters) and bool((clusters == np.arange(number)).all())

    def chunk(start: int) -> Floats:
        counts = np.empty((min(size, replicates - start), number), np.int32)
        for row, stream in zip(counts, streams[start:], strict=False):
            drawn = np.random.default_rng(stream).integers(number, size=number)
            row[:] = np.bincount(drawn, minlength=number)
        return compute(counts if alone else np.take(counts, clusters, axis=1))

    threads = min(4, os.cpu_count() or 1)
    size = max(1, min(CHUNK // len(clusters), -(-replicates // threads)))
    with ThreadPoolExecutor(threads) as executor:
        return np.concatenate(list(executor.map(chunk, range(0, replicates, size))), axis=1)
