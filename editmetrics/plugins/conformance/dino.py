"""Stand-in for DINO: its inputs and patches, with two narrow random layers."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from ...mllm.turns import seeded
from ..dino import ARCHITECTURES, CHECKPOINTS

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module


def stand_in() -> AbstractContextManager[object]:
    return mock.patch("timm.create_model", tiny_model)


def tiny_model(architecture: str, **_: Any) -> Module:
    from timm.models.vision_transformer import VisionTransformer

    patch = 8 if "patch8" in architecture else 16
    return VisionTransformer(patch_size=patch, embed_dim=48, depth=2, num_heads=2, num_classes=0)


def random_weights(architecture: str, _: Path) -> dict[str, Tensor]:
    with seeded(0):
        return tiny_model(architecture).state_dict()


WEIGHTS = {CHECKPOINTS[name]: partial(random_weights, architecture) for name, architecture in ARCHITECTURES.items()}
