"""What the page shows, as JSON: columns of the samples in the gallery, tables, and where each number comes from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ... import __version__
from ..findings import Findings, agreement_lines, agreement_notes
from ..histograms import Histogram
from ..leaderboard import Board, Cell, Line
from ..pictures import AMPLIFIED, Pictures
from ..scored import ScoreColumn, short_names
from ..standing import orders

FIRST = 4
"""So many of the worst, the best and the most disputed stand above the gallery."""

MOST_IDS = 200
"""So many ids of one failure are listed."""

LONGEST = 4000
"""Characters of a prompt, an explanation or a detail that are kept; the table and the record have them all."""


def page_data(
    found: Findings, rows: Sequence[int], pictures: Pictures, links: Mapping[tuple[int, str], str], title: str
) -> dict[str, Any]:
    """The data of the page; `rows` are the samples in the gallery, and stand there under their place in it."""
    place = {row: index for index, row in enumerate(rows)}
    table = found.table
    first = {
        name: [place[row] for row in order if row in place][:FIRST] for name, order in orders(found.standing).items()
    }
    return {
        "title": title,
        "version": __version__,
        "table": table.path.name,
        "samples": len(table),
        "unscored": int(found.unscored.sum()),
        "clusteredBy": table.clustered_by,
        "systems": [name for name in table.system_names if name is not None],
        "compared": found.compared,
        "level": found.level,
        "replicates": found.replicates,
        "seed": found.seed,
        "notes": list(found.notes),
        "columns": [_column(column, found, rows) for column in found.columns],
        "ratings": [{"name": rating.name, "values": _numbers(rating.values, rows)} for rating in found.ratings],
        "boards": [_board(board) for board in found.boards],
        "histograms": [_histogram(histogram) for histogram in found.histograms],
        "correlations": [[[_rounded(cell.value), cell.n, cell.note] for cell in line] for line in found.correlations],
        "agreement": _agreement(found),
        "agreementNotes": agreement_notes(found.agreement) if found.agreement else [],
        "rows": {
            "id": [table.ids[row] for row in rows],
            "system": [table.systems[row] for row in rows],
            "prompt": [_cut(table.prompts[row]) for row in rows],
            "merit": _numbers(found.standing.merit, rows),
            "dispute": _numbers(found.standing.dispute, rows),
            "disputants": [found.standing.disputants[row] for row in rows],
            "other": {name: [_cut(texts[row]) for row in rows] for name, texts in table.other.items()},
            "explanations": _said(table.explanations, rows),
            "details": _said(table.details, rows),
        },
        "disputedBy": "ratings" if found.ratings else "metrics",
        "first": first,
        "failures": [
            {
                "metrics": failure.metrics,
                "status": failure.status,
                "reason": failure.reason,
                "count": len(failure.rows),
                "samples": [[table.ids[row], place.get(row, -1)] for row in failure.rows[:MOST_IDS]],
            }
            for failure in found.failures
        ],
        "amplified": AMPLIFIED,
        "kinds": [0, 1, 2] if any(table.sources) else [1],
        "missing": {f"{place[row]} {kind}": why for (row, kind), why in pictures.why.items()},
        "links": {f"{place[row]} {kind}": link for (row, kind), link in links.items()},
        "provenance": _provenance(found),
    }


def script_json(value: Any) -> str:
    """JSON that may stand inside a script element, whatever it holds: `<`, `>`, `&`, U+2028 and U+2029 are escaped.

    >>> script_json("</script>")
    '"\\\\u003c/script\\\\u003e"'
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=str)
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")  # half a character is no text in UTF-8
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _histogram(histogram: Histogram | None) -> dict[str, Any] | None:
    if histogram is None:
        return None
    return {"edges": _rounded(histogram.edges), "counts": [list(item) for item in histogram.counts.items()]}


def _column(column: ScoreColumn, found: Findings, rows: Sequence[int]) -> dict[str, Any]:
    short = short_names(found.columns)[list(found.columns).index(column)]
    places = dict(enumerate(rows))
    unscored = {
        index: [column.statuses[row], column.reasons[row]]
        for index, row in places.items()
        if np.isnan(column.values[row])
    }
    known = {index: column.uncertainty[row] for index, row in places.items() if not np.isnan(column.uncertainty[row])}
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
    return {"column": board.column, "lines": [_line(line) for line in board.lines]}


def _line(line: Line) -> dict[str, Any]:
    cells = [_cell(cell) for cell in line.cells]
    return {"group": line.group, "system": line.system, "samples": line.samples, "cells": cells}


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "mean": _rounded(cell.mean),
        "low": _rounded(cell.low),
        "high": _rounded(cell.high),
        "n": cell.n,
        "infinite": cell.infinite,
        "unscored": dict(cell.unscored),
        "best": cell.best,
    }


def _agreement(found: Findings) -> list[dict[str, Any]]:
    if found.agreement is None:
        return []
    lines = []
    for score, rating, measures in agreement_lines(found.agreement):
        said = {
            name: [*map(_rounded, (line.value, line.low, line.high)), line.n, line.excluded, line.note or ""]
            for name, line in measures.items()
        }
        lines.append({"score": score, "rating": rating, "measures": said})
    return lines


def _provenance(found: Findings) -> dict[str, Any]:
    table = found.table
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


def _plain(said: Any) -> Any:
    """What a record said, as JSON that any reader takes; NaN, which a broken record may hold, as text."""
    return json.loads(json.dumps(said), parse_constant=str)


def _said(by_label: Mapping[str, Sequence[Any]], rows: Sequence[int]) -> dict[str, dict[int, str | None]]:
    found = {}
    for label, said in by_label.items():
        texts = {index: _cut(said[row]) for index, row in enumerate(rows) if said[row]}
        if texts:
            found[label] = texts
    return found


def _cut(said: Any) -> str | None:
    if said is None:
        return None
    text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False, indent=1, default=str)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ... ({len(text) - LONGEST} characters more)"


def _numbers(values: np.ndarray, rows: Sequence[int], digits: int = 7) -> list[Any]:
    return [_rounded(value, digits) for value in values[list(rows)].tolist()]


def _rounded(value: Any, digits: int = 7) -> Any:
    """A float with as many digits as anybody reads; infinity as text, NaN as nothing."""
    if isinstance(value, list):
        return [_rounded(item, digits) for item in value]
    if value is None or math.isnan(value):
        return None
    return float(f"{value:.{digits}g}") if math.isfinite(value) else str(float(value))
