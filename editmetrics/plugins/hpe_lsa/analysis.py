"""Layer-sensitivity analysis of a backbone: from images to a profile of its layers, and a plot of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from ...files.writing import write_figure
from ...sample import EditMetricsError, Sample
from .assessor import BATCH
from .criterion import Criterion
from .lsa import LayerStatistics
from .profile import LayerProfile

if TYPE_CHECKING:
    import numpy as np

    from .assessor import LayerAssessor

logger = logging.getLogger(__name__)

CURVES = (("$D_{KL}$", "#0072B2", "o"), ("LDR", "#E69F00", "s"), ("entropy", "#009E73", "^"))


def analyse(
    assessor: LayerAssessor,
    real: Sequence[Sample],
    edited: Sequence[Sample],
    *,
    criterion: Criterion | None = None,
    batch_size: int = BATCH,
    on_images: Callable[[int], object] | None = None,
) -> LayerProfile:
    """The profile of all layers of the assessor's backbone on real and edited images, each looked at alone.

    - `real`, `edited`: samples, of which `sample.edited` is the image; one that cannot be read is left out and logged.
    - `on_images`: called after each batch with how many images that were.
    - `criterion`: how layers are judged.
    """
    import torch

    backbone = assessor.backbone
    # the mean over image tokens averages the rounding of each
    dtype = backbone.model.dtype if assessor.pooling == "last" else torch.float32
    statistics = LayerStatistics(backbone.num_layers, backbone.hidden_size, criterion, rounding=torch.finfo(dtype).eps)
    with ThreadPoolExecutor(1) as counting:  # while the backbone reads the next batch
        counted: Future[None] | None = None
        for samples, is_edited in ((real, False), (edited, True)):
            for start in range(0, len(samples), batch_size):
                some = samples[start : start + batch_size]
                states = _states(assessor, some)
                if counted is not None:
                    counted.result()
                if states is not None:
                    counted = counting.submit(statistics.add, states, edited=is_edited)
                if on_images is not None:
                    on_images(len(some))
        if counted is not None:
            counted.result()
    return statistics.profile()


def _states(assessor: LayerAssessor, samples: Sequence[Sample]) -> np.ndarray | None:
    """The states of all layers of the samples that can be read; None if none can."""
    prompts = []
    for sample in samples:
        try:
            prompts.append(assessor.single(sample.edited))
        except EditMetricsError as error:
            logger.warning("%s is left out: %s", sample.id, error)
    return assessor.states_of_all_layers(prompts).cpu().numpy() if prompts else None


def draw(profile: LayerProfile, file: str | Path) -> Path:
    """Draw `profile` into `file` (svg, png or pdf, by the suffix). Needs matplotlib, of the extra `plot`."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    file = Path(file)
    layers = range(1, len(profile.kl) + 1)
    figure = Figure(figsize=(7, 5), layout="constrained")
    curves, total = figure.subplots(2, 1, sharex=True)
    for (name, colour, marker), values in zip(CURVES, profile.normalised, strict=True):
        curves.plot(layers, values, color=colour, marker=marker, markersize=4, linewidth=1, label=name)
    total.plot(layers, profile.total, color="#222222", marker="o", markersize=4, linewidth=1, label="sum")
    for axes in (curves, total):
        axes.axvline(profile.chosen, color="#D55E00", linewidth=1, linestyle="--")
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    total.annotate(
        f"layer {profile.chosen}", (profile.chosen, float(profile.total.max())), xytext=(5, -4),
        textcoords="offset points", color="#D55E00",
    )  # fmt: skip
    curves.set(ylabel="min-max over layers")
    total.set(xlabel="layer", ylabel="S(l)")
    curves.legend(frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.7, 0.97))
    curves.set_title(f"{profile.real} real and {profile.edited} edited images", loc="left", fontsize=9)
    undated = {"Date": None} if file.suffix.lower() == ".svg" else None
    with mpl.rc_context({"svg.hashsalt": "editmetrics"}):  # equal numbers give an equal file
        write_figure(figure, file, metadata=undated)
    return file
