"""People's choices between two images, from tables of votes, of chosen and rejected images, and of rankings."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

from ..files.headings import IMAGE_NAMES, RATINGS, Known, read_as, renamed
from ..files.text import DataError, number_in
from .battles import BattleOutcome
from .reading import COLUMNS, names_positions, outcome_of_winner

CHOICES = {
    "item_a": Known("any", (("id_a", "image_a", "edited_a", "left", "left_image", "first", "chosen", "a"),)),
    "item_b": Known("any", (("id_b", "image_b", "edited_b", "right", "right_image", "second", "rejected", "b"),)),
    "system_a": COLUMNS["system_a"], "system_b": COLUMNS["system_b"], "winner": COLUMNS["winner"],
    "rater": Known("any", (("subject", *RATINGS["subject"].groups[0]), ("judge",))),
    "item": Known(
        "any",
        (("item_id", "stimulus", "task_id", "sample_index"), ("name", *IMAGE_NAMES), ("image_id",), ("edited",)),
    ),
    "group": Known("any", (("group_id", "set", "set_id"), ("source", "source_image"), ("prompt",))),
    "rank": Known("any", (("ranking", "place"),)),
    "id": Known("any", ()),
}  # fmt: skip
"""The columns of votes and rankings, and the headings that they are known by."""


class Choice(NamedTuple):
    """One choice, of the row `row` of its table: `outcome` for `first`, an image named (id,) or (system, item)."""

    row: int
    first: tuple[str, ...]
    second: tuple[str, ...]
    outcome: BattleOutcome
    rater: str | None = None


@dataclass(frozen=True)
class Choices:
    """All choices of a table.

    - `left_out`: other rows, by reason. `ranked`: whether they are of rankings, whose pairs are not independent.
    - `positions`: whether winners are named by where they were shown, so that `first` is known to have been first.
    - `cells`: the columns of the table, also under the names that they were read as.
    """

    choices: Sequence[Choice]
    left_out: Mapping[str, int]
    ranked: bool
    positions: bool
    cells: Mapping[str, Sequence[Any]]


def read_choices(
    table: str, cells: Mapping[str, Sequence[Any]], columns: Mapping[str, str] | None = None
) -> Choices:  # fmt: skip
    """Read the choices of a table of votes or of rankings; `table` is its name, `cells` its columns by heading.

    - votes: a row for each, with `item_a`, `item_b` (or `system_a`, `system_b` and `item`) and the `winner`: a name, or
      "a", "left", "tie", ...; or with the images `chosen` and `rejected`.
    - rankings: a row for each image, with its `item`, its `rank` (1 is best; equal ranks tie) and the `group` of images
      that were ranked together. A ranking of K images is K(K-1)/2 choices of its rater.
    - `rater`, where a table has it, must be in every row.
    - columns: from a column to the heading to read as it.

    Rows without a name, a winner or a rater are left out and counted, and so are votes on an image against itself, and
    rankings that have an image twice. Raises `DataError` for a table that is neither.
    """
    named_apart = {"item_a", "item_b"} <= cells.keys()  # what else could name an image is not looked for
    known = {name: one for name, one in CHOICES.items() if not (named_apart and name in ("item", "group", "rank"))}
    headings = read_as(table, cells, known, columns)
    named = renamed(cells, headings)
    left_out: Counter[str] = Counter()
    rows = dict(_texts(named, left_out))
    ranked = {"rank", "group"} <= named.keys() and bool({"item", "id"} & named.keys()) and "winner" not in named
    if ranked:
        choices = [*_of_rankings(rows, left_out)]
    else:
        _require_votes(table, named)
        choices = [*_of_votes(rows, left_out, "winner" in named)]
    positions = names_positions(row.get("winner") for row in rows.values())
    return Choices(choices, dict(left_out), ranked, positions, named)


def _require_votes(table: str, named: Mapping[str, Any]) -> None:
    items, systems = {"item_a", "item_b"} <= named.keys(), {"system_a", "system_b"} <= named.keys()
    if not (items or systems) or not ("winner" in named or "chosen" in named):
        raise DataError(
            f"{table} holds neither votes (item_a, item_b, winner; or chosen, rejected) nor rankings (group, item, "
            f"rank); it has {', '.join(named) or 'no column'}; name one with --map"
        )
    if not items and not {"item", "group", "id"} & named.keys():
        raise DataError(
            f"{table} names systems, and no item that both edited; add a column item, or name it with --map"
        )


def _texts(named: Mapping[str, Sequence[Any]], left_out: Counter[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield number and cells of each row as text, without empty ones; rows of an unknown rater are counted."""
    known = [name for name in CHOICES if name in named]
    for row, listed in enumerate(zip(*(named[name] for name in known), strict=True)):
        texts = {name: str(cell) for name, cell in zip(known, listed, strict=True) if cell is not None and cell != ""}
        if "rater" in named and "rater" not in texts:
            left_out["by an unknown rater"] += 1
        else:
            yield row, texts


