"""The table of a run of metrics of sets: a row for each metric and system, with its interval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from .table import Block, Cell, DataTable, TableCell, number, numbers, text

if TYPE_CHECKING:
    from ..scoring import Results

ARROWS = {True: " ↑", False: " ↓", None: ""}


def sets_blocks(results: Results) -> Iterator[Block]:
    """Yield the numbers of each system with their 95 % intervals, and what the intervals are over."""
    columns = [*text("metric", "system", wrap="never"), *numbers("score"), *text("95 % interval", wrap="never")]
    columns += numbers("images", "reference")
    rows: list[Sequence[Cell]] = []
    for column in results.columns:
        for dimension in column.metric.dimensions:
            name = f"{column.names[dimension.name]}{ARROWS[dimension.higher_is_better]}"
            for sample, scores in results:
                score = scores[column.label]
                has = dimension.name in score
                ends = score.details.get("interval", {}).get(dimension.name)
                rows.append(
                    [
                        name,
                        sample.id,
                        score[dimension.name] if has else TableCell(score.status, mark="warning"),
                        f"{number(ends[0])} to {number(ends[1])}" if ends else "-",
                        score.details.get("images", "-"),
                        score.details.get("reference_images", "-"),
                    ]
                )
                name = ""
    yield DataTable(columns, rows)
    if any(score.details.get("interval") for _, scores in results for score in scores.values()):
        yield "[dim]Interval: other sets of as many images of the same system; the reference set stays as it is.[/]"
