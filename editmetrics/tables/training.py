"""The validation of a trained metric, and the folds of a cross-validation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from .table import Block, Cell, DataTable, numbers, text

if TYPE_CHECKING:
    from ..mllm.checkpoint import TrainedCheckpoint

BASELINE = "baseline of "
"""The beginning of what a dimension's baseline is called among the rows of a cross-validation."""

READINGS = ("generated", "expected")
"""The first words of measures of one way to read an answer; they have a table of their own, so that none is cut."""


def validation_blocks(checkpoint: TrainedCheckpoint) -> Iterator[Block]:
    """The agreement of a checkpoint with the ratings of its validation samples: a line for each dimension, and one for
    the baseline; labels, which have other measures, in a table of their own. A line says where the baseline is better.
    """
    from ..mllm.baseline import beside_baseline

    baseline = checkpoint.data.get("baseline", {})
    for of_labels in (False, True):
        some = {dim: m for dim, m in checkpoint.validation.items() if ("auc" in m) == of_labels}
        lines = beside_baseline(some, baseline)
        names = [name for name in dict.fromkeys(key for _, measures in lines for key in measures) if name != "n"]
        names += ["n"] if any("n" in measures for _, measures in lines) else []
        readings = [name for name in names if name.startswith(READINGS)]
        if lines:
            yield _measured("validation", lines, [name for name in names if name not in readings])
        if readings:
            yield _measured("by reading", [line for line in lines if readings[0] in line[1]], readings)
    if baseline:
        yield "[dim]baseline: ridge regression on statistics of the images, which know nothing of their content[/]"
    yield from _worse(checkpoint.validation, baseline)
    counts = checkpoint.data.get("left_out", {})
    left_out = ", ".join(f"{count} ({reason})" for reason, count in counts.items())
    left_out = f"left out: {left_out}" if counts else "none was left out"
    yield f"[dim]trained on {checkpoint.data.get('train', '?')} samples; {escape(left_out)}[/]"


def _measured(heading: str, lines: Sequence[tuple[str, Mapping[str, Any]]], names: Sequence[str]) -> DataTable:
    columns = [*text(heading, wrap="never"), *numbers(*(name.replace("_", " ") for name in names), wrap="fold")]
    return DataTable(columns, [[label, *(measures.get(name) for name in names)] for label, measures in lines])


def _worse(measured: Mapping[str, Mapping[str, Any]], baseline: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """A line for each dimension in which the metric does not beat its baseline."""
    from ..mllm.baseline import comparisons

    for one in comparisons(measured, baseline):
        if not one.beaten:
            yield f"[yellow]{escape(str(one))}[/]"


def fold_blocks(rows: Sequence[Mapping[str, Any]], measures: Sequence[str], columns: int) -> Iterator[Block]:
    """A line for each dimension and each of `measures`, in this order: mean and deviation (n-1) over folds, and each.

    - `rows`: one for each fold, dimension and measure, with "fold", "dimension", "measure", "value" and "n".
    - `columns`: up to this number of folds have a column each; of more, only mean and deviation are shown.

    A mean is over all folds: where one has no value, there is a dash.
    """
    folds = sorted({row["fold"] for row in rows})
    shown = folds if len(folds) <= columns else []
    order = {name: index for index, name in enumerate(dict.fromkeys(row["dimension"] for row in rows))}
    dimensions = sorted(order, key=lambda name: order.get(name.removeprefix(BASELINE), order[name]))
    lines: list[Sequence[Cell]] = []
    means: dict[str, dict[str, Any]] = {}
    for dimension, measure in product(dimensions, measures):
        by_fold = {
            row["fold"]: row["value"] for row in rows if (row["dimension"], row["measure"]) == (dimension, measure)
        }
        values = [by_fold.get(fold) for fold in folds]
        known = [value for value in values if value is not None]
        whole = len(known) == len(folds)
        mean = fmean(known) if whole else None
        spread = stdev(known) if whole and len(known) > 1 else None
        if by_fold:
            means.setdefault(dimension, {})[measure] = mean
            label = "  baseline" if dimension.startswith(BASELINE) else dimension
            lines.append([label, measure, mean, spread, *(values if shown else ())])
    headings = ("mean", "deviation", *(f"fold {fold}" for fold in shown))
    yield DataTable([*text("on unseen samples", "measure", wrap="never"), *numbers(*headings)], lines)
    of_baseline = {name.removeprefix(BASELINE): mean for name, mean in means.items() if name.startswith(BASELINE)}
    yield from _worse(means, of_baseline)
    for dimension in (name for name in dimensions if not name.startswith(BASELINE)):
        counts = {row["fold"]: (row["n"], row.get("excluded") or 0) for row in rows if row["dimension"] == dimension}
        measured, excluded = (sum(count[part] for count in counts.values()) for part in (0, 1))
        yield f"[dim]{escape(dimension)}: {measured} measured, {excluded} left out[/]"
    for row in rows:
        if row["value"] is None and row["measure"] in measures:
            yield escape(f"{row['dimension']}, fold {row['fold']}: no {row['measure']}: {row.get('note')}")
