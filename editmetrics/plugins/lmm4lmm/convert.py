"""A model in InternVL's chat layout, as LMM4LMM's authors published theirs, to a checkpoint of this package.

    editmetrics weights convert lmm4lmm FOLDER -o OUT --part perception

The checkpoint has the backbone in the native layout, LoRA as an adapter, and the score head. Nothing of the source is
run: config.json is read as JSON, weights as safetensors or with `weights_only`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...mllm.checkpoint import Checkpoint, write_checkpoint
from ...weights import load_state_dict, sha256
from .chat_layout import ConversionError, Converted, convert_tensors, plain_name
from .prompts import QUESTIONS, TASKS

if TYPE_CHECKING:
    from torch import Tensor

    from ...mllm.heads import RegressionHead

PROCESSOR = "OpenGVLab/InternVL2_5-8B-MPO-hf"
"""Whose tokenizer and image processor a conversion takes: the same as LMM4LMM's, in the native layout."""

CONFIG, LORA_FILE = "config.json", "lora_weights.pth"
SYSTEM = "你是由上海人工智能实验室联合商汤科技开发的书生多模态大模型，英文名叫InternVL, 是一个有用无害的人工智能助手。"
"""The system message of the template "internlm2-chat", with which LMM4LMM was trained."""

TURN_END = "<|im_end|>"
SIDE = 1024
TILES = 7
"""At most 6 tiles, and the thumbnail."""

LABEL_SCALE = (0.0, 100.0)


def convert(
    folder: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    part: str,
    processor: str | None = None,
    side: int = SIDE,
) -> Checkpoint | Path:
    """Convert the chat-layout model in `folder` into `output`, and return what can be loaded from there.

    - `part`: what it was trained for: "perception", "correspondence" or "questions"; the result is a checkpoint, for
      `weights=output`. "backbone" converts an InternVL2.5 without adapter and head, for `backbone=output`.
    - `processor`: hub id or folder with tokenizer and image processor of the same model in the native layout.

    Takes about as much memory as the weights. `output` appears when all of it is done: what a killed conversion left
    is in a hidden folder beside it, which the next one removes. Raises `ConversionError`: files or settings that are
    not those of such a model, a tensor that is missing or too many, an output folder that holds something.
    """
    folder, output = Path(folder), Path(output)
    if part not in (*TASKS, "backbone"):
        raise ConversionError(f"{part!r} is nothing to convert; expected one of {', '.join(TASKS)}, backbone")
    if output.is_dir() and any(output.iterdir()):
        raise ConversionError(f"{output} holds something already; name a new folder")
    config = _read_config(folder / CONFIG)
    files = _weight_files(folder)
    converted = convert_tensors(_read(files, with_head=part != QUESTIONS), config)
    _require(converted, part)
    with _appearing(output) as partial:
        if part == "backbone":
            _write_backbone(converted, config, processor or PROCESSOR, partial)
            return output
        work = partial / "backbone-of-the-source"
        _write_backbone(converted, config, processor or PROCESSOR, work)
        source = {file.name: sha256(file) for file in (folder / CONFIG, *files)}
        checkpoint = _write_checkpoint(converted, part, work, partial, side, source)
    return replace(checkpoint, folder=output)


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """A new folder to write to, which becomes `folder` at the end, and is removed if anything goes wrong."""
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        if folder.is_dir():
            folder.rmdir()  # it is empty
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


# ---------------------------------------------------------------------- the source


