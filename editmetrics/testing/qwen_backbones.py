"""The tiny backbones of Qwen's families."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .backbone_parts import Sizes, chatml, language, tokenizer_of

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase, ProcessorMixin


def qwen2_5_vl(size: Sizes) -> tuple[PreTrainedConfig, ProcessorMixin]:
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
        text_config=language(size, tokenizer) | {"rope_parameters": rope},
        **_qwen_token_ids(tokenizer),
    )
    processor = Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(**_qwen_pixels(size)),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(**_qwen_pixels(size)),
        chat_template=chatml(_QWEN_IMAGE, system="You are a helpful assistant."),
    )
    return config, processor


def qwen3_vl(size: Sizes) -> tuple[PreTrainedConfig, ProcessorMixin]:
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
    text = language(size, tokenizer) | {"rope_parameters": rope, "head_dim": size.hidden // size.heads}
    config = Qwen3VLConfig(vision_config=vision, text_config=text, **_qwen_token_ids(tokenizer))
    processor = Qwen3VLProcessor(
        image_processor=Qwen2VLImageProcessor(**_qwen_pixels(size)),
        tokenizer=tokenizer,
        video_processor=Qwen3VLVideoProcessor(**_qwen_pixels(size)),
        chat_template=chatml(_QWEN_IMAGE),
    )
    return config, processor


def qwen2_vl(size: Sizes) -> tuple[PreTrainedConfig, ProcessorMixin]:
    from transformers import Qwen2VLConfig, Qwen2VLImageProcessor, Qwen2VLProcessor, Qwen2VLVideoProcessor

    tokenizer = _qwen_tokenizer(size)
    vision = {
        "depth": size.vision_layers,
        "embed_dim": size.vision_hidden,
        "hidden_size": size.hidden,
        "mlp_ratio": 2,
        "num_heads": 4,
        "patch_size": size.patch,
    }
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": _rope_sections(size)}
    config = Qwen2VLConfig(
        vision_config=vision,
        text_config=language(size, tokenizer) | {"rope_parameters": rope},
        **_qwen_token_ids(tokenizer),
    )
    processor = Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessor(**_qwen_pixels(size)),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(**_qwen_pixels(size)),
        chat_template=chatml(_QWEN_IMAGE, system="You are a helpful assistant."),
    )
    return config, processor


def qwen3_5(size: Sizes) -> tuple[PreTrainedConfig, ProcessorMixin]:
    from transformers import Qwen2VLImageProcessor, Qwen3_5Config, Qwen3VLProcessor, Qwen3VLVideoProcessor

    tokenizer = _qwen_tokenizer(size)
    vision = {
        "depth": size.vision_layers,
        "hidden_size": size.vision_hidden,
        "intermediate_size": 2 * size.vision_hidden,
        "num_heads": 4,
        "patch_size": size.patch,
        "num_position_embeddings": (size.image // size.patch) ** 2,
        "out_hidden_size": size.hidden,
    }
    head = size.hidden // size.heads
    rope = {
        "rope_type": "default",
        "rope_theta": 10000.0,
        "mrope_section": _rope_sections(size),
        "mrope_interleaved": True,
        "partial_rotary_factor": 1.0,  # a quarter in the real models, whose heads are wide
    }
    text = language(size, tokenizer) | {
        "rope_parameters": rope,
        "head_dim": head,
        "linear_key_head_dim": head,
        "linear_value_head_dim": head,
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 4,
    }
    config = Qwen3_5Config(vision_config=vision, text_config=text, **_qwen_token_ids(tokenizer))
    processor = Qwen3VLProcessor(
        image_processor=Qwen2VLImageProcessor(**_qwen_pixels(size)),
        tokenizer=tokenizer,
        video_processor=Qwen3VLVideoProcessor(**_qwen_pixels(size)),
        chat_template=chatml(_QWEN_IMAGE),
    )
    return config, processor


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
    return tokenizer_of(size, list(_QWEN_TOKENS.values()))


def _qwen_token_ids(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    return {field: tokenizer.get_vocab()[token] for field, token in _QWEN_TOKENS.items()}
