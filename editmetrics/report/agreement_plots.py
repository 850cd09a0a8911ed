"""Plots of agreement: scores against ratings with the fitted curve, and the ranks of systems by people and score."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..agreement.correlation import plcc, srcc
from ..agreement.labels import auc
from ..agreement.measure import FEWEST, AgreementError, Measure, UndefinedError
from ..files.overwrite import check_picture
from ..files.rows import require_writable
from ..files.writing import write_figure
from ..tables.table import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

from ..agreement.result import Agreement, Pair

PLOT_SUFFIXES = (".png", ".svg", ".pdf")
DOTS_PER_INCH = 150

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#7A5C00")
"""Okabe and Ito's palette, which colour-blind readers can tell apart; its yellow, too pale for dots, is darkened."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
"""With more systems than colours, the marker tells those of one colour apart."""

INK, GREY, PALE = "#222222", "#666666", "#999999"

MANY_ITEMS = 2000
"""Items from which on single dots hide each other, and their density is drawn instead."""

SKEWED = 10
"""Positive scores are drawn on a logarithmic axis if their largest exceeds this multiple of their median."""

LONGEST_NAME = 24
NAME_SIZE, HEADING_SIZE = 9, 10
"""Font sizes in a ranking, in points."""

ITEMS_INCHES = (6.8, 4.8)
LINES_INCHES = 2.2
AXES_INCHES = 0.6
"""Width and height of the picture of the items; width of the lines between two rankings; width of the labels of axes
in the second picture."""

STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "text.parse_math": False,  # a "$" in the name of a system is a "$"
    "xtick.color": GREY,
    "ytick.color": GREY,
    "svg.hashsalt": "editmetrics",  # equal numbers give an equal file
}


def plot_agreement(agreement: Agreement, path: str | Path) -> None:
    """Draw every pair of score and rating of `agreement` to `path` (.png, .svg or .pdf, by the suffix).

    A row for each pair. On the left the items, scores against ratings: dots in the colour of their system, or the
    density of many items, with the mean of each system, and the logistic curve with its interval, if fitted. On the
    right, with three systems or more, their ranks by people and by the score. Labels have no curve: the scores of each
    label are drawn as a distribution.

    Raises `AgreementError` for nothing to draw, and without matplotlib, which the extra `plot` installs; `DataError`
    unless `path` can be written to.
    """
    path = Path(path)
    check_plot(path, overwrite=True)
    if not agreement.pairs:
        raise AgreementError("no pair of score and rating to draw")
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        save(draw(agreement.pairs), path)


def save(figure: Figure, path: Path) -> None:
    """Write a figure without a date, so that equal numbers give an equal file."""
    undated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    write_figure(figure, path, dpi=DOTS_PER_INCH, metadata=undated.get(path.suffix.lower()))


def check_plot(path: Path, overwrite: bool = False) -> None:
    """Raise `AgreementError` without matplotlib, and `DataError` unless a plot can be written to `path`.

    That takes a known suffix, an existing folder, and no other file in its place, unless `overwrite`.
    """
    require_writable(path, PLOT_SUFFIXES, "a plot")
    if importlib.util.find_spec("matplotlib") is None:
        raise AgreementError("pictures need matplotlib, which is not installed: pip install 'editmetrics[plot]'")
    check_picture(path, overwrite)


def draw(pairs: Sequence[Pair]) -> Figure:
    """The figure of `plot_agreement`: a row for each pair."""
    from matplotlib.figure import Figure

    looks = [_looks(pair) for pair in pairs]
    rankings = [_ranking(pair, look) if len(look) >= FEWEST else None for pair, look in zip(pairs, looks, strict=True)]
    heights = [ITEMS_INCHES[1] if ranking is None else max(ITEMS_INCHES[1], ranking.height) for ranking in rankings]
    widths = [ITEMS_INCHES[0]]
    if any(rankings):
        widths.append(max(ranking.width for ranking in rankings if ranking))
    figure = Figure(figsize=(sum(widths), sum(heights)), layout="constrained")
    grid = figure.subplots(len(pairs), len(widths), squeeze=False, height_ratios=heights, width_ratios=widths)
    for axes, pair, look, ranking in zip(grid, pairs, looks, rankings, strict=True):
        (_draw_labels if pair.labels else _draw_items)(axes[0], pair, look)
        if ranking:
            _draw_ranking(axes[1], pair, look, ranking, widths[1])
        elif len(widths) > 1:
            axes[1].set_axis_off()
    return figure


