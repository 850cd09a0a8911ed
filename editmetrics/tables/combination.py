"""The tables of `combine`: regressors beside single metrics and the baseline, each column's part, and the answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.markup import escape

from .agreement import HEADINGS
from .table import Block, Cell, DataTable, TableCell, number, numbers, text

if TYPE_CHECKING:
    from ..combining.combination import AppliedCombination
    from ..combining.cross_validation import Combined


def combined_blocks(combined: Combined) -> Iterator[Block]:
    """A table of held-out agreement, one of the columns' importance, the answer, and the notes."""
    items, level = combined.items, f"{combined.agreement.settings['level']:.0%}"
    held_out = f"{items.folds} folds by {items.grouped_by}" if items.grouped_by else f"{items.folds} folds"
    yield f"[bold]{escape(items.rating)}[/], held out in {escape(held_out)}"
    yield from (_agreement(combined, level), "")
    if len(items.columns) > 1:
        yield f"[bold]{escape(combined.best)}[/]: how much of {HEADINGS[combined.measure]} each metric accounts for"
        yield from (_importance(combined, level), "")
    for sentence in combined.answer():
        yield escape(sentence)
    yield ""
    yield from map(escape, combined.agreement.notes)


def applied_blocks(applied: AppliedCombination, most: int = 5) -> Iterator[Block]:
    """How many rows have a prediction, why others have none, and what to know of them."""
    reasons = [reason for reason in applied.reasons if reason]
    yield f"{len(applied.values) - len(reasons):,} of {len(applied.values):,} rows have a prediction"
    for reason in list(dict.fromkeys(reasons))[:most]:
        yield escape(f"{reasons.count(reason):,} without: {reason}")
    yield from map(escape, applied.notes)


def _agreement(combined: Combined, level: str) -> DataTable:
    lines = combined.agreement.lines
    measures = list(dict.fromkeys(line.measure for line in lines))
    rows: list[Sequence[Cell]] = []
    names = list(dict.fromkeys(line.score for line in lines))
    kinds = dict.fromkeys(combined.items.columns, "one metric") | dict.fromkeys(combined.predicted, "all metrics")
    deciding = {line.score: line.value for line in lines if line.measure == combined.measure}
    for name in sorted(names, key=lambda name: -2.0 if (value := deciding[name]) is None else value, reverse=True):
        own = {line.measure: line for line in lines if line.score == name}
        cells: list[Cell] = []
        for measure in measures:
            line = own.get(measure)
            ends = [] if line is None or line.low is None else [f"{line.low:.3f}", f"{line.high:.3f}"]
            cells.append(TableCell("" if line is None else _figure(line.value, measure), ends))
        first = own[combined.measure]
        label = TableCell(name, mark="bold" if name in (combined.best, combined.single) else "")
        inputs = TableCell(kinds.get(name, "no metric"), [f"  {level} from", "  to"])
        rows.append([label, inputs, *cells, first.n, first.excluded])
    headings = [*(HEADINGS[measure] for measure in measures), "n", "left\nout"]
    return DataTable([*text("predicted by"), *text("of", wrap="never"), *numbers(*headings)], rows, gap=1)


def _importance(combined: Combined, level: str) -> DataTable:
    rows: list[Sequence[Cell]] = []
    for one in sorted(combined.importance, key=lambda one: -one.loss):
        test = one.left_out
        lost: Sequence[Cell] = (
            ["-"] * 3 if test is None else [f"{v:+.3f}" for v in (test.difference, test.low, test.high)]
        )
        alike = "" if one.alike is None else f"{one.alike[0]} ({one.alike[1]:.2f})"
        alone = "-" if one.alone is None else f"{one.alone:.3f}"
        rows.append([one.column, alone, f"{one.shuffled:+.3f}", *lost, alike])
    headings = numbers("alone", "lost if\nshuffled", "lost if\nleft out", f"{level}\nfrom", "to")
    return DataTable([*text("metric"), *headings, *text("ranks images like")], rows, gap=1)


def _figure(value: float | None, measure: str) -> str:
    return number(value) if value is None or measure == "rmse" else f"{value:.3f}"
