"""Networks of transformers and open_clip without numbers: their tensors come from a checkpoint, none is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

M = TypeVar("M", bound="Module")

CLIP_H: Mapping[str, Any] = {
    "projection_dim": 1024,
    "text_config": {
        "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
        "hidden_act": "gelu", "projection_dim": 1024, "eos_token_id": 2,
    },
    "vision_config": {
        "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 16,
        "hidden_act": "gelu", "projection_dim": 1024, "image_size": 224, "patch_size": 14,
    },
}  # fmt: skip
"""LAION's CLIP ViT-H/14 for transformers. Its end token is the largest one, which transformers does if told that it is
token 2."""


def clip_h() -> Module:
    """Return LAION's CLIP ViT-H/14 of transformers without numbers."""
    from transformers import CLIPConfig, CLIPModel

    return without_numbers(lambda: CLIPModel(CLIPConfig(**CLIP_H)))


def without_numbers(build: Callable[[], M]) -> M:
    """Build a network whose parameters are shapes only; what no checkpoint holds (indices, CLIP's mask) is computed.

    Drawing the random weights of a network of a billion parameters takes longer than reading its file.

    >>> import torch
    >>> without_numbers(lambda: torch.nn.Linear(2, 3)).weight.is_meta
    True
    """
    import torch

    with torch.device("meta"):
        network = build()
    for module in network.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if name in module._non_persistent_buffers_set:
                module.register_buffer(name, _computed(name, buffer), persistent=False)
    return network


def _computed(name: str, buffer: Tensor) -> Tensor:
    import torch

    if name == "position_ids":
        return torch.arange(buffer.shape[-1]).expand(buffer.shape)
    if name == "attn_mask":
        return torch.full(buffer.shape, float("-inf")).triu(1)
    raise NotImplementedError(f"the buffer {name} has a content that is not known here")
