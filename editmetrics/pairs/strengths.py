"""Strengths of systems from battles: Bradley-Terry, Davidson (with ties) and Thurstone V, for many replicates at once.

All three are concave likelihoods of the strengths, maximised by Newton's method. A strength is finite only if every
system can be reached from every other along won or tied battles (Ford 1957); otherwise there is none, and it is NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from ..agreement.measure import Floats
from .battles import ArenaError

ELO = 400 / np.log(10)
"""Points of the Elo scale in a unit of log odds: 400 points are odds of 10 to 1."""

STEPS, SMALLEST, LONGEST = 100, 1e-10, 1.0
"""Newton's steps at most, the step that ends the search, and the longest one, all in units of strength."""


class Strengths(NamedTuple):
    """Strengths (R, S), of mean 0, NaN in replicates that have none; and log nu of Davidson's model (R,)."""

    values: Floats
    tie: Floats | None = None


Step: TypeAlias = "Callable[[Floats], tuple[Floats, Floats]]"


def bradley_terry(points: ArrayLike) -> Floats:
    """Return the log strengths of systems, (..., S), mean 0, by the Bradley-Terry model: P(i beats j) = s(t_i - t_j).

    The maximum of sum_ij w_ij log s(t_i - t_j), with the logistic function s and w_ij the points of i against j; a tie
    counts as half a win of each. `ELO` times the values are points of the Elo scale.

    - points: (S, S) or (R, S, S), from 0: row i against column j; the diagonal is ignored.

    NaN where no finite maximum exists: some system, or group of them, has won (or lost) all battles with the others.
    Source: Bradley & Terry, Biometrika 1952; existence: Ford, American Mathematical Monthly 1957.

    >>> first, second = bradley_terry([[0, 70], [30, 0]])
    >>> round(float(ELO * (first - second)), 2)
    147.19
    """
    return _each(points, lambda wins: _search(wins, _logistic(wins)))


def thurstone(points: ArrayLike) -> Floats:
    """Return the strengths of systems, (..., S), of mean 0, by Thurstone's case V: P(i beats j) = Phi(t_i - t_j).

    The unit is the standard deviation of a difference of two impressions. Points, ties and NaN are as in
    `bradley_terry`. Source: Thurstone, Psychological Review 1927; maximum likelihood.

    >>> first, second = thurstone([[0, 84.1345], [15.8655, 0]])
    >>> round(float(first - second), 4)
    1.0
    """
    return _each(points, lambda wins: _search(wins, _normal(wins)))


def davidson(wins: ArrayLike, ties: ArrayLike) -> Strengths:
    """Return log strengths and the log tendency to tie by Davidson's model of battles with ties.

    P(i wins) : P(tie) : P(j wins) = p_i : nu sqrt(p_i p_j) : p_j, with p = exp(t). Without ties, nu is 0 and the
    strengths are those of `bradley_terry`. NaN as there, and where ties leave nu without a bound: unless wins outnumber
    ties along some circle of systems (two that beat each other are one), all differences can grow with nu for ever.

    - wins: (S, S) or (R, S, S), wins of row i against column j. ties: of the same shape, symmetric.

    Source: Davidson, Journal of the American Statistical Association 1970.

    >>> wins, ties = np.array([[0, 60], [20, 0]]), np.array([[0, 20], [20, 0]])
    >>> strengths = davidson(wins, ties)
    >>> np.exp(np.subtract(*strengths.values)).round(6), np.exp(strengths.tie).round(6)  # 60/20, 20/sqrt(60 * 20)
    (np.float64(3.0), np.float64(0.57735))
    """
    w, t = (_tables(values) for values in (wins, ties))
    if w.shape != t.shape or not np.allclose(t, t.transpose(0, 2, 1)):
        raise ArenaError(f"ties have the shape {t.shape}, or are not symmetric; expected {w.shape}, ties of i and j")
    values = np.full(w.shape[:2], np.nan)
    tie = np.full(len(w), np.nan)
    usable = connected(w + t) & _bound_ties(w, t)
    with_ties = usable & (t.sum(axis=(1, 2)) > 0)
    plain = usable & ~with_ties
    values[plain], tie[plain] = _search(w[plain], _logistic(w[plain])), -np.inf
    values[with_ties], tie[with_ties] = _search_with_ties(w[with_ties], t[with_ties])
    leading = np.shape(wins)[:-2]
    return Strengths(values.reshape(*leading, -1), tie.reshape(leading))


