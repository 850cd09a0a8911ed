"""Stand-in for OpenAI's CLIP: its inputs and vocabulary, with two narrow random layers."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from ...mllm.turns import seeded
from ..clip import CHECKPOINTS

if TYPE_CHECKING:
    from torch import Tensor

TINY = {
    "embed_dim": 32,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 224, "layers": 2, "width": 64, "patch_size": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}


TINY_RESNET: dict[str, Any] = {
    **TINY,
    "vision_cfg": {"image_size": 224, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None},
    "embed_dim": 32,
}


def config_of(architecture: str) -> dict[str, Any]:
    """Return the small stand-in of one of open_clip's architectures."""
    if architecture.startswith("RN50"):
        return TINY_RESNET
    return {**TINY, "quick_gelu": architecture.endswith("quickgelu")}


def stand_in() -> AbstractContextManager[object]:
    return mock.patch("open_clip.get_model_config", config_of)


def random_weights(_: Path) -> dict[str, Tensor]:
    import torch
    from open_clip import CLIP

    with seeded(0):
        tensors = CLIP(**TINY).state_dict()
    # Random embeddings are orthogonal, and CLIPScore cuts negative cosines off: a common direction makes them positive.
    for bias, projection in (("visual.ln_post.bias", "visual.proj"), ("ln_final.bias", "text_projection")):
        tensors[bias] = torch.full_like(tensors[bias], 0.1)
        tensors[projection][:, 0] += 0.5
    return tensors


WEIGHTS = dict.fromkeys(CHECKPOINTS.values(), random_weights)