def _read_config(file: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        vision, language = config["vision_config"], config["llm_config"]
        expected = {
            "llm_config.model_type": (language.get("model_type"), "internlm2"),
            "llm_config.bias": (language.get("bias", False), False),
            "vision_config.norm_type": (vision.get("norm_type"), "layer_norm"),
            "vision_config.qk_normalization": (vision.get("qk_normalization", False), False),
            "select_layer": (config.get("select_layer", -1), -1),
            "ps_version": (config.get("ps_version"), "v2"),
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConversionError(
            f"{file} is no config.json of InternVL's chat layout: {type(error).__name__}: {error}"
        ) from error
    for name, (found, wanted) in expected.items():
        if found != wanted:
            raise ConversionError(f"{file}: {name} is {found!r}, and only {wanted!r} can be converted")
    return config


def _weight_files(folder: Path) -> list[Path]:
    """The files with tensors; a tensor of a later one replaces that of an earlier one."""
    from ...mllm.loading import check_weights, weight_files

    check_weights(folder)
    lora = folder / LORA_FILE
    return weight_files(folder) + ([lora] if lora.is_file() else [])


def _read(files: list[Path], with_head: bool) -> dict[str, Tensor]:
    """All tensors by name. The published inference loads the adapters' own file last, so what it holds counts."""
    tensors: dict[str, Tensor] = {}
    for file in files:
        found = load_state_dict(file)
        if file.name == LORA_FILE:
            again = {plain_name(name) for name in found}
            tensors = {name: tensor for name, tensor in tensors.items() if plain_name(name) not in again}
        tensors |= found
    return tensors if with_head else {n: t for n, t in tensors.items() if not plain_name(n).startswith("mlpscore.")}


def _require(converted: Converted, part: str) -> None:
    """Raise unless the model has what the part is scored with."""
    has = {"adapters": bool(converted.adapter), "a score head": bool(converted.head)}
    wanted = {"adapters": part != "backbone", "a score head": part not in ("backbone", QUESTIONS)}
    for name in has:
        if has[name] != wanted[name]:
            raise ConversionError(
                f"the model has {'' if has[name] else 'not '}{name}, and a conversion for {part} expects "
                f"{'them' if wanted[name] else 'none'}; is it another of LMM4LMM's parts?"
            )


# ---------------------------------------------------------------------- the native layout


def _write_backbone(converted: Converted, config: Mapping[str, Any], model: str, folder: Path) -> None:
    """Write the model and its processor as transformers reads them."""
    import torch
    from transformers import InternVLForConditionalGeneration

    from ...mllm.loading import no_progress_bars

    processor = _processor(model)
    with torch.device("meta"):
        native = InternVLForConditionalGeneration(_native_config(config, processor))
    try:
        native.load_state_dict(converted.backbone, strict=True, assign=True)
    except RuntimeError as error:
        raise ConversionError(f"the tensors do not fit what config.json says: {error}") from error
    native.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    shutil.rmtree(folder, ignore_errors=True)
    with no_progress_bars():
        native.save_pretrained(folder)
    processor.save_pretrained(folder)


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


def _processor(model: str) -> Any:
    """The processor of a native model, with the chat template that LMM4LMM was trained with."""
    from transformers import AutoProcessor

    from ...mllm.loading import no_progress_bars

    with no_progress_bars():
        try:
            processor = AutoProcessor.from_pretrained(_small_files(model), local_files_only=True)
        except (OSError, ValueError) as error:
            raise ConversionError(f"{model} has no processor of InternVL in the native layout: {error}") from error
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


def _small_files(model: str) -> Path:
    """The folder with the small files of a native model, from this machine or from the hub."""
    from ...downloads import DownloadError, check_online
    from ...mllm.loading import SMALL_FILES

    if Path(model).is_dir():
        return Path(model)
    from huggingface_hub import snapshot_download

    try:
        check_online()
        offline = False
    except DownloadError:
        offline = True
    try:
        return Path(snapshot_download(model, allow_patterns=list(SMALL_FILES), local_files_only=offline))
    except Exception as error:  # the hub client's errors and those of its HTTP library share no ancestor
        raise ConversionError(
            f"the tokenizer of {model} cannot be fetched ({type(error).__name__}: {error}); name a folder that has it"
        ) from error


# ---------------------------------------------------------------------- the checkpoint


def _write_checkpoint(
    converted: Converted, part: str, work: Path, output: Path, side: int, source: Mapping[str, str]
) -> Checkpoint:
    from ...mllm.backbone import Backbone
    from ...mllm.lora import load_lora, remove_lora
    from .metric import LMM4LMM

    dtype = converted.backbone["lm_head.weight"].dtype
    limit = TILES * int(json.loads((work / "config.json").read_text(encoding="utf-8"))["image_seq_length"])
    backbone = Backbone.load(work, device="cpu", dtype=dtype, image_tokens=limit)
    name = f"converted_{part}"
    _write_adapter(converted, backbone.family.lora_targets, output / ".adapter")
    load_lora(backbone, name, output / ".adapter")
    shutil.rmtree(output / ".adapter")
    metric = LMM4LMM()
    metric.dimensions = tuple(d for d in type(metric).dimensions if d.name == part)  # type: ignore[misc]
    try:
        return write_checkpoint(
            output,
            metric,
            label_scale=LABEL_SCALE,
            backbone=backbone,
            adapters={part: name},
            heads={part: _head(converted)} if converted.head else {},
            with_backbone=work,
            settings={"side": side, "projectors": {}, "converted_from": dict(source)},
        )
    finally:
        remove_lora(backbone, name)


def _write_adapter(converted: Converted, targets: Mapping[str, str], folder: Path) -> None:
    """Write the adapter as a peft folder; alpha is twice the rank, as in the authors' code."""
    from safetensors.torch import save_file

    folder.mkdir(exist_ok=True)
    tensors = {f"base_model.model.{name}": tensor.float().contiguous() for name, tensor in converted.adapter.items()}
    save_file(tensors, str(folder / "adapter_model.safetensors"), metadata={"format": "pt"})
    pattern = "|".join(f"({targets[where]})" for where in ("vision", "language"))
    said = {"peft_type": "LORA", "r": converted.rank, "lora_alpha": 2 * converted.rank, "lora_dropout": 0.05,
            "target_modules": pattern}  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(said), encoding="utf-8")


def _head(converted: Converted) -> RegressionHead:
    """The score head: a ReLU after each layer, the last one too."""
    import torch

    from ...mllm.heads import RegressionHead

    sizes = [len(weight) for weight, _ in converted.head]
    head = RegressionHead(converted.head[0][0].shape[1], hidden=sizes[:-1], outputs=sizes[-1], activation="relu",
                          last_activation=True)  # fmt: skip
    linear = [layer for layer in head.layers if isinstance(layer, torch.nn.Linear)]
    with torch.no_grad():
        for layer, (weight, bias) in zip(linear, converted.head, strict=True):
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
    return head.eval()
