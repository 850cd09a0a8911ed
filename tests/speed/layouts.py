"""Folders of random weights in the layouts that 8B models are published in, written without ever holding a shard.

Names, shapes, sizes of shards and the index are those of the hub's repositories. Numbers are bfloat16, drawn once for
each mean and spread and written again and again: a block is of a length that no matrix's row divides.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import torch

from editmetrics.files.writing import replacing, write_text
from tests.plugins.lmm4lmm import chat_layout
from tests.speed.shapes import FEW, INTERNLM2_5_7B, INTERNVIT_300M, configured

SHARD = 5_000_000_000
"""Bytes of a shard at most."""

BLOCK = 4_000_037
"""Numbers in a block; prime."""

PUBLISHED_NAMES = {
    "internvl": {
        "model.language_model.": "language_model.model.", "lm_head.": "language_model.lm_head.",
        "model.vision_tower.": "vision_tower.", "model.multi_modal_projector.": "multi_modal_projector.",
    },
    "llava_onevision": {
        "model.language_model.": "language_model.model.", "lm_head.": "language_model.lm_head.",
        "model.vision_tower.": "vision_tower.vision_model.", "model.multi_modal_projector.": "multi_modal_projector.",
        "model.image_newline": "image_newline",
    },
    "qwen3_vl": {},
}  # fmt: skip
"""How the repositories begin names that transformers begins otherwise today."""

INTERNVL2_5_8B = {
    **chat_layout.CONFIG,
    "vision_config": {**chat_layout.CONFIG["vision_config"], **INTERNVIT_300M, "image_size": 448, "patch_size": 14},
    "llm_config": {**chat_layout.CONFIG["llm_config"], **INTERNLM2_5_7B, "max_position_embeddings": 32768},
}
SCORE_HEAD = (4096, 1024, 128, 64, 16, 1)
LORA_RANK = 8


@dataclass(frozen=True)
class Tensor:
    """A tensor to be written: bfloat16 numbers of this mean and standard deviation."""

    shape: tuple[int, ...]
    mean: float = 0.0
    spread: float = 0.02

    @property
    def bytes(self) -> int:
        return 2 * prod(self.shape)


@dataclass(frozen=True)
class Layout:
    """A model to be written: its tensors by name, in the order of the shards, and its small files."""

    tensors: dict[str, Tensor]
    small: Any

    @property
    def bytes(self) -> int:
        return sum(tensor.bytes for tensor in self.tensors.values())

    def write(self, folder: Path, shard: int = SHARD) -> None:
        """Write the folder; shards that are there are kept, and the index comes last."""
        folder.mkdir(parents=True, exist_ok=True)
        self.small(folder)
        shards = list(sharded(self.tensors, shard))
        names = [f"model-{number:05d}-of-{len(shards):05d}.safetensors" for number in range(1, len(shards) + 1)]
        for name, tensors in zip(names, shards, strict=True):
            if not (folder / name).exists():
                write_shard(folder / name, tensors)
        weight_map = {tensor: name for name, tensors in zip(names, shards, strict=True) for tensor in tensors}
        index = {"metadata": {"total_size": self.bytes}, "weight_map": weight_map}
        write_text(folder / "model.safetensors.index.json", json.dumps(index, indent=1))


def native(name: str, layers: int = 0) -> Layout:
    """A backbone of `shapes.SHAPES`, as its repository has it; `layers`: few of them, and a small vocabulary."""
    from transformers import AutoModelForImageTextToText

    config, processor = configured(name, layers)
    config.dtype = "bfloat16"
    with torch.device("meta"):
        model: Any = AutoModelForImageTextToText.from_config(config, dtype=torch.bfloat16)
    renamed = PUBLISHED_NAMES[config.model_type]
    tensors = {}
    for key, tensor in model.state_dict().items():
        old = next((begins for begins in renamed if key.startswith(begins)), "")
        scales = tensor.ndim == 1 and key.endswith("weight")  # those of a norm
        mean = 1.0 if scales else 0.1 if ".lambda_" in key else 0.0
        tensors[renamed.get(old, "") + key.removeprefix(old)] = Tensor(tuple(tensor.shape), mean)

    def small(folder: Path) -> None:
        config.architectures = [type(model).__name__]
        config.save_pretrained(folder)
        processor.save_pretrained(folder)

    return Layout(tensors, small)


def lmm4lmm(layers: int = 0) -> Layout:
    """LMM4LMM's model in InternVL's chat layout, with LoRA (twice, as published) and the score head."""
    config = json.loads(json.dumps(INTERNVL2_5_8B))
    if layers:
        config["llm_config"] |= {"num_hidden_layers": layers, "vocab_size": FEW["vocab_size"]}
        config["vision_config"]["num_hidden_layers"] = layers
    described = chat_layout.layout(config, rank=LORA_RANK, head=SCORE_HEAD)
    tensors = {
        name: Tensor(shape, mean, spread / max(shape[-1], 1) ** 0.5)
        for name, (shape, mean, spread) in described.items()
    }

    def small(folder: Path) -> None:
        write_text(folder / "config.json", json.dumps(config))
        adapters = {name: numbers(tensor) for name, tensor in tensors.items() if "lora" in name}
        with replacing(folder / "lora_weights.pth", durable=False) as file:
            torch.save(adapters, file)

    return Layout(tensors, small)


def sharded(tensors: Mapping[str, Tensor], size: int) -> Iterator[dict[str, Tensor]]:
    """The tensors of each shard, in order."""
    shard: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if shard and sum(one.bytes for one in shard.values()) + tensor.bytes > size:
            yield shard
            shard = {}
        shard[name] = tensor
    yield shard


def write_shard(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file: the length of the header, the header, and the numbers of each tensor."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, tensor in tensors.items():
        begin, end = end, end + tensor.bytes
        header[name] = {"dtype": "BF16", "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with replacing(path, durable=False) as temporary, temporary.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors.values():
            for part in parts(tensor):
                file.write(part)


def parts(tensor: Tensor) -> Iterator[memoryview]:
    """The bytes of a tensor, some blocks long."""
    whole, left = block(tensor.mean, tensor.spread), tensor.bytes
    while left > 0:
        yield memoryview(whole)[:left]
        left -= len(whole)


@cache
def block(mean: float, spread: float) -> bytes:
    random = torch.Generator().manual_seed(0)
    drawn = torch.empty(BLOCK).normal_(mean, spread, generator=random)
    return drawn.to(torch.bfloat16).view(torch.uint8).numpy().tobytes()


def numbers(tensor: Tensor) -> torch.Tensor:
    """A tensor as `write_shard` writes it."""
    data = bytearray(b"".join(parts(tensor)))
    return torch.frombuffer(data, dtype=torch.bfloat16).reshape(tensor.shape)
