"""The lines of a pair of columns: each measure over all items, averaged over groups, at system level, in each group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .bootstrap import LEVEL, REPLICATES, percentile_interval, resample
from .measure import FEWEST, Counts, Floats, UndefinedError
from .measures import Applied
from .result import ALL, SYSTEM_LEVEL, Line, Pair, average_over

BIASED = "biased"
"""How the note of a biased interval starts."""

REASONS = 3
"""So many different reasons why groups are left out of an average are given."""

NOTED_BIAS = 0.5
"""A bias of the replicates above this part of their standard deviation is noted."""


@dataclass(frozen=True)
class Resampling:
    """Settings of a bootstrap, and the level of its intervals; without replicates there are none."""

    replicates: int = REPLICATES
    level: float = LEVEL
    seed: int = 0


@dataclass(eq=False)
class _Cell:
    """A measure in a scope: its value, of n items and, for an average or a system level, of so many groups.

    Or why it has none; and its replicates (replicates,), NaN where one is undefined.
    """

    value: float | None
    note: str | None
    n: int
    groups: int | None = None
    replicates: Floats | None = None


@dataclass(eq=False)
class _Scope:
    """A set of items: `rows` of the pair's arrays, of `rated` rated items, and a cell for each measure.

    `times`: how often a group that is drawn as a whole, since it lies within one cluster, stands in each replicate
    (replicates,); None for groups that are made of several clusters, whose number is fixed.
    """

    group: str
    rows: np.ndarray
    rated: int
    cells: list[_Cell] = field(default_factory=list)
    times: Floats | None = None


def lines_of(
    pair: Pair, measures: Sequence[Applied], rated: int, rated_in: Mapping[str, Mapping[str, int]], how: Resampling
) -> Iterator[Line]:
    """All lines of `pair`. `rated` is how many rated items there are, `rated_in` how many in each group of a column."""
    whole = _Scope(ALL, np.arange(len(pair)), rated)
    columns = {
        column: [
            _Scope(f"{column}={value}", np.flatnonzero(pair.groups[column] == value), count)
            for value, count in counted.items()
        ]
        for column, counted in rated_in.items()
    }
    scopes = [whole, *(scope for found in columns.values() for scope in found)]
    for scope in scopes:
        scope.cells = [_cell(applied, pair, scope.rows) for applied in measures]
    systems = _Systems(pair, measures) if pair.systems is not None and not pair.labels else None
    if how.replicates and len(pair) >= FEWEST:
        _fill_replicates(scopes, systems, pair, measures, how)
    yield from _lines(pair, measures, whole, how)
    for column, found in columns.items():
        yield from _lines(pair, measures, _average(column, found, len(measures), rated), how)
    if systems is not None:
        yield from _lines(pair, measures, _Scope(SYSTEM_LEVEL, whole.rows, rated, systems.cells), how)
    for scope in scopes[1:]:
        yield from _lines(pair, measures, scope, how)


def _lines(pair: Pair, measures: Sequence[Applied], scope: _Scope, how: Resampling) -> Iterator[Line]:
    for applied, cell in zip(measures, scope.cells, strict=True):
        low = high = None
        notes = [cell.note]
        if cell.value is not None and how.replicates and cell.replicates is None:
            notes.append(f"no interval: it needs at least {FEWEST} items")
        elif cell.value is not None and cell.replicates is not None:
            interval = percentile_interval(cell.replicates, how.level)
            if interval is None:
                notes.append(f"no interval: undefined in {np.isnan(cell.replicates).sum()} replicates")
            else:
                low, high = interval
                notes.append(_bias(cell.value, cell.replicates))
        yield Line(
            pair.score,
            pair.rating,
            scope.group,
            applied.name,
            cell.value,
            low,
            high,
            n=cell.n,
            excluded=scope.rated - cell.n,
            groups=cell.groups,
            note="; ".join(filter(None, notes)) or None,
        )


def _bias(value: float, replicates: Floats) -> str | None:
    """What to say when the replicates lie aside of the value, so that their percentiles are no interval around it.

    Drawing items again adds noise to noise: means of systems spread more than they did, and correlations of these fall.
    """
    bias, spread = np.nanmean(replicates) - value, np.nanstd(replicates)
    if abs(bias) <= NOTED_BIAS * spread:
        return None
    return f"{BIASED}: resamples average {value + bias:.3g}, and the interval is shifted as much"


def _cell(applied: Applied, pair: Pair, rows: np.ndarray) -> _Cell:
    if applied.values is None:
        return _Cell(None, applied.note, len(rows))
    try:
        return _Cell(applied.measure(applied.values[rows], pair.ratings[rows]), applied.note, len(rows))
    except UndefinedError as undefined:
        return _Cell(None, str(undefined), len(rows))


def _fill_replicates(
    scopes: Sequence[_Scope], systems: _Systems | None, pair: Pair, measures: Sequence[Applied], how: Resampling
) -> None:
    """Resample the whole pair once and take every measure in every scope of each replicate."""
    whole = [scope for scope in scopes if len(set(pair.clusters[scope.rows].tolist())) == 1]
    defined = [(scope, index) for scope in scopes for index, cell in enumerate(scope.cells) if cell.value is not None]

    def compute(counts: Counts) -> Floats:
        found: list[Floats] = []
        part, held = counts, None
        for scope, index in defined:
            if scope is not held:
                part = counts if len(scope.rows) == len(pair) else np.take(counts, scope.rows, axis=1)
                held = scope
            applied = measures[index]
            assert applied.values is not None  # else the cell would have no value
            found.append(applied.measure.resampled(applied.values[scope.rows], pair.ratings[scope.rows], part))
        if systems is not None:
            found += systems.resampled(counts)
        found += [counts[:, scope.rows[0]].astype(np.float64) for scope in whole]
        return np.stack(found) if found else np.empty((0, len(counts)))

    replicates = iter(resample(pair.clusters, compute, how.replicates, how.seed))
    for scope, index in defined:
        scope.cells[index].replicates = next(replicates)
    if systems is not None:
        for cell in systems.cells:
            cell.replicates = next(replicates)
    for scope in whole:
        scope.times = next(replicates)


def _average(column: str, scopes: Sequence[_Scope], measures: int, rated: int) -> _Scope:
    """The mean over the groups of a column. Groups where a measure is undefined are left out, and the note says so.

    In a replicate, a group counts as often as it was drawn.
    """
    cells = []
    for index in range(measures):
        found = [(scope, scope.cells[index]) for scope in scopes]
        counted = [cell for _, cell in found if cell.value is not None]
        notes = [counted[0].note if counted else None, _left_out([cell for _, cell in found])]
        value = float(np.mean([cell.value for cell in counted if cell.value is not None])) if counted else None
        drawn = [(scope.times, cell.replicates) for scope, cell in found if cell.replicates is not None]
        cells.append(
            _Cell(
                value,
                "; ".join(filter(None, notes)) or None,
                n=sum(cell.n for cell in counted),
                groups=len(counted),
                replicates=_mean_of_defined(drawn) if drawn else None,
            )
        )
    return _Scope(average_over(column), np.empty(0, np.int64), rated, cells)


def _left_out(cells: Sequence[_Cell]) -> str | None:
    """How many groups have no value, and why, the commonest reasons first; None where all have one."""
    reasons = Counter(cell.note for cell in cells if cell.value is None)
    if not reasons:
        return None
    shown = [f"{count} {note}" if len(reasons) > 1 else str(note) for note, count in reasons.most_common(REASONS)]
    more = [f"{len(reasons) - REASONS} more reasons"] if len(reasons) > REASONS else []
    return f"{sum(reasons.values())} of {len(cells)} groups are left out ({', '.join(shown + more)})"


def _mean_of_defined(drawn: Sequence[tuple[Floats | None, Floats]]) -> Floats:
    """The mean over groups, each (times, values), of what is defined in each replicate; NaN where nothing is."""
    values = np.stack([of for _, of in drawn])
    weights = np.stack([np.ones_like(of) if times is None else times for times, of in drawn])
    weights = np.where(np.isnan(values), 0, weights)
    total = (weights * np.where(np.isnan(values), 0, values)).sum(axis=0)
    weight = weights.sum(axis=0)
    return np.divide(total, weight, out=np.full(len(weight), np.nan), where=weight > 0)


class _Systems:
    """The means of each system, and the measures of those."""

    def __init__(self, pair: Pair, measures: Sequence[Applied]) -> None:
        assert pair.systems is not None
        self.measures, self.ratings = measures, pair.ratings
        named = np.array([row for row, system in enumerate(pair.systems) if system is not None], dtype=np.int64)
        names, codes = np.unique(pair.systems[named].astype(str), return_inverse=True)
        self.order = named[np.argsort(codes, kind="stable")]
        self.starts = np.searchsorted(np.sort(codes), np.arange(len(names)))
        self.cells = []
        once = np.ones((1, len(pair)), np.int32)
        for applied in measures:
            value, note = None, applied.note
            if applied.values is not None and applied.at_system_level is not None:
                try:
                    scores, ratings = self._means(applied.values, once)[0], self._means(self.ratings, once)[0]
                    value = applied.at_system_level(scores, ratings)
                except UndefinedError as undefined:
                    note = str(undefined).replace("items", "systems")
            self.cells.append(_Cell(value, note, len(named), groups=len(names)))

    def resampled(self, counts: Counts) -> list[Floats]:
        """The measures in each replicate of the items; systems that lost all of theirs are left out of it."""
        ratings = self._means(self.ratings, counts)
        found = []
        for applied, cell in zip(self.measures, self.cells, strict=True):
            values = np.full(len(counts), np.nan)
            if cell.value is not None and applied.values is not None and applied.at_system_level is not None:
                scores = self._means(applied.values, counts)
                for replicate in range(len(counts)):
                    there = ~np.isnan(scores[replicate])
                    try:
                        values[replicate] = applied.at_system_level(scores[replicate, there], ratings[replicate, there])
                    except UndefinedError:
                        continue  # which the interval counts
            found.append(values)
        return found

    def _means(self, values: Floats, counts: Counts) -> Floats:
        """(replicates, systems), NaN where a system has no item in a replicate."""
        if not len(self.order):
            return np.empty((len(counts), 0))
        there = np.take(counts, self.order, axis=1)
        size = np.add.reduceat(there, self.starts, axis=1, dtype=np.int64)
        total = np.add.reduceat(there * values[self.order], self.starts, axis=1)
        return np.divide(total, size, out=np.full(total.shape, np.nan), where=size > 0)