def _draw_items(axes: Axes, pair: Pair, look: dict[str, dict[str, Any]]) -> None:
    """Scores against ratings, the means of systems, and the curve."""
    from matplotlib.colors import PowerNorm

    skewed = pair.scores.min() > 0 and pair.scores.max() > SKEWED * np.median(pair.scores)
    scale: Literal["log", "linear"] = "log" if skewed else "linear"
    axes.set_xscale(scale)
    if len(pair) >= MANY_ITEMS:
        style: dict[str, Any] = {"cmap": "Greys", "mincnt": 1, "linewidths": 0.1}
        bins = axes.hexbin(pair.scores, pair.ratings, xscale=scale, gridsize=(42, 30), **style)
        fullest = float(np.max(np.asarray(bins.get_array())))
        bins.set_norm(PowerNorm(0.6, vmin=-0.2 * fullest, vmax=1.2 * fullest))  # one item is visible, and none is black
        axes.plot([], [], "h", color="#BDBDBD", markersize=9, label="items: the darker, the more")
    else:
        size = 30 if len(pair) < 300 else 14
        for inside, style in _of_systems(pair, look):
            axes.scatter(pair.scores[inside], pair.ratings[inside], s=size, alpha=0.5, linewidths=0, **style)
    if len(look) > 1:
        for inside, style in _of_systems(pair, look):
            mean = pair.scores[inside].mean(), pair.ratings[inside].mean()
            axes.scatter(*mean, s=80, edgecolors="white", linewidths=1.2, zorder=5, **style)
        axes.plot([], [], "o", color=GREY, markeredgecolor="white", markersize=9, label="mean of a system")
    if pair.fit is not None:
        scores = (np.geomspace if skewed else np.linspace)(pair.scores.min(), pair.scores.max(), 400)
        curve, (low, high) = pair.fit(scores), pair.fit.interval(scores)
        axes.fill_between(scores, low, high, color=INK, alpha=0.2, linewidth=0, zorder=3)
        axes.plot(scores, curve, color="white", linewidth=3.6, zorder=3)
        axes.plot(scores, curve, color=INK, linewidth=1.8, zorder=4, label="logistic fit, 95 % interval")
        margin = 0.05 * np.ptp(pair.ratings)  # the wide ends of the interval do not squeeze the items
        axes.set_ylim(pair.ratings.min() - margin, pair.ratings.max() + margin)
    straight = _measured("PLCC", plcc, pair.scores, pair.ratings)
    fitted = "" if pair.fit is None else f", {_measured('after the fit', plcc, pair.fit(pair.scores), pair.ratings)}"
    axes.set_title(f"{_items(pair)}: {_measured('SRCC', srcc, pair.scores, pair.ratings)}, {straight}{fitted}")
    if skewed:
        axes.xaxis.set_major_formatter(lambda value, _: number(value))
        axes.xaxis.set_minor_formatter("")
    axes.set_xlabel(_axis(pair) + (", logarithmic" if skewed else ""))
    axes.set_ylabel(f"{pair.rating} (people)")
    _legend(axes, {} if len(look) >= FEWEST else look)


