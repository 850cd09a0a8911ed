"""Rank systems by battles: ratings with bootstrap intervals, and what may be said of their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from ..agreement.bootstrap import BY_DEFAULT, Resampling, percentile_interval, resample
from ..agreement.correlation import srcc
from ..agreement.measure import Floats, defined
from ..wording import expected_one_of, first_few, plural
from .apart import CERTAIN, letters_of, rank_bounds, shared_groups, told_apart
from .battles import INCONSISTENT, LOSS, TIE, WIN, ArenaError, Battles
from .checks import PositionBias, intransitive_triples, position_bias
from .leaderboard import Leaderboard, RatedSystem, RatingModel
from .strengths import ELO, bradley_terry, davidson, islands, meeting, rank_centrality, thurstone

SCALES = {"bradley-terry": (ELO, 1000.0, "Elo"), "davidson": (ELO, 1000.0, "Elo"), "thurstone": (1.0, 0.0, "SD")}
"""Points in a unit of strength, the mean rating, and the unit's name, by model."""

WON_ALL = "won every battle: no finite rating"

FEWEST_CLUSTERS = 5
"""Fewer sources (or battles) have no interval: resamples of few claim more than they know."""


@dataclass(frozen=True)
class RankingOptions:
    """How battles become ratings.

    - `model`: "bradley-terry", where a tie is half a win of each; "davidson", which models ties; "thurstone" (case V).
    - `resampling`: of the bootstrap, which draws battles of one source together; no replicates, no intervals.
    - `anchor`: (system, rating) that fixes the scale; by default the mean rating is 1000 (0 for thurstone).
    - `inconsistent`: "leave out" battles whose two orders contradict each other, or count them as a "tie", as some
      published leaderboards do.

    Raises `ArenaError` for an unknown choice.
    """

    model: RatingModel = "bradley-terry"
    resampling: Resampling = BY_DEFAULT
    anchor: tuple[str, float] | None = None
    inconsistent: Literal["leave out", "tie"] = "leave out"

    def __post_init__(self) -> None:
        if self.model not in SCALES:
            raise ArenaError(f"unknown model {self.model!r}; {expected_one_of(self.model, SCALES)}")
        if self.inconsistent not in ("leave out", "tie"):
            raise ArenaError(f"inconsistent battles are to be {self.inconsistent!r}; expected 'leave out' or 'tie'")


def rank(battles: Battles, options: RankingOptions | None = None, *, by_task: bool = False) -> Leaderboard:
    """Rank systems by their battles.

    A rating is the strength of `options.model`; 400 points of Elo are odds of 10 to 1. Systems that never met, or of
    which one took all points, have no finite difference: each island of comparable systems has a scale of its own, and
    a system that won or lost every battle has none. Nor has an island in which Davidson's nu has no bound. Inconsistent
    battles are counted, and rank nothing. Where every answer chose one position, nothing is ranked.

    - by_task: also rank each task by itself.

    Raises `ArenaError` for an anchor that has no battles.

    Source: intervals by the percentile bootstrap, as in `agreement.bootstrap_interval`.
    """
    chosen = options or RankingOptions()
    names = battles.systems
    if chosen.anchor is not None and chosen.anchor[0] not in names:
        raise ArenaError(f"the anchor {chosen.anchor[0]!r} has no battle; {expected_one_of(chosen.anchor[0], names)}")
    bias = position_bias(battles, chosen.resampling.level)
    ranked = _as_ranked(battles, chosen)
    points = ranked.points()
    notes = _notes(battles, bias)
    together = [] if bias.total else [part for part in islands(points) if len(part) > 1]
    parts = [part for part in together if not np.isnan(_strengths(ranked.among(part), chosen.model)[0]).any()]
    rated: list[RatedSystem] = []
    tie = check = None
    for number, part in enumerate(parts, 1):
        island, nu, srcc_of_check = _rate(ranked.among(part), chosen, number)
        rated += [_with_counts(one, battles) for one in island]
        tie, check = (nu, srcc_of_check) if number == 1 else (tie, check)
    reasons = {
        index: _why(points, index, together, bias)
        for index in range(len(names))
        if not any(index in part for part in parts)
    }
    without = {index: _with_counts(_unrated(names[index], reason), battles) for index, reason in reasons.items()}
    above = [without[index] for index, reason in reasons.items() if reason == WON_ALL]
    below = [without[index] for index, reason in reasons.items() if reason != WON_ALL]
    systems = [*above, *rated, *below]
    if len(parts) > 1 or (len(meeting(points)) > 1 and not bias.total):
        notes.append(_apart_note(points, names, len(parts)))
    order = [names.index(one.system) for one in systems]
    points = points[np.ix_(order, order)]
    tasks = {task: rank(part, chosen) for task, part in battles.each_task()} if by_task else {}
    return Leaderboard(
        systems,
        chosen.model,
        SCALES[chosen.model][2],
        len(battles),
        battles.left_out,
        bias,
        intransitive_triples(points),
        points,
        tie,
        check,
        chosen.resampling.level,
        battles.clustered_by,
        tasks,
        notes,
    )


def _as_ranked(battles: Battles, options: RankingOptions) -> Battles:
    """The battles that count, with inconsistent ones left out or as ties."""
    if options.inconsistent == "tie":
        return replace(battles, outcome=np.where(battles.outcome == INCONSISTENT, TIE, battles.outcome))
    return battles.where(battles.outcome != INCONSISTENT)


def _fit(wins: Floats, ties: Floats, model: RatingModel) -> tuple[Floats, Floats | None]:
    if model == "davidson":
        return davidson(wins, ties)
    return (bradley_terry if model == "bradley-terry" else thurstone)(wins + ties / 2), None


