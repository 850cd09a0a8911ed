"""Which systems can be told apart: simultaneous intervals of all differences, ranks, and groups that share a letter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..agreement.measure import Floats

CERTAIN = 1e-9
"""Standard errors up to this are of resamples that are all alike: they know nothing of how battles vary."""


def told_apart(values: Floats, replicates: Floats, level: float = 0.95) -> np.ndarray:
    """Return whether each system is better than each other by more than noise, (S, S) of bool: row i beats column j.

    A difference counts where it exceeds c standard errors of its own, with c the `level` quantile, over replicates, of
    the largest standardised difference among all pairs. So with equal systems no pair at all is told apart in `level`
    of all studies, however many systems there are.

    - values: (S,). replicates: (R, S), of a bootstrap; rows with NaN are left out.

    Source: the studentised bootstrap maximum, Romano & Wolf, Econometrica 2005.

    >>> rng = np.random.default_rng(0)
    >>> told_apart(np.array([0.0, 0.1, 5.0]), np.array([0, 0.1, 5]) + rng.normal(0, 0.1, (500, 3))).tolist()
    [[False, False, False], [False, False, False], [True, True, False]]
    """
    drawn = replicates[~np.isnan(replicates).any(axis=1)]
    if len(values) < 2 or len(drawn) < 2:
        return np.zeros((len(values),) * 2, bool)
    one, other = np.triu_indices(len(values), 1)
    difference = values[one] - values[other]
    spread = drawn[:, one] - drawn[:, other]
    error = spread.std(axis=0, ddof=1)
    largest = np.zeros(len(drawn))
    np.divide(np.abs(spread - difference), error, out=spread, where=error > 0)
    largest = spread[:, error > 0].max(axis=1, initial=0.0)
    reach = np.quantile(largest, level) * error
    better = np.zeros((len(values),) * 2, bool)
    known = error > CERTAIN
    better[one, other] = known & (difference > reach)
    better[other, one] = known & (-difference > reach)
    return better


def rank_bounds(better: np.ndarray) -> list[tuple[int, int]]:
    """Return the best and the worst rank that each system may have: those told apart from it are certain.

    >>> rank_bounds(np.array([[False, False, True], [False, False, True], [False, False, False]]))
    [(1, 2), (1, 2), (3, 3)]
    """
    above, below = better.sum(axis=0), better.sum(axis=1)
    return [(1 + int(a), len(better) - int(b)) for a, b in zip(above, below, strict=True)]


def shared_groups(better: np.ndarray, order: Sequence[int]) -> list[list[int]]:
    """Return groups of systems that cannot be told apart: two share a group if, and only if, they are not told apart.

    A compact letter display by insertion and absorption. `order`: systems from best to worst; groups follow it.
    Source: Piepho, Journal of Computational and Graphical Statistics 2004.

    >>> shared_groups(np.array([[False, False, True], [False, False, False], [False, False, False]]), [0, 1, 2])
    [[0, 1], [1, 2]]
    """
    groups = [set(order)]
    for one in order:
        for other in order:
            if not better[one, other]:
                continue
            for group in [group for group in groups if {one, other} <= group]:
                groups.remove(group)
                for smaller in (group - {one}, group - {other}):
                    if not any(smaller <= kept for kept in groups):
                        groups = [kept for kept in groups if not kept <= smaller] + [smaller]
    position = {system: number for number, system in enumerate(order)}
    ordered = [sorted(group, key=position.__getitem__) for group in groups]
    return sorted(ordered, key=lambda group: [position[system] for system in group])


def letters_of(groups: Sequence[Sequence[int]], systems: int) -> list[str]:
    """Return the letters of the groups that each system is in: a, b, ..., z, and numbers from the 27th group on.

    >>> letters_of([[0, 1], [1, 2]], 3)
    ['a', 'ab', 'b']
    """
    names = ["abcdefghijklmnopqrstuvwxyz"[n] if len(groups) <= 26 else f"{n + 1}" for n in range(len(groups))]
    separator = "" if len(groups) <= 26 else ","
    return [
        separator.join(name for name, group in zip(names, groups, strict=True) if system in group)
        for system in range(systems)
    ]
