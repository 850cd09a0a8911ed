"""A trained metric as a folder: what was trained, what it stands on, how it was trained, and how good it is.

    metric.json            what all else means; written last, so that a folder without it is unfinished
    adapter_NAME/          a LoRA adapter, as peft writes it
    heads.safetensors      regression heads
    part_NAME.safetensors  another part of the backbone that was trained: its projector
    backbone/              a backbone of which all weights were trained, as transformers writes it
    card.md                the same for people
    history.jsonl          loss and validation, step by step

Every file's sha256 stands in `metric.json` and is checked before the file is used. Nothing is a pickle. (The published
weights of metrics, `editmetrics.checkpoints`, are another matter.)
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ..file_hashes import sha256, sha256_of_all
from ..files.atomic import write_text
from ..metric import Metric
from ..sample import EditMetricsError
from ..weights import WeightsError, load_state_dict
from .card import card
from .run_folder import History, differences

if TYPE_CHECKING:
    from torch import Tensor

    from .backbone import Backbone
    from .heads import RegressionHead

FORMAT = 1
METRIC, HEADS, CARD, HISTORY, BACKBONE = "metric.json", "heads.safetensors", "card.md", "history.jsonl", "backbone"
NAME = r"[A-Za-z0-9_-]+"


class CheckpointError(EditMetricsError):
    """A checkpoint cannot be written or used; the message names the folder or file, and says why."""


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint's `metric.json` says; all of it is JSON.

    - `folder`: where it is. `metric`, `version`, `dimensions`: of the metric that it belongs to.
    - `label_scale`: the ends of the scale of the ratings it learned, which is that of its scores.
    - `backbone`: `Backbone.identity()` of what it stands on; None without one. `prompts`: by dimension or stage.
    - `settings`: what else the metric must know to score: a selected layer, say.
    - `adapters`: names. `heads`: from a name to the settings of its `RegressionHead`. `parts`: names of other tensors.
    - `validation`: from a dimension to measures ("srcc", "plcc", "n"). `data`: counts. `recipe`: how it was trained.
    - `fit`: all that decided the training; the same `fit` again finds it finished.
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
    """The sha256 of `metric.json` as it was read, and with it of every file: what identifies the checkpoint in a
    result."""

    def adapter(self, name: str) -> Path:
        """The peft folder of an adapter, as it was when the checkpoint was read."""
        if name not in self.adapters:
            raise CheckpointError(f"{self.folder} has no adapter {name!r}; it has {', '.join(self.adapters) or 'none'}")
        self._require_unchanged(*(f"adapter_{name}/{file}" for file in _ADAPTER_FILES))
        return self.folder / f"adapter_{name}"

    @property
    def backbone_folder(self) -> Path | None:
        """The backbone whose weights were all trained; None when it stands on one that is found elsewhere."""
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
        self._require_unchanged(_part(name))
        try:
            return load_state_dict(self.folder / _part(name))
        except WeightsError as error:
            raise CheckpointError(f"{error}; copy the checkpoint again, or train it anew") from error

    def history(self) -> History:
        """Loss and validation of every step; each record has its `stage`."""
        return History.read(self.folder / HISTORY)

    def _require_unchanged(self, *paths: str) -> None:
        """Raise `CheckpointError` when a file is not what it was when the checkpoint was read."""
        for path in paths:
            file = _inside(self.folder, path)
            if not file.is_file() or sha256(file) != self.files.get(path):
                raise CheckpointError(
                    f"{self.folder}: {path} has changed since this metric was made; make the metric anew to use what "
                    "the folder holds now"
                )


def write_checkpoint(
    folder: str | os.PathLike[str],
    metric: Metric | type[Metric],
    *,
    label_scale: tuple[float, float],
    backbone: Backbone | None = None,
    adapters: Mapping[str, str] | Sequence[str] = (),
    heads: Mapping[str, RegressionHead] | None = None,
    with_backbone: bool | Path = False,
    parts: Mapping[str, Mapping[str, Tensor]] | None = None,
    prompts: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    validation: Mapping[str, Mapping[str, Any]] | None = None,
    recipe: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    fit: Mapping[str, Any] | None = None,
    history: Mapping[str, History] | None = None,
) -> Checkpoint:
    """Write the checkpoint of a trained `metric` into `folder`, over an earlier one if there is one.

    - `adapters`: those on `backbone` that belong to it: their names, or a mapping from the name in the checkpoint to
      the one on the backbone. `with_backbone`: save all weights of the backbone, too; or, the folder that it was
      loaded from, which is moved into the checkpoint.
    - `parts`: named tensors of other parts that were trained, such as `projector_tensors` of the backbone.
    - `history`: the history of each stage of the training.
    - the others are fields of `Checkpoint`.

    A run that is killed meanwhile leaves a folder without `metric.json`, which `read_checkpoint` refuses. Raises
    `CheckpointError` for what is no JSON, NaN included, for names that make no file name, and for what cannot be
    written.
    """
    folder = Path(folder)
    named = dict(adapters) if isinstance(adapters, Mapping) else {name: name for name in adapters}
    if wrong := [name for name in [*named, *(heads or {}), *(parts or {})] if not re.fullmatch(NAME, name)]:
        raise CheckpointError(
            f"{wrong[0]!r} is no name of an adapter, a head or a part; expected letters, digits, - and _"
        )
    if backbone is None and (named or with_backbone):
        raise CheckpointError("adapters and backbone weights need the backbone that they belong to")
    with _writing(folder):
        text = _write_all(
            folder, metric, label_scale, backbone, named, heads, with_backbone, parts, history,
            prompts=prompts or {}, settings=settings or {}, validation=validation or {}, recipe=recipe or {},
            data=data or {}, fit=fit or {},
        )  # fmt: skip
        write_text(folder / METRIC, text)
    return read_checkpoint(folder)


def _write_all(
    folder: Path,
    metric: Metric | type[Metric],
    label_scale: tuple[float, float],
    backbone: Backbone | None,
    adapters: Mapping[str, str],
    heads: Mapping[str, RegressionHead] | None,
    with_backbone: bool | Path,
    parts: Mapping[str, Mapping[str, Tensor]] | None,
    history: Mapping[str, History] | None,
    **more: Mapping[str, Any],
) -> str:
    """Write all but `metric.json`, whose text is returned."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / METRIC).unlink(missing_ok=True)
    for old in [*folder.glob("adapter_*"), folder / BACKBONE]:
        shutil.rmtree(old, ignore_errors=True)
    for old in [folder / HEADS, *folder.glob(_part("*"))]:
        old.unlink(missing_ok=True)
    said: dict[str, Any] = {
        "metric": metric.name,
        "version": metric.version,
        "dimensions": [dimension.name for dimension in metric.dimensions],
        "label_scale": list(label_scale),
        "backbone": None if backbone is None else backbone.description(),
        "adapters": list(adapters),
        "heads": _write_heads(folder, heads),
        "parts": _write_parts(folder, parts),
        **more,
    }
    if backbone is not None:
        _write_backbone(folder, backbone, adapters, with_backbone)
    write_text(folder / HISTORY, _lines(history or {}))
    write_text(folder / CARD, card(said))
    files = _own_files(folder)
    names = [str(path.relative_to(folder).as_posix()) for path in files]
    said["files"] = dict(zip(names, sha256_of_all(files), strict=True))
    try:
        return json.dumps({"format": FORMAT, **said}, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{folder}: what describes the checkpoint is no JSON: {error}") from error


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Say in words what a library raises when it cannot write into `folder`."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{folder} cannot be written: {error}; make room or name another folder, and run the same command again"
        ) from error


