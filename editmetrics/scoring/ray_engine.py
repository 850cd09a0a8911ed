"""A run over a Ray cluster: actors hold the metrics, Ray Data hands them samples, and the driver keeps the journal.

Every machine must see the images under the same paths. What an actor scores comes back part by part and goes to the
record at once, so a run that is stopped resumes with the same command, with any number of workers or on the local
engine. An actor that dies is replaced and its samples are scored again; a sample that kills its actor each time fails
alone.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..metric import Metric
from ..sample import Sample, Score
from .loop import Loop, Unwritten
from .record import Done
from .results import Column, EngineError, Results

PART = 32
"""The most samples that an actor gets at a time: what a part of the output holds, and what a dead actor costs."""

TRIES = 3
"""How often a part is tried on an actor that dies, and then each of its samples."""


@dataclass(frozen=True)
class ActorTask:
    """One sample, and what an earlier run scored of it: by the column's label its fingerprint and score."""

    index: int
    sample: Sample
    done: dict[str, tuple[str, Score]]


@dataclass(frozen=True)
class Scored:
    """One score of the sample with this index, as an actor sends it back; `reused` is one of an earlier run."""

    index: int
    label: str
    fingerprint: str
    score: Score
    reused: bool


@dataclass(frozen=True)
class _Box:
    """One cell of Ray Data's tables, whatever is in it: a list as such would become a column of lists."""

    content: Any


Work = Callable[[Sequence[Metric], Sequence[ActorTask], int], list[Scored]]
"""The work of an actor: the local engine, on a part of the samples."""


@dataclass(frozen=True)
class LocalEngine:
    """The work of an actor on its tasks: the loop of a local run."""

    batch_pixels: int
    profile: Literal["ignore", "convert"]

    def __call__(self, metrics: Sequence[Metric], tasks: Sequence[ActorTask], threads: int) -> list[Scored]:
        columns = [Column(metric, None, self.profile) for metric in metrics]
        samples = [task.sample for task in tasks]
        done = {(t.sample.id, c.key): t.done[c.label] for t in tasks for c in columns if c.label in t.done}
        written = Unwritten()
        Loop(samples, columns, Results(samples, columns), written, done, self.batch_pixels, None).go(threads)
        return [
            Scored(task.index, column.label, *new, reused=False)
            if (new := written.scores.get((task.sample.id, column.key)))
            else Scored(task.index, column.label, *task.done[column.label], reused=True)
            for task in tasks
            for column in columns
        ]


