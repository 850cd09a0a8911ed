"""Reading a table of scores with the record beside it, and saying what is missing or does not fit."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..agreement.columns import DESCRIPTIVE, Table, read_table
from ..describe import dimension_of
from ..files.text import number_in
from ..sample import STATUSES, Dimension
from ..wording import first_few
from .run_record import RunRecord, read_record
from .scored import ReportError, ScoreColumn, ScoredTable

MISSING = "missing"
"""The status of an empty cell of which neither the record nor the column `problems` says anything."""

UNKNOWN_REASON = "the cell is empty, and nothing says why"
SAME = 1e-6
"""Relative difference from which a number of the table is another one than the record's."""


def read_scores(
    path: str | Path,
    *,
    metrics: Collection[str] = (),
    lower_is_better: Collection[str] = (),
    higher_is_better: Collection[str] = (),
) -> ScoredTable:
    """The table at `path` (csv, jsonl, parquet) with the record beside it.

    - metrics: the columns that are scores. By default those that the record names; without a record those that this
      program knows by name, and if there are none, all that hold numbers.
    - lower_is_better, higher_is_better: columns of that direction; that of metrics which are installed is known.

    Raises `ReportError` when no column holds scores or one is named that is not there; `AgreementError` and `DataError`
    for files that cannot be read.
    """
    path = Path(path)
    table = read_table(path, "the table of scores")
    record = read_record(path)
    notes = (
        [f"{len(table.broken)} rows cannot be read and are left out: {first_few(table.broken)}"] if table.broken else []
    )
    notes += _of_record(record, path)
    ids, said = _ids(table)
    notes += said
    names, said = _score_columns(table, record, metrics)
    notes += said
    for name in [*lower_is_better, *higher_is_better]:
        if name not in names:
            raise ReportError(f"{name!r} is no column of scores of {path}; these are {', '.join(names)}")
    systems = _texts(table, "system")
    sources = _texts(table, "source")
    prompts = _texts(table, "prompt")
    columns = []
    for name in names:
        column, said = _score_column(table, name, ids, record)
        higher = name in higher_is_better or (column.higher_is_better and name not in lower_is_better)
        known = column.known or name in lower_is_better or name in higher_is_better
        columns.append(ScoreColumn(**{**column.__dict__, "higher_is_better": higher, "known": known}))
        notes += said
    if assumed := [column.name for column in columns if not column.known]:
        notes.append(f"taken as higher is better: {', '.join(assumed)} (--lower-is-better NAME where it is not)")
    items = _items(ids, systems, sources, prompts)
    clusters, clustered_by = _clusters(items, systems, sources)
    labels = list(dict.fromkeys(column.label for column in columns))
    explanations, details = _said(table, labels, ids, columns, record)
    taken = {*DESCRIPTIVE - {"group"}, *names, *(f"{label}.explanation" for label in labels)}
    return ScoredTable(
        path=path,
        ids=ids,
        systems=systems,
        sources=sources,
        edits=_texts(table, "edited"),
        prompts=prompts,
        columns=columns,
        items=items,
        clusters=clusters,
        clustered_by=clustered_by,
        other={name: table.texts(name) for name in table.columns if name not in taken},
        explanations=explanations,
        details=details,
        record=record,
        notes=notes,
    )


def _texts(table: Table, name: str) -> list[str | None]:
    return table.texts(name) if name in table else [None] * len(table)


def _ids(table: Table) -> tuple[list[str], list[str]]:
    """A unique name for each row, and a note where the table has none."""
    given, systems = _texts(table, "id"), _texts(table, "system")
    if all(given) and len(set(given)) == len(given):
        return [str(name) for name in given], []
    both = [f"{system}/{name}" for system, name in zip(systems, given, strict=True)]
    if all(given) and all(systems) and len(set(both)) == len(both):
        return both, []
    return [f"row {number}" for number in range(1, len(table) + 1)], [
        "the table has no column id that names each row; rows are called by their number"
    ]


def _score_columns(table: Table, record: RunRecord | None, asked: Collection[str]) -> tuple[list[str], list[str]]:
    if asked:
        for name in asked:
            table.column(name)
        return list(asked), []
    if record is not None and (found := [name for name in table.columns if record.metric_of(name)]):
        return found, []
    measured = table.measured()
    empty = [name for name, cells in table.columns.items() if not any(cell is not None for cell in cells)]
    known = [name for name in table.columns if dimension_of(name) and (name in measured or name in empty)]
    found = known or measured
    if not found:
        raise ReportError(f"{table.name} has no column of scores; its columns: {', '.join(table.columns)}")
    if left := [name for name in measured if name not in found]:
        return found, [f"not taken for scores: {', '.join(left)} (--metric NAME names the columns that are)"]
    return found, []


