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
    from matplotlib.figure import Figure, SubFigure

    from ..agreement.logistic import LogisticFit

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

ABREAST, SMALL_INCHES, LEGEND_INCHES, SMALL_SIZE = 3, (3.5, 2.9), 0.5, 8
"""Pictures in a row where there are several; their width and height; the height of their legend; their font size."""

FEW_ITEMS = 30
"""Fewer items make a curve that is drawn thin: another sample of as many would have another one."""

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

    The items of each pair, scores against ratings: dots in the colour of their system, or the density of many items,
    with the mean of each system, and the logistic curve with its interval, if fitted. A curve that is a step says so,
    and one of few items is thin. With three systems or more, their ranks by people and by the score. Labels have no
    curve: the scores of each label are drawn as a distribution. One pair is drawn large; several are small, three in a
    row, with one legend, and the rankings below them.

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
    """The figure of `plot_agreement`: one pair large, several small."""
    from matplotlib.figure import Figure

    looks = [_looks(pair) for pair in pairs]
    rankings = [_ranking(pair, look) if len(look) >= FEWEST else None for pair, look in zip(pairs, looks, strict=True)]
    ranked = [(pair, look, ranking) for pair, look, ranking in zip(pairs, looks, rankings, strict=True) if ranking]
    width = max((ranking.width for _, _, ranking in ranked), default=0.0)
    height = max((ranking.height for _, _, ranking in ranked), default=0.0)
    if len(pairs) == 1:
        widths = [ITEMS_INCHES[0], width] if ranked else [ITEMS_INCHES[0]]
        figure = Figure(figsize=(sum(widths), max(ITEMS_INCHES[1], height)), layout="constrained")
        axes = figure.subplots(1, len(widths), squeeze=False, width_ratios=widths)[0]
        _draw_pair(axes[0], pairs[0], looks[0])
        _legend(axes[0], {} if ranked else looks[0])
        if ranked:
            _draw_ranking(axes[1], *ranked[0], width)
        return figure
    several = min(ABREAST, len(pairs))
    lines = -(-len(pairs) // several)
    beside = max(1, min(2, len(ranked)))
    whole = max(several * SMALL_INCHES[0], beside * width)
    heights = [lines * SMALL_INCHES[1] + LEGEND_INCHES, -(-len(ranked) // beside) * height]
    figure = Figure(figsize=(whole, sum(heights)), layout="constrained")
    parts = figure.subfigures(1 + bool(ranked), 1, squeeze=False, height_ratios=heights[: 1 + bool(ranked)])[:, 0]
    grid = parts[0].subplots(lines, several, squeeze=False).ravel()
    for axes, pair, look in zip(grid, pairs, looks, strict=False):
        _draw_pair(axes, pair, look, small=True)
    _shared_legend(parts[0], grid[: len(pairs)], {} if ranked else looks[0])
    for axes in grid[len(pairs) :]:
        axes.remove()
    if ranked:
        below = parts[1].subplots(-(-len(ranked) // beside), beside, squeeze=False).ravel()
        for axes, drawn in zip(below, ranked, strict=False):
            _draw_ranking(axes, *drawn, whole / beside)
        for axes in below[len(ranked) :]:
            axes.remove()
    return figure


def _draw_pair(axes: Axes, pair: Pair, look: dict[str, dict[str, Any]], small: bool = False) -> None:
    """The items of a pair, or the scores of each label."""
    (_draw_labels if pair.labels else _draw_items)(axes, pair, look)
    if small:
        items, _, measures = axes.get_title(loc="left").partition(": ")
        measures = measures.replace("after the fit", "fitted")
        axes.set_title(f"{_short(pair.score)} {pair.arrow}, {items}\n{measures}", fontsize=SMALL_SIZE)
        axes.set_xlabel("")
        axes.set_ylabel(axes.get_ylabel(), fontsize=SMALL_SIZE)
        axes.tick_params(labelsize=SMALL_SIZE)


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
        _draw_fit(axes, pair, pair.fit, skewed)
    straight = _measured("PLCC", plcc, pair.scores, pair.ratings)
    fitted = "" if pair.fit is None else f", {_measured('after the fit', plcc, pair.fit(pair.scores), pair.ratings)}"
    axes.set_title(f"{_items(pair)}: {_measured('SRCC', srcc, pair.scores, pair.ratings)}, {straight}{fitted}")
    if skewed:
        axes.xaxis.set_major_formatter(lambda value, _: number(value))
        axes.xaxis.set_minor_formatter("")
    axes.set_xlabel(_axis(pair) + (", logarithmic" if skewed else ""))
    axes.set_ylabel(f"{pair.rating} (people)")


def _draw_fit(axes: Axes, pair: Pair, fit: LogisticFit, skewed: bool) -> None:
    """The logistic curve with its interval inside the axes; bold only where there are items enough to trust it."""
    scores = (np.geomspace if skewed else np.linspace)(pair.scores.min(), pair.scores.max(), 400)
    curve, interval = fit(scores), fit.interval(scores)
    margin = 0.05 * np.ptp(pair.ratings)  # the wide ends of the interval do not squeeze the items
    bottom, top = pair.ratings.min() - margin, pair.ratings.max() + margin
    low, high = np.clip(interval, bottom, top)
    bold = fit.edge is None and len(pair) >= FEW_ITEMS  # at the edge, such as a step, its interval means little
    axes.fill_between(scores, low, high, color=INK, alpha=0.2 if bold else 0.08, linewidth=0, zorder=3)
    if bold:
        axes.plot(scores, curve, color="white", linewidth=3.6, zorder=3)
    style: dict[str, Any] = {"linewidth": 1.8} if bold else {"linewidth": 1, "linestyle": (0, (4, 2)), "alpha": 0.7}
    kind = "logistic fit, 95 % interval" if bold else f"logistic fit of fewer than {FEW_ITEMS} items, or with a note"
    axes.plot(scores, curve, color=INK, zorder=4, label=kind, **style)
    axes.set_ylim(bottom, top)
    if fit.edge is not None:
        note: dict[str, Any] = {"transform": axes.transAxes, "ha": "right", "va": "bottom", "fontsize": SMALL_SIZE}
        text = axes.text(0.99, 0.02, fit.edge.replace("it", "the fit", 1), color=INK, zorder=6, **note)
        text.set_bbox({"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1.5})


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


def _shared_legend(figure: SubFigure, grid: Sequence[Axes], systems: dict[str, dict[str, Any]]) -> None:
    """One legend below all pictures, each entry once."""
    entries: dict[str, Any] = {}
    for axes in grid:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if len(systems) > 1:
        for name, style in systems.items():
            entries[_short(name)] = grid[0].plot([], [], style["marker"], color=style["color"])[0]
    if entries:
        where: dict[str, Any] = {"loc": "outside lower center", "ncols": 3, "frameon": False, "fontsize": SMALL_SIZE}
        figure.legend(list(entries.values()), list(entries), **where)


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