def read_checkpoint(folder: str | os.PathLike[str], metric: Metric | type[Metric] | None = None) -> Checkpoint:
    """The checkpoint in `folder`, all its files verified; `metric` is the one that is to be loaded from it.

    Raises `CheckpointError`: no folder, one without `metric.json`, one of another metric or of a newer version, a file
    that is missing, was changed or lies outside.
    """
    folder = Path(folder)
    said, digest = _read_metric_json(folder)
    if metric is not None:
        _require_metric(folder, said, metric)
    for path in said["files"]:
        if not _inside(folder, path).is_file():
            raise CheckpointError(f"{folder}: {path} is missing; copy the whole checkpoint again")
    found = sha256_of_all(folder / path for path in said["files"])
    for (path, expected), actual in zip(said["files"].items(), found, strict=True):
        if actual != expected:
            raise CheckpointError(f"{folder}: {path} was changed since it was written; copy the checkpoint again")
    needed = [f"adapter_{name}/{file}" for name in said["adapters"] for file in _ADAPTER_FILES]
    needed += [_part(name) for name in said["parts"]]
    for path in needed + ([HEADS] if said["heads"] else []):
        if path not in said["files"]:
            raise CheckpointError(f"{folder}: {METRIC} lists no {path}; copy the whole checkpoint again")
    fields = {name: value for name, value in said.items() if name in Checkpoint.__dataclass_fields__}
    return Checkpoint(
        **{**fields, "folder": folder, "label_scale": tuple(map(float, said["label_scale"])), "digest": digest}
    )


