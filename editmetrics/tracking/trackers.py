"""Trackers by name: `open_tracker("wandb:my-project")`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from ..sample import EditMetricsError
from ..wording import expected_one_of
from .tracker import Tracker


class TrackerError(EditMetricsError):
    """A tracker is unknown, its package is missing, or two names are one in it."""


def open_tracker(spec: str, *, run: str | None = None, config: Mapping[str, Any] | None = None) -> Tracker:
    """Begin a run in the tracker `spec`, KIND:WHERE.

    - `tensorboard:FOLDER`: event files below the folder.
    - `wandb:PROJECT`: Weights & Biases; offline with the environment variable WANDB_MODE=offline.
    - `mlflow:EXPERIMENT`: at MLFLOW_TRACKING_URI, by default on this machine.
    - `trackio:PROJECT`: a local dashboard (`trackio show`).

    `run` names the run; `config` are its settings, shown beside its numbers. Raises `TrackerError`.

    >>> open_tracker("tensorbord:runs")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    editmetrics.tracking.trackers.TrackerError: 'tensorbord:runs' is not a tracker; ... Did you mean 'tensorboard'?
    """
    kind, _, where = spec.partition(":")
    if kind not in TRACKERS:
        raise TrackerError(f"{spec!r} is not a tracker; {expected_one_of(kind, sorted(TRACKERS))}")
    if not where:
        raise TrackerError(f"{spec!r}: expected {kind}:{'FOLDER' if kind == 'tensorboard' else 'PROJECT'}")
    settings = {name: str(value) for name, value in (config or {}).items()}
    return TRACKERS[kind](where, run, settings)


class TensorBoardTracker(Tracker):
    """Event files that `tensorboard --logdir FOLDER` shows."""

    def __init__(self, where: str, run: str | None, config: Mapping[str, str]) -> None:
        super().__init__()
        writer = _package("torch.utils.tensorboard", "tensorboard").SummaryWriter
        self._writer = writer(str(Path(where, run) if run else Path(where)))
        if config:
            self._writer.add_text("config", "\n".join(f"    {name} = {value}" for name, value in config.items()))

    def record(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class WandbTracker(Tracker):
    """A run of Weights & Biases."""

    def __init__(self, where: str, run: str | None, config: Mapping[str, str]) -> None:
        super().__init__()
        self._run = _package("wandb").init(project=where, name=run, config=dict(config), reinit="create_new")

    def record(self, values: Mapping[str, float], step: int) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


class MlflowTracker(Tracker):
    """A run of MLflow. Characters that its names cannot have are written as underscores."""

    def __init__(self, where: str, run: str | None, config: Mapping[str, str]) -> None:
        super().__init__()
        self._client = _package("mlflow", "mlflow-skinny").MlflowClient()
        experiment = self._client.get_experiment_by_name(where)
        identifier = experiment.experiment_id if experiment else self._client.create_experiment(where)
        self._id = self._client.create_run(identifier, run_name=run).info.run_id
        for name, value in config.items():
            self._client.log_param(self._id, _plain(name), value)

    def record(self, values: Mapping[str, float], step: int) -> None:
        named: dict[str, str] = {}
        for name in values:
            if other := named.get(_plain(name)):
                raise TrackerError(
                    f"{name!r} and {other!r} are one name in MLflow, {_plain(name)!r}; rename one of them"
                )
            named[_plain(name)] = name
        for plain, name in named.items():
            self._client.log_metric(self._id, plain, values[name], step=step)

    def close(self) -> None:
        self._client.set_terminated(self._id)


class TrackioTracker(Tracker):
    """A run of trackio."""

    def __init__(self, where: str, run: str | None, config: Mapping[str, str]) -> None:
        super().__init__()
        self._run = _package("trackio").init(project=where, name=run, config=dict(config))

    def record(self, values: Mapping[str, float], step: int) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


TRACKERS: Mapping[str, Callable[[str, str | None, Mapping[str, str]], Tracker]] = {
    "mlflow": MlflowTracker,
    "tensorboard": TensorBoardTracker,
    "trackio": TrackioTracker,
    "wandb": WandbTracker,
}
"""The tracker of each kind."""


def _package(module: str, package: str | None = None) -> ModuleType:
    """Import the module of a tracker. Raises `TrackerError` with the package to install if it is missing."""
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = package or module
        raise TrackerError(f"the tracker requires the package {package}: pip install {package} ({error})") from error


def _plain(name: str) -> str:
    """Return a name with the characters that MLflow allows.

    >>> _plain("score/ds_ieqa:weights=toy.quality")
    'score/ds_ieqa:weights_toy.quality'
    """
    return re.sub(r"[^\w\-. :/]", "_", name)
