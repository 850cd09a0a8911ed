"""The tiny backbone of mPLUG-Owl2, as Q-Align and DeQA-Score are published: settings that name code, a SentencePiece
vocabulary, and tensors by the authors' names."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .backbone_parts import CORPUS, WORDS, Sizes

if TYPE_CHECKING:
    from torch import Tensor

MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Those of CLIP, by channel, as published."""


def write_mplug_owl2(folder: Path, size: Sizes, seed: int) -> None:
    """Write a random checkpoint and its small files into `folder`: the same with any version of torch."""
    import torch
    from safetensors.torch import save_file

    from ..mllm.mplug_owl2.language import MplugOwl2
    from ..mllm.mplug_owl2.loading import published, read_config

    pieces = list(_pieces(size))
    _write_small_files(folder, size, pieces)
    state = MplugOwl2(read_config(folder)).state_dict()
    for number, name in enumerate(sorted(state)):
        if not name.endswith("_pos_embed"):  # which are given
            state[name] = torch.from_numpy(
                _random(name, tuple(state[name].shape), np.random.default_rng([seed, number]))
            )
    ids = {text.decode(): index for index, (text, _, _) in enumerate(pieces)}
    _say_levels(state, ids["\u2581is"], [ids[f"\u2581{word}"] for word in WORDS[:5]])
    tensors = {published(name): tensor.contiguous() for name, tensor in state.items()}
    save_file(tensors, str(folder / "model.safetensors"), metadata={"format": "pt"})


def _random(name: str, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """Numbers of the size that each layer keeps its input at; norms near 1, biases and vectors near 0."""
    values = random.standard_normal(shape, dtype=np.float32)
    if name.endswith("embed_tokens.weight") or len(shape) == 3:
        return 0.3 * values
    if len(shape) > 1:
        return values / np.float32(np.sqrt(np.prod(shape[1:])))
    return (0.0 if name.endswith("bias") else 1.0) + np.float32(0.1) * values


def _say_levels(state: dict[str, Tensor], before: int, levels: list[int]) -> None:
    """Let the model be about to say one of `levels` wherever the text so far ends with the token `before`."""
    embedded, read = state["model.embed_tokens.weight"], state["lm_head.weight"]
    embedded[before] *= 6
    read[levels] += 1.5 * embedded[before] / embedded[before].norm()


def _write_small_files(folder: Path, size: Sizes, pieces: list[tuple[bytes, float, int]]) -> None:
    width = size.vision_hidden
    visual = {
        "visual_model": {
            "hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": size.vision_layers,
            "num_attention_heads": 4, "image_size": size.image, "patch_size": size.patch,
        },
        "visual_abstractor": {
            "num_learnable_queries": 4, "hidden_size": width, "num_hidden_layers": 2, "num_attention_heads": 2,
            "intermediate_size": 3 * width, "encoder_hidden_size": width, "grid_size": size.image // size.patch,
        },
    }  # fmt: skip
    config = {
        "architectures": ["MPLUGOwl2LlamaForCausalLM"],
        "auto_map": {
            "AutoConfig": "configuration_mplug_owl2.MPLUGOwl2Config",
            "AutoModelForCausalLM": "modeling_mplug_owl2.MPLUGOwl2LlamaForCausalLM",
        },
        "model_type": "mplug_owl2",
        "vocab_size": len(pieces),
        "hidden_size": size.hidden,
        "intermediate_size": 2 * size.hidden,
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads,
        "num_key_value_heads": size.heads,  # as the authors' code requires
        "max_position_embeddings": size.context,
        "rms_norm_eps": 1e-5,
        "rope_scaling": None,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "visual_config": visual,
    }
    images = {"size": size.image, "crop_size": size.image, "image_mean": MEAN, "image_std": DEVIATION, "resample": 3}
    for name, settings in (("config.json", config), ("preprocessor_config.json", images)):
        (folder / name).write_text(json.dumps(settings, indent=2), encoding="utf-8")
    (folder / "tokenizer.model").write_bytes(sentencepiece_model(pieces))


# ---------------------------------------------------------------------- the vocabulary


def _pieces(size: Sizes) -> Iterator[tuple[bytes, float, int]]:
    """Tokens with scores and kinds, in the order of Llama's: control tokens, bytes, beginnings of words, characters.

    All beginnings of a word are tokens, and so it becomes one; other words are spelled.
    """
    learned: dict[str, None] = {}
    for word in (*WORDS, "is", *size.corpus.split(), *CORPUS.split()):
        beginnings = [f"\u2581{word[:end]}" for end in range(1, len(word) + 1)]
        if len({*learned, *beginnings}) <= size.vocabulary - 3 - 256:
            learned |= dict.fromkeys(beginnings)
    characters = sorted({character for text in learned for character in text})
    yield from ((text, 0.0, kind) for text, kind in ((b"<unk>", 2), (b"<s>", 3), (b"</s>", 3)))
    yield from ((f"<0x{byte:02X}>".encode(), 0.0, 6) for byte in range(256))
    yield from ((text.encode(), float(-rank), 1) for rank, text in enumerate([*sorted(learned, key=len), *characters]))


def sentencepiece_model(pieces: list[tuple[bytes, float, int]], kind: int = 2) -> bytes:
    """Return a `tokenizer.model` of tokens (text, score, kind), of the kind of model 2, BPE."""
    messages = (
        _message(1, text) + b"\x15" + struct.pack("<f", score) + b"\x18" + bytes([form]) for text, score, form in pieces
    )
    trained = b"\x18" + bytes([kind]) + b"\x98\x02\x01"  # what the vocabulary lacks is spelled in bytes
    normalised = _message(1, b"identity") + b"\x18\x01\x20\x00\x28\x01"  # a space before; several stay several
    return b"".join(_message(1, message) for message in messages) + _message(2, trained) + _message(3, normalised)


def _message(field: int, content: bytes) -> bytes:
    """A field of bytes, shorter than 128, in a protocol buffer."""
    return bytes([field << 3 | 2, len(content)]) + content
