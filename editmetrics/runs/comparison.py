"""Compare two runs on the same samples: differences of means, beyond noise or not."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from ..agreement.bootstrap import BY_DEFAULT, Resampling
from ..agreement.columns import Table
from ..agreement.differences import TOLERANCE, Difference, Differences
from ..agreement.join import Join, On, join, on_pairs
from ..files.overwrite import check_json, check_table
from ..files.rows import require_writable
from ..files.text import arrow, json_ready
from ..files.writing import write_text
from ..wording import first_few, plural
from .identity import changes
from .scored_table import ScoreColumn, ScoredTable, ScoresError

COMPARISON_SUFFIXES = (".json", ".csv")


@dataclass(frozen=True)
class Moved(Difference):
    """One column and system, `b` against `a`, over the samples in both runs.

    - `column`, `other`: its name in a and in b.
    - `newly_failed`, `newly_scored`, `neither`: the number of samples scored in `a` only, in `b` only, in neither.
    """

    column: str
    other: str
    system: str | None
    newly_failed: int
    newly_scored: int
    neither: int

    @property
    def arrow(self) -> str:
        return arrow(self.higher_is_better)


@dataclass(frozen=True)
class Mover:
    """A sample that moved far: `gain` is the difference, turned so that more is better."""

    column: str
    id: str
    a: float
    b: float
    gain: float


@dataclass(frozen=True)
class IdentityChange:
    """The changed identity of a column: (field, in a, in b); `known` is False if a run has no record of it."""

    column: str
    known: bool
    fields: Sequence[tuple[str, str | None, str | None]]


@dataclass(frozen=True, eq=False)
class RunComparison:
    """The result of `compare`.

    - `identities`: the columns whose numbers are not comparable, or not known to be.
    - `inputs`: by column, the number of samples with the same content in both runs, with changed content, and unknown.
    - `lost`: by column, the samples that only `a` scored. `notes`: for readers, such as samples in one run only.
    """

    a: Path
    b: Path
    matched: int
    identities: Sequence[IdentityChange]
    inputs: Mapping[str, Mapping[str, int]]
    moved: Sequence[Moved]
    movers: Sequence[Mover]
    lost: Mapping[str, Sequence[str]]
    notes: Sequence[str]
    settings: Mapping[str, Any]

    @property
    def comparable(self) -> bool:
        """True if every column has the same identity in both runs."""
        return not self.identities

    @property
    def without_value(self) -> list[Moved]:
        """The lines without a difference: no sample has a finite score in both runs."""
        return [line for line in self.moved if line.difference is None and line.verdict != "equal"]

    @property
    def worse(self) -> bool:
        """True if anything got worse by more than noise."""
        return any(line.verdict == "worse" for line in self.moved)

    def write(self, path: Path) -> None:
        """Write all of it as .json, or the lines as .csv. Raises `ScoresError` for other suffixes."""
        check_output(path, overwrite=True)
        if path.suffix.lower() == ".json":
            content = {
                "a": str(self.a),
                "b": str(self.b),
                "matched": self.matched,
                "comparable": self.comparable,
                "identities": [asdict(change) for change in self.identities],
                "inputs": self.inputs,
                "moved": [asdict(line) for line in self.moved],
                "movers": [json_ready(asdict(mover)) for mover in self.movers],
                "newly_failed": self.lost,
                "notes": self.notes,
                "settings": self.settings,
            }
            text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        else:
            stream = io.StringIO(newline="")
            names = ["column", "other", "system", *(field.name for field in fields(Moved))]
            writer = csv.DictWriter(stream, list(dict.fromkeys(names)), lineterminator="\n")
            writer.writeheader()
            writer.writerows(asdict(line) for line in self.moved)
            text = stream.getvalue()
        write_text(path, text)


def check_output(path: Path, overwrite: bool = False) -> None:
    """Raise `DataError` unless a comparison can be written to `path`.

    That takes a known suffix, an existing folder, and no other file in its place, unless `overwrite`.
    """
    require_writable(path, COMPARISON_SUFFIXES, "a comparison")
    if path.suffix.lower() == ".json":
        check_json(path, ("a", "b", "matched", "moved", "movers"), overwrite)
    else:
        check_table(path, ("column", "other", "mean_a", "mean_b", "verdict"), overwrite)


def compare(
    a: ScoredTable,
    b: ScoredTable,
    *,
    pairs: Sequence[tuple[str, str]] = (),
    on: Sequence[On] = (),
    tolerance: float = TOLERANCE,
    movers: int = 5,
    resampling: Resampling = BY_DEFAULT,
) -> RunComparison:
    """Compare run `b` with run `a`.

    - pairs: (column of a, column of b); by default columns of the same name.
    - on: columns that match samples: names, "A=B" or pairs; by default id, else id and system, else the edited image.
    - tolerance: relative difference up to which two scores are equal. movers: number of largest gains and losses
      listed for each column.

    Means and differences are over the samples that both runs scored; intervals resample the edits of one source
    together, and p is two-sided. Raises `ScoresError` when the runs share no column, `AgreementError` when they share
    no sample.
    """
    _check_settings(tolerance, resampling.level)
    columns = _columns(a, b, pairs)
    joined = _joined(a, b, on)
    rows_a = np.flatnonzero(joined.score_row >= 0)
    rows_b = joined.score_row[rows_a]
    clusters = np.unique(a.clusters[rows_a], return_inverse=True)[1]
    differences = Differences(clusters, resampling, tolerance)
    matched = rows_a.tolist()
    only_a = joined.ids[joined.score_row < 0].tolist()
    systems = [a.systems[row] for row in matched]
    rows_of = {name: np.flatnonzero([system == name for system in systems]) for name in dict.fromkeys(systems)}
    labels: list[tuple[ScoreColumn, ScoreColumn, str | None, np.ndarray]] = []
    moved_most: list[Mover] = []
    inputs: dict[str, dict[str, int]] = {}
    lost: dict[str, list[str]] = {}
    for one, other in columns:
        x, y = one.values[rows_a], other.values[rows_b]
        for name, rows in rows_of.items():
            differences.add(rows, x[rows], y[rows], one.higher_is_better)
            labels.append((one, other, name, np.isnan([x[rows], y[rows]])))
        moved_most += _movers(one, x, y, [a.ids[row] for row in matched], movers, differences)
        inputs[one.name] = _inputs(a, b, one, other, rows_a, rows_b)
        if failed := [a.ids[row] for row, p, q in zip(matched, x, y, strict=True) if not np.isnan(p) and np.isnan(q)]:
            lost[one.name] = failed
    return RunComparison(
        a=a.path,
        b=b.path,
        matched=len(matched),
        identities=[change for one, other in columns if (change := _identity_change(a, b, one, other))],
        inputs=inputs,
        moved=[_moved(*label[:3], line, label[3]) for label, line in zip(labels, differences.judged(), strict=True)],
        movers=moved_most,
        lost=lost,
        notes=[f"matched by {joined.how}", *_notes(a, b, columns, only_a, joined.unrated)],
        settings={**asdict(resampling), "replicates": differences.replicates, "clusters": a.clustered_by},
    )


def _check_settings(tolerance: float, level: float) -> None:
    if not tolerance >= 0:
        raise ScoresError(f"the tolerance is {tolerance}; expected a relative difference from 0")
    if not 0 < level < 1:
        raise ScoresError(f"the level of the intervals is {level}; expected a number between 0 and 1, such as 0.95")


def _columns(a: ScoredTable, b: ScoredTable, pairs: Sequence[tuple[str, str]]) -> list[tuple[ScoreColumn, ScoreColumn]]:
    of_a, of_b = ({column.name: column for column in table.columns} for table in (a, b))
    for one, other in pairs:
        for name, known, table in ((one, of_a, a), (other, of_b, b)):
            if name not in known:
                raise ScoresError(f"{table.path} has no scores {name!r}; its scores: {', '.join(known)}")
    chosen = list(pairs) or [(name, name) for name in of_a if name in of_b]
    if not chosen:
        raise ScoresError(
            f"{a.path} and {b.path} have no column of scores in common; say which meet: --pair {next(iter(of_a))}="
            f"{next(iter(of_b))}. Scores of the first: {', '.join(of_a)}; of the second: {', '.join(of_b)}"
        )
    return [(of_a[one], of_b[other]) for one, other in chosen]


def _joined(a: ScoredTable, b: ScoredTable, on: Sequence[On]) -> Join:
    """The row of `b` for each row of `a`."""
    columns = on_pairs(on)
    table_a, table_b = (_table(table, [pair[side] for pair in columns]) for side, table in enumerate((a, b)))
    return join(table_b, table_a, [(of_b, of_a) for of_a, of_b in columns])


def _table(table: ScoredTable, on: Sequence[str]) -> Table:
    """The columns that samples can be matched by."""
    columns: dict[str, Sequence[Any]] = {"id": table.ids, "system": table.systems, "edited": table.edits}
    columns |= {name: table.other[name] for name in on if name in table.other}
    columns |= {name: known for name, known in (("source", table.sources), ("prompt", table.prompts)) if name in on}
    return Table(str(table.path), {name: cells for name, cells in columns.items() if any(cells) or name in on})


def _moved(one: ScoreColumn, other: ScoreColumn, system: str | None, line: Difference, missing: np.ndarray) -> Moved:
    """The line of a column and system; `missing`: (2, m), True where a and b lack a score."""
    before, after = missing
    return Moved(
        **vars(line),
        column=one.name,
        other=other.name,
        system=system,
        newly_failed=int((~before & after).sum()),
        newly_scored=int((before & ~after).sum()),
        neither=int((before & after).sum()),
    )


def _movers(
    column: ScoreColumn, x: np.ndarray, y: np.ndarray, ids: Sequence[str], most: int, differences: Differences
) -> list[Mover]:
    """The largest losses, then the largest gains, without equal scores."""
    with np.errstate(invalid="ignore"):
        gain = (y - x) * (1 if column.higher_is_better else -1)
    gain[differences.equal(x, y)] = 0
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
    """The hash of the inputs of a score; None without a record of it."""
    entry = table.record.entry(column.name, table.ids[row]) if table.record else None
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
            notes.append(f"only in {table.path}: {plural(len(ids), 'sample')} ({first_few(ids)})")
    return notes