def _score_column(
    table: Table, name: str, ids: Sequence[str], record: RunRecord | None
) -> tuple[ScoreColumn, list[str]]:
    found = record.metric_of(name) if record else None
    dimension = dimension_of(name)
    label, key = (found[0], found[2]) if found else (name, None)
    if not found and dimension and name.endswith(f".{dimension.name}"):
        label = name.removesuffix(f".{dimension.name}")
    values = np.array([_float(cell) for cell in table.column(name)])
    statuses, reasons = np.full(len(ids), "ok", dtype=object), np.full(len(ids), "", dtype=object)
    uncertainty = np.full(len(ids), np.nan)
    problems = _texts(table, "problems")
    ranged = dimension if ":" not in label else None  # options may move the range, and its metric is not made here
    differ, outside = [], []
    for row, identifier in enumerate(ids):
        entry = record.entries.get((identifier, found[2], found[1])) if record and found else None
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
    column = ScoreColumn(
        name=name,
        label=label,
        values=values,
        statuses=statuses,
        reasons=reasons,
        uncertainty=uncertainty,
        higher_is_better=dimension is None or dimension.higher_is_better is not False,
        known=dimension is not None and dimension.higher_is_better is not None,
        unit=dimension.unit if dimension else "",
        identity=key,
    )
    notes = []
    if differ:
        notes.append(f"{name}: {len(differ)} numbers differ between the table and its record: {first_few(differ)}")
    if ranged and outside:
        notes.append(
            f"{name}: {len(outside)} numbers lie outside of {ranged.low:g} to {ranged.high:g}, its range "
            f"({first_few(outside)}); they are another metric's, or were changed"
        )
    return column, notes


def _inside(dimension: Dimension, value: float | None) -> bool:
    return value is None or math.isnan(value) or dimension.contains(value)


def _float(cell: Any) -> float:
    found = number_in(cell)
    return math.nan if found is None else found


def _differs(recorded: float | None, value: float) -> bool:
    if recorded is None or math.isnan(value):
        return (recorded is None) != math.isnan(value)
    return recorded != value and not abs(recorded - value) <= SAME * max(abs(recorded), abs(value))


def _problem_of(label: str, problems: str | None) -> tuple[str, str] | None:
    """(status, reason) of a metric in a cell of the column `problems`: `metric: status: reason`, joined by "; "."""
    pattern = rf"(?:^|; ){re.escape(label)}: ({'|'.join(STATUSES)}): (.*?)(?=; [^ ]+: (?:{'|'.join(STATUSES)}): |$)"
    found = re.search(pattern, problems or "", re.DOTALL)
    return (found[1], found[2]) if found else None


def _of_record(record: RunRecord | None, path: Path) -> list[str]:
    if record is None:
        return [
            f"no record beside {path.name} ({path.stem}.record.jsonl): what produced these numbers is not known, nor "
            "their uncertainties and details"
        ]
    if not record.runs:
        return [f"{record.path.name} describes no run: what produced these numbers is not known"]
    if record.broken:
        return [f"{len(record.broken)} lines of {record.path.name} cannot be read: {first_few(record.broken)}"]
    return []


def _items(
    ids: Sequence[str], systems: Sequence[str | None], sources: Sequence[str | None], prompts: Sequence[str | None]
) -> list[Any]:
    """What was asked for in each row: its id without the system, or else its source and prompt."""
    if all(system and name.startswith(f"{system}/") for name, system in zip(ids, systems, strict=True)):
        return [name.removeprefix(f"{system}/") for name, system in zip(ids, systems, strict=True)]
    if len(set(systems)) < 2:
        return list(ids)
    asked = list(zip(sources, prompts, strict=True))
    unique = Counter(zip(systems, asked, strict=True)).most_common(1)[0][1] == 1
    return [item if unique and any(item) else None for item in asked]


def _clusters(
    items: Sequence[Any], systems: Sequence[str | None], sources: Sequence[str | None]
) -> tuple[np.ndarray, str]:
    """A number for the cluster of each row, and what the clusters are, in words.

    Edits of one source are alike, and so are several systems' answers to one instruction. Where every row has a source
    of its own, one picture may lie under another path for each system, and the item is the better name.
    """
    repeated = len(set(sources)) < len(sources)
    if all(sources) and repeated:
        names, said = [str(source) for source in sources], "source"
    elif all(item is not None for item in items) and len(set(items)) < len(items):
        names, said = [repr(item) for item in items], "sample"
    else:
        return np.arange(len(items)), "row"
    return np.unique(names, return_inverse=True)[1], said


def _said(
    table: Table, labels: Sequence[str], ids: Sequence[str], columns: Sequence[ScoreColumn], record: RunRecord | None
) -> tuple[dict[str, list[str | None]], dict[str, list[Any]]]:
    """Explanations and details of each metric, where there are any: of the record, else of the table."""
    explanations: dict[str, list[str | None]] = {}
    details: dict[str, list[Any]] = {}
    for label in labels:
        said = _texts(table, f"{label}.explanation")
        told: list[Any] = [None] * len(ids)
        for column in columns if record else ():
            found = record.metric_of(column.name) if column.label == label and record else None
            for row, identifier in enumerate(ids if found else ()):
                entry = record.entries.get((identifier, found[2], found[1])) if record and found else None
                if entry is not None:
                    said[row] = said[row] or entry.explanation
                    told[row] = told[row] or entry.details
        if any(said):
            explanations[label] = said
        if any(told):
            details[label] = told
    return explanations, details