def rank_in(cell: Any) -> float | None:
    """Return the rank that a cell holds, a finite number; None for anything else, which has no place among others.

    >>> rank_in("2"), rank_in(float("nan")), rank_in("inf"), rank_in("best")
    (2.0, None, None, None)
    """
    number = number_in(cell)
    return None if number is None or not math.isfinite(number) else number


def _of_votes(rows: Mapping[int, Mapping[str, str]], left_out: Counter[str], judged: bool) -> Iterator[Choice]:
    """Yield the choice of each row; the first image is the chosen one, unless the rows are `judged` by a winner."""
    for row, cells in rows.items():
        first, second = (_name(cells, side) for side in "ab")
        winner = cells.get("winner")
        if first is None or second is None:
            left_out["an item without a name"] += 1
            continue
        if first == second:
            left_out["an image against itself"] += 1
            continue
        outcome = _outcome(winner, cells, first, second) if judged else "win"
        if outcome is None or outcome == "inconsistent":
            left_out["no winner" if winner is None else f"the winner is {winner!r}"] += 1
        else:
            yield Choice(row, first, second, outcome, cells.get("rater"))


def _name(cells: Mapping[str, str], side: str) -> tuple[str, ...] | None:
    """The image of a side: by its own name, or by its system and what both systems edited."""
    if f"item_{side}" in cells:
        return (cells[f"item_{side}"],)
    item = next((cells[name] for name in ("item", "group", "id") if name in cells), None)
    system = cells.get(f"system_{side}")
    return None if item is None or system is None else (system, item)


def _outcome(
    winner: str | None, cells: Mapping[str, str], first: tuple[str, ...], second: tuple[str, ...]
) -> BattleOutcome | None:
    """Who won: a winner's name, of an image or of its system, goes before words such as "a" and "left"."""
    one, other = "/".join(first), "/".join(second)
    for names in ((one, other), (cells.get("system_a"), cells.get("system_b"))):
        if winner is not None and winner in names:
            return "win" if winner == names[0] else "loss"
    return outcome_of_winner(winner, one, other)


def _of_rankings(rows: Mapping[int, Mapping[str, str]], left_out: Counter[str]) -> Iterator[Choice]:
    """Yield all pairs of each rater's ranking of a group, the better image first."""
    rankings: dict[tuple[str | None, str], list[tuple[float, int, str]]] = {}
    for row, cells in rows.items():
        rank, name = rank_in(cells.get("rank")), cells.get("item", cells.get("id"))
        if rank is None or name is None or "group" not in cells:
            left_out["no item, group or rank"] += 1
        else:
            rankings.setdefault((cells.get("rater"), cells["group"]), []).append((rank, row, name))
    for (rater, _), ranked in rankings.items():
        if len({name for _, _, name in ranked}) < len(ranked):  # such as two people's, who are not told apart
            left_out["of a ranking that has an image twice"] += len(ranked)
            continue
        for (rank, row, name), (below, _, other) in combinations(sorted(ranked, key=lambda one: one[0]), 2):
            yield Choice(row, (name,), (other,), "tie" if rank == below else "win", rater)