def rank_centrality(points: ArrayLike) -> Floats:
    """Return the log strengths of systems, (..., S), of mean 0, by rank centrality: a check that shares no formula.

    A walker moves from i to j with a probability proportional to the share of points that j took from i; strengths are
    the logarithms of the stationary distribution. It estimates the same strengths as `bradley_terry`, and is NaN where
    they are. Source: Negahban, Oh & Shah, Rank Centrality, Operations Research 2017.

    >>> first, second = rank_centrality([[0, 70], [30, 0]])
    >>> round(float(ELO * (first - second)), 2)
    147.19
    """

    def stationary(wins: Floats) -> Floats:
        size = wins.shape[1]
        games = wins + wins.transpose(0, 2, 1)
        lost_to = np.divide(wins.transpose(0, 2, 1), games, out=np.zeros_like(wins), where=games > 0)
        move = lost_to / np.maximum((games > 0).sum(axis=2).max(axis=1), 1)[:, None, None]
        stay = 1 - move.sum(axis=2)
        chain = move.transpose(0, 2, 1) + (stay - 1)[:, :, None] * np.eye(size)
        chain[:, -1, :] = 1.0  # in place of one of the dependent equations: shares of time sum to 1
        shares = np.linalg.solve(chain, np.eye(size)[-1][None, :, None].repeat(len(wins), axis=0))[..., 0]
        return _centred(np.log(shares))

    return _each(points, stationary)


def connected(points: Floats) -> np.ndarray:
    """Return whether each system is reached from each other along points, (R,) of bool; points (R, S, S)."""
    return np.asarray(_reached(points).all(axis=(1, 2)))


def islands(points: Floats) -> list[list[int]]:
    """Return the groups of systems whose strengths are finite towards one another; points (S, S).

    They are the strongly connected parts of the graph of points: across two of them, one took all points or they never
    met, and no finite difference is known. Larger groups come first.

    >>> islands(np.array([[0, 1, 1.0], [1, 0, 1], [0, 0, 0]]))
    [[0, 1], [2]]
    """
    return _parts(points, "strong")


def meeting(points: Floats) -> list[list[int]]:
    """Return the groups of systems that met, directly or over others; points (S, S). Larger groups come first."""
    return _parts(points, "weak")


def _parts(points: Floats, connection: Literal["strong", "weak"]) -> list[list[int]]:
    from scipy.sparse.csgraph import connected_components

    count, labels = connected_components(points > 0, connection=connection)
    parts = [np.flatnonzero(labels == label).tolist() for label in range(count)]
    return sorted(parts, key=lambda part: (-len(part), part))


def _bound_ties(wins: Floats, ties: Floats) -> np.ndarray:
    """Whether wins outnumber ties along some circle of systems, (R,) of bool, so that Davidson's nu is finite.

    Otherwise there are strengths that fall by at least a step at each win, and differ by at most one at each tie:
    shortest ways in a graph without a negative circle. Stretched together with nu, they make all battles likelier.
    """
    size = wins.shape[1]
    bound = ((wins > 0) & (wins.transpose(0, 2, 1) > 0)).any(axis=(1, 2))
    ways = np.where(wins > 0, -1.0, np.where(ties > 0, 1.0, np.inf))[~bound]
    for system in range(size):
        ways = np.minimum(ways, np.maximum(ways[:, :, system, None] + ways[:, None, system, :], -size))
    bound[~bound] = (np.diagonal(ways, axis1=1, axis2=2) < 0).any(axis=1)
    return bound


def _reached(points: Floats) -> np.ndarray:
    """Whether a way leads from i to j along points, (R, S, S) of bool; each system reaches itself."""
    size = points.shape[1]
    reached = ((points > 0) | np.eye(size, dtype=bool)).astype(np.float32)
    length = 1
    while length < size:
        reached = (reached @ reached > 0).astype(np.float32)
        length *= 2
    return reached > 0


def _tables(points: ArrayLike) -> Floats:
    table = np.array(points, dtype=np.float64)
    if table.ndim not in (2, 3) or table.shape[-1] != table.shape[-2]:
        raise ArenaError(
            f"points have the shape {table.shape}; expected (systems, systems), perhaps of many replicates"
        )
    if not (np.isfinite(table).all() and (table >= 0).all()):
        raise ArenaError("points are negative or not finite; expected numbers from 0")
    table = table.reshape(-1, *table.shape[-2:])
    table[:, range(table.shape[1]), range(table.shape[1])] = 0
    return table


