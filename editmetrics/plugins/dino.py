"""DINO: vision transformers trained without labels (Caron et al., ICCV 2021), by timm, for metrics of features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ..bases.network import HasNetwork
from ..transfer import constant

if TYPE_CHECKING:
    from torch import Tensor

Model = Literal["ViT-S-16", "ViT-S-8", "ViT-B-16", "ViT-B-8"]

ARCHITECTURES: dict[Model, str] = {
    "ViT-S-16": "vit_small_patch16_224.dino",
    "ViT-S-8": "vit_small_patch8_224.dino",
    "ViT-B-16": "vit_base_patch16_224.dino",
    "ViT-B-8": "vit_base_patch8_224.dino",
}
"""The names of the models in timm, and of the checkpoints' repositories."""

CHECKPOINTS: dict[Model, str] = {name: f"dino-{name.lower()}" for name in ARCHITECTURES}
IMAGE_SIZE = 224
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Statistics of ImageNet, on which DINO was trained."""


class DINOMetric(HasNetwork):
    """A metric with a DINO: a subclass stores which one as `model_name`."""

    requires = ("timm",)
    model_name: Model
    licence = "Apache-2.0 (DINO); the terms of the weights are in 'editmetrics weights list'"

    def checkpoints(self) -> tuple[str, ...]:
        return (CHECKPOINTS[self.model_name],)

    def network_name(self) -> str:
        return f"timm {ARCHITECTURES[self.model_name]}"

    def network(self) -> Any:
        import timm

        return timm.create_model(ARCHITECTURES[self.model_name], pretrained=False, num_classes=0)


def normalized(images: Tensor) -> Tensor:
    """Normalise RGB images (N, 3, H, W) in [0, 1] by ImageNet's mean and deviation."""
    mean, deviation = (constant(values, images)[:, None, None] for values in (MEAN, DEVIATION))
    return (images - mean) / deviation


def last_keys(model: Any, images: Tensor) -> Tensor:
    """Return the keys of the last layer's attention, heads side by side: (N, tokens, D); the class token's first.

    `images`: (N, 3, 224, 224), normalised.
    """
    *before, last = model.blocks
    tokens = model.norm_pre(model.patch_drop(model._pos_embed(model.patch_embed(images))))
    for block in before:
        tokens = block(tokens)
    keys: Tensor = last.attn.qkv(last.norm1(tokens)).chunk(3, dim=-1)[1]
    return keys
