"""Tiny vision-language models: each family's own classes, processor and kind of chat, with random weights.

They are made offline in a second or two, answer nothing sensible, and run every line of code that a real backbone does.
The tokenizer is trained on the spot: each digit, the words of `WORDS` and the control tokens of the family are one
token each; any other text is spelled in bytes and short pieces.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..sample import EditMetricsError
from . import qwen_backbones
from .backbone_parts import WORDS, Sizes, chatml, language, tile_tokens, tokenizer_of
from .mplug_owl2_backbone import write_mplug_owl2

__all__ = ["WORDS", "Sizes", "tiny_backbone"]

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, ProcessorMixin


def tiny_backbone(family: str, folder: str | Path, seed: int = 0, **sizes: Any) -> Path:
    """Write a tiny random backbone of `family` into `folder`, as `Backbone.load` and transformers read it.

    `family` is one of "internvl", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_5", "llava_onevision", and "mplug_owl2",
    which transformers does not read; `sizes` are fields of `Sizes`. Equal arguments write equal weights. Returns the
    folder. Raises `EditMetricsError` for an unknown family.

    >>> import tempfile
    >>> from transformers import AutoTokenizer
    >>> folder = tiny_backbone("qwen3_vl", tempfile.mkdtemp(), layers=1)
    >>> AutoTokenizer.from_pretrained(folder).tokenize("4.38 excellent")
    ['4', '.', '3', '8', 'Ġexcellent']
    """
    from ..mllm.into_memory import no_progress_bars
    from ..mllm.turns import seeded

    if family not in (*_BUILDERS, "mplug_owl2"):
        raise EditMetricsError(f"unknown family {family!r}; expected one of {', '.join(_BUILDERS)}, mplug_owl2")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    size = Sizes(**sizes)
    if family == "mplug_owl2":  # which transformers does not have
        write_mplug_owl2(folder, size, seed)
        return folder
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
        "qwen2_vl": "Qwen2VLForConditionalGeneration",
        "qwen3_5": "Qwen3_5ForConditionalGeneration",
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

    tokenizer = tokenizer_of(
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
        text_config=Qwen2Config(**language(size, tokenizer)).to_dict(),
        image_token_id=tokenizer.get_vocab()["<IMG_CONTEXT>"],
        image_seq_length=tile_tokens(size),
        tie_word_embeddings=False,
    )
    processor = InternVLProcessor(
        image_processor=GotOcr2ImageProcessor(size=tile, crop_to_patches=True, min_patches=1, max_patches=12),
        tokenizer=tokenizer,
        video_processor=InternVLVideoProcessor(size=tile),
        image_seq_length=tile_tokens(size),
        chat_template=chatml("<IMG_CONTEXT>\n"),
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

    tokenizer = tokenizer_of(size, ["<image>", "<video>"])
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
        text_config=Qwen2Config(**language(size, tokenizer)).to_dict(),
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
    "qwen2_5_vl": qwen_backbones.qwen2_5_vl,
    "qwen3_vl": qwen_backbones.qwen3_vl,
    "llava_onevision": _llava_onevision,
    "qwen2_vl": qwen_backbones.qwen2_vl,
    "qwen3_5": qwen_backbones.qwen3_5,
}


_LLAVA_CHAT = (  # a space after the role, all images of a turn before its text, no line break after a turn
    "{% for message in messages %}<|im_start|>{{ message.role }} "
    "{% for part in message.content if part.type == 'image' %}<image>{% endfor %}"
    "{% for part in message.content if part.type == 'text' %}{{ '\n' + part.text }}{% endfor %}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