def _draw_labels(axes: Axes, pair: Pair, look: dict[str, dict[str, Any]]) -> None:
    """The distribution of the scores of each label, and the threshold."""
    edges = np.histogram_bin_edges(pair.scores, bins=min(40, max(8, len(pair) // 20))).tolist()
    for label, name, colour in ((0, "no", COLOURS[4]), (1, "yes", COLOURS[0])):
        scores = pair.scores[pair.ratings == label]
        if len(scores):
            weights = np.full(len(scores), 1 / len(scores))
            legend = f"{pair.rating}: {name} ({len(scores):,})"
            axes.hist(scores, edges, weights=weights, histtype="stepfilled", color=colour, alpha=0.4, label=legend)
            axes.hist(scores, edges, weights=weights, histtype="step", color=colour, linewidth=1.4)
    if pair.threshold is not None:
        origin = "given" if pair.threshold_given else "the best on these items"
        axes.axvline(pair.threshold, color=INK, linewidth=1.4, label=f"threshold, {origin}")
    turned = pair.scores if pair.higher_is_better else -pair.scores
    axes.set_title(f"{_items(pair)}: {_measured('AUC', auc, turned, pair.ratings)}")
    axes.set_xlabel(_axis(pair))
    axes.set_ylabel("share of the items of a label")
    _legend(axes, {})


@dataclass(frozen=True)
class _Ranking:
    """The systems of a pair: their means, ranks and positions (systems, 2), by people and by score."""

    means: np.ndarray
    turned: np.ndarray
    ranks: np.ndarray
    positions: np.ndarray
    names: list[str]
    headings: tuple[str, str]

    @property
    def columns(self) -> tuple[float, float, float]:
        """The distances of rank, mean and name from the lines, in points."""
        return 9, 27, 35 + _widest((number(float(mean)) for mean in self.means.flat), NAME_SIZE)

    @property
    def margin(self) -> float:
        """The width of the text on either side, in inches."""
        names = self.columns[-1] + _widest(self.names, NAME_SIZE)
        headings = self.columns[0] + _widest(self.headings, HEADING_SIZE, "bold")
        return 1.04 * max(names, headings) / 72  # letters are placed on whole dots, and so a little wider

    @property
    def width(self) -> float:
        return 2 * self.margin + LINES_INCHES + AXES_INCHES

    @property
    def height(self) -> float:
        return 1.2 + 0.25 * len(self.names)


def _ranking(pair: Pair, look: dict[str, dict[str, Any]]) -> _Ranking:
    from scipy.stats import rankdata

    means = np.array([[pair.ratings[i].mean(), pair.scores[i].mean()] for i, _ in _of_systems(pair, look)])
    turned = means * [1, 1 if pair.higher_is_better else -1]
    ranks, positions = (rankdata(-turned, method=method, axis=0) for method in ("min", "ordinal"))
    headings = f"by {_short(pair.rating)}", f"by {_short(pair.score)} {pair.arrow}"
    return _Ranking(means, turned, ranks, positions, [_short(name) for name in look], headings)


def _draw_ranking(axes: Axes, pair: Pair, look: dict[str, dict[str, Any]], ranking: _Ranking, width: float) -> None:
    """The systems by their mean rating on the left, by their mean score on the right, best on top, joined by lines."""
    systems = len(ranking.names)
    for index, (name, style) in enumerate(zip(ranking.names, look.values(), strict=True)):
        rank, position = ranking.ranks[index], ranking.positions[index]
        moved = abs(rank[0] - rank[1]) >= max(2, systems / 8)
        axes.plot([0, 1], position, color=style["color"], linewidth=2.2 if moved else 1.2, alpha=1 if moved else 0.7)
        axes.scatter([0, 1], position, s=46, edgecolors="white", linewidths=0.8, zorder=3, clip_on=False, **style)
        for side in (0, 1):
            texts = f"{rank[side]:.0f}", number(float(ranking.means[index, side])), name
            for points, text in zip(ranking.columns, texts, strict=True):
                _beside(axes, side, position[side], points, text, size=NAME_SIZE)
    margin = ranking.margin / (width - AXES_INCHES - 2 * ranking.margin)
    axes.set_xlim(-margin, 1 + margin)
    axes.set_ylim(systems + 0.7, -0.7)
    axes.set_axis_off()
    for side, heading in enumerate(ranking.headings):
        _beside(axes, side, 0, ranking.columns[0], heading, size=HEADING_SIZE, weight="bold")
    agreement = _measured("SRCC of the two rankings", srcc, ranking.turned[:, 1], ranking.turned[:, 0])
    axes.set_title(f"{systems} systems, best on top: {agreement}", loc="center")


def _beside(axes: Axes, side: int, height: float, points: float, text: str, **style: Any) -> None:
    """Write text left of the left end of the lines (`side` 0), or right of the right end (1), some points away."""
    away, alignment = (-points, "right") if side == 0 else (points, "left")
    placement: dict[str, Any] = {"xytext": (away, 0), "textcoords": "offset points", "ha": alignment, "va": "center"}
    axes.annotate(text, (side, height), annotation_clip=False, **placement, **style).set_in_layout(False)


def _widest(texts: Iterable[str], size: float, weight: str = "normal") -> float:
    """The width of the widest text, in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    font, letters = FontProperties(size=size, weight=weight), TextToPath()
    return max(letters.get_text_width_height_descent(text, font, ismath=False)[0] for text in texts)


def _legend(axes: Axes, systems: dict[str, dict[str, Any]]) -> None:
    """The legend, below the picture."""
    if len(systems) > 1:
        for name, style in systems.items():
            axes.plot([], [], style["marker"], color=style["color"], label=_short(name))
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=3, frameon=False, fontsize=9)


def _looks(pair: Pair) -> dict[str, dict[str, Any]]:
    """The colour and marker of each system, by name; a single one called "" if no system is named."""
    several = len(COLOURS)
    return {
        name: {"color": COLOURS[index % several], "marker": MARKERS[index // several % len(MARKERS)]}
        for index, name in enumerate(sorted(set(_systems(pair).tolist())))
    }


def _of_systems(pair: Pair, look: dict[str, dict[str, Any]]) -> list[tuple[np.ndarray, dict[str, Any]]]:
    """The items of each system (as a mask) and its look."""
    systems = _systems(pair)
    return [(systems == name, style) for name, style in look.items()]


def _systems(pair: Pair) -> np.ndarray:
    if pair.systems is None:
        return np.full(len(pair), "")
    return np.array(["no system named" if name is None else str(name) for name in pair.systems])


def _measured(name: str, measure: Measure, scores: np.ndarray, ratings: np.ndarray) -> str:
    try:
        return f"{name} {measure(scores, ratings):.3f}"
    except UndefinedError:
        return f"{name} undefined"


def _axis(pair: Pair) -> str:
    return f"{pair.score} ({'higher' if pair.higher_is_better else 'lower'} is better)"


def _items(pair: Pair) -> str:
    left_out = sum(pair.excluded.values())
    return f"{len(pair):,} items" + (f" ({left_out:,} left out)" if left_out else "")


def _short(name: str) -> str:
    """A long name without its middle: names of models often differ only in their last letters."""
    half = LONGEST_NAME // 2
    return name if len(name) <= LONGEST_NAME else f"{name[:half]}…{name[1 - half :]}"
