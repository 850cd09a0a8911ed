"""Two edits side by side: battles, ratings of systems from them, and how far those can be trusted; see `docs/arena.md`.

Nothing here knows a metric: a battle is two names and an outcome, whoever judged it.
"""

from __future__ import annotations

from .battles import ArenaError, Battle, Battles, battles_of
from .checks import intransitive_triples, position_bias
from .leaderboard import Leaderboard, RatedSystem
from .ranking import RankingOptions, rank
from .reading import rankings_as_battles, read_battles
from .strengths import bradley_terry, davidson, rank_centrality, thurstone

__all__ = [
    "ArenaError",
    "Battle",
    "Battles",
    "Leaderboard",
    "RankingOptions",
    "RatedSystem",
    "battles_of",
    "bradley_terry",
    "davidson",
    "intransitive_triples",
    "position_bias",
    "rank",
    "rank_centrality",
    "rankings_as_battles",
    "read_battles",
    "thurstone",
]
