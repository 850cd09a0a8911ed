"""Split rows into training, validation and test parts that share no source (or other group)."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from ..files.rows import read_rows
from ..sample import EditMetricsError
from ..wording import in_lines, plural


class SplitError(EditMetricsError, ValueError):
    """Rows that cannot be split as requested, with the reason and the remedy."""


def split(groups: Sequence[str], ratio: Sequence[float] = (4, 1), seed: int = 0) -> np.ndarray:
    """Return the part of each row: (N,) integers, 0 for the first part of `ratio`, 1 for the second, and so on.

    - `groups`: the group of each row (its source image, say). Rows of one group are never parted.
    - `ratio`: how many rows each part should have, relative to the others: (4, 1), (4, 1, 1), or (1,) * k for k folds.
    - `seed`: random seed of the split. The same seed and groups give the same split on every machine, in any order of
      the rows: groups are shuffled by the SHA-256 hash of seed and name, without a random generator.

    Groups are dealt from the largest to the smallest, those of one size shuffled, each to the part that lacks most
    rows; then single groups are moved or swapped between parts as long as that brings the sizes nearer to the ratio.
    With groups of one size, every part is then within one group of its share. No part stays empty.

    Raises `SplitError` for fewer groups than parts, and for a ratio that is not of positive numbers.

    >>> parts = split(["cat", "cat", "dog", "owl", "owl", "ape"], (1, 1))
    >>> sorted(map(int, np.bincount(parts)))
    [3, 3]
    """
    if len(ratio) < 2 or not all(np.isfinite(share) and share > 0 for share in ratio):
        raise SplitError(f"invalid ratio {':'.join(f'{s:g}' for s in ratio)}; expected two or more positive numbers")
    rows = Counter(groups)
    if len(rows) < len(ratio):
        raise SplitError(
            f"{plural(len(rows), 'group')} cannot be split into {len(ratio)} parts; a group is never parted"
        )
    names = sorted(rows, key=lambda name: (-rows[name], _shuffled(name, seed)))
    sizes = np.array([rows[name] for name in names])
    target = np.asarray(ratio, float) / sum(ratio) * sizes.sum()
    part = _balanced(_dealt(sizes, target), sizes, target)
    part_of = dict(zip(names, part.tolist(), strict=True))
    return np.array([part_of[name] for name in groups])


def parts_of(
    path: str | os.PathLike[str], group: str = "source", ratio: Sequence[float] = (4, 1), seed: int = 0
) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Return the rows of a table, and the part of each; rows of one `group` stay together.

    Raises `SplitError`, with all of them, for rows that are broken or have no value in the column `group`.
    """
    rows = list(read_rows(Path(path)))
    names = dict.fromkeys(name for row in rows for name in row.cells)
    if rows and group not in names:
        raise SplitError(f"{path} has no column {group!r} to keep together; name one with --group: {', '.join(names)}")
    problems = [
        f"{row.location}: {row.problem}; correct or remove the row"
        if row.problem
        else f"{row.location}: column {group!r} is empty; name a full column: {', '.join(names)}"
        for row in rows
        if row.problem or row.cells.get(group) in (None, "")
    ]
    if problems:
        raise SplitError(in_lines(os.fspath(path), problems))
    return [row.cells for row in rows], split([str(row.cells[group]) for row in rows], ratio, seed)


def _dealt(sizes: np.ndarray, target: np.ndarray) -> np.ndarray:
    """A part for each group: the one that lacks most rows, or an empty one once the groups only just suffice."""
    lacking, empty = target.copy(), np.ones(len(target), bool)
    part = np.empty(len(sizes), int)
    for index, size in enumerate(sizes):
        allowed = empty if len(sizes) - index <= empty.sum() else np.ones_like(empty)
        part[index] = np.argmax(np.where(allowed, lacking, -np.inf))
        lacking[part[index]] -= size
        empty[part[index]] = False
    return part


def _balanced(part: np.ndarray, sizes: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Parts after every move or swap of single groups that brings sizes nearer to `target`, in squared distance.

    Groups of one size are alike here, so a group of each size is tried: distinct sizes are few where groups are many.
    """
    part = part.copy()
    while True:
        over = np.bincount(part, sizes, len(target)) - target
        several = np.bincount(part, minlength=len(target)) > 1
        held = [np.unique(sizes[part == index]) for index in range(len(target))]
        best, most = None, 1e-6  # rows squared: what is gained must be more than rounding
        for one, other in permutations(range(len(target)), 2):
            back = np.concatenate(([0], held[other]))  # 0: nothing comes back, the group is moved
            moved = held[one][:, None] - back
            gained = 2 * moved * (over[one] - over[other] - moved)
            gained[:, 0] = np.where(several[one], gained[:, 0], -np.inf)
            leaver, comer = np.unravel_index(gained.argmax(), gained.shape)
            if gained[leaver, comer] > most:
                best, most = (one, other, held[one][leaver], back[comer]), gained[leaver, comer]
        if best is None:
            return part
        one, other, size, size_back = best
        leaving = np.flatnonzero((part == one) & (sizes == size))[-1]
        if size_back:
            part[np.flatnonzero((part == other) & (sizes == size_back))[-1]] = one
        part[leaving] = other


def _shuffled(name: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}\0{name}".encode("utf-8", "surrogatepass")).hexdigest()