class Cluster:
    """A Ray cluster, joined or started, on which `workers` actors score.

    - `address`: of the cluster's head; None is the one that RAY_ADDRESS names, else a new one on this machine.
    - `workers`: actors; None is one for each GPU where the metrics are to be on GPUs, else one for each processor.

    Raises `EngineError` where Ray is not installed or the metrics cannot be loaded on a worker.
    """

    def __init__(self, metrics: Sequence[Metric], work: Work, address: str | None, workers: int | None) -> None:
        self.metrics, self.work = list(metrics), work
        try:
            import ray
        except ImportError as error:
            raise EngineError("the Ray engine needs Ray: pip install 'editmetrics[ray]'") from error
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # keeps its C++ parts from writing to this terminal
        if not ray.is_initialized():
            # log_to_driver would mix the actors' lines with the progress
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", include_dashboard=False)
        resources = ray.cluster_resources()
        on_gpu = resources.get("GPU", 0) >= 1 and all(metric.device != "cpu" for metric in metrics)
        most = int(resources["GPU"] if on_gpu else resources.get("CPU", 1))
        self.workers = min(workers or most, most)
        self.threads = max(int(resources.get("CPU", 1)) // most, 1) if on_gpu else 1
        self.resources: dict[str, Any] = {"num_cpus": self.threads, "num_gpus": 1 if on_gpu else 0}

    def identities(self) -> list[dict[str, Any]]:
        """The identity of each metric, loaded on a worker: the driver needs neither a GPU nor the weights."""
        import ray

        actor = ray.remote(_Worker).options(**self.resources).remote(*self._arguments())
        try:
            identities: list[dict[str, Any]] = ray.get(actor.identities.remote())
        except ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None) or error
            raise EngineError(f"the metrics cannot be loaded on a worker: {str(cause).strip()}") from error
        finally:
            ray.kill(actor)
        return identities

    def score(self, samples: Sequence[Sample], columns: Sequence[Column], done: Done) -> Iterator[Scored]:
        """Every score of every sample, as they come; a sample that killed its actor each time has failed scores."""
        tasks = [
            ActorTask(
                index,
                sample,
                {c.label: earlier for c in columns if (earlier := done.get((sample.id, c.key))) is not None},
            )
            for index, sample in enumerate(samples)
        ]
        keys = [column.key for column in columns]
        lost: list[ActorTask] = []
        yield from self._round(tasks, max(min(len(tasks) // (4 * self.workers), PART), 1), keys, lost)
        killers: list[ActorTask] = []
        yield from self._round(lost, 1, keys, killers)
        for task in killers:
            reason = f"{TRIES} workers died while they scored this sample alone"
            for column in columns:
                yield Scored(task.index, column.label, "", Score.unscored("failed", reason), reused=False)

    def _round(
        self, tasks: Sequence[ActorTask], size: int, keys: Sequence[str], lost: list[ActorTask]
    ) -> Iterator[Scored]:
        """Scores of `tasks`, of which an actor gets `size` at a time; those that killed their actors go to `lost`."""
        import ray.data

        if not tasks:
            return
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        parts = [list(tasks[start : start + size]) for start in range(0, len(tasks), size)]
        rows = [{"number": number, "part": _Box(part)} for number, part in enumerate(parts)]
        tries = ray.remote(_Tries).options(num_cpus=0).remote()
        scored = ray.data.from_items(rows, override_num_blocks=len(parts)).map_batches(
            _Worker,
            fn_constructor_args=self._arguments(),
            fn_constructor_kwargs={"keys": list(keys), "tries": tries},
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(self.workers, len(parts))),
            batch_size=None,
            **self.resources,
        )
        for row in scored.iter_rows():
            content = row["scored"].content
            if isinstance(content, str):
                raise EngineError(content)
            if content is None:
                lost += parts[row["number"]]
            else:
                yield from content

    def _arguments(self) -> tuple[Any, ...]:
        return self.metrics, self.work, os.getcwd(), self.threads


class _Tries:
    """How often each part was begun. Ray passes the parts of a dead actor on to others without end; this limits it."""

    def __init__(self) -> None:
        self.begun: dict[int, int] = {}

    def begin(self, number: int) -> int:
        self.begun[number] = self.begun.get(number, 0) + 1
        return self.begun[number]


class _Worker:
    """An actor: it loads the metrics once and scores parts of the samples with the local engine."""

    def __init__(
        self,
        metrics: Sequence[Metric],
        work: Work,
        folder: str,
        threads: int,
        keys: Sequence[str] | None = None,
        tries: Any = None,
    ) -> None:
        import socket

        if os.path.isdir(folder):
            os.chdir(folder)  # relative paths mean what they mean where the command was typed
        self.metrics, self.work, self.threads, self.tries = metrics, work, threads, tries
        for metric in metrics:
            metric.load()
        self.refusal = None
        if keys is not None and (own_keys := [Column(metric).key for metric in metrics]) != list(keys):
            other = ", ".join(m.label for m, a, b in zip(metrics, own_keys, keys, strict=True) if a != b)
            self.refusal = (
                f"the machine {socket.gethostname()} would give other numbers for {other} than the others: its weights "
                "or its libraries differ. Install the same versions everywhere"
            )

    def identities(self) -> list[dict[str, Any]]:
        return [Column(metric).identity for metric in self.metrics]

    def __call__(self, batch: dict[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
        """For each part its scores; None where it has killed too many actors; or text that says why none is scored."""
        parts = zip(batch["number"], batch["part"], strict=True)
        scored = [_Box(self._score(int(number), part.content)) for number, part in parts]
        return {"number": batch["number"], "scored": scored}

    def _score(self, number: int, part: list[ActorTask]) -> list[Scored] | str | None:
        import ray

        if self.refusal or ray.get(self.tries.begin.remote(number)) > TRIES:
            return self.refusal
        return self.work(self.metrics, part, self.threads)
