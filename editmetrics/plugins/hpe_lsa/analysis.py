"""Layer-sensitivity analysis of a backbone: from images to a profile of its layers, and a plot of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...files.writing import write_figure
from ...sample import EditMetricsError, Sample
from .assessor import BATCH
from .criterion import Criterion
from .lsa import LayerStatistics
from .probe import Probe, groups_by_source
from .profile import LayerProfile

if TYPE_CHECKING:
    from ...mllm.targets import Example
    from .assessor import LayerAssessor

logger = logging.getLogger(__name__)

CURVES = (("$D_{KL}$", "#0072B2", "o"), ("LDR", "#E69F00", "s"), ("entropy", "#009E73", "^"))
PROBES = (("AUC of real and edited", "#CC79A7", "D"), ("SRCC of ratings", "#56B4E9", "v"))


def analyse(
    assessor: LayerAssessor,
    real: Sequence[Sample],
    edited: Sequence[Sample],
    *,
    criterion: Criterion | None = None,
    probed: bool = True,
    batch_size: int = BATCH,
    on_images: Callable[[int], object] | None = None,
) -> LayerProfile:
    """The profile of all layers of the assessor's backbone on real and edited images, each looked at alone.

    - `real`, `edited`: samples, of which `sample.edited` is the image; one that cannot be read is left out and logged.
    - `on_images`: called after each batch with how many images that were.
    - `criterion`: how layers are judged. `probed`: whether linear probes of the layers are measured, too.
    """
    import torch

    backbone = assessor.backbone
    # the mean over image tokens averages the rounding of each
    dtype = backbone.model.dtype if assessor.pooling == "last" else torch.float32
    statistics = LayerStatistics(backbone.num_layers, backbone.hidden_size, criterion, rounding=torch.finfo(dtype).eps)
    probe, groups = Probe(), dict(zip(map(id, (*real, *edited)), groups_by_source([*real, *edited]), strict=True))

    def count(states: np.ndarray, samples: Sequence[Sample], is_edited: bool) -> None:
        statistics.add(states, edited=is_edited)
        if probed:
            probe.add(states, np.full((len(states), 1), float(not is_edited)), [groups[id(one)] for one in samples])

    with ThreadPoolExecutor(1) as counting:  # while the backbone reads the next batch
        counted: Future[None] | None = None
        for samples, is_edited in ((real, False), (edited, True)):
            for start in range(0, len(samples), batch_size):
                some = samples[start : start + batch_size]
                states = _states(assessor, some)
                if counted is not None:
                    counted.result()
                if states is not None:
                    counted = counting.submit(count, *states, is_edited)
                if on_images is not None:
                    on_images(len(some))
        if counted is not None:
            counted.result()
    profile = statistics.profile()
    return replace(profile, probe=probe.auc()) if probed else profile


def probe_ratings(assessor: LayerAssessor, rated: Sequence[Example], dimensions: Sequence[str]) -> np.ndarray:
    """(layers,): SRCC of cross-validated linear regressions of the ratings, the mean over `dimensions`; or empty."""
    if not rated or not dimensions:
        return np.zeros(0)
    probe, groups = Probe(), groups_by_source([example.sample for example in rated])
    for start in range(0, len(rated), BATCH):
        some = rated[start : start + BATCH]
        prompts = [assessor.pair(e.sample.source, e.sample.edited, e.sample.prompt or "") for e in some]
        ratings = np.array([[example.targets[name] for name in dimensions] for example in some])
        probe.add(assessor.states_of_all_layers(prompts).cpu().numpy(), ratings, groups[start : start + BATCH])
    return probe.srcc()


def _states(assessor: LayerAssessor, samples: Sequence[Sample]) -> tuple[np.ndarray, list[Sample]] | None:
    """The states of all layers of the samples that can be read, and these samples; None if none can."""
    prompts, read = [], []
    for sample in samples:
        try:
            prompts.append(assessor.single(sample.edited))
            read.append(sample)
        except EditMetricsError as error:
            logger.warning("%s is left out: %s", sample.id, error)
    return (assessor.states_of_all_layers(prompts).cpu().numpy(), read) if prompts else None


def draw(profile: LayerProfile, file: str | Path) -> Path:
    """Draw `profile` into `file` (svg, png or pdf, by the suffix). Needs matplotlib, of the extra `plot`."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    file = Path(file)
    layers = range(1, len(profile.kl) + 1)
    measured = zip(PROBES, (profile.probe, profile.probe_srcc), strict=True)
    probes = [(*style, values) for style, values in measured if len(values)]
    figure = Figure(figsize=(7, 7 if probes else 5), layout="constrained")
    curves, total, *more = figure.subplots(3 if probes else 2, 1, sharex=True)
    for (name, colour, marker), values in zip(CURVES, profile.normalised, strict=True):
        curves.plot(layers, values, color=colour, marker=marker, markersize=4, linewidth=1, label=name)
    total.plot(layers, profile.total, color="#222222", marker="o", markersize=4, linewidth=1, label="sum")
    if len(profile.shares):
        total.bar(layers, profile.shares * 3, color="#D55E00", alpha=0.25, width=0.5)
        shares = total.secondary_yaxis("right", functions=(lambda value: value / 3, lambda value: value * 3))
        shares.set_ylabel("share of resamples", color="#D55E00")
    total.set_ylim(0, 3.2)
    for axes in (curves, total, *more):
        axes.axvline(profile.chosen, color="#D55E00", linewidth=1, linestyle="--")
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    curves.set_title(f"{profile.real} real and {profile.edited} edited images", loc="left", fontsize=9)
    curves.set_title(f"layer {profile.chosen} is chosen", loc="right", fontsize=9, color="#D55E00")
    curves.set(ylabel="min-max over layers")
    total.set(ylabel="S(l)")
    for name, colour, marker, values in probes:
        more[0].plot(layers, values, color=colour, marker=marker, markersize=4, linewidth=1, label=name)
    if probes:
        more[0].set(ylabel="linear probe")
        more[0].legend(frameon=False, fontsize=8)
    (more[0] if probes else total).set(xlabel="layer")
    curves.legend(frameon=False, fontsize=8)
    undated = {"Date": None} if file.suffix.lower() == ".svg" else None
    with mpl.rc_context({"svg.hashsalt": "editmetrics"}):  # equal numbers give an equal file
        write_figure(figure, file, metadata=undated)
    return file
