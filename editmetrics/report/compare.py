"""What moved between two runs, and whether it is more than noise: the same samples, scored twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..agreement.columns import Table
from ..agreement.join import join
from ..wording import first_few
from .comparison import IdentityChange, Moved, Mover, RunComparison, Verdict
from .identity import changes
from .means import ResampledMeans
from .scored import ReportError, ScoreColumn, ScoredTable

TOLERANCE = 1e-6
"""Scores whose relative difference is no larger are equal: other versions of a library move the last digits."""


def compare(
    a: ScoredTable,
    b: ScoredTable,
    *,
    pairs: Sequence[tuple[str, str]] = (),
    on: Sequence[str] = (),
    tolerance: float = TOLERANCE,
    movers: int = 5,
    replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> RunComparison:
    """What moved from run `a` to run `b`.

    - pairs: (column of a, column of b); by default columns of the same name.
    - on: the columns that samples are matched by; by default id, else id and system, else the edited image.
    - tolerance: relative difference up to which two scores are equal. movers: so many of the largest gains and losses
      of each column are named.

    Means and differences are over the samples that both runs scored; intervals draw the edits of one source together,
    and p is two-sided. Raises `ReportError` when there is no column in common, `AgreementError` when no sample is.
    """
    if not tolerance >= 0:
        raise ReportError(f"the tolerance is {tolerance}; expected a relative difference from 0")
    if not 0 < level < 1:
        raise ReportError(f"the level of the intervals is {level}; expected a number between 0 and 1, such as 0.95")
    columns = _columns(a, b, pairs)
    joined = join(_table(b, on), _table(a, on), on)
    rows_a = np.flatnonzero(joined.score_row >= 0)
    rows_b = joined.score_row[rows_a]
    clusters = np.unique(a.clusters[rows_a], return_inverse=True)[1]
    means = ResampledMeans(clusters, replicates=replicates, level=level, seed=seed)
    matched = rows_a.tolist()
    only_a = joined.ids[joined.score_row < 0].tolist()
    systems = [a.systems[row] for row in matched]
    drafts: list[tuple[Moved, int | None]] = []
    found: list[Mover] = []
    inputs: dict[str, dict[str, int]] = {}
    lost: dict[str, list[str]] = {}
    for one, other in columns:
        x, y = one.values[rows_a], other.values[rows_b]
        for system in dict.fromkeys(systems):
            rows = np.flatnonzero([name == system for name in systems])
            drafts.append(_draft(one, other, system, rows, x, y, means, tolerance))
        found += _movers(one, x, y, [a.ids[row] for row in matched], movers, tolerance)
        inputs[one.name] = _inputs(a, b, one, other, rows_a, rows_b)
        if failed := [a.ids[row] for row, p, q in zip(matched, x, y, strict=True) if not np.isnan(p) and np.isnan(q)]:
            lost[one.name] = failed
    return RunComparison(
        a=a.path,
        b=b.path,
        matched=len(matched),
        identities=[change for one, other in columns if (change := _identity_change(a, b, one, other))],
        inputs=inputs,
        moved=_judged(drafts, means, 1 - level),
        movers=found,
        lost=lost,
        notes=[f"matched by {joined.how}", *_notes(a, b, columns, only_a, joined.unrated)],
        settings={"replicates": replicates, "level": level, "seed": seed, "clusters": a.clustered_by},
    )


def _columns(a: ScoredTable, b: ScoredTable, pairs: Sequence[tuple[str, str]]) -> list[tuple[ScoreColumn, ScoreColumn]]:
    of_a, of_b = ({column.name: column for column in table.columns} for table in (a, b))
    for one, other in pairs:
        for name, known, table in ((one, of_a, a), (other, of_b, b)):
            if name not in known:
                raise ReportError(f"{table.path} has no scores {name!r}; it has {', '.join(known)}")
    chosen = list(pairs) or [(name, name) for name in of_a if name in of_b]
    if not chosen:
        raise ReportError(
            f"{a.path} and {b.path} have no column of scores in common; say which meet: --pair {next(iter(of_a))}="
            f"{next(iter(of_b))}. Scores of the first: {', '.join(of_a)}; of the second: {', '.join(of_b)}"
        )
    return [(of_a[one], of_b[other]) for one, other in chosen]


def _table(table: ScoredTable, on: Sequence[str]) -> Table:
    """What samples can be matched by."""
    columns: dict[str, Sequence[Any]] = {"id": table.ids, "system": table.systems, "edited": table.edits}
    columns |= {name: table.other[name] for name in on if name in table.other}
    columns |= {name: known for name, known in (("source", table.sources), ("prompt", table.prompts)) if name in on}
    return Table(str(table.path), {name: cells for name, cells in columns.items() if any(cells) or name in on})


def _draft(
    one: ScoreColumn,
    other: ScoreColumn,
    system: str | None,
    rows: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    means: ResampledMeans,
    tolerance: float,
) -> tuple[Moved, int | None]:
    """All that is counted; the interval follows when the bootstrap has run."""
    a, b = x[rows], y[rows]
    both = ~np.isnan(a) & ~np.isnan(b)
    finite = np.isfinite(a) & np.isfinite(b)
    equal = both & _equal(a, b, tolerance)
    up = both & ~equal & (b > a)
    down = both & ~equal & (b < a)
    better, worse = (up, down) if one.higher_is_better else (down, up)
    step = np.where(equal[finite], 0.0, b[finite] - a[finite])
    index = means.add(rows[finite], step) if finite.any() else None
    draft = Moved(
        column=one.name,
        other=other.name,
        system=system,
        higher_is_better=one.higher_is_better,
        mean_a=float(a[finite].mean()) if finite.any() else None,
        mean_b=float(b[finite].mean()) if finite.any() else None,
        difference=None,
        low=None,
        high=None,
        p=None,
        n=int(finite.sum()),
        better=int(better.sum()),
        worse=int(worse.sum()),
        equal=int(equal.sum()),
        newly_failed=int((~np.isnan(a) & np.isnan(b)).sum()),
        newly_scored=int((np.isnan(a) & ~np.isnan(b)).sum()),
        neither=int((np.isnan(a) & np.isnan(b)).sum()),
        verdict="equal" if equal.any() and not up.any() and not down.any() else "too few",
    )
    return draft, index


def _equal(a: np.ndarray, b: np.ndarray, tolerance: float) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # infinity less infinity
        return (a == b) | (np.abs(a - b) <= tolerance * np.maximum(np.abs(a), np.abs(b)))


def _judged(drafts: Sequence[tuple[Moved, int | None]], means: ResampledMeans, alpha: float) -> list[Moved]:
    """The lines with their intervals, and the verdicts after Holm's correction (Holm 1979)."""
    lines = []
    for draft, index in drafts:
        if index is None:
            lines.append(draft)
            continue
        found = means.estimate(index)
        p = None if found.low is None else found.p
        verdict: Verdict = "noise" if draft.verdict == "too few" and p is not None else draft.verdict
        lines.append(replace(draft, difference=found.value, low=found.low, high=found.high, p=p, verdict=verdict))
    tested = sorted((line.p or 0, place) for place, line in enumerate(lines) if line.verdict == "noise")
    for rank, (p, place) in enumerate(tested):
        if p * (len(tested) - rank) >= alpha:
            break
        line = lines[place]
        gained = ((line.difference or 0) > 0) == line.higher_is_better
        lines[place] = replace(line, verdict="better" if gained else "worse")
    return lines


