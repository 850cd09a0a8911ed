"""torchmetrics: those of its image metrics that score one image, a pair, or an image and its text.

Each class is updated with one image or pair and computed. The next image gets a new one, since `reset` does not always
make a class forget (RootMeanSquaredErrorUsingSlidingWindow), or the same one where it holds a network. Its direction is
what the class declares; the bounds that it declares are those of a plot (SSIM falls below its 0), so ranges stand in a
table here.
"""

from __future__ import annotations

import importlib
import inspect
import math
import typing
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ...sample import Dimension
from .bridge import PAIR, SINGLE, WITH_TEXT, Bridge, BridgedMetric, Loaded, Offer
from .signatures import options_of, paper_of, summary_of

MODULES = ("torchmetrics.image", "torchmetrics.multimodal")
"""Modules of torchmetrics with image metrics; the others score labels, numbers, sound or text."""

RANGES: dict[str, tuple[float, float]] = {
    "CLIPImageQualityAssessment": (0, 1),
    "CLIPScore": (0, 100),
    "DeepImageStructureAndTextureSimilarity": (0, math.inf),
    "ErrorRelativeGlobalDimensionlessSynthesis": (0, math.inf),
    "LearnedPerceptualImagePatchSimilarity": (0, math.inf),
    "MultiScaleStructuralSimilarityIndexMeasure": (-1, 1),
    "PeakSignalNoiseRatio": (0, math.inf),
    "RelativeAverageSpectralError": (0, math.inf),
    "RootMeanSquaredErrorUsingSlidingWindow": (0, math.inf),
    "SpatialCorrelationCoefficient": (-1, 1),
    "SpectralAngleMapper": (0, math.inf),
    "SpectralDistortionIndex": (0, math.inf),
    "StructuralSimilarityIndexMeasure": (-1, 1),
    "TotalVariation": (0, math.inf),
    "UniversalImageQualityIndex": (-1, 1),
    "VisualInformationFidelity": (0, math.inf),
}
"""Lowest and highest value there can be for images in [0, 1]."""

DIRECTIONS: dict[str, bool | None] = {"SpectralDistortionIndex": False, "TotalVariation": None}
"""Corrections to directions that torchmetrics declares: identical images have a spectral distortion of 0, which
is its best; and neither more nor less total variation makes a better image."""

FIXED: dict[str, dict[str, Any]] = {"LearnedPerceptualImagePatchSimilarity": {"normalize": True}}
"""Arguments that say that images are in [0, 1]; `data_range=1.0` goes to every class that takes it."""

WEIGHTS_LICENCES = {
    "CLIPImageQualityAssessment": "not stated by torchmetrics",
    "CLIPScore": "not stated by torchmetrics",
    "DeepImageStructureAndTextureSimilarity": "MIT",
    "LearnedPerceptualImagePatchSimilarity": "BSD-2-Clause",
}
"""Licences of weights, as their authors' repositories state them."""

WITHOUT = ("data_range", "reduction", "normalize", "return_full_image", "return_contrast_sensitivity")

SETS = {
    "FrechetInceptionDistance",
    "InceptionScore",
    "KernelInceptionDistance",
    "MemorizationInformedFrechetInceptionDistance",
}
OTHERS = {
    "LipVertexError": "it compares meshes of faces",
    "PeakSignalNoiseRatioWithBlockedEffect": "it takes images of one channel",
    "PerceptualPathLength": "it scores a generator",
}


class Torchmetrics(Bridge):
    """The bridge to torchmetrics."""

    name, package = "torchmetrics", "torchmetrics"
    home = "https://lightning.ai/docs/torchmetrics"
    default_licence = "Apache-2.0"

    def find_offers(self) -> Mapping[str, Offer]:
        offers = [_offer(name, cls) for name, cls in _classes().items() if name not in OTHERS and name not in SETS]
        return {offer.name: offer for offer in offers if offer is not None}

    def find_not_offered(self) -> Mapping[str, str]:
        def reason(name: str) -> str:
            if name in SETS:
                return "it compares sets of images and scores neither an image nor a pair"
            return OTHERS.get(name, "it takes something else than an image, a pair of images, or an image and its text")

        return {name: reason(name) for name in _classes() if name not in self.offers}


def _classes() -> dict[str, type]:
    classes: dict[str, type] = {}
    for module in map(importlib.import_module, MODULES):
        classes |= {name: getattr(module, name) for name in module.__all__ if inspect.isclass(getattr(module, name))}
    return dict(sorted(classes.items()))


def _offer(name: str, cls: Any) -> Offer | None:
    """Offer a class by the arguments of its `update`; None unless they are an image, a pair, or an image and text."""
    from torch import Tensor

    hints = typing.get_type_hints(cls.update)
    taken = [hints.get(p) for p in list(inspect.signature(cls.update).parameters)[1:]]
    if name == "CLIPScore":
        needs = WITH_TEXT
    elif taken == [Tensor] * len(taken) and 1 <= len(taken) <= 2:
        needs = PAIR if len(taken) == 2 else SINGLE
    else:
        return None
    documentation = inspect.getdoc(cls) or ""
    low, high = RANGES.get(name, (-math.inf, math.inf))
    return Offer(
        name,
        needs,
        Dimension(_snake(name), low=low, high=high, primary=True,
                  higher_is_better=DIRECTIONS.get(name, cls.higher_is_better)),
        partial(_load, name, cls),
        options_of(cls.__init__, documentation, WITHOUT),
        summary_of(documentation),
        paper_of(documentation),
        WEIGHTS_LICENCES.get(name, ""),
    )  # fmt: skip


def _load(name: str, cls: Callable[..., Any], options: Mapping[str, Any], device: str) -> Loaded:
    fixed = dict(FIXED.get(name, {}))
    if "data_range" in inspect.signature(cls).parameters:
        fixed["data_range"] = 1.0
    first = cls(**options, **fixed).to(device)
    has_weights = any(True for _ in first.parameters())

    def compute(edited: Any, source: Any, prompt: str | None) -> Any:
        metric = first if has_weights else cls(**options, **fixed).to(device)
        metric.reset()
        if prompt is not None:  # CLIP's own processor takes levels from 0 to 255
            metric.update(edited.mul(255).round().byte(), [prompt])
        elif source is None:
            metric.update(edited)
        else:
            metric.update(edited, source)
        return metric.compute()

    return Loaded(compute, first)


def _snake(name: str) -> str:
    """Convert a class's name to a dimension's: "CLIPScore" becomes "clip_score"."""
    import re

    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


BRIDGE = Torchmetrics()


def __getattr__(name: str) -> type[BridgedMetric]:
    return BRIDGE.attribute(name)
