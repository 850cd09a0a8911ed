"""Parts of the tiny backbones of all families: their sizes, the language model, the tokenizer, the chat template."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

WORDS = ("bad", "poor", "fair", "good", "excellent", "yes", "no")
"""One token each: as they stand, after a space, and with a capital letter."""

CORPUS = (
    "The quality of the image is. The first image is the source image and the second image is the edited image. "
    "How well does the edited image follow the editing instruction? Rate the quality from 0.00 to 9.99. "
    "Is the content that should not change preserved? The score is. user assistant system\n"
)


@dataclass(frozen=True)
class Sizes:
    """Size of a tiny backbone. The defaults have about 0.3 million parameters and 16 tokens for an image of 64x64.

    - `hidden`, `layers`, `heads`, `key_value_heads`: the language model.
    - `vision_hidden`, `vision_layers`: the vision tower.
    - `image`, `patch`: pixels along a side of a tile, and of a patch in it.
    - `context`: the most tokens a prompt may have.
    - `vocabulary`: the most tokens that the tokenizer learns, without the control tokens. `corpus`: a text that it
      learns from beside its own, and then spells with few tokens.
    """

    hidden: int = 64
    layers: int = 4
    heads: int = 4
    key_value_heads: int = 2
    vision_hidden: int = 64
    vision_layers: int = 2
    image: int = 64
    patch: int = 8
    context: int = 4096
    vocabulary: int = 640
    corpus: str = ""


def language(size: Sizes, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": size.hidden,
        "intermediate_size": 2 * size.hidden,
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads,
        "num_key_value_heads": size.key_value_heads,
        "max_position_embeddings": size.context,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "tie_word_embeddings": False,
    }


def tile_tokens(size: Sizes) -> int:
    return (size.image // size.patch // 2) ** 2


def tokenizer_of(size: Sizes, control: list[str], named: dict[str, str] | None = None) -> PreTrainedTokenizerBase:
    """Byte-level BPE that splits every digit, as the real families' tokenizers do."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import Qwen2Tokenizer

    pieces = Qwen2Tokenizer().backend_tokenizer.pre_tokenizer
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pieces
    words = [form for word in WORDS for form in (word, word.capitalize())]
    corpus = [CORPUS] * 3 + [size.corpus] * 3 + [f"{word} {word}" for word in words] * 100
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size.vocabulary, initial_alphabet=alphabet, show_progress=False)
    learner.train_from_iterator(corpus, trainer)
    learned = json.loads(learner.to_str())["model"]
    merges: Any = [tuple(merge) for merge in learned["merges"]]
    tokenizer = Qwen2Tokenizer(
        vocab=learned["vocab"],
        merges=merges,
        eos_token="<|im_end|>",  # noqa: S106 - no password
        pad_token="<|endoftext|>",  # noqa: S106
        extra_special_tokens=named or {},
        model_max_length=size.context,
    )
    tokenizer.add_tokens(["<|im_start|>", *control], special_tokens=True)
    return tokenizer


def chatml(image: str, system: str | None = None) -> str:
    """A chat template: each turn between <|im_start|> and <|im_end|>, each image written as `image`."""
    opening = f"{{% if loop.first and message.role != 'system' %}}<|im_start|>system\n{system}<|im_end|>\n{{% endif %}}"
    return (
        "{% for message in messages %}" + (opening if system else "") + "<|im_start|>{{ message.role }}\n"
        "{% for part in message.content %}"
        "{% if part.type == 'image' %}" + image + "{% else %}{{ part.text }}{% endif %}"
        "{% endfor %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
