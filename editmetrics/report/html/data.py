"""The data of the page, as JSON: columns of the samples in the gallery, tables, and the provenance of each number."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from ... import __version__
from ...runs.scored_table import ScoreColumn, short_names
from ..content import Histogram, ReportContent, agreement_lines, agreement_notes
from ..content_tables import differences_table
from ..leaderboard import Board, SystemMean
from ..pictures import AMPLIFIED, ReportPictures
from ..standing import orders

FIRST = 4
"""Samples above the gallery, of the worst, the best and the most disputed each."""

MOST_IDS = 200
"""Ids listed of one failure."""

LONGEST = 4000
"""Characters kept of a prompt, an explanation or a detail; the table and the record have them all."""


def page_data(
    content: ReportContent,
    rows: Sequence[int],
    pictures: ReportPictures,
    links: Mapping[tuple[int, str], str],
    title: str,
) -> dict[str, Any]:
    """The data of the page; `rows` are the samples in the gallery, which the page knows by their index in it."""
    index_of = {row: index for index, row in enumerate(rows)}
    table = content.table
    first = {
        name: [index_of[row] for row in order if row in index_of][:FIRST]
        for name, order in orders(content.standing).items()
    }
    return {
        "title": title,
        "version": __version__,
        "table": table.path.name,
        "samples": len(table),
        "unscored": int(content.unscored.sum()),
        "clusteredBy": table.clustered_by,
        "systems": [name for name in table.system_names if name is not None],
        "compared": content.compared,
        **asdict(content.resampling),
        "notes": list(content.notes),
        "columns": [_column(column, content, rows) for column in content.columns],
        "ratings": [{"name": rating.name, "values": _numbers(rating.values, rows)} for rating in content.ratings],
        "boards": [_board(board) for board in content.boards],
        "likeness": content.likeness,
        "systemDifferences": _differences(content),
        "histograms": [_histogram(histogram) for histogram in content.histograms],
        "correlations": [[[_rounded(cell.value), cell.n, cell.note] for cell in line] for line in content.correlations],
        "agreement": _agreement(content),
        "agreementNotes": agreement_notes(content.agreement) if content.agreement else [],
        "rows": _rows(content, rows),
        "disputedBy": "ratings" if content.ratings else "metrics",
        "first": first,
        "failures": [
            {
                "metrics": failure.metrics,
                "status": failure.status,
                "reason": failure.reason,
                "count": len(failure.rows),
                "samples": [[table.ids[row], index_of.get(row, -1)] for row in failure.rows[:MOST_IDS]],
            }
            for failure in content.failures
        ],
        "amplified": AMPLIFIED,
        "kinds": [0, 1, 2] if any(table.sources) else [1],
        "missing": {f"{index_of[row]} {kind}": reason for (row, kind), reason in pictures.reasons.items()},
        "links": {f"{index_of[row]} {kind}": link for (row, kind), link in links.items()},
        "provenance": _provenance(content),
    }


def _tasks(items: Sequence[Any], rows: Sequence[int]) -> list[int | None]:
    """A number for each task, equal for the systems that solved it; None for a sample without one."""
    codes: dict[Any, int] = {}
    return [None if items[row] is None else codes.setdefault(items[row], len(codes)) for row in rows]


def _differences(content: ReportContent) -> dict[str, Any] | None:
    """The systems compared with each other, as texts; None with nothing to compare."""
    table = differences_table(content)
    if table is None:
        return None
    rows = [[{"text": cell.text, "mark": cell.mark} for cell in row] for row in table.cells()]
    heads = [column.heading for column in table.columns]
    return {"title": table.title, "heads": heads, "rows": rows, "notes": list(table.notes)}


def _rows(content: ReportContent, rows: Sequence[int]) -> dict[str, Any]:
    table, standing = content.table, content.standing
    return {
        "id": [table.ids[row] for row in rows],
        "system": [table.systems[row] for row in rows],
        "prompt": [_cut(table.prompts[row]) for row in rows],
        "task": _tasks(table.items, rows),
        "merit": _numbers(standing.merit, rows),
        "dispute": _numbers(standing.dispute, rows),
        "disputants": [standing.disputants[row] for row in rows],
        "other": {name: [_cut(texts[row]) for row in rows] for name, texts in table.other.items()},
        "explanations": _shortened(table.explanations, rows),
        "details": _shortened(table.details, rows),
    }


def script_json(value: Any) -> str:
    """JSON that is safe inside a script element: `<`, `>`, `&`, U+2028 and U+2029 are escaped.

    >>> script_json("</script>")
    '"\\\\u003c/script\\\\u003e"'
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=str)
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")  # UTF-8 has no lone surrogates
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _histogram(histogram: Histogram | None) -> dict[str, Any] | None:
    if histogram is None:
        return None
    return {"edges": _rounded(histogram.edges), "counts": [list(item) for item in histogram.counts.items()]}


