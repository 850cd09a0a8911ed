"""The picture of an arena: how often each system beats each other, and the ratings with their intervals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .agreement_plots import COLOURS, GREY, INK, STYLE, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..pairs import Leaderboard

MOST_NUMBERS = 16
"""Systems up to which each cell shows its number."""


def plot_arena(board: Leaderboard, path: Path) -> None:
    """Draw the win matrix of a leaderboard to `path` (.png, .svg or .pdf), beside the ratings. Requires matplotlib."""
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        save(draw_arena(board), path)


def draw_arena(board: Leaderboard) -> Figure:
    """The figure of `plot_arena`: rows and columns from the best system to the worst."""
    from matplotlib.figure import Figure

    size = max(3.0, 0.42 * len(board.systems) + 1.2)
    figure = Figure(figsize=(2 * size + 2.6, size + 0.9), layout="constrained")
    matrix, ratings = figure.subplots(1, 2, width_ratios=[1.3, 1])
    _draw_matrix(board, matrix)
    _draw_ratings(board, ratings)
    return figure


def _draw_matrix(board: Leaderboard, axes: Axes) -> None:
    names = [rated.system for rated in board.systems]
    games = board.points + board.points.T
    shares = np.divide(board.points, games, out=np.full(games.shape, np.nan), where=games > 0)
    image = axes.imshow(shares, cmap="PuOr_r", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set_title("points of the row against the column")
    for side in axes.spines.values():
        side.set_visible(False)
    if len(names) <= MOST_NUMBERS:
        for (row, column), share in np.ndenumerate(shares):
            if not np.isnan(share):
                colour = "white" if abs(share - 0.5) > 0.35 else INK
                axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", color=colour, fontsize=8)
    if axes.figure is not None:
        axes.figure.colorbar(image, ax=axes, shrink=0.8, format=lambda value, _: f"{100 * value:.0f} %")


def _draw_ratings(board: Leaderboard, axes: Axes) -> None:
    for row, rated in enumerate(board.systems):
        if rated.rating is None:
            left_edge = axes.get_yaxis_transform()
            axes.text(0.02, row, "no rating", transform=left_edge, va="center", color=GREY, fontsize=9)
            continue
        colour, end = COLOURS[((rated.island or 1) - 1) % len(COLOURS)], rated.rating
        if rated.low is not None and rated.high is not None:
            axes.plot([rated.low, rated.high], [row, row], color=colour, linewidth=2)
            end = rated.high
        axes.plot([rated.rating], [row], "o", color=colour)
        axes.annotate(f"  {rated.groups}", (end, row), va="center", color=GREY, fontsize=9)
    axes.set_yticks(range(len(board.systems)), [])
    axes.set_ylim(len(board.systems) - 0.5, -0.5)
    if not board.islands:
        axes.set_xticks([])
    axes.set_xlabel(f"{board.unit}, {board.level:.0%} interval".replace("%", " %"))
    axes.set_title("ratings" if len(board.islands) < 2 else "ratings; colours are not compared")
    axes.grid(axis="x", color="#E5E5E5")