def _each(points: ArrayLike, fit: Callable[[Floats], Floats]) -> Floats:
    """`fit` of the replicates that have a finite maximum, NaN for the others."""
    table = _tables(points)
    values = np.full(table.shape[:2], np.nan)
    usable = connected(table)
    if usable.any():
        values[usable] = fit(table[usable])
    return values.reshape(np.shape(points)[:-1])


def _logistic(wins: Floats) -> Step:
    games = wins + wins.transpose(0, 2, 1)

    def derivatives(strengths: Floats) -> tuple[Floats, Floats]:
        expected = 1 / (1 + np.exp(strengths[:, None, :] - strengths[:, :, None]))
        return (wins - games * expected).sum(axis=2), games * expected * (1 - expected)

    return derivatives


def _normal(wins: Floats) -> Step:
    from scipy.special import log_ndtr

    def derivatives(strengths: Floats) -> tuple[Floats, Floats]:
        difference = strengths[:, :, None] - strengths[:, None, :]
        ratio = np.exp(-(difference**2) / 2 - log_ndtr(difference)) / np.sqrt(2 * np.pi)
        slope = wins * ratio
        curvature = wins * ratio * (ratio + difference)
        return (slope - slope.transpose(0, 2, 1)).sum(axis=2), curvature + curvature.transpose(0, 2, 1)

    return derivatives


def _search(wins: Floats, derivatives: Step) -> Floats:
    """Newton's method from equal strengths; `derivatives`: slopes (R, S), and the curvature of each pair (R, S, S)."""
    size = wins.shape[1]
    strengths = np.zeros(wins.shape[:2])
    for _ in range(STEPS):
        slope, curvature = derivatives(strengths)
        step = np.linalg.solve(_laplacian(curvature) + np.ones((size, size)), slope[..., None])[..., 0]
        longest = np.abs(step).max(axis=1, initial=0.0)
        strengths = strengths + step * np.minimum(1, LONGEST / np.maximum(longest, LONGEST))[:, None]
        if not (longest > SMALLEST).any():
            return _centred(strengths)
    raise ArenaError(f"the search for strengths did not end in {STEPS} steps; some battles may be near-certain")


def _search_with_ties(wins: Floats, ties: Floats) -> tuple[Floats, Floats]:
    """Newton's method for Davidson's model: strengths (R, S), and the log tendency to tie (R,)."""
    size = wins.shape[1]
    games, scored = wins + wins.transpose(0, 2, 1) + ties, wins + ties / 2
    total = ties.sum(axis=(1, 2)) / 2
    unknown = np.zeros((len(wins), size + 1))
    for _ in range(STEPS):
        half = (unknown[:, :size, None] - unknown[:, None, :size]) / 2
        weights = np.exp(half), np.exp(-half), np.exp(unknown[:, size])[:, None, None]
        won, lost, tied = (weight / sum(weights) for weight in weights)
        slope = np.concatenate(
            [(scored - games * (won + tied / 2)).sum(axis=2), (total - (games * tied).sum(axis=(1, 2)) / 2)[:, None]], 1
        )
        curvature = np.zeros((len(wins), size + 1, size + 1))
        curvature[:, :size, :size] = _laplacian(games * (won + lost - (won - lost) ** 2) / 4) + np.ones((size, size))
        mixed = -(games * (won - lost) * tied).sum(axis=2) / 2
        curvature[:, :size, size] = curvature[:, size, :size] = mixed
        curvature[:, size, size] = (games * tied * (1 - tied)).sum(axis=(1, 2)) / 2
        step = np.linalg.solve(curvature, slope[..., None])[..., 0]
        longest = np.abs(step).max(axis=1, initial=0.0)
        unknown = unknown + step * np.minimum(1, LONGEST / np.maximum(longest, LONGEST))[:, None]
        if not (longest > SMALLEST).any():
            return _centred(unknown[:, :size]), unknown[:, size]
    raise ArenaError(f"the search for strengths did not end in {STEPS} steps; some battles may be near-certain")


def _laplacian(weights: Floats) -> Floats:
    """The matrix of second derivatives, negated, of a function of differences: (R, S, S)."""
    return np.asarray(weights.sum(axis=2)[:, :, None] * np.eye(weights.shape[1]) - weights)


def _centred(strengths: Floats) -> Floats:
    return np.asarray(strengths - strengths.mean(axis=1, keepdims=True))
