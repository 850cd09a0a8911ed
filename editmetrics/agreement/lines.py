"""The lines of a pair of columns: each measure over all items, averaged over groups, at system level, in each group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..wording import plural
from .bootstrap import Resampling, percentile_interval, resample
from .measure import FEWEST, Counts, Floats, UndefinedError
from .measures import Applied
from .result import ALL, SYSTEM_LEVEL, Line, Pair, average_over

BIASED = "biased"
"""The first word of the note of a biased interval."""

REASONS = 3
"""The number of different reasons that a note gives for groups left out of an average."""

NOTED_BIAS = 0.5
"""The bias of the replicates, in their standard deviations, above which a note warns of it."""


@dataclass(eq=False)
class _Cell:
    """A measure in a scope: its value over n items (and `groups`, for an average or the system level), or the reason
    for none; and its replicates (replicates,), NaN where one is undefined.
    """

    value: float | None
    note: str | None
    n: int
    groups: int | None = None
    replicates: Floats | None = None


@dataclass(eq=False)
class _Scope:
    """A set of items: `rows` of the pair's arrays, out of `rated` rated items, and a cell for each measure.

    `times`: how often each replicate (replicates,) draws a group that lies within one cluster; None for groups of
    several clusters, whose number is fixed.
    """

    group: str
    rows: np.ndarray
    rated: int
    cells: list[_Cell] = field(default_factory=list)
    times: Floats | None = None


def lines_of(
    pair: Pair, measures: Sequence[Applied], rated: int, rated_in: Mapping[str, Mapping[str, int]], how: Resampling
) -> Iterator[Line]:
    """Yield all lines of `pair`. `rated` is the number of rated items, `rated_in` that of each group of a column."""
    whole = _Scope(ALL, np.arange(len(pair)), rated)
    columns = {
        column: [
            _Scope(f"{column}={value}", np.flatnonzero(pair.groups[column] == value), count)
            for value, count in counted.items()
        ]
        for column, counted in rated_in.items()
    }
    scopes = [whole, *(scope for groups in columns.values() for scope in groups)]
    for scope in scopes:
        scope.cells = [_cell(applied, pair, scope.rows) for applied in measures]
    systems = _Systems(pair, measures) if pair.systems is not None and not pair.labels else None
    if how.replicates and len(pair) >= FEWEST:
        _fill_replicates(scopes, systems, pair, measures, how)
    yield from _lines(pair, measures, whole, how)
    for column, groups in columns.items():
        yield from _lines(pair, measures, _average(column, groups, len(measures), rated), how)
    if systems is not None:
        yield from _lines(pair, measures, _Scope(SYSTEM_LEVEL, whole.rows, rated, systems.cells), how)
    for scope in scopes[1:]:
        yield from _lines(pair, measures, scope, how)


def _lines(pair: Pair, measures: Sequence[Applied], scope: _Scope, how: Resampling) -> Iterator[Line]:
    for applied, cell in zip(measures, scope.cells, strict=True):
        low = high = None
        notes = [cell.note]
        if cell.value is not None and how.replicates and cell.replicates is None:
            notes.append(f"no interval: it requires at least {FEWEST} items")
        elif cell.value is not None and cell.replicates is not None:
            interval = percentile_interval(cell.replicates, how.level)
            if interval is None:
                notes.append(f"no interval: undefined in {plural(int(np.isnan(cell.replicates).sum()), 'replicate')}")
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
    """The warning for a bootstrap that is biased away from the value, so that its percentiles do not enclose it.

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
        values: list[Floats] = []
        part, held = counts, None
        for scope, index in defined:
            if scope is not held:
                part = counts if len(scope.rows) == len(pair) else np.take(counts, scope.rows, axis=1)
                held = scope
            applied = measures[index]
            assert applied.values is not None  # else the cell would have no value
            values.append(applied.measure.resampled(applied.values[scope.rows], pair.ratings[scope.rows], part))
        if systems is not None:
            values += systems.resampled(counts)
        values += [counts[:, scope.rows[0]].astype(np.float64) for scope in whole]
        return np.stack(values) if values else np.empty((0, len(counts)))

    replicates = iter(resample(pair.clusters, compute, how.replicates, how.seed))
    for scope, index in defined:
        scope.cells[index].replicates = next(replicates)
    if systems is not None:
        for cell in systems.cells:
            cell.replicates = next(replicates)
    for scope in whole:
        scope.times = next(replicates)


def _average(column: str, scopes: Sequence[_Scope], measures: int, rated: int) -> _Scope:
    """The mean over the groups of a column. Groups with an undefined measure are left out, and a note counts them.

    In a replicate, a group counts as often as it was drawn.
    """
    cells = []
    for index in range(measures):
        grouped = [(scope, scope.cells[index]) for scope in scopes]
        counted = [cell for _, cell in grouped if cell.value is not None]
        notes = [counted[0].note if counted else None, _left_out([cell for _, cell in grouped])]
        value = float(np.mean([cell.value for cell in counted if cell.value is not None])) if counted else None
        drawn = [(scope.times, cell.replicates) for scope, cell in grouped if cell.replicates is not None]
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
    """The number of groups without a value, and the reasons, most frequent first; None where all have one."""
    reasons = Counter(cell.note for cell in cells if cell.value is None)
    if not reasons:
        return None
    shown = [f"{count} {note}" if len(reasons) > 1 else str(note) for note, count in reasons.most_common(REASONS)]
    more = [plural(len(reasons) - REASONS, "more reason")] if len(reasons) > REASONS else []
    return f"{sum(reasons.values())} of {len(cells)} groups are left out ({', '.join(shown + more)})"


def _mean_of_defined(drawn: Sequence[tuple[Floats | None, Floats]]) -> Floats:
    """The mean over groups, each (times, values), of the defined values of each replicate; NaN where none is."""
    values = np.stack([replicates for _, replicates in drawn])
    weights = np.stack([np.ones_like(replicates) if times is None else times for times, replicates in drawn])
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
        """Return the measures in each replicate of the items, without the systems that have no items in it."""
        ratings = self._means(self.ratings, counts)
        replicated = []
        for applied, cell in zip(self.measures, self.cells, strict=True):
            values = np.full(len(counts), np.nan)
            if cell.value is not None and applied.values is not None and applied.at_system_level is not None:
                scores = self._means(applied.values, counts)
                for replicate in range(len(counts)):
                    drawn = ~np.isnan(scores[replicate])
                    try:
                        values[replicate] = applied.at_system_level(scores[replicate, drawn], ratings[replicate, drawn])
                    except UndefinedError:
                        continue  # the interval counts these
            replicated.append(values)
        return replicated

    def _means(self, values: Floats, counts: Counts) -> Floats:
        """(replicates, systems), NaN where a system has no item in a replicate."""
        if not len(self.order):
            return np.empty((len(counts), 0))
        drawn = np.take(counts, self.order, axis=1)
        size = np.add.reduceat(drawn, self.starts, axis=1, dtype=np.int64)
        total = np.add.reduceat(drawn * values[self.order], self.starts, axis=1)
        return np.divide(total, size, out=np.full(total.shape, np.nan), where=size > 0)
