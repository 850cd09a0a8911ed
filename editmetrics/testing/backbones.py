"""Tiny vision-language models: each family's own classes, processor and kind of chat, with random weights.

They are made offline in a second or two, answer nothing sensible, and run every line of code that a real backbone does.
The tokenizer is trained on the spot: each digit, the words of `WORDS` and the control tokens of the family are one
token each; any other text is spelled in bytes and short pieces.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..sample import EditMetricsError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin

WORDS = ("bad", "poor", "fair", "good", "excellent", "yes", "no")
"""One token each: as they stand, after a space, and with a capital letter."""

_CORPUS = (
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


def tiny_backbone(family: str, folder: str | Path, seed: int = 0, **sizes: Any) -> Path:
    """Write a tiny random backbone of `family` into `folder`, as `Backbone.load` and transformers read it.

    `family` is one of "internvl", "qwen2_5_vl", "qwen3_vl", "llava_onevision"; `sizes` are fields of `Sizes`. Equal
    arguments write equal weights. Returns the folder. Raises `EditMetricsError` for an unknown family.

    >>> import tempfile
    >>> from transformers import AutoTokenizer
    >>> folder = tiny_backbone("qwen3_vl", tempfile.mkdtemp(), layers=1)
    >>> AutoTokenizer.from_pretrained(folder).tokenize("4.38 excellent")
    ['4', '.', '3', '8', 'Ġexcellent']
    """
    from ..mllm.loading import no_progress_bars
    from ..mllm.turns import seeded

    if family not in _BUILDERS:
        raise EditMetricsError(f"unknown family {family!r}; expected one of {', '.join(_BUILDERS)}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    size = Sizes(**sizes)
    config, processor = _BUILDERS[family](size)
    with seeded(seed):
        model = _model_class(family)(config)
        _spread(model)
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    with no_progress_bars():
        model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _spread(model: PreTrainedModel) -> None:
    """Draw what starts as 0 or 1, too (biases, norms, positions): else a test cannot see that one is left out."""
    import torch

    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.min() == parameter.max():
                parameter.add_(0.1 * torch.randn_like(parameter))


def _model_class(family: str) -> type[PreTrainedModel]:
    import transformers

    names = {
        "internvl": "InternVLForConditionalGeneration",
        "qwen2_5_vl": "Qwen2_5_VLForConditionalGeneration",
        "qwen3_vl": "Qwen3VLForConditionalGeneration",
        "llava_onevision": "LlavaOnevisionForConditionalGeneration",
    }
    return getattr(transformers, names[family])


# ---------------------------------------------------------------------- the families


def _internvl(size: Sizes) -> tuple[PreTrainedConfig, ProcessorMixin]:
    from transformers import (
        GotOcr2ImageProcessor,
        InternVLConfig,
        InternVLProcessor,
        InternVLVideoProcessor,
        InternVLVisionConfig,
        Qwen2Config,
    )

    tokenizer = _tokenizer(
        size,
        ["<img>", "</img>", "<IMG_CONTEXT>", "<video>"],
        {
            "start_image_token": "<img>",
            "end_image_token": "</img>",
            "context_image_token": "<IMG_CONTEXT>",
            "video_token": "<video>",
        },
    )
    tile = {"height": size.image, "width": size.image}
    vision = InternVLVisionConfig(
        hidden_size=size.vision_hidden,
        num_hidden_layers=size.vision_layers,
        num_attention_heads=4,
        intermediate_size=2 * size.vision_hidden,
        image_size=size.image,
        patch_size=size.patch,
        attention_bias=True,
    )
    config = InternVLConfig(
        vision_config=vision.to_dict(),
        text_config=Qwen2Config(**_language(size, tokenizer)).to_dict(),
        image_token_id=tokenizer.get_vocab()["<IMG_CONTEXT>"],
        image_seq_length=_tile_tokens(size),
        tie_word_embeddings=False,
    )
    processor = InternVLProcessor(
        image_processor=GotOcr2ImageProcessor(size=tile, crop_to_patches=True, min_patches=1, max_patches=12),
        tokenizer=tokenizer,
        video_processor=InternVLVideoProcessor(size=tile),
        image_seq_length=_tile_tokens(size),
        chat_template=_chatml("<IMG_CONTEXT>\n"),
    )
    return config, processor


def _qwen2_5_vl(size: Sizes) -> tuple[PreTrainedConfig, ProcessorMixin]:
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLProcessor, Qwen2VLImageProcessor, Qwen2VLVideoProcessor

    tokenizer = _qwen_tokenizer(size)
    vision = {
        "depth": size.vision_layers,
        "hidden_size": size.vision_hidden,
        "intermediate_size": 2 * size.vision_hidden,
        "num_heads": 4,
        "patch_size": size.patch,
        "window_size": 4 * size.patch,
        "fullatt_block_indexes": [size.vision_layers - 1],
        "out_hidden_size": size.hidden,
    }
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": _rope_sections(size)}
    config = Qwen2_5_VLConfig(
        vision_config=vision,
        text_config=_language(size, tokenizer) | {"rope_parameters": rope},
        **_qwen_token_ids(tokenizer),
    )
    processor = Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(**_qwen_pixels(size)),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(**_qwen_pixels(size)),
        chat_template=_chatml(_QWEN_IMAGE, system="You are a helpful assistant."),
    )
    return config, processor


def _qwen3_vl(size: Sizes) -> tuple[PreTrainedConfig, ProcessorMixin]:
    from transformers import Qwen2VLImageProcessor, Qwen3VLConfig, Qwen3VLProcessor, Qwen3VLVideoProcessor

    tokenizer = _qwen_tokenizer(size)
    vision = {
        "depth": size.vision_layers,
        "hidden_size": size.vision_hidden,
        "intermediate_size": 2 * size.vision_hidden,
        "num_heads": 4,
        "patch_size": size.patch,
        "num_position_embeddings": (size.image // size.patch) ** 2,
        "deepstack_visual_indexes": list(range(min(size.vision_layers, size.layers))),
        "out_hidden_size": size.hidden,
    }
    rope = {
        "rope_type": "default",
        "rope_theta": 10000.0,
        "mrope_section": _rope_sections(size),
        "mrope_interleaved": True,
    }
    language = _language(size, tokenizer) | {"rope_parameters": rope, "head_dim": size.hidden // size.heads}
    config = Qwen3VLConfig(vision_config=vision, text_config=language, **_qwen_token_ids(tokenizer))
    processor = Qwen3VLProcessor(
        image_processor=Qwen2VLImageProcessor(**_qwen_pixels(size)),
        tokenizer=tokenizer,
        video_processor=Qwen3VLVideoProcessor(**_qwen_pixels(size)),
        chat_template=_chatml(_QWEN_IMAGE),
    )
    return config, processor


def _llava_onevision(size: Sizes) -> tuple[PreTrainedConfig, ProcessorMixin]:
    from transformers import (
        LlavaOnevisionConfig,
        LlavaOnevisionImageProcessor,
        LlavaOnevisionProcessor,
        LlavaOnevisionVideoProcessor,
        Qwen2Config,
        SiglipVisionConfig,
    )

    tokenizer = _tokenizer(size, ["<image>", "<video>"])
    tile = {"height": size.image, "width": size.image}
    grid = [[size.image * rows, size.image * columns] for rows in range(1, 4) for columns in range(1, 4)]
    vision = SiglipVisionConfig(
        hidden_size=size.vision_hidden,
        num_hidden_layers=size.vision_layers,
        num_attention_heads=4,
        intermediate_size=2 * size.vision_hidden,
        image_size=size.image,
        patch_size=size.patch,
        vision_use_head=False,
    )
    config = LlavaOnevisionConfig(
        vision_config=vision.to_dict(),
        text_config=Qwen2Config(**_language(size, tokenizer)).to_dict(),
        image_token_index=tokenizer.get_vocab()["<image>"],
        video_token_index=tokenizer.get_vocab()["<video>"],
        image_grid_pinpoints=grid,
    )
    half = [0.5, 0.5, 0.5]
    processor = LlavaOnevisionProcessor(
        image_processor=LlavaOnevisionImageProcessor(
            size=tile, image_grid_pinpoints=grid, image_mean=half, image_std=half
        ),
        tokenizer=tokenizer,
        video_processor=LlavaOnevisionVideoProcessor(size=tile),
        num_image_tokens=(size.image // size.patch) ** 2,
        vision_feature_select_strategy="full",
        chat_template=_LLAVA_CHAT,
    )
    return config, processor


_BUILDERS: dict[str, Callable[[Sizes], tuple[PreTrainedConfig, ProcessorMixin]]] = {
    "internvl": _internvl,
    "qwen2_5_vl": _qwen2_5_vl,
    "qwen3_vl": _qwen3_vl,
    "llava_onevision": _llava_onevision,
}


# ---------------------------------------------------------------------- what they share


def _language(size: Sizes, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
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


def _tile_tokens(size: Sizes) -> int:
    return (size.image // size.patch // 2) ** 2


def _qwen_pixels(size: Sizes) -> dict[str, Any]:
    block = (2 * size.patch) ** 2  # pixels that become one token
    return {"patch_size": size.patch, "size": {"shortest_edge": 4 * block, "longest_edge": 64 * block}}


def _rope_sections(size: Sizes) -> list[int]:
    """How half a head's numbers are shared out among time, height and width, as in the real models: 1 : 1.5 : 1.5."""
    half = size.hidden // size.heads // 2
    side = half * 3 // 8
    return [half - 2 * side, side, side]


