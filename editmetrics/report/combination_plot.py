"""The picture of a combination: agreement of regressors and single metrics, and what each metric adds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..agreement.result import Line
from ..tables.agreement import HEADINGS
from .agreement_plots import COLOURS, GREY, PALE, STYLE, check_plot, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..combining.cross_validation import Combined

WIDTHS, ROW, AROUND = (5.2, 4.8), 0.3, 1.5
"""Width of the two pictures, height of a row, and of title, axis and legend, in inches."""

LONGEST = 34


def plot_combination(combined: Combined, path: str | Path) -> None:
    """Draw agreement with intervals, best on top, and each metric's part, to `path` (.png, .svg or .pdf).

    Raises `AgreementError` without matplotlib, and `DataError` unless `path` can be written to.
    """
    path = Path(path)
    check_plot(path, overwrite=True)
    import matplotlib as mpl
    from matplotlib.figure import Figure

    lines = [line for line in combined.agreement.lines if line.measure == combined.measure and line.value is not None]
    several = len(combined.items.columns) > 1
    with mpl.rc_context(STYLE):
        size = (sum(WIDTHS) if several else WIDTHS[0], AROUND + ROW * len(lines))
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(1, 2 if several else 1, squeeze=False, width_ratios=WIDTHS if several else None)[0]
        _draw_agreement(axes[0], combined, lines)
        if several:
            _draw_importance(axes[1], combined)
        entries = [entry for each in axes for entry in zip(*each.get_legend_handles_labels(), strict=True)]
        handles, labels = zip(*entries, strict=True)
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=9)
        save(figure, path)


def _draw_agreement(axes: Axes, combined: Combined, lines: list[Line]) -> None:
    ordered = sorted(lines, key=lambda line: line.value or 0.0)
    for row, line in enumerate(ordered):
        regressor = line.score in combined.predicted
        colour = COLOURS[0] if regressor else COLOURS[4] if line.score in combined.items.columns else GREY
        if line.low is not None and line.high is not None:
            axes.plot([line.low, line.high], [row, row], color=colour, linewidth=2)
        if line.value is not None:
            axes.plot([line.value], [row], "s" if regressor else "o", color=colour, markersize=6)
    _rows(axes, [line.score for line in ordered])
    for name, colour in (("all metrics", COLOURS[0]), ("one metric", COLOURS[4])):
        axes.plot([], [], "s" if colour == COLOURS[0] else "o", color=colour, label=name)
    axes.set_xlabel(f"{HEADINGS[combined.measure]} with {combined.items.rating}, held out")
    axes.set_title(f"{len(combined.items):,} items in {combined.items.folds} folds")


def _draw_importance(axes: Axes, combined: Combined) -> None:
    ordered = sorted(combined.importance, key=lambda one: one.loss)
    for row, one in enumerate(ordered):
        axes.plot([one.shuffled], [row], "o", color=PALE, markerfacecolor="white", markersize=6)
        if test := one.left_out:
            colour = COLOURS[0] if one.needed else GREY
            axes.plot([test.low, test.high], [row, row], color=colour, linewidth=2)
            axes.plot([test.difference], [row], "s", color=colour, markersize=6)
    axes.axvline(0, color=PALE, linewidth=1)
    _rows(axes, [one.column for one in ordered])
    axes.plot([], [], "s", color=COLOURS[0], label="left out: a loss beyond chance")
    axes.plot([], [], "s", color=GREY, label="left out: no such loss")
    axes.plot([], [], "o", color=PALE, markerfacecolor="white", label="shuffled")
    axes.set_xlabel(f"{HEADINGS[combined.measure]} that {combined.best} loses")
    axes.set_title("what each metric adds")


def _rows(axes: Axes, names: list[str]) -> None:
    shown = [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in names]
    axes.set_yticks(range(len(names)), shown)
    axes.set_ylim(-0.7, len(names) - 0.3)
