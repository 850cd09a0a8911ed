"""Read a table of scores with the record beside it; notes name missing and contradictory values."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..agreement.columns import DESCRIPTIVE, Table, read_table
from ..agreement.systems import tasks_of
from ..describe import dimension_of, of_sets, rewards_no_change
from ..files.text import number_in
from ..sample import STATUSES, Dimension
from ..wording import first_few, plural
from .read_record import RunRecord, read_record
from .scored_table import ScoreColumn, ScoredTable, ScoresError

MISSING = "missing"
"""The status of an empty cell without an entry in the record and in the column `problems`."""

UNKNOWN_REASON = "the cell is empty, and no reason is recorded"
SAME = 1e-6
"""Relative difference above which a number of the table differs from the record's."""


def read_scores(
    path: str | Path,
    *,
    metrics: Collection[str] = (),
    lower_is_better: Collection[str] = (),
    higher_is_better: Collection[str] = (),
    columns: Mapping[str, str] | None = None,
) -> ScoredTable:
    """Read the table at `path` (csv, jsonl, parquet) and the record beside it.

    - metrics: the columns with scores. By default those in the record; without a record those named like an installed
      metric, or else all columns of numbers.
    - lower_is_better, higher_is_better: columns of that direction, for metrics that are not installed.
    - columns: headings to read as other columns, as in {"id": "Image"}.

    Raises `ScoresError` when no column holds scores or a named one does not exist, `DataError` for unreadable files.
    """
    path = Path(path)
    table = read_table(path, "the table of scores").named(columns)
    record = read_record(path)
    notes: list[str] = []
    if table.broken:
        notes.append(f"{plural(len(table.broken), 'row')} cannot be read, left out: {first_few(table.broken)}")
    notes += _record_notes(record, path)
    ids = _ids(table, notes)
    names = score_columns(table, record, metrics, notes)
    for name in [*lower_is_better, *higher_is_better]:
        if name not in names:
            raise ScoresError(f"{name!r} is not a column of scores in {path}; expected one of {', '.join(names)}")
    systems, sources, prompts = (_texts(table, name) for name in ("system", "source", "prompt"))
    scored: list[ScoreColumn] = []
    for name in names:
        column = _score_column(table, name, ids, record, notes)
        higher = name in higher_is_better or (column.higher_is_better and name not in lower_is_better)
        known = column.known or name in lower_is_better or name in higher_is_better
        scored.append(replace(column, higher_is_better=higher, known=known))
    if assumed := [column.name for column in scored if not column.known]:
        notes.append(f"assumed higher is better: {', '.join(assumed)} (otherwise, --lower-is-better NAME)")
    tasks = tasks_of(ids, systems, sources, prompts)
    labels = list(dict.fromkeys(column.label for column in scored))
    explanations, details = _texts_beside(table, labels, ids, scored, record)
    taken = {*DESCRIPTIVE - {"group"}, *names, *(f"{label}.explanation" for label in labels)}
    return ScoredTable(
        path=path,
        ids=ids,
        systems=systems,
        sources=sources,
        edits=_texts(table, "edited"),
        prompts=prompts,
        columns=scored,
        items=tasks.items,
        clusters=tasks.clusters,
        clustered_by=tasks.clustered_by,
        other={name: table.texts(name) for name in table.columns if name not in taken},
        explanations=explanations,
        details=details,
        record=record,
        notes=notes,
    )


def _texts(table: Table, name: str) -> list[str | None]:
    return table.texts(name) if name in table else [None] * len(table)


def _ids(table: Table, notes: list[str]) -> list[str]:
    """A unique name for each row; a note where the table has none."""
    ids, systems = _texts(table, "id"), _texts(table, "system")
    if all(ids) and len(set(ids)) == len(ids):
        return [str(name) for name in ids]
    both = [f"{system}/{name}" for system, name in zip(systems, ids, strict=True)]
    if all(ids) and all(systems) and len(set(both)) == len(both):
        return both
    notes.append("the table has no column id with a unique name for each row; rows are called by their number")
    return [f"row {number}" for number in range(1, len(table) + 1)]


def score_columns(table: Table, record: RunRecord | None, chosen: Collection[str], notes: list[str]) -> list[str]:
    if chosen:
        for name in chosen:
            table.column(name)
        return list(chosen)
    if record is not None and (recorded := [name for name in table.columns if name in record.columns]):
        return recorded
    measured = table.measured()
    empty = [name for name, cells in table.columns.items() if not any(cell is not None for cell in cells)]
    known = [name for name in table.columns if dimension_of(name) and (name in measured or name in empty)]
    names = known or measured
    if not names:
        raise ScoresError(f"{table.name} has no column of scores; its columns: {', '.join(table.columns)}")
    if others := [name for name in measured if name not in names]:
        notes.append(f"not used as scores: {', '.join(others)} (to choose columns, --metric NAME)")
    return names


