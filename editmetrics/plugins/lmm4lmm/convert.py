"""A model in InternVL's chat layout, as LMM4LMM's authors published theirs, to a checkpoint of this package.

    editmetrics weights convert lmm4lmm FOLDER -o OUT --part perception

The checkpoint has the backbone in the native layout, LoRA as an adapter, and the score head. Nothing of the source is
run: config.json is read as JSON, weights as safetensors or with `weights_only`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...file_hashes import home, sha256_of_all
from ...files.writing import replacing_folder
from ...metric import Metric
from ...mllm.checkpoint import METRIC, CheckpointError, TrainedCheckpoint, read_checkpoint
from ...mllm.checkpoint_writing import CheckpointContents, save_model, write_checkpoint
from ...mllm.families import BackboneError
from ...mllm.lora import LoraError
from ...mllm.model_folders import check_weights, read_json, weight_files
from ...weights import load_state_dict
from .chat_layout import ConversionError, Converted, convert_tensors, plain_name
from .prompts import QUESTIONS, TASKS

if TYPE_CHECKING:
    from torch import Tensor

    from ...mllm.heads import RegressionHead

PROCESSOR = "OpenGVLab/InternVL2_5-8B-MPO-hf"
"""Whose tokenizer and image processor a conversion takes: the same as LMM4LMM's, in the native layout."""

CONFIG, LORA_FILE = "config.json", "lora_weights.pth"
SOURCE = "converted_from.json"
"""In a converted backbone: the checksums of what it was made of."""

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
    metric: type[Metric],
    part: str,
    processor: str | None = None,
    side: int = SIDE,
) -> TrainedCheckpoint | Path:
    """Convert the chat-layout model in `folder` into `output`, and return what can be loaded from there.

    - `metric`: the class that the checkpoint is for.
    - `part`: what it was trained for: "perception", "correspondence" or "questions"; the result is a checkpoint, for
      `weights=output`. "backbone" converts an InternVL2.5 without adapter and head, for `backbone=output`.
    - `processor`: hub id or folder with tokenizer and image processor of the same model in the native layout.

    Takes about as much memory as the weights. `output` appears when all of it is done: what a killed conversion left
    is in a hidden folder beside it, which the next one removes. A conversion that was done before is not done again.
    Raises `ConversionError`: files or settings that are not those of such a model, a tensor that is missing or too
    many, an output folder that holds something else or that another process is writing, a disk without room.
    """
    folder, output = Path(folder), Path(output)
    if part not in (*TASKS, "backbone"):
        raise ConversionError(f"{part!r} cannot be converted; expected one of {', '.join(TASKS)}, backbone")
    config = _read_config(folder / CONFIG)
    files = [folder / CONFIG, *_weight_files(folder)]
    with _alone(output):
        if output.is_dir() and any(output.iterdir()):
            return _done_before(output, metric, part, side, _checksums(files))
        converted = convert_tensors(_read(files[1:], with_head=part != QUESTIONS), config)
        _require(converted, part)
        with _appearing(output) as partial:
            if part == "backbone":
                _write_backbone(converted, config, processor or PROCESSOR, partial)
                (partial / SOURCE).write_text(json.dumps(_checksums(files), indent=1), encoding="utf-8")
                return output
            work = partial / "backbone-of-the-source"
            _write_backbone(converted, config, processor or PROCESSOR, work)
            checkpoint = _write_checkpoint(converted, metric, part, work, partial, side, _checksums(files))
    return replace(checkpoint, folder=output)


def _checksums(files: list[Path]) -> dict[str, str]:
    return {file.name: digest for file, digest in zip(files, sha256_of_all(files), strict=True)}


