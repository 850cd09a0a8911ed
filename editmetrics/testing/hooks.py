"""Hooks that a package declares for the conformance kit, and random weights in place of published ones.

An entry point of the metric's name in the group `editmetrics.conformance` names a module; for built-in metrics the
table `registry.CONFORMANCE` does, and a built-in `NetworkMetric` without one gets random weights. The module may hold,
each of them optional:

- `setup(metric)` gives a fresh instance a stand-in for its weights or its model.
- `EXCEPTIONS` maps a check to the reason why it cannot hold for this metric.
- `OPTIONS` are the options with which the metric is checked when none are named: small weights, a tiny backbone.
- `WEIGHTS` maps a checkpoint to a function that is called with an empty folder. It writes the checkpoint's files there,
  or returns the tensors of its only file. They are used where the real ones are not on this machine.
- `stand_in()` returns a context manager, inside which `OPTIONS` or `WEIGHTS` are used: for a smaller architecture. A
  module that has neither replaces a model of the hub by it, and all checks run inside.
- `PICTURE` is the height and width of the toy pictures, for metrics that are slow on the usual ones.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..bases.network import HasNetwork
from ..metric import Metric
from ..registry import BRIDGES, BUILTIN, CONFORMANCE, metric_class, plugin_names
from ..sample import EditMetricsError
from . import toys

if TYPE_CHECKING:
    from torch import Tensor

GROUP = "editmetrics.conformance"

WriteWeights = Callable[[Path], "Mapping[str, Tensor] | None"]


@dataclass(frozen=True)
class Declaration:
    """The hooks that the module `where` declares for a metric; an empty one declares none."""

    setup: Callable[[Metric], object] | None = None
    exceptions: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, WriteWeights] = field(default_factory=dict)
    stand_in: Callable[[], AbstractContextManager[object]] = nullcontext
    picture: tuple[int, int] = (toys.HEIGHT, toys.WIDTH)
    where: str = ""

    @property
    def replaces_model(self) -> bool:
        """Whether `stand_in` stands alone: what it does needs neither an option nor weights of the registry."""
        return self.stand_in is not nullcontext and not self.options and not self.weights

    def missing(self, metric: Metric) -> list[str]:
        """Return the checkpoints of `metric` that are not on this machine and can be imitated."""
        from .. import weights

        return [name for name in metric.checkpoints() if name in self.weights and weights.find(name) is None]

    @contextmanager
    def imitating(self, checkpoints: Iterable[str]) -> Iterator[None]:
        """Use random weights for `checkpoints` in a `with` block."""
        from .. import weights

        with ExitStack() as inside:
            for name in checkpoints:
                inside.enter_context(weights.substitute(name, _written(name, self.weights[name])))
            inside.enter_context(self.stand_in())
            yield


def declared_for(name: str) -> Declaration:
    """Return the hooks that are declared for the metric `name`.

    Raises `EditMetricsError` if their module cannot be imported.

    >>> declared_for("psnr").where, declared_for("lpips").where
    ('', 'editmetrics.plugins.conformance.lpips')
    """
    if name in BUILTIN and name not in plugin_names():
        points = [EntryPoint(name, CONFORMANCE[name], GROUP)] if name in CONFORMANCE else []
    else:
        points = list(entry_points(group=GROUP, name=name))
    if not points:
        bridged = name.partition("/")[0] in BRIDGES
        asks = {"light_import": "a bridge imports its library to ask for a metric's options"}
        if bridged or name not in BUILTIN:
            return Declaration(exceptions=asks if bridged else {})
        weights = _random_weights(name)
        return Declaration(weights=weights, where=f"random weights of {name}" if weights else "")
    try:
        module = points[0].load()
    except Exception as error:
        raise EditMetricsError(
            f"the entry point {name} = {points[0].value} of the group {GROUP} cannot be imported: "
            f"{type(error).__name__}: {error}"
        ) from error
    hooks = {hook.lower(): getattr(module, hook) for hook in HOOKS if hasattr(module, hook)}
    return Declaration(**hooks, where=points[0].value)


@cache
def _random_weights(name: str) -> Mapping[str, WriteWeights]:
    """Return random weights for a built-in network metric whose only checkpoint is the state of its network."""
    cls = metric_class(name)
    if not issubclass(cls, HasNetwork) or cls.state is not HasNetwork.state:
        return {}
    metric = cls()
    names = metric.checkpoints()
    return {names[0]: lambda _: metric.random_state()} if len(names) == 1 else {}


HOOKS = ("setup", "EXCEPTIONS", "OPTIONS", "WEIGHTS", "stand_in", "PICTURE")


@contextmanager
def offline_weights(checkpoints: Iterable[str] | None = None) -> Iterator[Path]:
    """Use random weights for `checkpoints` in a `with` block, by default for all that a metric's package can imitate.

    The files are read, verified and identified as real ones are (`editmetrics.weights.substitute`), so scores carry
    their checksums and cannot be taken for real. They are written once in a process; yields the folder that holds them.
    Those of `lmm4edit` and `edit_hf` are for the backbone `toy-internvl`, which must be named:
    "lmm4edit:backbone=toy-internvl".

    Raises `ValueError` for a checkpoint that no package imitates.

    >>> from editmetrics import create_metric
    >>> from editmetrics.testing import toys
    >>> with offline_weights(["lpips-squeezenet"]):
    ...     create_metric("lpips:net=squeeze", device="cpu").score(toys.samples(1))[0].ok
    True
    """
    by_module = {declared.where: declared for declared in map(declared_for, [*BUILTIN, *_plugins()])}
    imitated = {name: declared for declared in by_module.values() for name in declared.weights}
    names = list(imitated if checkpoints is None else checkpoints)
    if unknown := [name for name in names if name not in imitated]:
        raise ValueError(f"no imitation of {', '.join(unknown)}; expected some of {', '.join(imitated)}")
    with ExitStack() as inside:
        for where, declared in by_module.items():
            if own := [name for name in names if imitated[name].where == where]:
                inside.enter_context(declared.imitating(own))
        yield Path(_folder().name)


def _plugins() -> list[str]:
    return [point.name for point in entry_points(group=GROUP)]


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="editmetrics-weights-")


@cache
def _written(name: str, write: WriteWeights) -> Path:
    """Return the folder with imitated weights of the checkpoint `name`, written once in a process."""
    from .. import weights

    folder = Path(_folder().name, name)
    if folder.exists():  # from another writer
        folder = Path(tempfile.mkdtemp(dir=_folder().name))
    folder.mkdir(exist_ok=True)
    tensors = write(folder)
    if tensors is not None:
        _save(tensors, folder / weights.checkpoint(name).files[0].path)
    return folder


def _save(tensors: Mapping[str, Tensor], file: Path) -> None:
    if file.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
    else:
        import torch

        torch.save(dict(tensors), file)
