"""The leaderboard of a run as JSON, for web pages and other programs: a row for each system, and what produced it.

`leaderboard.schema.json`, beside this file, is its JSON Schema; docs/report.md describes the fields.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..data.do_nothing import DO_NOTHING
from ..files.text import json_ready, number_in
from ..runs.scored_table import ScoreColumn, ScoredTable
from .content import ReportContent, agreement_notes
from .leaderboard import Board, BoardLine, SystemMean

KIND = "editmetrics leaderboard"

SCHEMA = 1
"""Version of the document; raised when a field changes its meaning or goes. New fields do not raise it."""

SCHEMA_FILE = Path(__file__).parent / "leaderboard.schema.json"

SOFTWARE = ("started", "python", "platform", "versions")
"""What the leaderboard repeats of the record's lines on runs."""


SuiteTables = Sequence[Mapping[str, Any]]
"""The tables of benchmarks, as `score --json` has them."""


def leaderboard_json(content: ReportContent, title: str, suite_tables: SuiteTables | None = None) -> str:
    """Return the leaderboard as a JSON text that ends with a line feed; equal contents give equal texts.

    `suite_tables`: those of the run's suites; None where the run itself is not at hand. A number that does not exist is
    null; no NaN is ever in it.
    """
    document = json_ready(_without_nan(leaderboard_document(content, title, suite_tables)))
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def leaderboard_document(content: ReportContent, title: str, suite_tables: SuiteTables | None = None) -> dict[str, Any]:
    """Return the leaderboard as the objects and lists of its JSON."""
    table, board = content.table, content.boards[0]
    record = table.record
    runs = record.runs if record else ()
    used = {column.identity: table.identity_of(column) for column in table.columns if column.identity}
    groups = [one for board in content.boards[1:] for one in _groups(table, board)]
    return {
        "kind": KIND,
        "schema": SCHEMA,
        "title": title,
        "data": _data(table),
        "suites": _suites(runs),
        "suite_tables": None if suite_tables is None else list(suite_tables),
        "intervals": _intervals(content),
        "metrics": [_metric(column) for column in table.columns],
        "systems": _set_rows(table) if table.of_sets else [_row(table, line) for line in board.lines],
        "groups": [] if table.of_sets else groups,
        "agreement": _agreement(content),
        "identities": {key: identity for key, identity in used.items() if identity is not None},
        "runs": [{name: run[name] for name in SOFTWARE if name in run} for run in runs],
        "notes": list(content.notes),
    }


def _suites(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The suites that any of the runs computed, as the record names them."""
    named = [run["suites"] for run in runs if isinstance(run.get("suites"), list)]
    return list(dict.fromkeys(name for names in named for name in names if isinstance(name, str)))


def _data(table: ScoredTable) -> dict[str, Any]:
    """Counts of the scored data, and a digest by which two leaderboards on the same tasks are known."""
    names = [list(task) if isinstance(task, tuple) else task for task in table.items]
    tasks = sorted({json.dumps([name, prompt]) for name, prompt in zip(names, table.prompts, strict=True)})
    return {
        "samples": len(table),
        "tasks": len(tasks),
        "tasks_sha256": None if table.of_sets or None in names else _digest(tasks),
    }


def _intervals(content: ReportContent) -> dict[str, Any] | None:
    """How intervals were drawn; None for sets of images, whose metrics draw their own."""
    if content.table.of_sets:
        return None
    return {"method": "percentile bootstrap", **asdict(content.resampling), "drawn_by": content.table.clustered_by}


def _metric(column: ScoreColumn) -> dict[str, Any]:
    return {
        "column": column.name,
        "metric": column.label,
        "unit": column.unit,
        "higher_is_better": column.higher_is_better if column.known else None,
        "rewards_no_change": column.rewards_no_change,
        "of_sets": column.of_sets,
        "identity": column.identity,
    }


def _groups(table: ScoredTable, board: Board) -> Iterable[dict[str, Any]]:
    """Yield the rows of each value of a grouping column."""
    for value in dict.fromkeys(line.group for line in board.lines):
        rows = [_row(table, line) for line in board.lines if line.group == value]
        yield {"column": board.column, "value": value, "systems": rows}


def _row(table: ScoredTable, line: BoardLine) -> dict[str, Any]:
    cells = zip(table.columns, line.cells, strict=True)
    return {
        "system": line.system,
        "ranked": line.system not in (None, DO_NOTHING),
        "samples": line.samples,
        "scores": {column.name: _score(cell, _inputs(table, column, line.rows)) for column, cell in cells},
    }


def _score(cell: SystemMean, inputs: str | None) -> dict[str, Any]:
    return {
        "mean": cell.mean,
        "low": cell.low,
        "high": cell.high,
        "n": cell.n,
        "infinite": cell.infinite,
        "missing": dict(cell.unscored),
        "ahead": cell.best,
        "inputs_sha256": inputs,
    }


def _set_rows(table: ScoredTable) -> list[dict[str, Any]]:
    """The rows of systems whose number is that of a set of images, with the interval that the metric computed."""
    return [
        {
            "system": name,
            "ranked": False,
            "samples": 1,
            "scores": {column.name: _score_of_set(table, column, row) for column in table.columns},
        }
        for row, name in enumerate(table.ids)
    ]


def _score_of_set(table: ScoredTable, column: ScoreColumn, row: int) -> dict[str, Any]:
    value = float(column.values[row])
    finite = value if math.isfinite(value) else None
    low, high = (number_in(table.other.get(f"{column.name}.{end}", {row: None})[row]) for end in ("low", "high"))
    counts = int(not math.isnan(value)), int(math.isinf(value))
    mean = SystemMean(finite, low, high, *counts, column.unscored(np.array([row])))
    return _score(mean, _inputs(table, column, [row]))


def _inputs(table: ScoredTable, column: ScoreColumn, rows: Sequence[int]) -> str | None:
    """The digest of all that a metric read of the samples in `rows`; None where the record does not know."""
    entries = {
        table.ids[row]: table.record.entry(column.name, table.ids[row]) if table.record else None for row in rows
    }
    if any(entry is None or entry.inputs is None for entry in entries.values()):
        return None
    return _digest(sorted(f"{name} {entry.inputs}" for name, entry in entries.items() if entry))


def _agreement(content: ReportContent) -> Mapping[str, Any] | None:
    """The agreement with people's ratings; None without any."""
    if content.agreement is None:
        return None
    return {
        "lines": [asdict(line) for line in content.agreement.lines],
        "notes": agreement_notes(content.agreement),
    }


def _without_nan(value: Any) -> Any:
    """The value with None for NaN, which a record of other hands may hold."""
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _digest(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode("utf-8", "backslashreplace")).hexdigest()
