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
from ...mllm.checkpoint_writing import CheckpointContents, write_checkpoint
from ...mllm.families import BackboneError
from ...mllm.lora import LoraError
from ...mllm.model_folders import read_json, weight_files
from .chat_files import CONFIG, ChatFiles
from .chat_layout import ConversionError, ConversionPlan, plan_conversion
from .native_layout import native_processor, write_backbone
from .prompts import QUESTIONS, TASKS

if TYPE_CHECKING:
    from ...mllm.heads import RegressionHead

PROCESSOR = "OpenGVLab/InternVL2_5-8B-MPO-hf"
"""Whose tokenizer and image processor a conversion takes: the same as LMM4LMM's, in the native layout."""

SOURCE = "converted_from.json"
"""In a converted backbone: the checksums of what it was made of."""

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

    Holds one file of the weights at a time, and then maps the result to check it. `output` appears when all of it is
    done: what a killed conversion left is in a hidden folder beside it, which the next one removes. A conversion that
    was done before is not done again.
    Raises `ConversionError`: files or settings that are not those of such a model, a tensor that is missing or too
    many, an output folder that holds something else or that another process is writing, a disk without room.
    """
    folder, output = Path(folder), Path(output)
    if part not in (*TASKS, "backbone"):
        raise ConversionError(f"{part!r} cannot be converted; expected one of {', '.join(TASKS)}, backbone")
    config = _read_config(folder / CONFIG)
    source = ChatFiles(folder, with_head=part != QUESTIONS)
    with _alone(output):
        checksums = _checksums(source.files)
        if output.is_dir() and any(output.iterdir()):
            return _done_before(output, metric, part, side, checksums)
        plan = plan_conversion(source.names, config)
        _require(plan, part)
        _require_room(source, output)
        with _appearing(output) as partial:
            work = partial if part == "backbone" else partial / "backbone-of-the-source"
            write_backbone(source, plan, config, native_processor(processor or PROCESSOR), work)
            if part == "backbone":
                _write_sums(partial, checksums)
                return output
            checkpoint = _write_checkpoint(source, plan, metric, part, work, partial, side, checksums)
    return replace(checkpoint, folder=output)


def _checksums(files: list[Path]) -> dict[str, str]:
    return {file.name: digest for file, digest in zip(files, sha256_of_all(files), strict=True)}


def _write_sums(folder: Path, source: Mapping[str, str]) -> None:
    """Note the checksums of what a backbone was made of, and of its own weights."""
    sums = {"source": source, "weights": _checksums(weight_files(folder))}
    (folder / SOURCE).write_text(json.dumps(sums, indent=1), encoding="utf-8")


def _done_before(
    output: Path, metric: type[Metric], part: str, side: int, source: Mapping[str, str]
) -> TrainedCheckpoint | Path:
    """Return the earlier result in `output`, if this conversion would write the same; its files are verified."""
    other = ConversionError(f"{output} is not empty; name a new folder")
    if part == "backbone":
        try:
            sums = json.loads((output / SOURCE).read_text(encoding="utf-8"))
            if sums["source"] != source:
                raise other
            expected = sums["weights"]
            missing = [name for name in expected if not (output / name).is_file()]
        except (OSError, ValueError, RecursionError, KeyError, TypeError) as error:
            raise other from error
        if missing or _checksums([output / name for name in expected]) != expected:
            raise ConversionError(
                f"{output} was converted, and its weights are damaged since"
                f"{f' ({missing[0]} is missing)' if missing else ''}; delete the folder and convert again"
            )
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


def _require(plan: ConversionPlan, part: str) -> None:
    """Raise unless the model has what the part is scored with."""
    has = {"adapters": bool(plan.adapter), "score head": bool(plan.head)}
    wanted = {"adapters": part != "backbone", "score head": part not in ("backbone", QUESTIONS)}
    for name in has:
        if has[name] != wanted[name]:
            raise ConversionError(
                f"the model has {'' if has[name] else 'no '}{name}, and a conversion for {part} expects "
                f"{'' if wanted[name] else 'no '}{name}; is it another of LMM4LMM's parts?"
            )


def _require_room(source: ChatFiles, output: Path) -> None:
    """Raise unless the disk has room for as much as there is to convert."""
    parent = next(folder for folder in output.absolute().parents if folder.is_dir())
    free = shutil.disk_usage(parent).free
    if free < source.bytes:
        raise ConversionError(
            f"{output} takes {source.bytes / 1e9:.1f} GB, and {parent} has {free / 1e9:.1f} GB free; make room or name "
            "another folder"
        )


# ---------------------------------------------------------------------- the checkpoint


def _write_checkpoint(
    source: ChatFiles,
    plan: ConversionPlan,
    metric: type[Metric],
    part: str,
    work: Path,
    output: Path,
    side: int,
    checksums: Mapping[str, str],
) -> TrainedCheckpoint:
    import torch

    from ...mllm.backbone import Backbone
    from ...mllm.lora import load_lora, remove_lora

    settings = json.loads((work / CONFIG).read_text(encoding="utf-8"))
    limit = TILES * int(settings["image_seq_length"])
    backbone = Backbone.load(work, device="cpu", dtype=settings["dtype"], image_tokens=limit)
    name = f"converted_{part}"
    _write_adapter(source, plan, backbone.family.lora_targets, output / ".adapter")
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
                heads={part: _head(source, plan)} if plan.head else {},
                with_backbone=work,
                settings={"side": side, "projectors": {}, "converted_from": dict(checksums)},
            ),
        )
    finally:
        remove_lora(backbone, name)


def _write_adapter(source: ChatFiles, plan: ConversionPlan, targets: Mapping[str, str], folder: Path) -> None:
    """Write the adapter as a peft folder; alpha is twice the rank, as in the authors' code."""
    from safetensors.torch import save_file

    whole = dict(source.tensors({part.source for part in plan.adapter.values()}))
    adapter = {name: part.of(whole[part.source]) for name, part in plan.adapter.items()}
    ranks = {len(tensor) for name, tensor in adapter.items() if ".lora_A." in name}
    if len(ranks) > 1:
        raise ConversionError(f"the adapters have several ranks: {sorted(ranks)}; expected one")
    rank = ranks.pop()
    folder.mkdir(exist_ok=True)
    tensors = {f"base_model.model.{name}": tensor.float().clone() for name, tensor in adapter.items()}
    save_file(tensors, str(folder / "adapter_model.safetensors"), metadata={"format": "pt"})
    pattern = "|".join(f"({targets[where]})" for where in ("vision", "language"))
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": 2 * rank, "lora_dropout": 0.05, "target_modules": pattern}
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")


def _head(source: ChatFiles, plan: ConversionPlan) -> RegressionHead:
    """The score head: a ReLU after each layer, the last one too."""
    import torch

    from ...mllm.heads import RegressionHead

    tensors = dict(source.tensors({part.source for layer in plan.head for part in layer}))
    layers = [(tensors[weight.source], tensors[bias.source]) for weight, bias in plan.head]
    sizes = [len(weight) for weight, _ in layers]
    head = RegressionHead(layers[0][0].shape[1], hidden=sizes[:-1], outputs=sizes[-1], activation="relu",
                          last_activation=True)  # fmt: skip
    linear = [layer for layer in head.layers if isinstance(layer, torch.nn.Linear)]
    with torch.no_grad():
        for layer, (weight, bias) in zip(linear, layers, strict=True):
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
    return head.eval()