def _movers(
    column: ScoreColumn, x: np.ndarray, y: np.ndarray, ids: Sequence[str], most: int, tolerance: float
) -> list[Mover]:
    """The largest losses, then the largest gains; equal scores have not moved."""
    with np.errstate(invalid="ignore"):
        gain = (y - x) * (1 if column.higher_is_better else -1)
    gain[_equal(x, y, tolerance)] = 0
    order = [row for row in np.argsort(gain, kind="stable").tolist() if not np.isnan(gain[row])]
    losses = [row for row in order[:most] if gain[row] < 0]
    gains = [row for row in order[::-1][:most] if gain[row] > 0]
    return [Mover(column.name, ids[row], float(x[row]), float(y[row]), float(gain[row])) for row in [*losses, *gains]]


def _inputs(
    a: ScoredTable, b: ScoredTable, one: ScoreColumn, other: ScoreColumn, rows_a: np.ndarray, rows_b: np.ndarray
) -> dict[str, int]:
    counted = {"same": 0, "changed": 0, "unknown": 0}
    for row_a, row_b in zip(rows_a.tolist(), rows_b.tolist(), strict=True):
        before, after = _content(a, one, row_a), _content(b, other, row_b)
        counted["unknown" if before is None or after is None else "same" if before == after else "changed"] += 1
    return counted


def _content(table: ScoredTable, column: ScoreColumn, row: int) -> str | None:
    """The hash of what a score was computed of; None where no record says."""
    found = table.record.metric_of(column.name) if table.record else None
    entry = table.record.entries.get((table.ids[row], found[2], found[1])) if table.record and found else None
    return entry.inputs if entry else None


def _identity_change(a: ScoredTable, b: ScoredTable, one: ScoreColumn, other: ScoreColumn) -> IdentityChange | None:
    before, after = a.identity_of(one), b.identity_of(other)
    name = one.name if one.name == other.name else f"{one.name} and {other.name}"
    if before is None or after is None:
        return IdentityChange(name, False, [])
    changed = changes(before, after)
    return IdentityChange(name, True, changed) if changed else None


def _notes(
    a: ScoredTable,
    b: ScoredTable,
    columns: Sequence[tuple[ScoreColumn, ScoreColumn]],
    only_a: Sequence[str],
    only_b: Sequence[str],
) -> list[str]:
    notes = [f"{table.path.name}: {note}" for table in (a, b) for note in table.notes]
    for table, used in ((a, {one.name for one, _ in columns}), (b, {other.name for _, other in columns})):
        if alone := [column.name for column in table.columns if column.name not in used]:
            notes.append(f"only in {table.path}: the scores {', '.join(alone)}")
    for table, ids in ((a, only_a), (b, only_b)):
        if ids:
            notes.append(f"only in {table.path}: {len(ids)} samples ({first_few(ids)})")
    return notes