def _column(column: ScoreColumn, content: ReportContent, rows: Sequence[int]) -> dict[str, Any]:
    short = short_names(content.columns)[list(content.columns).index(column)]
    unscored = {
        index: [column.statuses[row], column.reasons[row]]
        for index, row in enumerate(rows)
        if np.isnan(column.values[row])
    }
    known = {index: column.uncertainty[row] for index, row in enumerate(rows) if not np.isnan(column.uncertainty[row])}
    return {
        "name": column.name,
        "short": short,
        "label": column.label,
        "higher": column.higher_is_better,
        "known": column.known,
        "unit": column.unit,
        "values": _numbers(column.values, rows),
        "percentiles": _numbers(column.percentiles, rows, 3),
        "unscored": unscored,
        "uncertainty": {index: _rounded(value) for index, value in known.items()},
        "infinite": int(np.isinf(column.values).sum()),
    }


def _board(board: Board) -> dict[str, Any]:
    lines = [
        {
            "group": line.group,
            "system": line.system,
            "samples": line.samples,
            "cells": [_mean(cell) for cell in line.cells],
        }
        for line in board.lines
    ]
    return {"column": board.column, "lines": lines}


def _mean(cell: SystemMean) -> dict[str, Any]:
    rounded = {name: _rounded(getattr(cell, name)) for name in ("mean", "low", "high")}
    return {**vars(cell), **rounded, "unscored": dict(cell.unscored)}


def _agreement(content: ReportContent) -> list[dict[str, Any]]:
    if content.agreement is None:
        return []
    lines = []
    for score, rating, measures in agreement_lines(content.agreement):
        figures = {
            name: [*map(_rounded, (line.value, line.low, line.high)), line.n, line.excluded, line.note or ""]
            for name, line in measures.items()
        }
        lines.append({"score": score, "rating": rating, "measures": figures})
    return lines


def _provenance(content: ReportContent) -> dict[str, Any]:
    table = content.table
    labels = dict.fromkeys((column.label, column.identity) for column in table.columns)
    metrics = []
    for label, key in labels:
        names = [column.name for column in table.columns if column.label == label]
        identity = table.record.identities.get(key) if table.record and key else None
        metrics.append({"label": label, "columns": names, "key": key, "identity": _plain(identity)})
    runs = [
        {name: _plain(run.get(name)) for name in ("started", "command", "python", "platform", "versions", "samples")}
        for run in (table.record.runs if table.record else ())
    ]
    return {"metrics": metrics, "runs": runs, "record": table.record.path.name if table.record else None}


def _plain(value: Any) -> Any:
    """A value of a record as valid JSON: NaN, which a broken record may hold, as text."""
    return json.loads(json.dumps(value), parse_constant=str)


def _shortened(by_label: Mapping[str, Sequence[Any]], rows: Sequence[int]) -> dict[str, dict[int, str | None]]:
    shortened = {}
    for label, values in by_label.items():
        texts = {index: _cut(values[row]) for index, row in enumerate(rows) if values[row]}
        if texts:
            shortened[label] = texts
    return shortened


def _cut(value: Any) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1, default=str)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ... ({len(text) - LONGEST} characters more)"


def _numbers(values: np.ndarray, rows: Sequence[int], digits: int = 7) -> list[Any]:
    return [_rounded(value, digits) for value in values[list(rows)].tolist()]


def _rounded(value: Any, digits: int = 7) -> Any:
    """A float rounded to `digits`; infinity as text, NaN as None."""
    if isinstance(value, list):
        return [_rounded(item, digits) for item in value]
    if value is None or math.isnan(value):
        return None
    return float(f"{value:.{digits}g}") if math.isfinite(value) else str(float(value))