def _strengths(inside: Battles, model: RatingModel) -> tuple[Floats, Floats | None]:
    """The strengths of the systems of an island, and the logarithm of Davidson's nu."""
    return _fit(inside.wins(), inside.ties(), model)


def _rate(
    inside: Battles, options: RankingOptions, number: int
) -> tuple[list[RatedSystem], float | None, float | None]:
    """The systems of an island from best to worst, Davidson's nu, and the check by rank centrality."""
    names = inside.systems
    values, log_tie = _strengths(inside, options.model)
    scale, centre, _ = SCALES[options.model]
    anchor = next((at for at, name in enumerate(names) if options.anchor and name == options.anchor[0]), None)

    def scaled(strengths: Floats) -> Floats:
        if anchor is None or options.anchor is None:
            return centre + scale * strengths
        return options.anchor[1] + scale * (strengths - strengths[..., anchor, None])

    ratings, replicates = scaled(values), _replicates(inside, options)
    bounds: list[tuple[float | None, float | None]] = [(None, None)] * len(names)
    better = np.zeros((len(names),) * 2, bool)
    reason = f"fewer than {FEWEST_CLUSTERS} {inside.clustered_by}s: no interval"
    if replicates is not None and not _vary(replicates):
        reason = "no interval: all resamples are alike"
    elif replicates is not None:
        missing = float(np.isnan(replicates).any(axis=1).mean())
        reason = f"no interval: in {missing:.0%} of the resamples a system won or lost every battle"
        intervals = [percentile_interval(column, options.resampling.level) for column in scaled(replicates).T]
        if all(interval is not None for interval in intervals):
            bounds = [(interval.low, interval.high) for interval in intervals if interval is not None]
            better, reason = told_apart(values, replicates, options.resampling.level), ""
    elif options.resampling.replicates == 0:
        reason = ""
    order = np.argsort(-values, kind="stable").tolist()
    groups = letters_of(shared_groups(better, order), len(names)) if bounds[0][0] is not None else [""] * len(names)
    ranks: list[Any] = rank_bounds(better) if bounds[0][0] is not None else [(None, None)] * len(names)
    rated = []
    for i in order:
        (low, high), (best, worst) = bounds[i], ranks[i]
        rated.append(RatedSystem(names[i], float(ratings[i]), low, high, number, best, worst, groups[i], reason=reason))
    check = defined(srcc, values, rank_centrality(inside.points())) if len(names) > 2 else None
    return rated, None if log_tie is None else float(np.exp(log_tie)), check


def _vary(replicates: Floats) -> bool:
    """Whether resamples know of noise: those that are all alike would claim certainty."""
    known = replicates[~np.isnan(replicates).any(axis=1)]
    return not len(known) or bool((np.ptp(known, axis=0) > CERTAIN).any())


def _replicates(inside: Battles, options: RankingOptions) -> Floats | None:
    """The strengths of an island in each replicate, (R, systems); None where there are too few clusters."""
    resampling = options.resampling
    if resampling.replicates == 0 or int(inside.clusters.max()) + 1 < FEWEST_CLUSTERS:
        return None

    def strengths(counts: np.ndarray) -> Floats:
        return _fit(inside.wins(counts), inside.ties(counts), options.model)[0].T

    return resample(inside.clusters, strengths, resampling.replicates, resampling.seed).T


def _unrated(name: str, reason: str) -> RatedSystem:
    return RatedSystem(name, None, None, None, None, None, None, "", reason=reason)


def _with_counts(rated: RatedSystem, battles: Battles) -> RatedSystem:
    """The system with its battles of each outcome, inconsistent ones included."""
    index = battles.systems.index(rated.system)
    mine, other = battles.outcome[battles.first == index], battles.outcome[battles.second == index]
    won = int((mine == WIN).sum() + (other == LOSS).sum())
    lost = int((mine == LOSS).sum() + (other == WIN).sum())
    tied, unsure = (int((mine == code).sum() + (other == code).sum()) for code in (TIE, INCONSISTENT))
    return replace(rated, battles=len(mine) + len(other), wins=won, losses=lost, ties=tied, inconsistent=unsure)


def _why(points: np.ndarray, index: int, islands_of_several: Sequence[Sequence[int]], bias: PositionBias) -> str:
    """Why a system has no finite rating."""
    if bias.total:
        return "every answer chose one position"
    if any(index in part for part in islands_of_several):
        return "too many ties and too few wins either way for davidson: no finite rating; bradley-terry has one"
    won, lost = points[index].sum(), points[:, index].sum()
    if not won and not lost:
        return "no battle with an outcome"
    if not lost:
        return WON_ALL
    if not won:
        return "lost every battle: no finite rating"
    return "won every battle with some systems and lost every one with the others: no finite rating"


def _apart_note(points: np.ndarray, names: Sequence[str], parts: int) -> str:
    groups = meeting(points)
    if len(groups) > 1:
        listed = "; ".join(first_few([names[index] for index in group], 4) for group in groups)
        never = f"{len(groups)} groups never met in a battle with an outcome"
        return f"{never}, and have no number across them: {listed}"
    return (
        f"{parts} groups have ratings of their own: between them, one won every battle, so that no finite "
        "number compares them"
    )


def _notes(battles: Battles, bias: PositionBias) -> list[str]:
    notes = []
    if bias.total:
        which = "first" if bias.first else "second"
        notes.append(
            f"all {bias.answers} answers chose the edit shown {which}: position bias of 100 %, and nothing is ranked"
        )
    if unsure := battles.count(INCONSISTENT):
        notes.append(f"{plural(unsure, 'battle')} inconsistent: the answer changed with the order of the two edits")
    notes += [f"{plural(count, 'row')} left out: {reason}" for reason, count in battles.left_out.items()]
    return notes
