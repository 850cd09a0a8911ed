"""Votes and rankings of people to a score for each image: read, screened by rater, and rated like systems."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..files.rows import read_rows
from ..wording import plural
from .battles import ArenaError, Battle, Battles, battles_of
from .choices import read_choices

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
    """Read a table of people's votes, or of their rankings, as `choices.read_choices` describes them.

    Rows without a name, a winner or, where there are raters, a rater are left out and counted.

    Raises `DataError` for a table that is neither, `ArenaError` where no vote is left.
    """
    file = Path(path)
    rows = list(read_rows(file))
    names = dict.fromkeys(name for row in rows for name in row.cells)
    usable = [row.cells for row in rows if row.problem is None]
    read = read_choices(str(file), {name: [cells.get(name) for cells in usable] for name in names}, columns)
    broken = len(rows) - len(usable)
    left_out = {**({"the row cannot be read": broken} if broken else {}), **read.left_out}
    if not read.choices:
        reasons = "; ".join(f"{plural(count, 'row')} left out: {reason}" for reason, count in left_out.items())
        raise ArenaError(f"{file} has no vote that can be used ({reasons or 'no row'})")
    votes = [
        Battle("/".join(one.first), "/".join(one.second), one.outcome, judge=one.rater) for one in read.choices
    ]  # fmt: skip
    return Votes(votes, left_out, read.positions)


def _pair(vote: Battle) -> tuple[str, str]:
    one, other = sorted((vote.first, vote.second))
    return one, other


def _winner(vote: Battle) -> str:
    """The image that a vote prefers; "" for a tie."""
    return {"win": vote.first, "loss": vote.second}.get(vote.outcome, "")