_QWEN_TOKENS = {
    "vision_start_token_id": "<|vision_start|>",
    "vision_end_token_id": "<|vision_end|>",
    "image_token_id": "<|image_pad|>",
    "video_token_id": "<|video_pad|>",
}
_QWEN_IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"


def _qwen_tokenizer(size: Sizes) -> PreTrainedTokenizerBase:
    return _tokenizer(size, list(_QWEN_TOKENS.values()))


def _qwen_token_ids(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    return {field: tokenizer.get_vocab()[token] for field, token in _QWEN_TOKENS.items()}


def _tokenizer(size: Sizes, control: list[str], named: dict[str, str] | None = None) -> PreTrainedTokenizerBase:
    """Byte-level BPE that splits every digit, as the real families' tokenizers do."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import Qwen2Tokenizer

    pieces = Qwen2Tokenizer().backend_tokenizer.pre_tokenizer
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pieces
    words = [form for word in WORDS for form in (word, word.capitalize())]
    corpus = [_CORPUS] * 3 + [size.corpus] * 3 + [f"{word} {word}" for word in words] * 100
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


def _chatml(image: str, system: str | None = None) -> str:
    """A chat template: each turn between <|im_start|> and <|im_end|>, each image written as `image`."""
    opening = f"{{% if loop.first and message.role != 'system' %}}<|im_start|>system\n{system}<|im_end|>\n{{% endif %}}"
    return (
        "{% for message in messages %}" + (opening if system else "") + "<|im_start|>{{ message.role }}\n"
        "{% for part in message.content %}"
        "{% if part.type == 'image' %}" + image + "{% else %}{{ part.text }}{% endif %}"
        "{% endfor %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )


_LLAVA_CHAT = (  # a space after the role, all images of a turn before its text, no line break after a turn
    "{% for message in messages %}<|im_start|>{{ message.role }} "
    "{% for part in message.content if part.type == 'image' %}<image>{% endfor %}"
    "{% for part in message.content if part.type == 'text' %}{{ '\n' + part.text }}{% endfor %}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
