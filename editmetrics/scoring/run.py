"""The run itself: samples through a pool of threads that read, hash, decode, prepare and, on a CPU, score.

On an accelerator the threads run ahead of the device: they hand prepared samples to the main thread, which fills
batches. On a CPU a metric that is a pure function (`concurrent`) is scored where it was prepared, one sample and one
thread each, which is faster there than batches.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..clean_room import clean_room
from ..files.journal import JournalError
from ..files.rows import require_writable
from ..metric import Metric
from ..sample import IMAGE_FIELDS, STATUSES, EditMetricsError, Sample, Score
from . import table
from .availability import Availability, loaded
from .batches import Batches
from .decode import Opened
from .done import Done
from .plan import Column, PlanError, plan
from .ray_engine import Cluster, Scored, Task
from .record import Record, record_path
from .results import Results
from .under_way import UnderWay

Profile = Literal["ignore", "convert"]

BATCH_PIXELS = 16 * 512 * 512
"""How many pixels a batch holds, all images of its samples counted."""


class Interrupted(EditMetricsError):
    """The run was stopped from the keyboard; what was scored is in its record."""


@dataclass
class _Piece:
    """What a worker made of one sample for one metric: a score, or what waits for a batch."""

    index: int
    column: Column
    fingerprint: str = ""
    score: Score | None = None
    prepared: Any = None
    batch_key: Hashable = None
    note: str | None = None
    reused: bool = False


def score(
    samples: Iterable[Sample],
    metrics: str | Metric | Iterable[str | Metric],
    *,
    output: str | os.PathLike[str] | None = None,
    device: str | None = None,
    workers: int | None = None,
    batch_pixels: int = BATCH_PIXELS,
    profile: Profile = "ignore",
    engine: Literal["local", "ray"] = "local",
    ray_address: str | None = None,
    overwrite: bool = False,
    retry: Collection[str] = (),
    on_row: Callable[[Sample, dict[str, Score]], None] | None = None,
    about: dict[str, Any] | None = None,
) -> Results:
    """Score every sample with every metric, and keep what is known at every moment.

    With `output` (csv, jsonl or parquet, by suffix) each score goes to `OUTPUT.record.jsonl` as soon as it is known and
    the table is written at the end. The same call again goes on where it stopped: a score is reused when the content
    of the sample and the identity of the metric are the same. `overwrite` starts afresh; `retry` names statuses
    ("failed", "refused", ...) that are tried again. A sample that cannot be scored costs its own row, never the run.
    What this machine cannot do (no GPU, no network, an endpoint that is down) stops that metric alone: its scores are
    `unavailable`, and the same call tries them again.

    `engine` "ray" scores over a Ray cluster (`ray_address`; without one, RAY_ADDRESS names it or one is started here),
    with equal results. `workers` is the number of decoding threads (default: the processors this process may use), or
    of Ray's actors; `batch_pixels` how many pixels a batch holds, `on_row` is called with each finished sample and its
    scores, `about` goes into the record's first line. `profile` "convert" converts what has a colour profile to sRGB.

    Raises `PlanError` for a run that cannot start, `JournalError` for a record that cannot be used, `EngineError` for a
    cluster that cannot, `Interrupted` when the keyboard stops it.

    >>> from editmetrics import Sample, score
    >>> folder = "docs/examples"
    >>> results = score([Sample("cat", f"{folder}/edited/cat.jpg", f"{folder}/source/cat.jpg")], ["psnr", "ssim"])
    >>> results["psnr"][0].ok
    True
    """
    samples = list(samples)
    if unknown := set(retry) - set(STATUSES):
        raise PlanError(f"retry: {', '.join(sorted(unknown))} is no status; there are {', '.join(STATUSES)}")
    columns = plan(samples, metrics, device, profile)
    results = Results(samples, columns)
    path = Path(output) if output is not None else None
    with _open_record(path, overwrite) as record:
        cluster = None
        unavailable: dict[str, str] = {}
        if engine == "ray":
            cluster = Cluster([column.metric for column in columns], _Part(batch_pixels, profile), ray_address, workers)
            columns = [Column(c.metric, i, profile) for c, i in zip(columns, cluster.identities(), strict=True)]
            results.columns = columns
        else:
            columns, unavailable = loaded(columns)
            results.columns = columns
        done: Done = {}
        if record is not None:
            done = record.read(columns, forget={*retry, "unavailable"})
            record.start(columns, samples=len(samples), batch_pixels=batch_pixels, **(about or {}))
        run = _Run(samples, columns, results, record, done, batch_pixels, on_row)
        run.availability.stopped |= unavailable
        if cluster is None:
            run.go(workers or available_processors())
        else:
            run.go_over(cluster)
        if path is not None:
            table.write(results, path)
    return results


def score_loaded(
    metrics: Sequence[Metric], samples: Sequence[Sample], *, workers: int = 1, batch_pixels: int = BATCH_PIXELS
) -> list[dict[str, Score]]:
    """Each sample's scores by the label of the metric: the engine without plan, record and table.

    For whoever keeps loaded metrics and gets samples one handful after another. Equal to what `score` gives.
    """
    columns = [Column(metric, {"metric": metric.label}) for metric in metrics]  # without a record nobody asks for more
    results = Results(samples, columns)
    _Run(samples, columns, results, None, {}, batch_pixels, None).go(workers)
    return [{column.label: results.get(index, column) for column in columns} for index in range(len(samples))]


def available_processors() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _open_record(path: Path | None, overwrite: bool) -> Any:
    if path is None:
        return nullcontext()
    require_writable(path)
    record = Record(record_path(path))
    try:
        if overwrite:
            record.path.unlink(missing_ok=True)
        elif path.exists() and not record.path.exists():
            raise JournalError(
                f"{path} exists, but no {record.path.name} beside it, so it is no result of ours to replace; "
                "give another -o, or --overwrite"
            )
    except BaseException:
        record.close()
        raise
    return record


@dataclass(frozen=True)
class _Part:
    """What an actor does with the tasks that it gets: the run of this module, on them alone."""

    batch_pixels: int
    profile: Profile

    def __call__(self, metrics: Sequence[Metric], tasks: Sequence[Task], threads: int) -> list[Scored]:
        columns = [Column(metric, None, self.profile) for metric in metrics]
        samples = [task.sample for task in tasks]
        done = {(t.sample.id, c.key): t.done[c.label] for t in tasks for c in columns if c.label in t.done}
        written = _Written()
        _Run(samples, columns, Results(samples, columns), written, done, self.batch_pixels, None).go(threads)
        return [
            Scored(task.index, column.label, *new, reused=False)
            if (new := written.scores.get((task.sample.id, column.key)))
            else Scored(task.index, column.label, *task.done[column.label], reused=True)
            for task in tasks
            for column in columns
        ]


class _Written:
    """In place of a record, for an actor: what would have been written goes to the driver, which holds the record."""

    def __init__(self) -> None:
        self.scores: Done = {}

    def write(self, sample: Sample, column: Column, fingerprint: str, score: Score) -> None:
        self.scores[sample.id, column.key] = fingerprint, score


class _Run:
    def __init__(
        self,
        samples: Sequence[Sample],
        columns: Sequence[Column],
        results: Results,
        record: Record | _Written | None,
        done: Done,
        batch_pixels: int,
        on_row: Callable[[Sample, dict[str, Score]], None] | None,
    ) -> None:
        self.samples, self.columns, self.results = samples, columns, results
        self.record, self.done, self.on_row = record, done, on_row
        self.batches = Batches(batch_pixels)
        self.fields = tuple(dict.fromkeys(name for column in columns for name in column.fields))
        self.profile = columns[0].profile if columns else "ignore"
        self.inline = {id(c) for c in columns if c.metric.concurrent and c.metric.device in (None, "cpu")}
        self.rows: dict[int, dict[str, Score]] = {}
        """The samples of which some scores are known and others not yet."""
        self.availability = Availability()
        self.under_way = UnderWay(record.path) if isinstance(record, Record) else None

    def go(self, workers: int) -> None:
        """Score all samples. A bounded number is under way at a time, so memory does not grow with the run."""
        waiting: deque[Future[tuple[list[_Piece], int]]] = deque()
        pool = ThreadPoolExecutor(workers, thread_name_prefix="editmetrics")
        ahead = workers * (2 if len(self.inline) == len(self.columns) else 8)
        suspects = self.suspects()
        try:
            with _one_thread_each(bool(self.inline)):
                for index, sample in enumerate(self.samples):
                    if sample.id not in suspects:
                        self.begin(sample)
                        waiting.append(pool.submit(self.work, index))
                    while len(waiting) >= ahead:
                        self.take(waiting)
                self.drain(waiting)
                for index, sample in enumerate(self.samples):
                    if sample.id in suspects:
                        self.begin(sample, alone=True)
                        waiting.append(pool.submit(self.work, index))
                        self.drain(waiting)
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            for future in waiting:  # what the workers finished meanwhile is kept; what waits for a batch is not
                if not future.cancelled() and future.exception() is None:
                    self.collect(*future.result(), batch=False)
            raise self.interrupted() from None
        finally:
            pool.shutdown(cancel_futures=True)
            if self.under_way is not None:
                self.under_way.end()

    def suspects(self) -> set[str]:
        """The samples that were under way when an earlier run was killed: one of them may have killed it."""
        if self.under_way is None or not self.under_way.begun:
            return set()
        keys = [column.key for column in self.columns]
        return self.under_way.suspects(s.id for s in self.samples if not all((s.id, key) in self.done for key in keys))

    def begin(self, sample: Sample, alone: bool = False) -> None:
        if self.under_way is not None and self.under_way.given_up(sample.id) is None:
            self.under_way.begin(sample.id, alone)

    def drain(self, waiting: deque[Future[tuple[list[_Piece], int]]]) -> None:
        """Finish all that was begun, also what waits for a batch."""
        while waiting:
            self.take(waiting)
        for piece, score in self.batches.flush():
            self.keep(piece, score)

    def go_over(self, cluster: Cluster) -> None:
        """Have all samples scored by the cluster's actors, and keep what they send back."""
        columns = {column.label: column for column in self.columns}
        try:
            for scored in cluster.score(self.samples, self.columns, self.done):
                piece = _Piece(scored.index, columns[scored.label], scored.fingerprint, reused=scored.reused)
                self.keep(piece, scored.score)
        except KeyboardInterrupt:
            raise self.interrupted() from None

    def interrupted(self) -> Interrupted:
        return Interrupted("stopped; the same command goes on from here" if self.record else "stopped")

    def work(self, index: int) -> tuple[list[_Piece], int]:
        """In a worker thread: one sample, up to its scores or to what its batch needs, and how many pixels that is."""
        with clean_room():
            return self._work(index, self.samples[index])

    def _work(self, index: int, sample: Sample) -> tuple[list[_Piece], int]:
        opened = Opened(sample, self.fields, self.profile)
        pieces = [_Piece(index, column) for column in self.columns]
        for piece in pieces if self.record is not None else ():  # without a record nobody asks for a fingerprint
            piece.fingerprint = opened.fingerprint(piece.column.fields, piece.column.metric.columns)
            fingerprint, score = self.done.get((sample.id, piece.column.key), ("", None))
            if score is not None and fingerprint == piece.fingerprint:
                piece.score, piece.reused = score, True
        given_up = self.under_way.given_up(sample.id) if self.under_way is not None else None
        for piece in pieces:
            if piece.score is None and given_up is not None:
                piece.score = Score.unscored("failed", given_up)
            elif piece.score is None:
                piece.score = self.availability.score(piece.column.label)
        todo = [piece for piece in pieces if piece.score is None]
        decoded = opened.decoded({name for piece in todo for name in piece.column.fields})
        for piece in todo:
            metric = piece.column.metric
            piece.note = opened.note(piece.column.fields)
            prepared, piece.batch_key = metric.prepare_or_why_not(decoded)
            if isinstance(prepared, Score):
                piece.score = prepared
            elif id(piece.column) in self.inline:
                (piece.score,) = metric.score_or_why_not([prepared])
            else:
                piece.prepared = prepared
        shapes = [getattr(getattr(decoded, name), "shape", (0, 0)) for name in IMAGE_FIELDS]
        return pieces, sum(shape[0] * shape[1] for shape in shapes)

    def take(self, waiting: deque[Future[tuple[list[_Piece], int]]]) -> None:
        """Wait for the oldest sample under way and collect it; it stays in `waiting` until it is there."""
        pieces, pixels = waiting[0].result()
        waiting.popleft()
        self.collect(pieces, pixels)

    def collect(self, pieces: list[_Piece], pixels: int, batch: bool = True) -> None:
        """Keep what a worker scored, and put what it prepared into batches."""
        for piece in pieces:
            score = piece.score or self.availability.score(piece.column.label)
            if score is not None:
                self.keep(piece, score)
            elif batch:
                waiting = self.batches.add(piece.column.metric, piece, piece.prepared, piece.batch_key, pixels)
                for ready, ready_score in waiting:
                    self.keep(ready, ready_score)

    def keep(self, piece: _Piece, score: Score) -> None:
        """A score is known: into the record at once, unless it came from there."""
        sample = self.samples[piece.index]
        if piece.reused:
            self.results.reused += 1
            self.results.reused_failures += score.status == "failed"
        else:
            score = score.with_note(piece.note) if piece.note else score
            self.availability.watch(piece.column.label, score)
            if self.record is not None:
                self.record.write(sample, piece.column, piece.fingerprint, score)
        self.results.put(piece.index, piece.column, score)
        row = self.rows.setdefault(piece.index, {})
        row[piece.column.label] = score
        if len(row) == len(self.columns):
            del self.rows[piece.index]
            if self.on_row is not None:
                self.on_row(sample, row)


@contextmanager
def _one_thread_each(wanted: bool) -> Iterator[None]:
    """While workers score side by side, torch computes with one thread in each: more would be in each other's way."""
    torch = sys.modules.get("torch")
    if not wanted or torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
