"""Write a trained metric as a folder, which `checkpoint.read_checkpoint` reads."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..file_hashes import sha256_of_all
from ..files.writing import as_ordinary, write_text
from ..metric import Metric
from .card import card
from .checkpoint import (
    BACKBONE,
    CARD,
    FORMAT,
    HEADS,
    HISTORY,
    METRIC,
    NAME,
    CheckpointError,
    TrainedCheckpoint,
    part_file,
    read_checkpoint,
)
from .run_folder import History

if TYPE_CHECKING:
    from torch import Tensor

    from .backbone import Backbone
    from .heads import RegressionHead


@dataclass(frozen=True)
class CheckpointContents:
    """The contents of a checkpoint that is to be written.

    - `dimensions`: the names of those that were trained; None for all of the metric's.
    - `backbone`: the one that was trained on. `adapters`: those on it that belong to the checkpoint, as a mapping from
      the name in the checkpoint to the one on the backbone. `with_backbone`: save all weights of the backbone, too; or
      the folder that it was loaded from, which is moved into the checkpoint.
    - `backbone_facts`: what the card says of a network that is no backbone.
    - `parts`: named tensors of other parts that were trained, such as `projector_tensors` of the backbone.
    - `history`: the history of each stage of the training.
    - the others are fields of `TrainedCheckpoint`.
    """

    label_scale: Sequence[float]
    dimensions: Collection[str] | None = None
    backbone: Backbone | None = None
    adapters: Mapping[str, str] = field(default_factory=dict)
    with_backbone: bool | Path = False
    backbone_facts: Mapping[str, Any] | None = None
    heads: Mapping[str, RegressionHead] = field(default_factory=dict)
    parts: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    prompts: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    validation: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    fit: Mapping[str, Any] = field(default_factory=dict)
    history: Mapping[str, History] = field(default_factory=dict)


def write_checkpoint(
    folder: str | os.PathLike[str], metric: Metric | type[Metric], contents: CheckpointContents
) -> TrainedCheckpoint:
    """Write the checkpoint of a trained `metric` into `folder`, over an earlier one if there is one.

    A run that is killed meanwhile leaves a folder without `metric.json`, which `read_checkpoint` refuses. Raises
    `CheckpointError` for contents that JSON cannot represent, NaN included, for names that cannot be file names, and
    for files that cannot be written.
    """
    folder = Path(folder)
    names = [*contents.adapters, *contents.heads, *contents.parts]
    if wrong := [name for name in names if not re.fullmatch(NAME, name)]:
        raise CheckpointError(
            f"invalid name of an adapter, head or part: {wrong[0]!r}; expected letters, digits, - and _"
        )
    if contents.backbone is None and (contents.adapters or contents.with_backbone):
        raise CheckpointError("adapters and backbone weights require the backbone that they belong to")
    with write_errors(folder):
        _remove_earlier(folder)
        description = _write_weights(folder, metric, contents)
        write_text(folder / HISTORY, _lines(contents.history))
        write_text(folder / CARD, card(description))
        files = _own_files(folder)
        for file in files:
            as_ordinary(file)
        paths = [path.relative_to(folder).as_posix() for path in files]
        description["files"] = dict(zip(paths, sha256_of_all(files), strict=True))
        try:
            text = json.dumps({"format": FORMAT, **description}, indent=2, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise CheckpointError(f"{folder}: JSON cannot represent the checkpoint's description: {error}") from error
        write_text(folder / METRIC, text + "\n")
    return read_checkpoint(folder)


def save_model(model: Any, processor: Any, folder: Path) -> None:
    """Write a model and its processor as transformers reads them. Raises `OSError` for a full disk."""
    from .into_memory import no_progress_bars

    with no_progress_bars():
        model.save_pretrained(folder, max_shard_size="5GB")  # some versions of safetensors copy a shard to write it
    save_processor(processor, folder)


def save_processor(processor: Any, folder: Path) -> None:
    """Write a processor as transformers reads it. Raises `OSError` for a full disk."""
    from .into_memory import no_progress_bars

    with no_progress_bars():
        try:
            processor.save_pretrained(folder)
        except Exception as error:  # the tokenizers library raises a bare Exception for a full disk
            if type(error) is not Exception:
                raise
            raise OSError(str(error)) from error


@contextmanager
def write_errors(folder: Path) -> Iterator[None]:
    """Raise `CheckpointError` for what libraries raise when they cannot write into `folder`."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{folder} cannot be written: {error}; make room or name another folder, and run the same command again"
        ) from error


def _remove_earlier(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / METRIC).unlink(missing_ok=True)
    for old in [*folder.glob("adapter_*"), folder / BACKBONE]:
        shutil.rmtree(old, ignore_errors=True)
    for old in [folder / HEADS, *folder.glob(part_file("*"))]:
        old.unlink(missing_ok=True)


def _write_weights(folder: Path, metric: Metric | type[Metric], contents: CheckpointContents) -> dict[str, Any]:
    """Write heads, parts, adapters and backbone; returns the fields of `metric.json`, but for `files`."""
    from .heads import save_heads

    heads = save_heads(contents.heads, folder / HEADS) if contents.heads else {}
    _write_parts(folder, contents.parts)
    if contents.backbone is not None:
        _write_backbone(folder, contents.backbone, contents)
    declared = [dimension.name for dimension in metric.dimensions]
    copied = ("prompts", "settings", "validation", "recipe", "data", "fit")
    return {
        "metric": metric.name,
        "version": metric.version,
        "dimensions": [name for name in declared if contents.dimensions is None or name in contents.dimensions],
        "label_scale": list(contents.label_scale),
        "backbone": contents.backbone_facts if contents.backbone is None else contents.backbone.description(),
        "adapters": list(contents.adapters),
        "heads": heads,
        "parts": list(contents.parts),
        **{name: getattr(contents, name) for name in copied},
    }


def _write_parts(folder: Path, parts: Mapping[str, Mapping[str, Tensor]]) -> None:
    from safetensors.torch import save_file

    for name, tensors in parts.items():
        plain = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
        save_file(plain, str(folder / part_file(name)), metadata={"format": "pt"})


def _write_backbone(folder: Path, backbone: Backbone, contents: CheckpointContents) -> None:
    from .lora import adapters, save_lora

    for name, on_backbone in contents.adapters.items():
        save_lora(backbone, on_backbone, folder / f"adapter_{name}")
    if isinstance(contents.with_backbone, Path):
        os.replace(contents.with_backbone, folder / BACKBONE)
    elif contents.with_backbone:
        if remaining := adapters(backbone):
            raise CheckpointError(f"the backbone has adapters ({', '.join(remaining)}); remove them first")
        save_model(backbone.model, backbone.processor, folder / BACKBONE)


def _own_files(folder: Path) -> list[Path]:
    """The files of the checkpoint in `folder`, without any that others put there."""
    trees = [*folder.glob("adapter_*"), folder / BACKBONE]
    inside = [path for tree in trees for path in tree.rglob("*") if path.is_file()]
    inside += folder.glob(part_file("*"))
    return sorted([*inside, *(folder / name for name in (HEADS, HISTORY, CARD) if (folder / name).is_file())])


def _lines(history: Mapping[str, History]) -> str:
    records = ({"stage": stage, **record} for stage, of_stage in history.items() for record in of_stage.records)
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
