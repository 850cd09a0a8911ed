"""The folds of a cross-validation as a table for a terminal: their mean, their deviation, and each of a few."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from statistics import fmean, stdev
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .terminal import number, standard_output


def show_folds(
    rows: Sequence[Mapping[str, Any]], measures: Sequence[str], columns: int, console: Console | None = None
) -> None:
    """A line for each dimension and each of `measures`, in this order: mean and deviation (n-1) over folds, and each.

    - `rows`: one for each fold, dimension and measure, with "fold", "dimension", "measure", "value" and "n".
    - `columns`: up to so many folds have a column each; of more, there are mean and deviation alone.

    A mean is over all folds or not at all: where a fold has no value, there is a dash.
    """
    console = console or standard_output()
    folds = sorted({row["fold"] for row in rows})
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("on unseen samples", no_wrap=True)
    shown = folds if len(folds) <= columns else []
    for heading in ("measure", "mean", "deviation", *(f"fold {fold}" for fold in shown)):
        table.add_column(heading, justify="left" if heading == "measure" else "right", no_wrap=True)
    dimensions = list(dict.fromkeys(row["dimension"] for row in rows))
    there = {(row["dimension"], row["measure"]) for row in rows}
    for dimension, measure in [line for line in product(dimensions, measures) if line in there]:
        found = {row["fold"]: row for row in rows if (row["dimension"], row["measure"]) == (dimension, measure)}
        values = [found[fold]["value"] if fold in found else None for fold in folds]
        known = [value for value in values if value is not None]
        whole = len(known) == len(folds)
        table.add_row(
            escape(dimension),
            measure,
            number(fmean(known) if whole else None),
            number(stdev(known) if whole and len(known) > 1 else None),
            *(number(value) for value in (values if shown else ())),
        )
    console.print(table)
    for dimension in dimensions:
        counts = {row["fold"]: (row["n"], row.get("excluded") or 0) for row in rows if row["dimension"] == dimension}
        measured, excluded = (sum(count[part] for count in counts.values()) for part in (0, 1))
        console.print(f"[dim]{escape(dimension)}: {measured} measured, {excluded} left out[/]")
    for row in rows:
        if row["value"] is None and row["measure"] in measures:
            said = f"{row['dimension']}, fold {row['fold']}: no {row['measure']}: {row.get('note')}"
            console.print(escape(said))
