"""DINO: vision transformers trained without labels (Caron et al., ICCV 2021), by timm, for metrics of features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import Tensor

Model = Literal["ViT-S-16", "ViT-S-8", "ViT-B-16", "ViT-B-8"]

ARCHITECTURES: dict[Model, str] = {
    "ViT-S-16": "vit_small_patch16_224.dino",
    "ViT-S-8": "vit_small_patch8_224.dino",
    "ViT-B-16": "vit_base_patch16_224.dino",
    "ViT-B-8": "vit_base_patch8_224.dino",
}
"""The names of timm, which are those of the checkpoints' repositories as well."""

CHECKPOINTS: dict[Model, str] = {name: f"dino-{name.lower()}" for name in ARCHITECTURES}
IMAGE_SIZE = 224
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, on which it was trained."""


def load_model(name: Model) -> Any:
    """DINO in timm's architecture, on the CPU, in float32, with weights from the weights store.

    Downloads them at their first use. Raises `WeightsError` when that fails, or their file is not the right one.
    """
    import timm
    import torch

    from .. import weights

    weights.pull(CHECKPOINTS[name])
    file = weights.path(CHECKPOINTS[name])
    with torch.random.fork_rng(devices=[]):  # the random numbers that it starts with are nobody's concern
        model = timm.create_model(ARCHITECTURES[name], pretrained=False, num_classes=0)
    try:
        model.load_state_dict(weights.load_state_dict(file), strict=True)
    except RuntimeError as error:
        raise weights.WeightsError(f"{file} does not fit DINO {name}: {error}") from error
    return model.requires_grad_(False).eval()


def normalized(images: Tensor) -> Tensor:
    """RGB (N, 3, H, W) in [0, 1] with ImageNet's mean taken off, by its deviation."""
    mean, deviation = (images.new_tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
    return (images - mean) / deviation


def last_keys(model: Any, images: Tensor) -> Tensor:
    """The keys of the last layer's attention, all heads side by side: (N, tokens, D); the first is the class token's.

    `images`: (N, 3, 224, 224), normalised.
    """
    *before, last = model.blocks
    tokens = model.norm_pre(model.patch_drop(model._pos_embed(model.patch_embed(images))))
    for block in before:
        tokens = block(tokens)
    keys: Tensor = last.attn.qkv(last.norm1(tokens)).chunk(3, dim=-1)[1]
    return keys