def _done_before(
    output: Path, metric: type[Metric], part: str, side: int, source: Mapping[str, str]
) -> TrainedCheckpoint | Path:
    """Return the earlier result in `output`, if this conversion would write the same."""
    other = ConversionError(f"{output} is not empty; name a new folder")
    if part == "backbone":
        try:
            sources = json.loads((output / SOURCE).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise other from error
        if sources != source:
            raise other
        return output
    if not (output / METRIC).is_file():
        raise other
    checkpoint = read_checkpoint(output, metric)
    settings = checkpoint.settings
    if (list(checkpoint.adapters), settings.get("side"), settings.get("converted_from")) != ([part], side, source):
        raise other
    return checkpoint


@contextmanager
def _alone(output: Path) -> Iterator[None]:
    """No other process converts into `output` inside the `with`."""
    from filelock import FileLock, Timeout

    name = hashlib.sha256(os.path.realpath(output).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    lock = home() / "locks" / f"{name}.lock"
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock, timeout=0):
            yield
    except Timeout as error:
        raise ConversionError(
            f"another process is converting into {output}; wait for it, or name another folder"
        ) from error


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """A new folder to write to, which becomes `folder` at the end, and is removed if anything goes wrong.

    Errors name `folder`, and not where it was on the way.
    """
    from safetensors import SafetensorError

    partial = folder.with_name(f".{folder.name}.partial")
    try:
        with replacing_folder(folder) as partial:
            yield partial
    except (OSError, SafetensorError, CheckpointError, LoraError, BackboneError) as error:
        of_disk = isinstance(error, (OSError, SafetensorError))
        if not of_disk and str(partial) not in str(error):
            raise
        message = str(error).replace(str(partial), str(folder))
        advice = "; make room or name another folder" if of_disk else ""
        raise ConversionError(f"{folder} was not converted: {message}{advice}") from error


# ---------------------------------------------------------------------- the source


def _read_config(file: Path) -> dict[str, Any]:
    try:
        config = read_json(file)
        vision, language = config["vision_config"], config["llm_config"]
        expected = {
            "llm_config.model_type": (language.get("model_type"), "internlm2"),
            "llm_config.bias": (language.get("bias", False), False),
            "vision_config.norm_type": (vision.get("norm_type"), "layer_norm"),
            "vision_config.qk_normalization": (vision.get("qk_normalization", False), False),
            "select_layer": (config.get("select_layer", -1), -1),
            "ps_version": (config.get("ps_version"), "v2"),
        }
    except (BackboneError, KeyError, TypeError, AttributeError) as error:
        raise ConversionError(
            f"{file} is not a config.json of InternVL's chat layout: {type(error).__name__}: {error}"
        ) from error
    for name, (present, wanted) in expected.items():
        if present != wanted:
            raise ConversionError(f"{file}: {name} is {present!r}, and only {wanted!r} can be converted")
    return config


def _weight_files(folder: Path) -> list[Path]:
    """The files with tensors; a tensor of a later one replaces that of an earlier one."""
    check_weights(folder)
    lora = folder / LORA_FILE
    return weight_files(folder) + ([lora] if lora.is_file() else [])


def _read(files: list[Path], with_head: bool) -> dict[str, Tensor]:
    """All tensors by name. The published inference loads the adapters' own file last, so what it holds counts."""
    tensors: dict[str, Tensor] = {}
    for file in files:
        part = load_state_dict(file)
        if file.name == LORA_FILE:
            again = {plain_name(name) for name in part}
            tensors = {name: tensor for name, tensor in tensors.items() if plain_name(name) not in again}
        tensors |= part
    return tensors if with_head else {n: t for n, t in tensors.items() if not plain_name(n).startswith("mlpscore.")}


def _require(converted: Converted, part: str) -> None:
    """Raise unless the model has what the part is scored with."""
    has = {"adapters": bool(converted.adapter), "score head": bool(converted.head)}
    wanted = {"adapters": part != "backbone", "score head": part not in ("backbone", QUESTIONS)}
    for name in has:
        if has[name] != wanted[name]:
            raise ConversionError(
                f"the model has {'' if has[name] else 'no '}{name}, and a conversion for {part} expects "
                f"{'' if wanted[name] else 'no '}{name}; is it another of LMM4LMM's parts?"
            )


# ---------------------------------------------------------------------- the native layout


def _write_backbone(converted: Converted, config: Mapping[str, Any], model: str, folder: Path) -> None:
    """Write the model and its processor as transformers reads them."""
    import torch
    from transformers import InternVLForConditionalGeneration

    processor = _processor(model)
    with torch.device("meta"):
        native = InternVLForConditionalGeneration(_native_config(config, processor))
    try:
        native.load_state_dict(converted.backbone, strict=True, assign=True)
    except RuntimeError as error:
        raise ConversionError(f"the tensors do not fit what config.json says: {error}") from error
    native.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    shutil.rmtree(folder, ignore_errors=True)
    save_model(native, processor, folder)


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

    from ...mllm.loading import find_processor, loading_error, no_progress_bars

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


# ---------------------------------------------------------------------- the checkpoint


def _write_checkpoint(
    converted: Converted,
    metric: type[Metric],
    part: str,
    work: Path,
    output: Path,
    side: int,
    source: Mapping[str, str],
) -> TrainedCheckpoint:
    import torch

    from ...mllm.backbone import Backbone
    from ...mllm.lora import load_lora, remove_lora

    dtype = converted.backbone["lm_head.weight"].dtype
    limit = TILES * int(json.loads((work / "config.json").read_text(encoding="utf-8"))["image_seq_length"])
    backbone = Backbone.load(work, device="cpu", dtype=dtype, image_tokens=limit)
    name = f"converted_{part}"
    _write_adapter(converted, backbone.family.lora_targets, output / ".adapter")
    load_lora(backbone, name, output / ".adapter", torch.float32)  # it is written again, unrounded
    shutil.rmtree(output / ".adapter")
    try:
        return write_checkpoint(
            output,
            metric,
            CheckpointContents(
                label_scale=LABEL_SCALE,
                dimensions=[part],
                backbone=backbone,
                adapters={part: name},
                heads={part: _head(converted)} if converted.head else {},
                with_backbone=work,
                settings={"side": side, "projectors": {}, "converted_from": dict(source)},
            ),
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
    config = {"peft_type": "LORA", "r": converted.rank, "lora_alpha": 2 * converted.rank, "lora_dropout": 0.05,
            "target_modules": pattern}  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")


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
