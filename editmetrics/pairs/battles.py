"""Battles: two systems, one task, and which of the two edits was better; as arrays, to be counted and resampled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from ..sample import EditMetricsError

BattleOutcome: TypeAlias = Literal["win", "loss", "tie", "inconsistent"]
"""How a battle ended for its first system. `inconsistent`: asked in both orders, the judge contradicted itself; that is
neither a tie (it did not call the two equal) nor a failure (it answered)."""

BATTLE_OUTCOMES: tuple[str, ...] = get_args(BattleOutcome)
WIN, LOSS, TIE, INCONSISTENT = range(4)

Orders: TypeAlias = "tuple[int, int]"
"""The answers in both orders, 1, 0 or -1 for the first system: shown first, and shown second."""


class ArenaError(EditMetricsError):
    """Battles that cannot be ranked, with the reason."""


class Battle(NamedTuple):
    """One battle, `outcome` for `first`.

    - `source`: the image that both edited; battles of one source are resampled together. `task`: the kind of edit.
    - `judge`: who judged. `id`: the name of the battle; two rows of one name are one battle.
    - `orders`: the two answers behind the outcome, where both orders were asked and are known. `both_orders`: whether
      both were asked.
    """

    first: str
    second: str
    outcome: BattleOutcome
    source: str | None = None
    task: str | None = None
    judge: str | None = None
    id: str | None = None
    orders: Orders | None = None
    both_orders: bool = False


@dataclass(frozen=True, eq=False)
class Battles:
    """Battles as arrays (n,). Made by `battles_of`.

    - `systems`: their names, sorted. `first`, `second`: indices of these. `outcome`: WIN, LOSS, TIE or INCONSISTENT,
      for `first`.
    - `clusters`: integers from 0; battles of one cluster are resampled together. `clustered_by`: what a cluster is.
    - `tasks`, `judges`, `ids`: a name or None for each battle.
    - `shown_first`, `shown_second`: answers that chose the edit shown first, or second. `both_orders`: how many
      battles were asked in both orders. `positions`: False where it is unknown who was shown first.
    - `left_out`: battles that are not in the arrays, by reason.

    >>> battles = battles_of([Battle("a", "b", "win"), Battle("b", "a", "tie"), Battle("a", "a", "win")])
    >>> len(battles), battles.systems, dict(battles.left_out)
    (2, ('a', 'b'), {'a system against itself': 1})
    """

    systems: tuple[str, ...]
    first: np.ndarray
    second: np.ndarray
    outcome: np.ndarray
    clusters: np.ndarray
    clustered_by: Literal["source", "rater", "battle"]
    tasks: np.ndarray
    judges: np.ndarray
    ids: np.ndarray
    shown_first: np.ndarray
    shown_second: np.ndarray
    both_orders: np.ndarray
    positions: bool = False
    left_out: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.outcome)

    def count(self, outcome: int) -> int:
        """Return the number of battles with an outcome."""
        return int((self.outcome == outcome).sum())

    @property
    def decisive(self) -> np.ndarray:
        """Whether each battle was won or lost, (n,)."""
        return np.isin(self.outcome, (WIN, LOSS))

    def where(self, chosen: np.ndarray) -> Battles:
        """Return the battles of a mask (n,); all systems stay, and their numbers with them."""
        arrays = ("first", "second", "outcome", "tasks", "judges", "ids", "shown_first", "shown_second", "both_orders")
        parts = {name: getattr(self, name)[chosen] for name in arrays}
        clusters = np.unique(self.clusters[chosen], return_inverse=True)[1]
        return replace(self, clusters=clusters, left_out={}, **parts)

    def among(self, systems: Sequence[int]) -> Battles:
        """Return the battles of some systems with each other, with these systems alone."""
        inside = self.where(np.isin(self.first, systems) & np.isin(self.second, systems))
        number = np.zeros(len(self.systems), int)
        number[systems] = np.arange(len(systems))
        names = tuple(self.systems[index] for index in systems)
        return replace(inside, systems=names, first=number[inside.first], second=number[inside.second])

    def each_task(self) -> Iterator[tuple[str, Battles]]:
        """Yield the battles of each task, by name."""
        for task in sorted({task for task in self.tasks.tolist() if task is not None}):
            yield task, self.where(self.tasks == task)

    def wins(self, counts: np.ndarray | None = None) -> np.ndarray:
        """Return the battles that each system won against each other, (S, S).

        With `counts` (R, n), how often each battle occurs in each replicate: (R, S, S).
        """
        won, lost = self.outcome == WIN, self.outcome == LOSS
        winners = np.concatenate([self.first[won], self.second[lost]])
        losers = np.concatenate([self.second[won], self.first[lost]])
        return self._counted(winners, losers, counts, np.concatenate([np.flatnonzero(won), np.flatnonzero(lost)]))

    def ties(self, counts: np.ndarray | None = None) -> np.ndarray:
        """Return the battles that each system tied with each other, (S, S), symmetric; with `counts`, (R, S, S)."""
        tied = np.flatnonzero(self.outcome == TIE)
        table = self._counted(self.first[tied], self.second[tied], counts, tied)
        return np.asarray(table + np.swapaxes(table, -1, -2))

    def points(self) -> np.ndarray:
        """Return the points of each system against each other, (S, S): 1 for a win, one half to both for a tie."""
        return np.asarray(self.wins() + self.ties() / 2)

    def _counted(
        self, rows: np.ndarray, columns: np.ndarray, counts: np.ndarray | None, battles: np.ndarray
    ) -> np.ndarray:
        size = len(self.systems)
        cells = rows * size + columns
        if counts is None:
            return np.bincount(cells, minlength=size * size).astype(float).reshape(size, size)
        tables = [np.bincount(cells, replicate[battles], size * size) for replicate in counts]
        return np.stack(tables).reshape(-1, size, size)


def battles_of(
    battles: Iterable[Battle],
    *,
    systems: Collection[str] = (),
    positions: bool = False,
    left_out: Mapping[str, int] | None = None,
) -> Battles:
    """Return battles as arrays; rows that cannot be battles are left out and counted.

    A system against itself says nothing. Two rows with one `id` are one battle: if they agree the second is left out,
    if they contradict each other both are. Battles without an id are all kept. If any battle names its source all must,
    or each battle is resampled alone.

    - systems: names that are listed whether or not they have a battle. positions: whether `first` is known
      to have been shown first; lists of winners and losers, such as those of rankings, know nothing of it.
    - left_out: rows that could not be read, by reason, for `Battles.left_out`.

    Raises `ArenaError` where no battle is left.
    """
    counted: Counter[str] = Counter(left_out or {})
    kept = list(_unique([*battles], counted))
    names = tuple(sorted({*systems, *(b.first for b in kept), *(b.second for b in kept)}))
    if not kept:
        reasons = "; ".join(f"{count} {reason}" for reason, count in counted.items())
        raise ArenaError(f"no battle to rank systems by{f' ({reasons})' if reasons else ''}")
    index = {name: number for number, name in enumerate(names)}
    by_source = all(battle.source is not None for battle in kept)
    clusters = np.unique([str(b.source) for b in kept], return_inverse=True)[1] if by_source else np.arange(len(kept))
    answers = [_answers(battle, positions) for battle in kept]
    return Battles(
        names,
        np.array([index[battle.first] for battle in kept]),
        np.array([index[battle.second] for battle in kept]),
        np.array([BATTLE_OUTCOMES.index(battle.outcome) for battle in kept], np.int8),
        clusters,
        "source" if by_source else "battle",
        np.array([battle.task for battle in kept], object),
        np.array([battle.judge for battle in kept], object),
        np.array([battle.id for battle in kept], object),
        np.array([first for first, _ in answers]),
        np.array([second for _, second in answers]),
        np.array([battle.both_orders or battle.orders is not None for battle in kept]),
        positions,
        dict(counted),
    )


def _unique(battles: list[Battle], counted: Counter[str]) -> Iterator[Battle]:
    """Yield each battle once, without those that are none."""
    outcomes: dict[tuple[str, str, str | None], set[tuple[str, str]]] = {}
    for battle in battles:
        if battle.id is not None:
            outcomes.setdefault(_key(battle), set()).add(_result(battle))
    seen: set[tuple[str, str, str | None]] = set()
    for battle in battles:
        if battle.first == battle.second:
            counted["a system against itself"] += 1
        elif battle.id is None:
            yield battle
        elif len(outcomes[_key(battle)]) > 1:
            counted["repeated with another outcome"] += 1
        elif _key(battle) in seen:
            counted["repeated"] += 1
        else:
            seen.add(_key(battle))
            yield battle


def _key(battle: Battle) -> tuple[str, str, str | None]:
    """The name of a battle: of these two systems, by this judge."""
    return f"{battle.id}", "\n".join(sorted((battle.first, battle.second))), battle.judge


def _result(battle: Battle) -> tuple[str, str]:
    """The winner of a battle, or what else it ended in."""
    if battle.outcome in ("tie", "inconsistent"):
        return "", battle.outcome
    return battle.first if battle.outcome == "win" else battle.second, "win"


def _answers(battle: Battle, positions: bool) -> tuple[int, int]:
    """How many answers chose the edit that was shown first, and the one shown second."""
    if battle.orders is not None:
        as_listed, swapped = battle.orders
        return (as_listed > 0) + (swapped < 0), (as_listed < 0) + (swapped > 0)
    return (int(battle.outcome == "win"), int(battle.outcome == "loss")) if positions else (0, 0)
