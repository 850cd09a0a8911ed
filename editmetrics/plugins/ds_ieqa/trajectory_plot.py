"""A picture of a search for a definition: V_d of each trial, and the best so far."""

from __future__ import annotations

import logging
from pathlib import Path

from .fdmpo import Trajectory

logger = logging.getLogger(__name__)


def draw(trajectory: Trajectory, file: str | Path) -> Path | None:
    """Draw `trajectory` into `file` (svg, png or pdf) as figure 3 of the paper; None, without matplotlib."""
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError:
        logger.info("%s is not drawn: pip install 'editmetrics[plot]'", file)
        return None
    tried = [(trial.number, trial.value) for trial in trajectory.trials if trial.value is not None]
    refused = [trial.number for trial in trajectory.trials if trial.refused]
    numbers, values = [number for number, _ in tried], [value for _, value in tried]
    best = [max(values[: index + 1]) for index in range(len(values))]
    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.add_subplot()
    axes.step(numbers, best, where="post", color="#0072b2", linewidth=1, label="best so far")
    axes.plot(numbers, values, "o", color="#0072b2", markersize=5, label="definition")
    if refused:
        axes.plot(refused, [min(values)] * len(refused), "x", color="#d55e00", label="refused")
    axes.annotate(
        "best", (trajectory.best.number, trajectory.best.value or 0.0), xytext=(0, 7), textcoords="offset points",
        ha="center",
    )  # fmt: skip
    axes.set(xlabel="trial (0 is the start definition)", ylabel="definition value $V_d$")
    axes.set_title(trajectory.dimension.replace("_", " "))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(y=0.15)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="best")
    figure.savefig(file)
    return Path(file)
