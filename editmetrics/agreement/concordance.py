"""Count concordant pairs of many resamples at once, in O(n log n) each, for KRCC and pairwise accuracy."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .measure import Counts, Floats

Integers: TypeAlias = NDArray[np.int64]
Booleans: TypeAlias = NDArray[np.bool_]


def ascents(
    keys: Integers,
    items: Integers,
    counts: Counts,
    *,
    is_first: Booleans | None = None,
    is_second: Booleans | None = None,
) -> Floats:
    """Count the pairs i < j of a sequence with keys[i] < keys[j] in each replicate: (replicates,), exact.

    `keys` (places,) are integers from 0, `items` (places,) says which item stands where, and a pair counts as often as
    its two items stand in a replicate, counts[b, items[i]] * counts[b, items[j]] times, counts being (replicates, n).
    `is_first` and `is_second` (places,) say which places may be i and which j; None: all.

    The keys are compared bit by bit: two keys differ first at some bit, where the smaller has 0 and the larger 1, among
    the keys that share all higher bits. So for every bit, and within each run of keys that share the higher ones, a
    cumulative sum over the zeros counts for each one what stands before it. Where the places go does not depend on the
    counts, so all replicates take the same steps.

    >>> ascents(np.array([0, 2, 1]), np.arange(3), np.array([[1, 1, 1], [2, 0, 1]], dtype=np.int32))
    array([2., 2.])
    """
    total = np.zeros(len(counts))
    for bit in range(int(keys.max()).bit_length()):
        order = _stable_order(keys >> (bit + 1))
        runs = keys[order] >> (bit + 1)
        one = (keys[order] >> bit) & 1 == 1
        first = ~one if is_first is None else ~one & is_first[order]
        second = one if is_second is None else one & is_second[order]
        before = np.cumsum(first) - first
        run_starts = np.concatenate([[True], runs[1:] != runs[:-1]])
        at_start = np.maximum.accumulate(np.where(run_starts, before, 0))
        second &= before > at_start
        if not second.any():
            continue
        sums = np.zeros((len(counts), np.count_nonzero(first) + 1), np.int32)
        np.cumsum(np.take(counts, items[order[first]], axis=1), axis=1, out=sums[:, 1:])
        pairs = np.take(sums, before[second], axis=1) - np.take(sums, at_start[second], axis=1)
        pairs *= np.take(counts, items[order[second]], axis=1)
        total += pairs.sum(axis=1, dtype=np.int64)
    return total


def _stable_order(values: Integers) -> Integers:
    """`argsort`, stable, of integers below 2^32: by two passes over 16 bits each, which numpy sorts by radix."""
    order = np.argsort((values & 0xFFFF).astype(np.uint16), kind="stable")
    if values.max() < 2**16:
        return order
    return order[np.argsort((values >> 16).astype(np.uint16)[order], kind="stable")]


def cumulated(values: Floats, counts: Counts) -> tuple[Counts, Integers]:
    """Count the items of each replicate with each distinct value or a smaller one: (replicates, distinct).

    With it, for each item, the index of its value among the distinct ones (n,).
    """
    distinct, index = np.unique(values, return_inverse=True)
    sums = np.cumsum(np.take(counts, np.argsort(index, kind="stable"), axis=1), axis=1, dtype=np.int32)
    if len(distinct) < len(values):
        sums = np.take(sums, np.cumsum(np.bincount(index)) - 1, axis=1)
    return sums, index


def pairs_of(sizes: NDArray[np.int32]) -> Floats:
    """Count the pairs within groups of these sizes (replicates, groups): the sum of k (k - 1) / 2."""
    wide = sizes.astype(np.float64)
    return np.asarray((np.einsum("bg,bg->b", wide, wide) - wide.sum(axis=1)) / 2)