def finished_checkpoint(
    folder: str | os.PathLike[str], metric: Metric | type[Metric], fit: Mapping[str, Any]
) -> Checkpoint | None:
    """The checkpoint in `folder` if the training that `fit` describes has been finished there; None if none has.

    Raises `CheckpointError` when the folder holds a checkpoint of another training.
    """
    folder = Path(folder)
    if not (folder / METRIC).is_file():
        return None
    found = read_checkpoint(folder, metric)
    if different := differences(found.fit, json.loads(json.dumps(fit))):
        raise CheckpointError(
            f"{folder} holds a checkpoint of another training ({'; '.join(different[:3])}); "
            "name another folder, or start afresh (resume=False, '--overwrite')"
        )
    return found


_ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")
_TYPES: dict[str, Any] = {
    "metric": str, "version": int, "dimensions": list, "label_scale": list, "backbone": (dict, type(None)),
    "prompts": dict, "settings": dict, "adapters": list, "heads": dict, "validation": dict, "recipe": dict,
    "data": dict, "fit": dict, "parts": list, "files": dict,
}  # fmt: skip


def _read_metric_json(folder: Path) -> tuple[dict[str, Any], str]:
    """What `metric.json` says, checked, and the sha256 of what was read."""
    file = folder / METRIC
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is no folder; a checkpoint is the folder that 'editmetrics fit -o' wrote")
    if not file.is_file():
        unfinished = " (its training was not finished)" if (folder / "training").is_dir() else ""
        raise CheckpointError(f"{folder} is no checkpoint: it has no {METRIC}{unfinished}")
    try:
        content = file.read_bytes()
        said = json.loads(content.decode("utf-8"))
        version = int(said["format"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise CheckpointError(f"{file} cannot be read: {type(error).__name__}: {error}") from error
    if version > FORMAT:
        raise CheckpointError(
            f"{folder} is a checkpoint of format {version}, and this version of editmetrics reads up to {FORMAT}; "
            "pip install -U editmetrics"
        )
    said.setdefault("parts", [])
    for name, kind in _TYPES.items():
        if not isinstance(said.get(name), kind) or isinstance(said.get(name), bool):
            raise CheckpointError(f"{file} is damaged: {name} is {said.get(name)!r:.200}")
    if problem := _damage(said):
        raise CheckpointError(f"{file} is damaged: {problem}")
    return said, hashlib.sha256(content).hexdigest()


def _damage(said: Mapping[str, Any]) -> str | None:
    """What in `metric.json` is of the right type and yet nothing that was ever written; None where there is nothing."""
    for name in [*said["adapters"], *said["parts"], *said["heads"]]:
        if not (isinstance(name, str) and re.fullmatch(NAME, name)):
            return f"{name!r:.200} cannot be the name of an adapter, a head or a part"
    if not all(isinstance(name, str) for name in said["dimensions"]):
        return f"dimensions is {said['dimensions']!r:.200}"
    scale = said["label_scale"]
    numbers = all(isinstance(end, (int, float)) and not isinstance(end, bool) for end in scale)
    if not (numbers and len(scale) == 2 and all(abs(end) < math.inf for end in scale) and scale[0] < scale[1]):
        return f"label_scale is {scale!r:.200}; expected two finite numbers, the lower one first"
    for name, settings in said["heads"].items():
        if not isinstance(settings, dict):
            return f"the settings of the head {name} are {settings!r:.200}"
    for path, digest in said["files"].items():
        if not (isinstance(digest, str) and re.fullmatch(r"[0-9a-f]{64}", digest)) or "\0" in path:
            return f"the sha256 of {path!r} is {digest!r:.200}"
    return _untold(said)


def _untold(said: Mapping[str, Any]) -> str | None:
    """Which trained weights are among the files and not in what `metric.json` says, or the other way round."""
    tops = {PurePosixPath(path).parts[0] for path in said["files"] if PurePosixPath(path).parts}
    for kind, names in (("adapters", said["adapters"]), ("parts", said["parts"])):
        form = "adapter_{}" if kind == "adapters" else _part("{}")
        before, after = form.split("{}")
        there = {top.removeprefix(before).removesuffix(after) for top in tops
                 if top.startswith(before) and top.endswith(after)}  # fmt: skip
        if more := sorted(there - set(names)):
            return f"{kind} is {names}, and its files have {form.format(more[0])}"
    if HEADS in tops and not said["heads"]:
        return f"heads is empty, and its files have {HEADS}"
    if not (said["adapters"] or said["parts"] or said["heads"] or BACKBONE in tops):
        return "it has no adapters, no heads, no parts and no backbone, so that nothing in it was trained"
    return None


def _require_metric(folder: Path, said: Mapping[str, Any], metric: Metric | type[Metric]) -> None:
    if said["metric"] != metric.name:
        raise CheckpointError(
            f"{folder} is a checkpoint of the metric {said['metric']}, not of {metric.name}; "
            f"create_metric({said['metric']!r}, weights=...) loads it"
        )
    if said["version"] > metric.version:
        raise CheckpointError(
            f"{folder} is a checkpoint of version {said['version']} of {metric.name}, and this is version "
            f"{metric.version}; pip install -U editmetrics"
        )


def _inside(folder: Path, path: str) -> Path:
    """The file at a relative path that a checkpoint names, if it lies in the folder, wherever links lead."""
    parts = PurePosixPath(path)
    file = folder / parts
    real = os.path.realpath(file)
    if parts.is_absolute() or ".." in parts.parts or not real.startswith(os.path.realpath(folder) + os.sep):
        raise CheckpointError(f"{folder}: {METRIC} names the file {path}, which lies outside; do not trust it")
    return file


def _write_heads(folder: Path, heads: Mapping[str, RegressionHead] | None) -> dict[str, Any]:
    if not heads:
        return {}
    from .heads import save_heads

    return save_heads(heads, folder / HEADS)


def _part(name: str) -> str:
    return f"part_{name}.safetensors"


def _write_parts(folder: Path, parts: Mapping[str, Mapping[str, Tensor]] | None) -> list[str]:
    from safetensors.torch import save_file

    for name, tensors in (parts or {}).items():
        plain = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
        save_file(plain, str(folder / _part(name)), metadata={"format": "pt"})
    return list(parts or {})


def _write_backbone(folder: Path, backbone: Backbone, adapters: Mapping[str, str], with_backbone: bool | Path) -> None:
    from .lora import adapters as adapters_of
    from .lora import save_lora

    for name, on_backbone in adapters.items():
        save_lora(backbone, on_backbone, folder / f"adapter_{name}")
    if isinstance(with_backbone, Path):
        os.replace(with_backbone, folder / BACKBONE)
    elif with_backbone:
        if there := adapters_of(backbone):
            raise CheckpointError(f"the backbone has adapters ({', '.join(there)}); remove them first")
        save_model(backbone.model, backbone.processor, folder / BACKBONE)


def save_model(model: Any, processor: Any, folder: Path) -> None:
    """Write a model and its processor as transformers reads them. Raises `OSError` for a folder without room."""
    from .loading import no_progress_bars

    with no_progress_bars():
        model.save_pretrained(folder)
        try:
            processor.save_pretrained(folder)
        except Exception as error:  # the tokenizers library raises a bare Exception for a full disk
            if type(error) is not Exception:
                raise
            raise OSError(str(error)) from error


def _own_files(folder: Path) -> list[Path]:
    """The files of a checkpoint in `folder`, and none that somebody else put there."""
    trees = [*folder.glob("adapter_*"), folder / BACKBONE]
    inside = [path for tree in trees for path in tree.rglob("*") if path.is_file()]
    inside += folder.glob(_part("*"))
    return sorted([*inside, *(folder / name for name in (HEADS, HISTORY, CARD) if (folder / name).is_file())])


def _lines(history: Mapping[str, History]) -> str:
    records = ({"stage": stage, **record} for stage, of_stage in history.items() for record in of_stage.records)
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
