"""The numbers of a run for its log, as one flat dictionary of floats."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..pairs import Leaderboard
    from ..scoring import Results


def score_values(results: Results) -> dict[str, float]:
    """Return the means of a run, and what they are over, by `score/[SYSTEM/]COLUMN/...`.

    `mean` and `median` in the metric's unit; `n` samples in the mean; a count for each reason why others are not in it.
    A column without a single finite score has counts, and no mean.

    >>> from editmetrics import Sample, score
    >>> images = {"edited": "docs/examples/edited/cat.jpg", "source": "docs/examples/source/cat.jpg"}
    >>> values = score_values(score([Sample("cat", **images), Sample("dog", edited=b"")], ["psnr"]))
    >>> {name: round(value, 2) for name, value in values.items()}
    {'score/psnr/n': 1, 'score/psnr/mean': 28.32, 'score/psnr/median': 28.32, 'score/psnr/skipped': 1}
    """
    values: dict[str, float] = {}
    for line in results.summary():
        prefix = "/".join(["score", *([line.system] if line.system else []), line.column])
        values[f"{prefix}/n"] = line.finite
        if line.mean is not None:
            values[f"{prefix}/mean"] = line.mean
        if line.median is not None:
            values[f"{prefix}/median"] = line.median
        values |= {f"{prefix}/{status.replace(' ', '_')}": count for status, count in line.left_out.items()}
    return values


def leaderboard_values(board: Leaderboard, judge: str = "") -> dict[str, float]:
    """Return the ratings of an arena with their intervals and counts, by `arena/[JUDGE/]SYSTEM/...`.

    A system without a rating has counts alone.

    >>> from editmetrics.pairs import Battle, battles_of, rank
    >>> board = rank(battles_of([Battle("a", "b", "win"), Battle("b", "a", "win"), Battle("a", "b", "win")]))
    >>> values = leaderboard_values(board)
    >>> round(values["arena/a/rating"] - values["arena/b/rating"]), values["arena/battles"], values["arena/a/wins"]
    (120, 3, 2)
    """
    prefix = f"arena/{judge}" if judge else "arena"
    values: dict[str, float] = {f"{prefix}/battles": board.battles}
    values |= {f"{prefix}/{reason.replace(' ', '_')}": count for reason, count in board.left_out.items()}
    for one in board.systems:
        numbers = {"rating": one.rating, "low": one.low, "high": one.high, "battles": one.battles, "wins": one.wins}
        numbers |= {"losses": one.losses, "ties": one.ties, "inconsistent": one.inconsistent}
        values |= {f"{prefix}/{one.system}/{name}": value for name, value in numbers.items() if value is not None}
    return values