def _score_column(
    table: Table, name: str, ids: Sequence[str], record: RunRecord | None, notes: list[str]
) -> ScoreColumn:
    metric = record.columns.get(name) if record else None
    dimension = dimension_of((record.described(name) if record else None) or name)
    label = metric.label if metric else name
    if not metric and dimension and name.endswith(f".{dimension.name}"):
        label = name.removesuffix(f".{dimension.name}")
    recorded_reward = metric.rewards_no_change if metric else None
    direction = dimension.higher_is_better if dimension else metric.higher_is_better if metric else None
    numbers = map(number_in, table.column(name))
    values = np.array([math.nan if number is None else number for number in numbers])
    statuses, reasons = np.full(len(ids), "ok", dtype=object), np.full(len(ids), "", dtype=object)
    uncertainty = np.full(len(ids), np.nan)
    problems = _texts(table, "problems")
    # options may move the range, and the metric is not made here
    ranged = dimension if ":" not in label and dimension_of(name) else None
    differ, outside = [], []
    for row, identifier in enumerate(ids):
        entry = record.entry(name, identifier) if record else None
        recorded = entry.value if entry is not None else None
        if ranged and not all(_inside(ranged, value) for value in (recorded, values[row])):
            outside.append(identifier if entry is None else f"{identifier}, line {entry.line} of the record")
        if entry is not None and _differs(entry.value, values[row]):
            differ.append(identifier)
        if entry is not None and entry.uncertainty is not None:
            uncertainty[row] = entry.uncertainty
        if not math.isnan(values[row]):
            continue
        if entry is not None and entry.status in STATUSES and entry.status != "ok":
            statuses[row], reasons[row] = entry.status, entry.reason or ""
        else:
            statuses[row], reasons[row] = _problem_of(label, problems[row]) or (MISSING, UNKNOWN_REASON)
    if differ:
        notes.append(
            f"{name}: {plural(len(differ), 'number')} of the table {'differs' if len(differ) == 1 else 'differ'} from "
            f"the record ({first_few(differ)}); one of them was changed"
        )
    if ranged and outside:
        notes.append(
            f"{name}: {plural(len(outside), 'number')} outside its range, {ranged.low:g} to {ranged.high:g} "
            f"({first_few(outside)}): changed, or from another metric"
        )
    return ScoreColumn(
        name=name,
        label=label,
        values=values,
        statuses=statuses,
        reasons=reasons,
        uncertainty=uncertainty,
        higher_is_better=direction is not False,
        known=direction is not None,
        unit=dimension.unit if dimension else "",
        identity=metric.key if metric else None,
        rewards_no_change=rewards_no_change(label) if recorded_reward is None else recorded_reward,
        of_sets=of_sets(label) if metric is None or metric.of_sets is None else metric.of_sets,
    )


def _inside(dimension: Dimension, value: float | None) -> bool:
    return value is None or math.isnan(value) or dimension.contains(value)


def _differs(recorded: float | None, value: float) -> bool:
    if recorded is None or math.isnan(value):
        return (recorded is None) != math.isnan(value)
    return recorded != value and not abs(recorded - value) <= SAME * max(abs(recorded), abs(value))


def _problem_of(label: str, problems: str | None) -> tuple[str, str] | None:
    """(status, reason) of a metric in a cell of the column `problems`: `metric: status: reason`, joined by "; "."""
    pattern = rf"(?:^|; ){re.escape(label)}: ({'|'.join(STATUSES)}): (.*?)(?=; [^ ]+: (?:{'|'.join(STATUSES)}): |$)"
    match = re.search(pattern, problems or "", re.DOTALL)
    return (match[1], match[2]) if match else None


def _record_notes(record: RunRecord | None, path: Path) -> list[str]:
    if record is None:
        name = f"{path.stem}.record.jsonl"
        return [f"no record beside {path.name} ({name}): identities, uncertainties and details are unknown"]
    if not record.runs:
        return [f"{record.path.name} describes no run: the identities of the metrics are unknown"]
    if record.broken:
        lines = plural(len(record.broken), "line")
        return [f"{lines} of {record.path.name} cannot be read: {first_few(record.broken)}"]
    return []


def _texts_beside(
    table: Table, labels: Sequence[str], ids: Sequence[str], columns: Sequence[ScoreColumn], record: RunRecord | None
) -> tuple[dict[str, list[str | None]], dict[str, list[Any]]]:
    """Explanations and details of each metric that has any: from the record, else from the table."""
    explanations: dict[str, list[str | None]] = {}
    details: dict[str, list[Any]] = {}
    for label in labels:
        texts = _texts(table, f"{label}.explanation")
        objects: list[Any] = [None] * len(ids)
        names = [column.name for column in columns if column.label == label]
        for row, identifier in enumerate(ids):
            for entry in (record.entry(name, identifier) for name in names) if record else ():
                if entry is not None:
                    texts[row] = texts[row] or entry.explanation
                    objects[row] = objects[row] or entry.details
        if any(texts):
            explanations[label] = texts
        if any(objects):
            details[label] = objects
    return explanations, details
