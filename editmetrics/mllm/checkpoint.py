"""A trained metric as a folder: its weights, its backbone, its training and its validation. Reading it, and using it.

    metric.json            the description of everything else; written last: a folder without it is unfinished
    adapter_NAME/          a LoRA adapter, as peft writes it
    heads.safetensors      regression heads
    part_NAME.safetensors  another part of the backbone that was trained: its projector
    backbone/              a backbone whose weights were all trained, as transformers writes it
    card.md                a summary for people
    history.jsonl          loss and validation, step by step

Every file's sha256 is in `metric.json` and is checked before the file is used. Nothing is a pickle. (Published weights
are in `editmetrics.checkpoints`.)
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ..file_hashes import sha256, sha256_of_all
from ..metric import Metric
from ..sample import EditMetricsError
from ..weights import WeightsError, load_state_dict, pull, registered
from .hub_checkpoint import METRIC, fetch_checkpoint, is_on_hub
from .model_folders import earlier_digest
from .run_folder import History, differences

if TYPE_CHECKING:
    from torch import Tensor

    from .backbone import Backbone
    from .heads import RegressionHead
    from .prompt_writer import PromptWriter

FORMAT = 1
HEADS, CARD, HISTORY, BACKBONE = "heads.safetensors", "card.md", "history.jsonl", "backbone"
NAME = r"[A-Za-z0-9_-]+"
DECISIVE = ("family", "image_tokens", "processor")
"""The fields of a backbone's identity that must be as they were in training, beside its files; dtype and libraries only
move the rounding."""


class CheckpointError(EditMetricsError):
    """A checkpoint cannot be written or used; the message names the folder or file, and says why."""


@dataclass(frozen=True)
class TrainedCheckpoint:
    """The contents of a checkpoint's `metric.json`.

    - `folder`: its path. `metric`, `version`, `dimensions`: of the metric that it belongs to.
    - `label_scale`: the ends of the scale of the ratings it learned, which is also that of its scores.
    - `backbone`: `Backbone.description()` of its backbone; None without one. `prompts`: by dimension or stage.
    - `settings`: anything else that the metric requires to score, such as a selected layer.
    - `adapters`: names. `heads`: from a name to the settings of its `RegressionHead`. `parts`: names of other tensors.
    - `validation`: from a dimension to measures ("srcc", "plcc", "n"). `data`: counts. `recipe`: how it was trained.
    - `fit`: everything that decided the training; an equal `fit` finds it finished.
    - `files`: from a relative path to its sha256.
    """

    folder: Path
    metric: str
    version: int
    dimensions: Sequence[str]
    label_scale: tuple[float, float]
    backbone: Mapping[str, Any] | None = None
    prompts: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    adapters: Sequence[str] = ()
    heads: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    validation: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    fit: Mapping[str, Any] = field(default_factory=dict)
    parts: Sequence[str] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""
    """The sha256 of `metric.json` as it was read, and so of every file: it identifies the checkpoint in results."""

    def adapter(self, name: str) -> Path:
        """The peft folder of an adapter, as it was when the checkpoint was read."""
        if name not in self.adapters:
            raise CheckpointError(f"{self.folder} has no adapter {name!r}; it has {', '.join(self.adapters) or 'none'}")
        self._require_unchanged(*(f"adapter_{name}/{file}" for file in _ADAPTER_FILES))
        return self.folder / f"adapter_{name}"

    @property
    def backbone_folder(self) -> Path | None:
        """The folder of the backbone whose weights were all trained; None when the checkpoint holds no backbone."""
        inside = [path for path in self.files if path.startswith(f"{BACKBONE}/")]
        self._require_unchanged(*inside)
        return self.folder / BACKBONE if inside else None

    def load_heads(self) -> dict[str, RegressionHead]:
        """The heads by name, on the CPU, ready for scoring."""
        from .heads import load_heads

        if not self.heads:
            return {}
        self._require_unchanged(HEADS)
        return load_heads(self.folder / HEADS, self.heads)

    def load_part(self, name: str) -> dict[str, Tensor]:
        """The tensors of a part, on the CPU."""
        if name not in self.parts:
            raise CheckpointError(f"{self.folder} has no part {name!r}; it has {', '.join(self.parts) or 'none'}")
        self._require_unchanged(part_file(name))
        try:
            return load_state_dict(self.folder / part_file(name))
        except WeightsError as error:
            raise CheckpointError(f"{error}; copy the checkpoint again, or train it anew") from error

    def history(self) -> History:
        """Loss and validation of every step; each record has its `stage`."""
        return History.read(self.folder / HISTORY)

    def _require_unchanged(self, *paths: str) -> None:
        """Raise `CheckpointError` when a file has changed since the checkpoint was read."""
        for path in paths:
            file = _inside(self.folder, path)
            if not file.is_file() or sha256(file) != self.files.get(path):
                raise CheckpointError(
                    f"{self.folder}: {path} has changed since this metric was created; create the metric again to use "
                    "the changed files"
                )


def read_checkpoint(folder: str | os.PathLike[str], metric: Metric | type[Metric] | None = None) -> TrainedCheckpoint:
    """Read the checkpoint in `folder`, for `metric` if given, and verify all its files.

    Raises `CheckpointError`: a folder that does not exist or has no `metric.json`, a checkpoint of another metric or of
    a newer version, a file that is missing, was changed, or lies outside of the folder.
    """
    folder = Path(folder)
    described, digest = _read_metric_json(folder)
    if metric is not None:
        _require_metric(folder, described, metric)
    for path in described["files"]:
        if not _inside(folder, path).is_file():
            raise CheckpointError(f"{folder}: {path} is missing; copy the whole checkpoint again")
    digests = sha256_of_all(folder / path for path in described["files"])
    for (path, expected), actual in zip(described["files"].items(), digests, strict=True):
        if actual != expected:
            raise CheckpointError(f"{folder}: {path} was changed since it was written; copy the checkpoint again")
    needed = [f"adapter_{name}/{file}" for name in described["adapters"] for file in _ADAPTER_FILES]
    needed += [part_file(name) for name in described["parts"]]
    for path in needed + ([HEADS] if described["heads"] else []):
        if path not in described["files"]:
            raise CheckpointError(f"{folder}: {METRIC} does not list {path}; copy the whole checkpoint again")
    fields = {name: value for name, value in described.items() if name in TrainedCheckpoint.__dataclass_fields__}
    return TrainedCheckpoint(
        **{**fields, "folder": folder, "label_scale": tuple(map(float, described["label_scale"])), "digest": digest}
    )


def finished_checkpoint(
    folder: str | os.PathLike[str], metric: Metric | type[Metric], fit: Mapping[str, Any]
) -> TrainedCheckpoint | None:
    """Read the checkpoint in `folder` of the finished training that `fit` describes; None if it is not finished.

    Raises `CheckpointError` when the folder holds a checkpoint of another training.
    """
    folder = Path(folder)
    if not (folder / METRIC).is_file():
        return None
    finished = read_checkpoint(folder, metric)
    if different := differences(finished.fit, json.loads(json.dumps(fit))):
        raise CheckpointError(
            f"{folder} holds a checkpoint of another training ({'; '.join(different[:3])}); "
            "name another folder, or start afresh (resume=False, '--overwrite')"
        )
    return finished


def named_checkpoint(metric: type[Metric], name: str) -> TrainedCheckpoint:
    """Read the checkpoint of `metric` in the folder `name`, of the weights registry's entry `METRIC.NAME`, or on the
    hub, `hub:OWNER/NAME`.

    Raises `CheckpointError` or `WeightsError` if there is none.
    """
    if is_on_hub(name):
        return read_checkpoint(fetch_checkpoint(name), metric)
    entry = f"{metric.name}.{name}"
    return read_checkpoint(pull(entry) if entry in registered() else Path(name), metric)


def require_backbone(checkpoint: TrainedCheckpoint, backbone: Backbone) -> None:
    """Raise `CheckpointError` unless the checkpoint was trained on `backbone`, with the same treatment of images."""
    different = _other_images(checkpoint, backbone)
    if other := _other_files(dict(checkpoint.backbone or {}), backbone):
        different.append(other)
    _refuse(checkpoint, different)


def require_processor(checkpoint: TrainedCheckpoint, writer: PromptWriter) -> None:
    """Raise `CheckpointError` unless the checkpoint was trained with the same treatment of images."""
    _refuse(checkpoint, _other_images(checkpoint, writer))


def _other_images(checkpoint: TrainedCheckpoint, writer: PromptWriter) -> list[str]:
    trained, present = checkpoint.backbone or {}, writer.identity()
    return [f"{name} {present[name]} instead of {trained.get(name)}" for name in DECISIVE
            if trained.get(name) != present[name]]  # fmt: skip


def _refuse(checkpoint: TrainedCheckpoint, different: Sequence[str]) -> None:
    if different:
        trained = checkpoint.backbone or {}
        raise CheckpointError(
            f"{checkpoint.folder} was trained on {trained.get('model')}, and this backbone differs: "
            f"{'; '.join(different)}. Its adapters mean nothing on another one; name the right one with backbone=... "
            "and revision=..."
        )


def _other_files(trained: Mapping[str, Any], backbone: Backbone) -> str | None:
    """Describe how the files of `backbone` differ from those of the training; None if they do not.

    Checkpoints of earlier versions have the digest of all small files in the folder, used or not; those trained on a
    hub id have only the commit.
    """
    loaded = backbone.loaded
    if trained.get("sha256") is not None:
        if trained["sha256"] == loaded.origin["sha256"]:
            return None
        if loaded.folder is not None and loaded.folder.is_dir() and trained["sha256"] == earlier_digest(loaded.folder):
            return None
        return f"sha256 {loaded.origin['sha256']} instead of {trained['sha256']}"
    if trained.get("revision") == loaded.origin.get("revision"):
        return None
    if "revision" in loaded.origin:
        return f"revision {loaded.origin['revision']} instead of {trained.get('revision')}"
    return (
        "it is a folder, and the checkpoint, which an earlier version wrote, holds only the hub's commit "
        f"{trained.get('revision')} and no checksum"
    )


def adapters_of(checkpoint: TrainedCheckpoint, backbone: Backbone) -> dict[str, str]:
    """Put the checkpoint's adapters on `backbone` unless they are there; maps their names to those on the backbone.

    Several checkpoints on one backbone do not affect one another; two metrics with the same checkpoint share its
    adapters.
    """
    from .lora import adapters, load_lora

    named = {name: f"{name}_{checkpoint.digest[:16]}" for name in checkpoint.adapters}
    with backbone.exclusive():
        for name, on_backbone in named.items():
            if on_backbone not in adapters(backbone):
                load_lora(backbone, on_backbone, checkpoint.adapter(name))
    return named


_ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")
_TYPES: dict[str, Any] = {
    "metric": str, "version": int, "dimensions": list, "label_scale": list, "backbone": (dict, type(None)),
    "prompts": dict, "settings": dict, "adapters": list, "heads": dict, "validation": dict, "recipe": dict,
    "data": dict, "fit": dict, "parts": list, "files": dict,
}  # fmt: skip


def _read_metric_json(folder: Path) -> tuple[dict[str, Any], str]:
    """Read and check `metric.json`; returns its contents and its sha256."""
    file = folder / METRIC
    try:
        if not folder.is_dir():
            raise CheckpointError(f"{folder} is not a folder; expected one that 'editmetrics fit -o' wrote")
        if not file.is_file():
            unfinished = " (its training was not finished)" if (folder / "training").is_dir() else ""
            raise CheckpointError(f"{folder} is not a checkpoint: it has no {METRIC}{unfinished}")
        content = file.read_bytes()
        described = json.loads(content.decode("utf-8"))
        version = int(described["format"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise CheckpointError(f"{file} cannot be read: {type(error).__name__}: {error}") from error
    if version > FORMAT:
        raise CheckpointError(
            f"{folder} is a checkpoint of format {version}, and this version of editmetrics reads up to {FORMAT}; "
            "pip install -U editmetrics"
        )
    described.setdefault("parts", [])
    for name, kind in _TYPES.items():
        if not isinstance(described.get(name), kind) or isinstance(described.get(name), bool):
            raise CheckpointError(f"{file} is damaged: {name} is {described.get(name)!r:.200}")
    if problem := _damage(described):
        raise CheckpointError(f"{file} is damaged: {problem}")
    return described, hashlib.sha256(content).hexdigest()


def _damage(described: Mapping[str, Any]) -> str | None:
    """Describe values in `metric.json` that have the right type but cannot have been written; None if none."""
    for name in [*described["adapters"], *described["parts"], *described["heads"]]:
        if not (isinstance(name, str) and re.fullmatch(NAME, name)):
            return f"{name!r:.200} cannot be the name of an adapter, a head or a part"
    if not all(isinstance(name, str) for name in described["dimensions"]):
        return f"dimensions is {described['dimensions']!r:.200}"
    scale = described["label_scale"]
    numbers = all(isinstance(end, (int, float)) and not isinstance(end, bool) for end in scale)
    if not (numbers and len(scale) == 2 and all(abs(end) < math.inf for end in scale) and scale[0] < scale[1]):
        return f"label_scale is {scale!r:.200}; expected two finite numbers, the lower one first"
    for name, settings in described["heads"].items():
        if not isinstance(settings, dict):
            return f"the settings of the head {name} are {settings!r:.200}"
    for path, digest in described["files"].items():
        if not (isinstance(digest, str) and re.fullmatch(r"[0-9a-f]{64}", digest)) or "\0" in path:
            return f"the sha256 of {path!r} is {digest!r:.200}"
    return _unlisted(described)


def _unlisted(described: Mapping[str, Any]) -> str | None:
    """Describe trained weights that are among the files but not in the fields; None if none."""
    tops = {PurePosixPath(path).parts[0] for path in described["files"] if PurePosixPath(path).parts}
    for kind, names in (("adapters", described["adapters"]), ("parts", described["parts"])):
        form = "adapter_{}" if kind == "adapters" else part_file("{}")
        before, after = form.split("{}")
        present = {top.removeprefix(before).removesuffix(after) for top in tops
                   if top.startswith(before) and top.endswith(after)}  # fmt: skip
        if more := sorted(present - set(names)):
            return f"{kind} is {names}, and its files have {form.format(more[0])}"
    if HEADS in tops and not described["heads"]:
        return f"heads is empty, and its files have {HEADS}"
    if not (described["adapters"] or described["parts"] or described["heads"] or BACKBONE in tops):
        return "it has no adapters, heads, parts or backbone, so nothing in it was trained"
    return None


def _require_metric(folder: Path, described: Mapping[str, Any], metric: Metric | type[Metric]) -> None:
    if described["metric"] != metric.name:
        raise CheckpointError(
            f"{folder} is a checkpoint of the metric {described['metric']}, not of {metric.name}; "
            f"create_metric({described['metric']!r}, weights=...) loads it"
        )
    if described["version"] > metric.version:
        raise CheckpointError(
            f"{folder} is a checkpoint of version {described['version']} of {metric.name}, and this is version "
            f"{metric.version}; pip install -U editmetrics"
        )


def _inside(folder: Path, path: str) -> Path:
    """The file at a relative path that a checkpoint names; it must lie in the folder, wherever links lead."""
    parts = PurePosixPath(path)
    file = folder / parts
    real = os.path.realpath(file)
    if parts.is_absolute() or ".." in parts.parts or not real.startswith(os.path.realpath(folder) + os.sep):
        raise CheckpointError(f"{folder}: {METRIC} names the file {path}, which is outside of it; do not trust it")
    return file


def part_file(name: str) -> str:
    """The name of a part's file."""
    return f"part_{name}.safetensors"
