"""Votes and rankings of people to a score for each image: read, screened by rater, and rated like systems."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..files.headings import RATINGS, Known, read_as
from ..files.rows import Row, read_rows
from ..files.text import DataError, number_in
from ..wording import plural
from .battles import ArenaError, Battle, Battles, battles_of
from .reading import COLUMNS, names_positions, outcome_of_winner, rankings_as_battles

VOTES = {
    "item_a": Known("any", (("id_a", "image_a", "edited_a", "left", "left_image", "first"),)),
    "item_b": Known("any", (("id_b", "image_b", "edited_b", "right", "right_image", "second"),)),
    "system_a": COLUMNS["system_a"], "system_b": COLUMNS["system_b"], "winner": COLUMNS["winner"],
    "rater": Known("any", (("subject", *RATINGS["subject"].groups[0]), ("judge",))),
    "item": RATINGS["item"],
    "group": Known("any", (("group_id", "set", "set_id"), ("source", "source_image"), ("prompt",))),
    "rank": Known("any", (("ranking", "place"),)),
}  # fmt: skip
"""The columns of votes and rankings, and the headings that they are known by."""

FEWEST_SHARED = 5
"""Pairs that a rater must share with others before being screened."""


@dataclass(frozen=True)
class Rater:
    """A rater: votes, and how many `shared` pairs others voted on too; `agreed` of these with the others' majority.

    `kept`: False for one who agrees no more often than chance.
    """

    rater: str
    votes: int
    shared: int
    agreed: int
    kept: bool = True

    @property
    def agreement(self) -> float | None:
        return self.agreed / self.shared if self.shared else None


@dataclass(frozen=True)
class Votes:
    """Votes on pairs of images: battles whose `judge` is the rater; and what is left out, by reason.

    `positions`: whether the first image of a vote is known to have been shown first.
    """

    votes: Sequence[Battle]
    left_out: Mapping[str, int] = field(default_factory=dict)
    positions: bool = False

    def raters(self) -> list[Rater]:
        """Return all raters, those who agree least with the others first; none, where votes do not name theirs.

        The majority of the others on a pair is that of their votes, turned the same way; pairs on which they are
        undecided, and ties, count for nobody.
        """
        tallies: dict[tuple[str, str], Counter[tuple[str, str | None]]] = {}
        for vote in self.votes:
            tallies.setdefault(_pair(vote), Counter())[_winner(vote), vote.judge] += 1
        raters: dict[str, list[int]] = {}
        for vote in self.votes:
            if vote.judge is None:
                continue
            counts = raters.setdefault(vote.judge, [0, 0, 0])
            counts[0] += 1
            others: Counter[str] = Counter()
            for (winner, judge), count in tallies[_pair(vote)].items():
                if judge != vote.judge and winner:
                    others[winner] += count
            ranked = others.most_common(2)
            decided = bool(ranked) and (len(ranked) == 1 or ranked[0][1] > ranked[1][1])
            if decided and _winner(vote):
                counts[1] += 1
                counts[2] += _winner(vote) == ranked[0][0]
        judged = [
            Rater(name, count, shared, agreed, shared < FEWEST_SHARED or 2 * agreed > shared)
            for name, (count, shared, agreed) in raters.items()
        ]
        return sorted(judged, key=lambda rater: (rater.agreement is None, rater.agreement or 0.0, rater.rater))

    def screened(self) -> Votes:
        """Return the votes without those of raters who agree with the others no more often than chance."""
        dropped = {rater.rater for rater in self.raters() if not rater.kept}
        kept = [vote for vote in self.votes if str(vote.judge) not in dropped]
        reason = "by a rater who agrees with the others no more often than chance"
        left_out = {**self.left_out, **({reason: len(self.votes) - len(kept)} if dropped else {})}
        return Votes(kept, left_out, self.positions)

    def battles(self) -> Battles:
        """Return the votes as battles of images, those of one rater resampled together where raters are known."""
        rows = [vote._replace(source=vote.judge) for vote in self.votes]
        battles = battles_of(rows, positions=self.positions, left_out=self.left_out)
        return replace(battles, clustered_by="rater") if battles.clustered_by == "source" else battles


def read_votes(path: str | os.PathLike[str], columns: Mapping[str, str] | None = None) -> Votes:
    """Read a table of people's votes, or of their rankings.

    - votes: a row for each, with `item_a`, `item_b` (or `system_a`, `system_b` and `item`), `winner`, and `rater`.
    - rankings: a row for each image in a ranking, with `item`, `rank` (1 is best; equal ranks tie), the `group` of
      images that were ranked together, and `rater`. A ranking of K images is K(K-1)/2 votes of its rater.

    Rows without a name, a winner or, where there are raters, a rater are left out and counted.

    Raises `DataError` for a table that is neither, `ArenaError` where no vote is left.
    """
    file = Path(path)
    rows = list(read_rows(file))
    names = dict.fromkeys(name for row in rows for name in row.cells)
    cells = {name: [row.cells.get(name) for row in rows] for name in names}
    headings = read_as(str(file), cells, VOTES, columns)
    headings |= {name: name for name in VOTES if name in cells and name not in headings}
    left_out: Counter[str] = Counter()
    texts = [*_texts(rows, headings, left_out)]
    positions = names_positions(row.get("winner") for row in texts)
    if {"item", "rank", "group"} <= headings.keys() and "winner" not in headings:
        votes = [*_of_rankings(texts, left_out)]
    elif "winner" in headings and (
        {"item_a", "item_b"} <= headings.keys() or {"system_a", "system_b"} <= headings.keys()
    ):
        votes = [*_of_pairs(texts, left_out)]
    else:
        raise DataError(
            f"{file} holds neither votes (item_a, item_b, winner) nor rankings (group, item, rank); it has "
            f"{', '.join(names) or 'no column'}; name one with --map"
        )
    if not votes:
        reasons = "; ".join(f"{plural(count, 'row')} left out: {reason}" for reason, count in left_out.items())
        raise ArenaError(f"{file} has no vote that can be used ({reasons or 'no row'})")
    return Votes(votes, dict(left_out), positions)


def _texts(rows: Iterable[Row], headings: Mapping[str, str], left_out: Counter[str]) -> Iterator[dict[str, str]]:
    """Yield the cells of each row as text; rows that cannot be read, and those of an unknown rater, are counted."""
    for row in rows:
        if row.problem is not None:
            left_out["the row cannot be read"] += 1
            continue
        cells = {name: row.cells.get(heading) for name, heading in headings.items()}
        texts = {name: str(cell) for name, cell in cells.items() if cell not in (None, "")}
        if "rater" in headings and "rater" not in texts:
            left_out["by an unknown rater"] += 1
            continue
        yield texts


def _of_pairs(rows: Iterable[Mapping[str, str]], left_out: Counter[str]) -> Iterator[Battle]:
    for row in rows:
        names = [row.get("item_a"), row.get("item_b")]
        if None in names and {"system_a", "system_b"} <= row.keys():
            item = row.get("item") or row.get("group")
            names = [f"{row[system]}/{item}" if item else None for system in ("system_a", "system_b")]
        one, other = names
        if one is None or other is None:
            left_out["an item without a name"] += 1
            continue
        winner = row.get("winner")
        outcome = outcome_of_winner(winner, one, other)
        if outcome is None and winner in (row.get("system_a"), row.get("system_b")):
            outcome = "win" if winner == row.get("system_a") else "loss"
        if outcome is None or outcome == "inconsistent":
            left_out["no winner" if winner is None else f"the winner is {winner!r}"] += 1
            continue
        yield Battle(one, other, outcome, judge=row.get("rater"))


def _of_rankings(rows: Iterable[Mapping[str, str]], left_out: Counter[str]) -> Iterator[Battle]:
    rankings: dict[tuple[str | None, str], dict[float, list[str]]] = {}
    for row in rows:
        rank = number_in(row.get("rank"))
        if rank is None or "item" not in row or "group" not in row:
            left_out["no item, group or rank"] += 1
            continue
        rankings.setdefault((row.get("rater"), row["group"]), {}).setdefault(rank, []).append(row["item"])
    for (rater, _), places in rankings.items():
        yield from rankings_as_battles([[places[rank] for rank in sorted(places)]], judge=rater)


def _pair(vote: Battle) -> tuple[str, str]:
    one, other = sorted((vote.first, vote.second))
    return one, other


def _winner(vote: Battle) -> str:
    """The image that a vote prefers; "" for a tie."""
    return {"win": vote.first, "loss": vote.second}.get(vote.outcome, "")
