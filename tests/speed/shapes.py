"""Backbones with random weights: of the shapes of the 8B ones that the papers use, and small ones for a CPU.

Time and memory do not depend on the values of weights. The processors and tokenizers are tiny ones; an image takes as
many tokens as with the real processor, a text more. The small ones have the proportions of the large ones: how much the
vision tower computes for each token of the language model (Qwen3-VL-8B 0.3, InternVL-8B 0.16, LLaVA-OneVision-7B 0.06),
and the output head a twelfth of the language model.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from typing import Any

import torch

from editmetrics.mllm.backbone import Backbone
from editmetrics.mllm.loading import LoadedModel
from editmetrics.testing import tiny_backbone

QWEN3_8B = {"vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36,
            "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128}  # fmt: skip
INTERNLM2_5_7B = QWEN3_8B | {"vocab_size": 92553, "intermediate_size": 14336, "num_hidden_layers": 32}
QWEN2_7B = {"vocab_size": 152000, "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
            "num_attention_heads": 28, "num_key_value_heads": 4, "head_dim": 128}  # fmt: skip
INTERNVIT_300M = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
SIGLIP_SO400M = {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 26, "num_attention_heads": 16}
QWEN3_VISION = {"hidden_size": 1152, "intermediate_size": 4304, "depth": 27, "num_heads": 16, "out_hidden_size": 4096,
                "num_position_embeddings": 2304, "deepstack_visual_indexes": [8, 16, 24]}  # fmt: skip
SMALL = {"vocab_size": 4096}
LAYERS = ("num_hidden_layers", "depth")
FEW = {"vocab_size": 1024, "deepstack_visual_indexes": [0]}
SMALL_SIZES = {"hidden": 512, "layers": 12, "heads": 8, "key_value_heads": 2, "vision_hidden": 256, "context": 8192}


@dataclass(frozen=True)
class Shape:
    """A family, what `tiny_backbone` makes of it, and what its two configurations have instead."""

    family: str
    sizes: dict[str, Any]
    text: dict[str, Any]
    vision: dict[str, Any] = field(default_factory=dict)


SHAPES = {
    "qwen3-vl-8b": Shape("qwen3_vl", {"image": 768, "patch": 16, "context": 32768}, QWEN3_8B, QWEN3_VISION),
    "internvl3.5-8b": Shape("internvl", {"image": 448, "patch": 14, "context": 32768}, QWEN3_8B, INTERNVIT_300M),
    "internvl2.5-8b": Shape("internvl", {"image": 448, "patch": 14, "context": 32768}, INTERNLM2_5_7B, INTERNVIT_300M),
    "llava-onevision-7b": Shape(
        "llava_onevision", {"image": 384, "patch": 14, "context": 32768}, QWEN2_7B, SIGLIP_SO400M
    ),
    "small-qwen3-vl": Shape(
        "qwen3_vl",
        SMALL_SIZES | {"image": 224, "patch": 14, "vision_hidden": 128, "vision_layers": 8},
        SMALL,
        {"deepstack_visual_indexes": [2, 4, 6]},
    ),
    "small-internvl": Shape("internvl", SMALL_SIZES | {"image": 224, "patch": 14, "vision_layers": 2}, SMALL),
    "small-llava": Shape("llava_onevision", SMALL_SIZES | {"image": 112, "patch": 14, "vision_layers": 3}, SMALL),
    "toy-qwen3-vl": Shape("qwen3_vl", {}, {}),
    "toy-internvl": Shape("internvl", {}, {}),
    "toy-llava": Shape("llava_onevision", {}, {}),
}


def configured(name: str, layers: int = 0) -> tuple[Any, Any]:
    """The configuration of the shape `name`, and a processor that fits it.

    `layers`: so many of the language model and of the vision tower, and a small vocabulary, at true width.
    """
    from transformers import AutoConfig, AutoProcessor

    from tests.speed.learned import corpus

    shape = SHAPES[name]
    real = "hidden_size" in shape.text
    with tempfile.TemporaryDirectory() as folder:
        small = {"layers": 1, "vision_layers": 1} if real else {}
        tiny_backbone(shape.family, folder, corpus=corpus(), **shape.sizes | small)
        config, processor = AutoConfig.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
    for part, given in ((config.text_config, shape.text), (config.vision_config, shape.vision)):
        for key, value in (given | (FEW if layers else {})).items():
            setattr(part, key, layers if layers and key in LAYERS else value)
    if real and shape.family == "qwen3_vl":
        config.text_config.rope_parameters["mrope_section"] = [24, 20, 20]
    if shape.family == "qwen3_vl" and shape.sizes:  # no fewer and no more pixels than the real processor allows
        processor.image_processor.size = {"shortest_edge": 65536, "longest_edge": 16777216}
    if shape.family == "llava_onevision":
        config.vision_feature_layer = -1
    if real:
        config.text_config.layer_types = ["full_attention"] * config.text_config.num_hidden_layers
    return config, processor


def random_backbone(
    name: str, device: str = "cpu", image_tokens: int = 1280, dtype: str | None = None, layers: int = 0
) -> Backbone:
    """A backbone of the shape `name`, with random weights, on `device`; on "meta" it has shapes and no numbers.

    `layers`: as for `configured`.
    """
    from transformers import AutoModelForImageTextToText

    config, processor = configured(name, layers)
    kind = getattr(torch, dtype) if dtype else torch.float32 if device == "cpu" else torch.bfloat16
    torch.manual_seed(0)
    with torch.device(device):
        model = AutoModelForImageTextToText.from_config(config, dtype=kind, attn_implementation="sdpa")
    model.eval().requires_grad_(False)
    return Backbone(LoadedModel(model, processor, name, name, {"sha256": name}), image_tokens)
