"""Stand-ins for LPIPS and DISTS: backbones of the true architecture with random weights, under LPIPS's true heads."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..dists import CHANNELS

if TYPE_CHECKING:
    from torch import Tensor

PICTURE = (64, 72)
"""A convolution takes as long as there are pixels; four poolings leave 4 x 4 positions of these."""


def random_backbone(architecture: str, _: Path) -> dict[str, Tensor]:
    """Random weights for the features of one of torchvision's networks, at which they neither fade nor explode:
    deviation sqrt(2 / inputs), biases 0."""
    import torch
    from torchvision import models

    with torch.device("meta"):  # shapes only: the classifier alone would take seconds
        features = models.get_model(architecture, weights=None).features
    random = torch.Generator().manual_seed(0)
    tensors = {}
    for name, tensor in features.state_dict().items():
        deviation = 0.0 if tensor.ndim == 1 else math.sqrt(2 / tensor[0].numel())
        tensors[f"features.{name}"] = torch.randn(tensor.shape, generator=random) * deviation
    return tensors


def random_channels(_: Path) -> dict[str, Tensor]:
    import torch

    random = torch.Generator().manual_seed(0)
    return {name: torch.rand(1, sum(CHANNELS), 1, 1, generator=random) for name in ("alpha", "beta")}


WEIGHTS = {
    "lpips-alexnet": partial(random_backbone, "alexnet"),
    "lpips-squeezenet": partial(random_backbone, "squeezenet1_1"),
    "lpips-vgg16": partial(random_backbone, "vgg16"),
    "dists": random_channels,
}
