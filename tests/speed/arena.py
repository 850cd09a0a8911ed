"""A leaderboard of many battles with its bootstrap, beside GenArena, choix and a plain loop of numpy.

    python -m tests.speed.arena   # --battles 100000 --systems 50 --replicates 1000 --loop 5

Ours is everything: `rank`, with intervals clustered by source, groups and checks; and before it the reading of a csv.
The others fit Bradley-Terry alone to `--loop` resamples, and their time is scaled: minorization-maximization on numpy's
tables, choix's `ilsr_pairwise_dense` and GenArena's `compute_bt_elo_ratings`, which takes lists; those that are not
installed are left out. Seconds of the processor, and by the clock, and how far their strengths are from ours.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from editmetrics.agreement.bootstrap import Resampling
from editmetrics.pairs import RankingOptions, bradley_terry, rank, read_battles


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--battles", type=int, default=100_000)
    parser.add_argument("--systems", type=int, default=50)
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--loop", type=int, default=5, help="replicates of the others, whose time is scaled")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    first, second, outcome = drawn(rng, arguments.battles, arguments.systems)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.csv"
        with log.open("w", newline="") as file:
            rows = zip(first, second, outcome, rng.integers(0, 1000, len(first)), strict=True)
            head = ["system_a", "system_b", "winner", "source"]
            csv.writer(file).writerows([head, *((f"m{a:02}", f"m{b:02}", won, f"s{s}") for a, b, won, s in rows)])
        battles, reading = timed(lambda: read_battles(log))
    options = RankingOptions(resampling=Resampling(arguments.replicates))
    _, ranking = timed(lambda: rank(battles, options))
    print("| | processor | by the clock | beside ours | strengths |")
    print("|---|---|---|---|---|")
    print(f"| `read_battles`, csv | {reading[0]:.1f} s | {reading[1]:.1f} s | | |")
    print(f"| `rank` | {ranking[0]:.1f} s | {ranking[1]:.1f} s | | |")
    counts = rng.multinomial(len(battles), np.full(len(battles), 1 / len(battles)), size=arguments.loop)
    tables = [*zip(battles.wins(counts), battles.ties(counts), strict=True)]
    expected = bradley_terry(np.stack([wins + ties / 2 for wins, ties in tables]))
    for name, fit in peers().items():
        fitted, (busy, clock) = timed(lambda fit=fit: [fit(*table) for table in tables])  # type: ignore[misc]
        busy, clock = (seconds * arguments.replicates / len(tables) for seconds in (busy, clock))
        apart = max(float(np.abs(one - other).max()) for one, other in zip(fitted, expected, strict=True))
        ratio = f"{busy / ranking[0]:.1f}x"
        print(f"| {name} | {busy:.1f} s | {clock:.1f} s | {ratio} | within {apart:.0e} |")


def drawn(rng: np.random.Generator, count: int, systems: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Battles of systems of known strength, a tenth of them ties."""
    strengths = rng.normal(0, 1, systems)
    first = rng.integers(0, systems, count)
    second = (first + rng.integers(1, systems, count)) % systems
    wins = rng.random(count) < 1 / (1 + np.exp(strengths[second] - strengths[first]))
    ties = rng.random(count) < 0.1
    return (
        first,
        second,
        ["tie" if tie else "model_a" if win else "model_b" for tie, win in zip(ties, wins, strict=True)],
    )


def timed(call: Callable[[], Any]) -> tuple[Any, tuple[float, float]]:
    busy, clock = time.process_time(), time.perf_counter()
    result = call()
    return result, (time.process_time() - busy, time.perf_counter() - clock)


def peers() -> dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]:
    """From a name to a function of tables of wins and ties to centred log strengths."""
    fits: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {"a loop of numpy": by_numpy}
    if importlib.util.find_spec("choix"):
        import choix

        fits["choix, `ilsr_pairwise_dense`"] = lambda wins, ties: np.asarray(choix.ilsr_pairwise_dense(wins + ties / 2))
    if importlib.util.find_spec("genarena"):
        from genarena.bt_elo import compute_bt_elo_ratings

        def by_genarena(wins: np.ndarray, ties: np.ndarray) -> np.ndarray:
            listed = []
            for table, winner in ((wins, "model_a"), (np.triu(ties), "tie")):
                for a, b in zip(*np.nonzero(table), strict=True):
                    listed += [(f"{a:02}", f"{b:02}", winner)] * int(table[a, b])
            elo = compute_bt_elo_ratings(listed)
            values = np.array([elo[name] for name in sorted(elo)]) * np.log(10) / 400
            return np.asarray(values - values.mean())

        fits["GenArena, `compute_bt_elo_ratings`"] = by_genarena
    return fits


def by_numpy(wins: np.ndarray, ties: np.ndarray) -> np.ndarray:
    """Minorization-maximization of one table, Hunter 2004, until no strength moves by 1e-9."""
    points = wins + ties / 2
    games, won = points + points.T, points.sum(axis=1)
    strengths = np.ones(len(points))
    for _ in range(100_000):
        moved = won / (games / (strengths[:, None] + strengths)).sum(axis=1)
        moved /= np.exp(np.log(moved).mean())
        if np.abs(np.log(moved / strengths)).max() < 1e-9:
            break
        strengths = moved
    return np.log(moved)


if __name__ == "__main__":
    main()
