"""The backbone of a chat-layout model in the native layout of transformers: configuration, processor, shards."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...mllm.checkpoint_writing import save_processor
from ...mllm.shards import ShardWriter
from ...wording import first_few
from .chat_layout import ConversionError

if TYPE_CHECKING:
    from .chat_files import ChatFiles
    from .chat_layout import ConversionPlan

SYSTEM = "你是由上海人工智能实验室联合商汤科技开发的书生多模态大模型，英文名叫InternVL, 是一个有用无害的人工智能助手。"
"""The system message of the template "internlm2-chat", with which LMM4LMM was trained."""

TURN_END = "<|im_end|>"


def write_backbone(
    source: ChatFiles, plan: ConversionPlan, config: Mapping[str, Any], processor: Any, folder: Path
) -> None:
    """Write the model and its processor as transformers reads them, holding a shard at most."""
    import torch
    from transformers import InternVLForConditionalGeneration

    with torch.device("meta"):
        native = InternVLForConditionalGeneration(_native_config(config, processor))
    expected = native.state_dict()
    if different := sorted(expected.keys() ^ plan.backbone.keys()):
        raise ConversionError(f"the tensors do not fit what config.json says: {first_few(different)}")
    by_source: dict[str, list[str]] = {}
    for name, part in plan.backbone.items():
        by_source.setdefault(part.source, []).append(name)
    folder.mkdir(parents=True, exist_ok=True)
    shards = ShardWriter(folder)
    for origin, whole in source.tensors(by_source):
        for name in by_source[origin]:
            tensor = plan.backbone[name].of(whole)
            if tensor.shape != expected[name].shape:
                raise ConversionError(
                    f"the tensor {origin} has the shape {tuple(whole.shape)}, which is not what config.json says: "
                    f"{name} is {tuple(expected[name].shape)}"
                )
            shards.add(name, tensor)
        if name == "lm_head.weight":
            native.config.dtype = whole.dtype
    shards.finish()
    native.config.architectures = [type(native).__name__]
    native.config.save_pretrained(folder)
    native.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    native.generation_config.save_pretrained(folder)
    save_processor(processor, folder)


def _native_config(config: Mapping[str, Any], processor: Any) -> Any:
    from transformers import InternVLConfig, InternVLVisionConfig, LlamaConfig

    vision, language = config["vision_config"], config["llm_config"]
    names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "image_size", "patch_size",
             "layer_norm_eps", "hidden_act")  # fmt: skip
    tower = InternVLVisionConfig(
        attention_bias=bool(vision.get("qkv_bias", True)), **{name: vision[name] for name in names if name in vision}
    )
    of_text = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
             "intermediate_size", "rms_norm_eps", "hidden_act", "max_position_embeddings", "bos_token_id",
             "pad_token_id")  # fmt: skip
    rope = {"rope_type": "default", "rope_theta": float(language.get("rope_theta", 10000.0))}
    scaling = language.get("rope_scaling") or {}
    if scaling:
        rope |= {"rope_type": scaling.get("type") or scaling.get("rope_type"), "factor": float(scaling["factor"])}
    text = LlamaConfig(
        **{name: language[name] for name in of_text if name in language},
        eos_token_id=processor.tokenizer.eos_token_id,
        rope_parameters=rope,
        tie_word_embeddings=False,
    )
    ratio = float(config.get("downsample_ratio", 0.5))
    return InternVLConfig(
        vision_config=tower.to_dict(),
        text_config=text.to_dict(),
        image_token_id=processor.image_token_id,
        image_seq_length=int((vision["image_size"] // vision["patch_size"] * ratio) ** 2),
        downsample_ratio=ratio,
        tie_word_embeddings=False,
    )


def native_processor(model: str) -> Any:
    """The processor of a native model, with the chat template that LMM4LMM was trained with."""
    from transformers import AutoProcessor

    from ...mllm.into_memory import loading_error, no_progress_bars
    from ...mllm.loading import find_processor

    folder = find_processor(model)
    with no_progress_bars():
        try:
            processor = AutoProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        except Exception as error:  # whatever transformers makes of a file that is missing or does not fit
            raise ConversionError(
                f"{model} has no processor of InternVL in the native layout: {loading_error(error)}"
            ) from error
    if not all(hasattr(processor, part) for part in ("tokenizer", "image_token", "image_token_id")):
        raise ConversionError(f"{model} has no processor of InternVL in the native layout: it has no image token")
    tokenizer = processor.tokenizer
    if TURN_END not in tokenizer.get_vocab():
        raise ConversionError(f"the tokenizer of {model} has no {TURN_END}; it is not that of InternVL2.5")
    tokenizer.eos_token = TURN_END
    processor.chat_template = chat_template(tokenizer.bos_token or "", processor.image_token)
    return processor


def chat_template(beginning: str, image_token: str) -> str:
    """The template "internlm2-chat": a system message, and no line break after a turn's end."""
    return (
        f"{beginning}<|im_start|>system\n{SYSTEM}{TURN_END}"
        "{% for message in messages %}<|im_start|>{{ message.role }}\n{% for part in message.content %}"
        "{% if part.type == 'image' %}" + image_token + "\n{% else %}{{ part.text }}{% endif %}{% endfor %}" + TURN_END
        + "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )  # fmt: skip
