"""The tiny backbone of mPLUG-Owl2, as Q-Align and DeQA-Score are published: settings that name code, a SentencePiece
vocabulary, and tensors by the authors' names."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .backbone_parts import CORPUS, WORDS, Sizes

if TYPE_CHECKING:
    from torch import nn

MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Those of CLIP, by channel, as published."""


def write_mplug_owl2(folder: Path, size: Sizes, seed: int) -> None:
    """Write a random checkpoint and its small files into `folder`."""
    import torch
    from safetensors.torch import save_file

    from ..mllm.mplug_owl2.language import MplugOwl2
    from ..mllm.mplug_owl2.loading import published, read_config
    from ..mllm.turns import seeded

    pieces = list(_pieces(size))
    _write_small_files(folder, size, pieces)
    with seeded(seed):
        model = MplugOwl2(read_config(folder))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))  # norms and biases start as 0 and 1
    _say_levels(model, pieces)
    tensors = {published(name): tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, str(folder / "model.safetensors"), metadata={"format": "pt"})


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


def _say_levels(model: Any, pieces: list[tuple[bytes, float, int]]) -> None:
    """Let the model be about to say a level of quality wherever the text so far ends with "is"."""
    import torch

    ids = {text.decode(): index for index, (text, _, _) in enumerate(pieces)}
    levels = [ids[f"\u2581{word}"] for word in WORDS[:5]]
    embedded: nn.Embedding = model.model.embed_tokens
    with torch.no_grad():
        before = embedded.weight[ids["\u2581is"]].mul_(6)
        model.lm_head.weight[levels] += 1.5 * before / before.norm()


# ---------------------------------------------------------------------- the vocabulary


def _pieces(size: Sizes) -> Iterator[tuple[bytes, float, int]]:
    """Tokens with scores and kinds, in the order of Llama's: control tokens, bytes, what was learned, characters."""
    from tokenizers import Tokenizer, models, normalizers, trainers

    learner = Tokenizer(models.BPE())
    learner.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    words = [*WORDS, "is", *CORPUS.split(), *size.corpus.split()]
    trainer = trainers.BpeTrainer(vocab_size=size.vocabulary - 259, show_progress=False)
    learner.train_from_iterator(words * 3 + [word for word in WORDS for _ in range(100)], trainer)
    vocabulary = sorted(learner.get_vocab().items(), key=lambda each: each[1])
    characters = [text for text, _ in vocabulary if len(text) == 1]
    learned = [text for text, _ in vocabulary if len(text) > 1]
    yield from ((text, 0.0, kind) for text, kind in ((b"<unk>", 2), (b"<s>", 3), (b"</s>", 3)))
    yield from ((f"<0x{byte:02X}>".encode(), 0.0, 6) for byte in range(256))
    yield from ((text.encode(), float(-rank), 1) for rank, text in enumerate(learned + characters))


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
