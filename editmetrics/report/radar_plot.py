"""A radar plot: the scores of several models over the same groups of questions, one polygon each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .agreement_plots import COLOURS, GREY, INK, MARKERS, PALE, STYLE, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..tables.scores import MeanScore
    from ..tables.table import TableColumn

FEWEST_AXES = 3


def plot_radar(
    columns: Sequence[TableColumn],
    rows: Mapping[str, Sequence[MeanScore]],
    path: Path,
    baselines: Mapping[str, Sequence[MeanScore]] | None = None,
) -> None:
    """Draw the scores, in percent, of `rows` over `columns` to `path` (.png, .svg or .pdf); baselines are dashed.

    Requires matplotlib, and three columns in which any model has a score.
    """
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        save(draw_radar(columns, rows, baselines or {}), path)


def drawable(columns: Sequence[TableColumn], rows: Mapping[str, Sequence[MeanScore]]) -> list[int]:
    """The columns that have an axis: those in which any model has a score."""
    return [index for index in range(len(columns)) if any(row[index].mean is not None for row in rows.values())]


def draw_radar(
    columns: Sequence[TableColumn],
    rows: Mapping[str, Sequence[MeanScore]],
    baselines: Mapping[str, Sequence[MeanScore]],
) -> Figure:
    """The figure of `plot_radar`: axes clockwise from the top, in the order of the columns, from 0 at the centre."""
    from matplotlib.figure import Figure

    axes_of = drawable(columns, rows)
    angles = np.linspace(0, 2 * np.pi, len(axes_of), endpoint=False)
    figure = Figure(figsize=(7.5, 6.4 + 0.25 * (1 + len(rows) // 2)), layout="constrained")
    axes = figure.add_subplot(projection="polar")
    axes.set_theta_zero_location("N")  # type: ignore[attr-defined]
    axes.set_theta_direction(-1)  # type: ignore[attr-defined]
    for number, (name, row) in enumerate(rows.items()):
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number // len(COLOURS) % len(MARKERS)]
        closed = _closed(angles, [row[index].mean for index in axes_of])
        axes.plot(*closed, color=colour, marker=marker, markersize=4.5, linewidth=1.8, label=name)
        if len(rows) <= 2:
            axes.fill(*closed, color=colour, alpha=0.12)
    for name, row in baselines.items():
        means = [row[index].mean for index in axes_of]
        axes.plot(*_closed(angles, means), color=PALE, linestyle="--", marker=".", linewidth=1.2, label=name)
    shown = [
        value for row in [*rows.values(), *baselines.values()] for value in (row[i].mean for i in axes_of) if value
    ]
    top = min(100, 10 * (int(max(shown, default=90) // 10) + 1))
    axes.set_ylim(0, top)
    axes.set_yticks(list(range(20, top + 1, 20)))
    axes.set_rlabel_position(180 / max(1, len(axes_of)))  # type: ignore[attr-defined]
    axes.tick_params(axis="y", labelsize=8, labelcolor=GREY)
    axes.set_xticks(angles, [columns[index].heading for index in axes_of], color=INK)
    axes.tick_params(axis="x", pad=10)
    axes.grid(color=PALE, linewidth=0.5, alpha=0.6)
    axes.spines["polar"].set_color(PALE)
    axes.set_title("score, %", pad=18, loc="center")
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return figure


def _closed(angles: np.ndarray, means: Sequence[float | None]) -> tuple[np.ndarray, np.ndarray]:
    """The polygon, closed; open where a mean is missing."""
    values = np.array([np.nan if mean is None else mean for mean in means])
    return np.append(angles, angles[:1]), np.append(values, values[:1])
