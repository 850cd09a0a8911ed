"""A published folder of mPLUG-Owl2 -> its model and its processor, in this package's own classes, strictly.

The folders name code of their own (`auto_map`). It is neither run nor looked at: settings are read as JSON, tensors
from safetensors or from files that hold nothing but tensors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..family import BackboneError
from ..into_memory import fill, read_tensors
from ..model_folders import read_json, weight_files
from .family import MplugOwl2Family
from .processor import MplugOwl2Processor, square_images
from .sentencepiece import llama_tokenizer

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

    from .language import MplugOwl2, MplugOwl2Config

LEFT_OUT = re.compile(r"model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq")
"""Tensors that older versions of transformers saved, which follow from the configuration."""

VISION = {
    "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
    "image_size": 448, "patch_size": 14, "layer_norm_eps": 1e-6,
}  # fmt: skip
ABSTRACTOR = {
    "num_learnable_queries": 64, "hidden_size": 1024, "num_hidden_layers": 6, "num_attention_heads": 16,
    "intermediate_size": 2816, "layer_norm_eps": 1e-6, "encoder_hidden_size": 1024, "grid_size": 32,
}  # fmt: skip
"""The settings that a config.json may leave out, as the authors' code has them."""


def load(
    name: str, folder: Path, device: torch.device, dtype: torch.dtype, attention: str, layers: int | None = None
) -> tuple[MplugOwl2, MplugOwl2Processor]:
    """Load a folder that `model_folders` has checked; `layers` are the first of the language model, and None all.

    Raises `BackboneError`, which names the file and the tensor: one that is missing, that has no place, or that is of
    another shape than the configuration says.
    """
    import torch

    from .language import MplugOwl2

    config = read_config(folder)
    processor = read_processor(folder, config)
    count = config.num_hidden_layers
    if layers is not None and not 1 <= layers <= count:
        raise BackboneError(f"layers={layers} of {name}; expected 1 to {count}")
    config.num_hidden_layers = layers or count
    family = MplugOwl2Family()
    beyond = {f"model.layers.{layer}." for layer in range(config.num_hidden_layers, count)}
    body = {
        family.native_name(key): tensor
        for key, tensor in read_tensors(weight_files(folder)).items()
        if not LEFT_OUT.fullmatch(key) and not key.startswith(tuple(beyond))
    }
    with torch.device("meta"):
        empty = MplugOwl2(config)
    owner = "the model of its config.json"
    return fill(empty, body, folder, owner, device, dtype, attention, published), processor


def read_config(folder: Path) -> MplugOwl2Config:
    """The configuration in config.json, without what it says of code. Raises `BackboneError`."""
    from .language import MplugOwl2Config

    file = folder / "config.json"
    settings = {key: value for key, value in read_json(file).items() if key not in ("auto_map", "architectures")}
    visual = settings.get("visual_config") or {}
    try:
        settings["visual_config"] = {
            "visual_model": {**VISION, **_stated(visual.get("visual_model") or {}, VISION)},
            "visual_abstractor": {**ABSTRACTOR, **_stated(visual.get("visual_abstractor") or {}, ABSTRACTOR)},
        }
        config: Any = MplugOwl2Config.from_dict({**settings, "image_token_id": 0})
    except (AttributeError, TypeError, ValueError) as error:
        raise BackboneError(f"{file} is not that of an mPLUG-Owl2 ({error}); fetch it again") from error
    patches = config.visual_config["visual_model"]["image_size"] // config.visual_config["visual_model"]["patch_size"]
    if patches != config.visual_config["visual_abstractor"]["grid_size"]:
        raise BackboneError(
            f"{file} has a vision tower of {patches} patches a side, and an abstractor of "
            f"{config.visual_config['visual_abstractor']['grid_size']}; expected equal"
        )
    return config


def _stated(settings: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    return {key: settings[key] for key in known if settings.get(key) is not None}


def read_processor(folder: Path, config: MplugOwl2Config) -> MplugOwl2Processor:
    """The tokenizer and what images become. Raises `BackboneError`."""
    tokenizer = _tokenizer(folder, config.max_position_embeddings)
    if len(tokenizer) != config.vocab_size:
        raise BackboneError(
            f"{folder} has a tokenizer of {len(tokenizer)} tokens, and its config.json says {config.vocab_size}; the "
            "two are not of one model: fetch both again"
        )
    visual = config.visual_config
    images = square_images(folder / "preprocessor_config.json", visual["visual_model"]["image_size"])
    processor = MplugOwl2Processor(tokenizer, images, visual["visual_abstractor"]["num_learnable_queries"] + 1)
    config.image_token_id = processor.image_token_id
    return processor


def _tokenizer(folder: Path, context: int) -> PreTrainedTokenizerBase:
    """The tokenizer of `tokenizer.model`, as published; or of `tokenizer.json`, as this package writes it."""
    from transformers import PreTrainedTokenizerFast

    if (folder / "tokenizer.model").is_file() or not (folder / "tokenizer.json").is_file():
        return llama_tokenizer(folder / "tokenizer.model", context)
    return PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"),
        unk_token="<unk>",  # noqa: S106 - no password
        bos_token="<s>",  # noqa: S106
        eos_token="</s>",  # noqa: S106
        model_max_length=context,
    )


def published(name: str) -> str:
    """The published name of a tensor here, where the language model is `model` alone.

    >>> published("vision_model.post_layernorm.bias"), published("model.norm.weight")
    ('model.vision_model.post_layernorm.bias', 'model.norm.weight')
    """
    return f"model.{name}" if name.startswith(("vision_model.", "visual_abstractor.")) else name
