"""The plot of a search for a definition, as figure 3 of the paper, with standard errors."""

from __future__ import annotations

import logging
from pathlib import Path

from ...files.writing import write_figure
from .fdmpo import Trajectory

logger = logging.getLogger(__name__)


def draw(trajectory: Trajectory, file: str | Path) -> Path | None:
    """Draw `trajectory` into `file` (svg, png or pdf); None, without matplotlib.

    Dots are definitions with the standard error of their V_d; the line is the one that leads; crosses were refused.
    Grey squares, on the right axis, are the agreement of the untrained model's scores with the ratings.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError:
        logger.info("%s is not drawn: pip install 'editmetrics[plot]'", file)
        return None
    tried = [trial for trial in trajectory.trials if trial.value is not None]
    refused = [trial.number for trial in trajectory.trials if trial.refused]
    leading = [(trial.number, trial.value or 0.0) for trial in tried if trial.leads]
    numbers, values = [trial.number for trial in tried], [trial.value or 0.0 for trial in tried]
    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.add_subplot()
    axes.step(
        [*(number for number, _ in leading), numbers[-1]], [*(value for _, value in leading), leading[-1][1]],
        where="post", color="#0072b2", linewidth=1, label="leads",
    )  # fmt: skip
    axes.errorbar(
        numbers, values, [trial.error or 0.0 for trial in tried], fmt="o", color="#0072b2", markersize=5, capsize=2,
        linewidth=1, label="definition, with standard error",
    )  # fmt: skip
    if refused:
        axes.plot(refused, [min(values)] * len(refused), "x", color="#d55e00", label="refused")
    if agreed := [(trial.number, trial.agreement) for trial in tried if trial.agreement is not None]:
        right = axes.twinx()
        right.plot(*zip(*agreed, strict=True), "s", color="0.6", markersize=4)
        right.set_ylabel("(SRCC + PLCC) / 2, untrained", color="0.4")
        right.spines["top"].set_visible(False)
    axes.annotate(
        "best", (trajectory.best.number, trajectory.best.value or 0.0), xytext=(0, 9), textcoords="offset points",
        ha="center",
    )  # fmt: skip
    axes.set(xlabel="trial (0 is the start definition)", ylabel="definition value $V_d$")
    axes.set_title(trajectory.dimension.replace("_", " "))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(y=0.15)
    axes.spines["top"].set_visible(False)
    axes.legend(frameon=False, loc="best")
    write_figure(figure, Path(file))
    return Path(file)
