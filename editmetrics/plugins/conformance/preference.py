"""Stand-ins for the preference models: their inputs and vocabularies, with narrow random layers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from ...mllm.turns import seeded
from ..aesthetic import PREDICTORS
from .clip import WEIGHTS as CLIP_WEIGHTS
from .clip import config_of

if TYPE_CHECKING:
    from torch import Tensor

TINY_OPEN_CLIP = config_of("ViT-H-14")
SMALL = {"hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 2, "hidden_act": "gelu"}
TINY_CLIP_H: dict[str, Any] = {
    "projection_dim": 32,
    "text_config": {**SMALL, "num_attention_heads": 2, "eos_token_id": 2},
    "vision_config": {**SMALL, "num_attention_heads": 1, "image_size": 224, "patch_size": 32},
}
"""One architecture for open_clip and for transformers."""


TINY_BLIP = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
TINY_SIGLIP = {**TINY_BLIP, "image_size": 96, "patch_size": 32}
LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *".,'", *(f"##{letter}" for letter in LETTERS))
TINY_TEXT = {**TINY_BLIP, "vocab_size": len(WORDS) + 2, "bos_token_id": 2, "eos_token_id": 3, "sep_token_id": 3}


@contextmanager
def stand_in() -> Iterator[None]:
    from .. import aesthetic, blip, transformers_networks

    with (
        mock.patch("open_clip.get_model_config", config_of),
        mock.patch.object(transformers_networks, "CLIP_H", TINY_CLIP_H),
        mock.patch.object(aesthetic, "SIGLIP", TINY_SIGLIP),
        mock.patch.object(blip, "VISION", dict.fromkeys(("base", "large"), TINY_BLIP)),
        mock.patch.object(blip, "TEXT", TINY_TEXT),
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


def blip_weights(name: str, folder: Path) -> dict[str, Tensor] | None:
    """Random weights of BLIP by transformers' names, as published for COCO; for the others by the authors' names."""
    import torch

    from ... import weights
    from .. import image_reward
    from ..blip_score import BLIPScore

    models: dict[str, Any] = {"blip-itm-base-coco": "coco-base", "blip-itm-large-coco": "coco-large"}
    tensors = random_state(BLIPScore(model=models.get(name, "pretrained-large")))
    if name.startswith("blip-itm"):
        return tensors
    theirs = {ours_to_theirs(key): tensor for key, tensor in tensors.items()}
    if name == "blip-pretrained-large":
        torch.save({"model": {**theirs, "temp": torch.ones(1)}}, folder / weights.checkpoint(name).files[0].path)
        return None
    sides = (TINY_BLIP["hidden_size"], *image_reward.WIDTHS)
    with seeded(1):
        head = [torch.nn.Linear(*pair) for pair in zip(sides, image_reward.WIDTHS, strict=False)]
    layers: dict[str, Tensor] = {}
    for position, layer in zip((0, 2, 4, 6, 7), head, strict=True):
        layers |= {f"mlp.layers.{position}.{key}": tensor for key, tensor in layer.state_dict().items()}
    return {**{f"blip.{key}": tensor for key, tensor in theirs.items()}, **layers}


def ours_to_theirs(name: str) -> str:
    """Return the name that BLIP's authors give a tensor of transformers' network."""
    for ours, theirs in (
        ("vision_model.embeddings.class_embedding", "visual_encoder.cls_token"),
        ("vision_model.embeddings.position_embedding", "visual_encoder.pos_embed"),
        ("vision_model.embeddings.patch_embedding", "visual_encoder.patch_embed.proj"),
        ("vision_model.post_layernorm", "visual_encoder.norm"),
        ("vision_model.encoder.layers", "visual_encoder.blocks"),
        ("self_attn.qkv", "attn.qkv"),
        ("self_attn.projection", "attn.proj"),
        ("layer_norm", "norm"),
    ):
        name = name.replace(ours, theirs)
    return name


def random_state(metric: Any) -> dict[str, Tensor]:
    """Return random numbers for a network that is built without any."""
    import torch

    random = torch.Generator().manual_seed(0)
    state = {}
    with stand_in():
        shapes = metric.network().state_dict()
    for name, tensor in shapes.items():
        scale = 0.05 if tensor.ndim == 1 else tensor[:1].numel() ** -0.5 if tensor.ndim else 1.0
        state[name] = torch.randn(tensor.shape, generator=random) * scale
        if "norm" in name.lower() and name.endswith("weight"):
            state[name] += 1
    return state


def vocabulary(folder: Path) -> None:
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")


def mps_weights(_: Path) -> dict[str, Tensor]:
    """Random weights of MPS by the names of the published file."""
    from ..mps import MPS

    published = {}
    for name, tensor in random_state(MPS()).items():
        if name.startswith("clip."):
            published[name.replace("clip.", "mps.model.", 1)] = tensor
        else:
            parts = name.split(".")
            published[".".join(["mps.cross_model", *parts[:3], "fn", *parts[3:]])] = tensor
    return published


def head_weights(model: Any, _: Path) -> dict[str, Tensor]:
    """Random weights of an aesthetic predictor's head, by the authors' names."""

    from ..aesthetic import Aesthetic

    metric = Aesthetic(model=model)
    layers = [(name, tensor) for name, tensor in random_state(metric).items() if name.startswith("head.")]
    positions = [f"{metric.predictor.prefix}.{position}." for position in metric.predictor.layers] or [""]
    return {f"{positions[int(name.split('.')[1])]}{name.split('.')[2]}": tensor for name, tensor in layers}


def siglip_weights(_: Path) -> dict[str, Tensor]:
    from ..aesthetic import Aesthetic

    state = random_state(Aesthetic(model="v2.5"))
    return {name.replace("encoder.", "vision_model.", 1).replace("vision_model.vision_model.", "vision_model."): tensor
            for name, tensor in state.items() if not name.startswith("head.")}  # fmt: skip


def clip_weights(architecture: str, _: Path) -> dict[str, Tensor]:
    from open_clip import CLIP

    with seeded(0):
        return dict(CLIP(**config_of(architecture)).state_dict())


WEIGHTS = {
    **{name: CLIP_WEIGHTS[name] for name in ("clip-vit-b-32-openai", "clip-vit-l-14-openai")},
    "pick-score": pick_score_weights,
    **{name: partial(hps_v2_weights, name) for name in ("hps-v2", "hps-v2.1")},
    **{name: partial(blip_weights, name)
       for name in ("image-reward", "blip-pretrained-large", "blip-itm-base-coco", "blip-itm-large-coco")},
    "mps": mps_weights,
    "bert-base-uncased-vocabulary": vocabulary,
    **{predictor.head_weights: partial(head_weights, model) for model, predictor in PREDICTORS.items()},
    "siglip-so400m-patch14-384": siglip_weights,
    "clip-rn50-openai": partial(clip_weights, "RN50-quickgelu"),
}  # fmt: skip
