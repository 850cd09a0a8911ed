"""Stand-ins for the preference models: their inputs and vocabularies, with narrow random layers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from ...mllm.turns import seeded
from .clip import TINY

if TYPE_CHECKING:
    from torch import Tensor

TINY_OPEN_CLIP: dict[str, Any] = {**TINY, "quick_gelu": False}
SMALL = {"hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 2, "hidden_act": "gelu"}
TINY_CLIP_H: dict[str, Any] = {
    "projection_dim": 32,
    "text_config": {**SMALL, "num_attention_heads": 2, "eos_token_id": 2},
    "vision_config": {**SMALL, "num_attention_heads": 1, "image_size": 224, "patch_size": 32},
}
"""One architecture for open_clip and for transformers."""


@contextmanager
def stand_in() -> Iterator[None]:
    from .. import transformers_networks

    with (
        mock.patch("open_clip.get_model_config", return_value=TINY_OPEN_CLIP),
        mock.patch.object(transformers_networks, "CLIP_H", TINY_CLIP_H),
    ):
        yield


def pick_score_weights(_: Path) -> dict[str, Tensor]:
    """Random weights of transformers' CLIP, with the positions that the published file has as well."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    with seeded(0):
        tensors = dict(CLIPModel(CLIPConfig(**TINY_CLIP_H)).state_dict())
    return {**tensors, "text_model.embeddings.position_ids": torch.arange(77)[None]}


def hps_v2_weights(name: str, folder: Path) -> None:
    """Random weights of open_clip's CLIP, in a training's checkpoint as the published file is."""
    import torch
    from open_clip import CLIP

    from ... import weights

    with seeded(0):
        tensors = CLIP(**TINY_OPEN_CLIP).state_dict()
    torch.save({"epoch": 1, "state_dict": tensors}, folder / weights.checkpoint(name).files[0].path)


WEIGHTS = {
    "pick-score": pick_score_weights,
    **{name: partial(hps_v2_weights, name) for name in ("hps-v2", "hps-v2.1")},
}
