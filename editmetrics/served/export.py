"""An assessor's models as folders that a server loads, each with its probe, and the commands that start the servers."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from ..files.writing import replacing_folder
from ..sample import EditMetricsError
from .probe import FILE, ServerProbe, make_probe, read_probe, write_probe

if TYPE_CHECKING:
    from ..mllm.backbone import Backbone


@dataclass(frozen=True)
class LocalModel:
    """A model in memory that a server is to have.

    - `name`: under which it is served, and that of its folder. `adapter`: of those on `backbone`; None for none.
    - `sha256`: of all that it was made of. `images`: the most of them in one question.
    - `part`: what it scores, where an assessor has a model for each dimension.
    - `merged`: the checksum of its adapter alone, where the adapter is a published one; otherwise "".
    """

    name: str
    backbone: Backbone
    adapter: str | None
    sha256: str
    images: int
    part: str = ""
    merged: str = ""


@runtime_checkable
class ServedModels(Protocol):
    """A metric whose models may be served. `not_served`: its options that mean nothing to a server."""

    not_served: ClassVar[frozenset[str]]

    def models_to_serve(self) -> list[LocalModel]:
        """Load them on this machine. Raises `EditMetricsError` where a server has no use for them."""


@dataclass(frozen=True)
class Exported:
    """A model that was exported.

    - `source`: what a server loads: the merged folder, or the hub id or folder of a model without an adapter, which is
      not copied; `revision`: the commit of a hub id. `file`: of the probe; `probe`: what it says.
    """

    model: LocalModel
    source: str
    revision: str | None
    file: Path
    probe: ServerProbe


def export(models: Sequence[LocalModel], folder: str | Path, metric: str = "") -> list[Exported]:
    """Write each model into a folder of its own below `folder`: merged where it has an adapter, and its probe, which
    says that it is the model of `metric`.

    A model that is there already is not written again, so that the same command goes on where it was killed. Nothing is
    written where a folder holds something else.

    Raises `EditMetricsError` for such a folder and a name that cannot be a folder's, `CheckpointError` for a full disk.
    """
    from ..mllm.checkpoint_writing import save_model, write_errors
    from ..mllm.merging import merged_model

    homes = [Path(folder) / folder_name(model.name) for model in models]
    probes = [
        make_probe(one.backbone, one.sha256, one.adapter, one.part, metric=metric, merged=one.merged) for one in models
    ]
    finished = [_holds(home, probe) for home, probe in zip(homes, probes, strict=True)]
    written = []
    for model, home, probe, done in zip(models, homes, probes, finished, strict=True):
        source, revision = str(home), None
        if model.adapter is None:
            source, revision = _loaded_from(model.backbone)
        elif not done:
            merged = merged_model(model.backbone, model.adapter)
            with write_errors(home), replacing_folder(home) as partial:
                save_model(merged, model.backbone.processor, partial)
                write_probe(probe, partial / FILE)
        home.mkdir(parents=True, exist_ok=True)
        write_probe(probe, home / FILE)
        written.append(Exported(model, source, revision, home / FILE, probe))
    return written


def folder_name(model: str) -> str:
    """Return the name of a model's folder. Raises `EditMetricsError` for a name that would be another folder.

    >>> folder_name("Qwen/Qwen3-VL-8B-Instruct")
    'Qwen--Qwen3-VL-8B-Instruct'
    """
    name = model.replace("/", "--")
    if name in ("", ".", "..") or "\\" in name or "\0" in name:
        raise EditMetricsError(f"the model's name {model!r} cannot name a folder; choose another one with model=")
    return name


def _holds(home: Path, probe: ServerProbe) -> bool:
    """Tell whether a folder holds the model of a probe; an empty one does not."""
    if not home.exists() or not any(home.iterdir()):
        return False
    if (home / FILE).is_file() and read_probe(home / FILE).is_of_same_model(probe):
        return True
    raise EditMetricsError(f"{home} is not empty, and holds another model or other files; name a new folder with -o")


def _loaded_from(backbone: Backbone) -> tuple[str, str | None]:
    """Return the hub id and its commit, or the folder."""
    loaded = backbone.loaded
    if (revision := loaded.origin.get("revision")) is not None:
        return loaded.source, revision
    return str(loaded.folder or loaded.source), None


def start_command(program: str, exported: Exported, port: int) -> str:
    """Return the command that starts a server with a model, and with what numbers depend on.

    The dtype is that of the probe. `--generation-config vllm` and `--sampling-defaults openai` leave out the
    checkpoint's own sampling, which has a repetition penalty with some.
    """
    dtype, limits = exported.probe.dtype, exported.probe.limits
    if program == "vllm":
        words: list[Any] = ["vllm", "serve", exported.source, "--served-model-name", exported.model.name]
        words += ["--dtype", dtype, "--generation-config", "vllm"]
        words += ["--limit-mm-per-prompt", json.dumps({"image": exported.model.images, "video": 0})]
        words += ["--mm-processor-kwargs", json.dumps(limits)] if limits else []
    elif program == "sglang":
        words = ["python", "-m", "sglang.launch_server", "--model-path", exported.source]
        words += ["--served-model-name", exported.model.name, "--dtype", dtype, "--sampling-defaults", "openai"]
        words += ["--enable-multimodal"]
        words += ["--mm-process-config", json.dumps({"image": limits})] if limits else []
    else:
        raise EditMetricsError(f"unknown server {program!r}; expected vllm or sglang")
    words += ["--revision", exported.revision] if exported.revision else []
    return shlex.join(map(str, [*words, "--port", port]))
