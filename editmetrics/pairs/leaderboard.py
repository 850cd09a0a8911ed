"""Leaderboards: ratings of systems with intervals, checks of the judge, and the files that keep them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..files.overwrite import check_json, check_table
from ..files.rows import require_writable, write_rows
from ..files.tabular import Tabular
from ..files.writing import write_text
from ..wording import expected_one_of, plural
from .checks import PositionBias, Triples

if TYPE_CHECKING:
    import polars

RatingModel = Literal["bradley-terry", "davidson", "thurstone"]


@dataclass(frozen=True)
class RatedSystem:
    """One system of a leaderboard.

    - `rating`, `low`, `high`: on the scale of its island, with the bootstrap interval; None with the `reason`.
    - `island`: the number, from 1, of the systems that its rating may be compared with; None without a rating.
    - `rank_low`, `rank_high`: the best and the worst rank in its island that the battles allow.
    - `groups`: letters; two systems of an island cannot be told apart if, and only if, they share one.
    - `battles`: all that were judged; `wins`, `losses`, `ties` and `inconsistent` add up to them.
    """

    system: str
    rating: float | None
    low: float | None
    high: float | None
    island: int | None
    rank_low: int | None
    rank_high: int | None
    groups: str
    battles: int = 0
    wins: int = 0
    losses: int = 0
    ties: int = 0
    inconsistent: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Leaderboard(Tabular):
    """The result of `rank`.

    - `systems`: from best to worst within an island; the larger islands first.
    - `model`, `unit`: how ratings were made. `tie`: Davidson's nu of the first island, None for other models.
    - `battles`: the number judged. `left_out`: others by reason.
    - `bias`: the judge's. `triples`: of the systems. `points`: (S, S), rows against columns, in the order of `systems`.
    - `check`: Spearman's correlation of the ratings with rank centrality in the first island; None below three systems.
    - `tasks`: a leaderboard of each task. `notes`: sentences for readers. `level`: of the intervals.

    >>> from editmetrics.pairs import Battle, battles_of, rank
    >>> wins = [Battle("a", "b", "win", source=f"s{n}") for n in range(70)]
    >>> losses = [Battle("a", "b", "loss", source=f"s{n + 70}") for n in range(30)]
    >>> board = rank(battles_of(wins + losses))
    >>> [(one.system, round(one.rating, 2), one.groups) for one in board.systems]
    [('a', 1073.6, 'a'), ('b', 926.4, 'b')]
    """

    systems: Sequence[RatedSystem]
    model: RatingModel
    unit: str
    battles: int
    left_out: Mapping[str, int]
    bias: PositionBias
    triples: Triples
    points: np.ndarray
    tie: float | None = None
    check: float | None = None
    level: float = 0.95
    clustered_by: str = "source"
    tasks: Mapping[str, Leaderboard] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def __getitem__(self, system: str) -> RatedSystem:
        for rated in self.systems:
            if rated.system == system:
                return rated
        raise KeyError(f"{system!r}; {expected_one_of(system, [rated.system for rated in self.systems])}")

    @property
    def complete(self) -> bool:
        """Whether every system has a rating, and all may be compared."""
        return {rated.island for rated in self.systems} == {1}

    @property
    def islands(self) -> list[list[RatedSystem]]:
        """The systems whose ratings may be compared, island by island."""
        numbers = sorted({rated.island for rated in self.systems if rated.island is not None})
        return [[rated for rated in self.systems if rated.island == number] for number in numbers]

    def table(self) -> polars.DataFrame:
        """A row for each system, overall and in each task (column `task`, empty for overall)."""
        import polars

        rows = [{"task": None, **asdict(rated)} for rated in self.systems]
        for task, board in self.tasks.items():
            rows += [{"task": task, **asdict(rated)} for rated in board.systems]
        return polars.DataFrame(rows, infer_schema_length=None)

    def overview(self) -> polars.DataFrame:
        columns = ["system", "rating", "low", "high", "groups", "battles", "wins", "losses", "ties", "inconsistent"]
        return self.table().filter(self.table()["task"].is_null()).select(columns)

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON."""
        return {
            "model": self.model, "unit": self.unit, "nu": self.tie, "level": self.level, "battles": self.battles,
            "left_out": dict(self.left_out), "resampled_by": self.clustered_by,
            "systems": [asdict(rated) for rated in self.systems],
            "points": self.points.tolist(),
            "position_bias": {"first": self.bias.first, "answers": self.bias.answers, "share": self.bias.share,
                              "low": self.bias.low, "high": self.bias.high},
            "self_consistency": {"consistent": self.bias.consistent, "both_orders": self.bias.both_orders,
                                 "share": self.bias.consistency},
            "intransitive_triples": {"intransitive": self.triples.intransitive, "comparable": self.triples.comparable,
                                     "examples": [[self.systems[n].system for n in triple]
                                                  for triple in self.triples.examples]},
            "rank_centrality_srcc": self.check, "notes": list(self.notes),
            "tasks": {task: board.as_json() for task, board in self.tasks.items()},
        }  # fmt: skip

    def write(self, path: str | Path) -> None:
        """Write everything as .json, or a row for each system, overall and in each task, as .csv."""
        path = Path(path)
        check_leaderboard(path, overwrite=True)
        if path.suffix.lower() == ".json":
            write_text(path, json.dumps(self.as_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n")
            return
        write_rows(self.table().to_dicts(), path)

    def __repr__(self) -> str:
        best = ", ".join(f"{rated.system} {rated.rating:.4g}" for rated in self.systems if rated.rating is not None)
        counted = f"{plural(len(self.systems), 'system')}, {plural(self.battles, 'battle')}"
        return f"Leaderboard({counted}; {best or 'none rated'})"


def check_leaderboard(path: Path, overwrite: bool = False) -> None:
    """Raise `DataError` unless a leaderboard can be written to `path`: a known suffix, and no other file there."""
    require_writable(path, (".json", ".csv"), "a leaderboard")
    if path.suffix.lower() == ".json":
        check_json(path, ("systems", "points", "position_bias"), overwrite)
    else:
        check_table(path, ("system", "rating", "groups"), overwrite)
