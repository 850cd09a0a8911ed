"""The table of metrics of sets: a row for each metric and system, with its interval; of a run, and of its file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..files.text import with_arrow
from .table import Block, Cell, DataTable, TableCell, number, numbers, text

if TYPE_CHECKING:
    from ..runs.scored_table import ScoredTable
    from ..scoring import Results

INTERVAL = "Interval: other sets of as many images of the same system; the reference set stays as it is."


def sets_blocks(results: Results) -> Iterator[Block]:
    """Yield the numbers of each system with their 95 % intervals, and what the intervals are over."""
    rows: list[Sequence[Cell]] = []
    for column in results.columns:
        for dimension in column.metric.dimensions:
            name = with_arrow(column.names[dimension.name], dimension.higher_is_better)
            for sample, scores in results:
                score = scores[column.label]
                ends = score.details.get("interval", {}).get(dimension.name, ())
                value = score[dimension.name] if dimension.name in score else TableCell(score.status, mark="warning")
                counts = [score.details.get(key, "-") for key in ("images", "reference_images")]
                rows.append([name, sample.id, value, _interval(*ends), *counts])
                name = ""
    yield DataTable(_columns(), rows)
    if any(row[3] != "-" for row in rows):
        yield f"[dim]{INTERVAL}[/]"


def sets_table(scores: ScoredTable) -> DataTable:
    """Return the same table from the file that a run has written."""
    rows: list[Sequence[Cell]] = []
    none = [None] * len(scores)
    for column in scores.columns:
        name = f"{column.name} {column.arrow}"
        beside = [f"{column.name}.low", f"{column.name}.high", "images", "reference_images"]
        cells = zip(*(scores.other.get(heading, none) for heading in beside), strict=True)
        for row, (low, high, *counts) in enumerate(cells):
            scored = column.statuses[row] == "ok"
            value = float(column.values[row]) if scored else TableCell(column.statuses[row], mark="warning")
            ends = (float(low), float(high)) if low and high else ()
            rows.append([name, scores.ids[row], value, _interval(*ends), *(count or "-" for count in counts)])
            name = ""
    return DataTable(_columns(), rows, "Sets of images", [INTERVAL])


def _columns() -> list[Any]:
    columns = [*text("metric", "system", wrap="never"), *numbers("score"), *text("95 % interval", wrap="never")]
    return [*columns, *numbers("images", "reference")]


def _interval(*ends: float) -> str:
    return f"{number(ends[0])} to {number(ends[1])}" if ends else "-"
