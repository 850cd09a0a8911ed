"""An assessor's models as folders that a server loads, each with its probe, and the commands that start the servers."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ..sample import EditMetricsError
from .probe import FILE, ServerProbe, make_probe, write_probe

if TYPE_CHECKING:
    from ..mllm.backbone import Backbone


@dataclass(frozen=True)
class LocalModel:
    """A model in memory that a server is to have.

    - `name`: under which it is served, and that of its folder. `adapter`: of those on `backbone`; None for none.
    - `sha256`: of all that it was made of. `images`: the most of them in one question.
    """

    name: str
    backbone: Backbone
    adapter: str | None
    sha256: str
    images: int


@runtime_checkable
class ServedModels(Protocol):
    """A metric whose models may be served."""

    def models_to_serve(self) -> list[LocalModel]:
        """Load them on this machine. Raises `EditMetricsError` where a server has no use for them."""


@dataclass(frozen=True)
class Exported:
    """A model that was exported.

    - `source`: what a server loads: the merged folder, or the hub id or folder of a model without an adapter, which is
      not copied. `probe`: its file, and what it says.
    """

    model: LocalModel
    source: str
    file: Path
    probe: ServerProbe


def export(models: Sequence[LocalModel], folder: str | Path) -> list[Exported]:
    """Write each model into a folder of its own below `folder`: merged where it has an adapter, and its probe.

    Raises `BackboneError` for a folder that is not empty, and `OSError` for a full disk.
    """
    from ..mllm.merging import write_merged_model

    written = []
    for model in models:
        own = Path(folder) / model.name.replace("/", "--")
        if model.adapter is None:
            own.mkdir(parents=True, exist_ok=True)
            source = model.backbone.loaded.source
        else:
            write_merged_model(model.backbone, model.adapter, own)
            source = str(own)
        probe = make_probe(model.backbone, model.sha256, model.adapter)
        write_probe(probe, own / FILE)
        written.append(Exported(model, source, own / FILE, probe))
    return written


def start_command(program: str, exported: Exported, port: int) -> str:
    """Return the command that starts a server with a model, and with what numbers depend on.

    The dtype is that of the probe. `--generation-config vllm` and `--sampling-defaults openai` leave out the
    checkpoint's own sampling, which has a repetition penalty with some.
    """
    backbone, limits = exported.model.backbone, exported.probe.limits
    dtype = str(backbone.dtype).removeprefix("torch.")
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
    return shlex.join(map(str, [*words, "--port", port]))
