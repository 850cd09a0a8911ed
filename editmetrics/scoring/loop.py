"""The loop of a run: samples through a pool of threads that read, hash, decode, prepare and, on a CPU, score.

On an accelerator the threads run ahead of the device: they hand prepared samples to the main thread, which fills
batches. On a CPU a metric that is a pure function (`concurrent`) is scored where it was prepared, one sample and one
thread each, which is faster there than batches. A metric that waits for another machine (`streams`) has a thread of its
own, which takes prepared samples as they come.
"""

from __future__ import annotations

import sys
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..clean_room import clean_room
from ..machine import OUT_OF_MEMORY, one_thread
from ..metric import Metric
from ..sample import IMAGE_FIELDS, EditMetricsError, Sample, Score, images_of
from .decode import Opened
from .record import Done, Record, UnderWay
from .results import Column, Results

if TYPE_CHECKING:
    from .ray_engine import Cluster
    from .streams import Stream

STOP_AFTER = 3
"""After how many scores in a row that this machine could not compute a metric is stopped."""


class Interrupted(EditMetricsError):
    """The run was stopped from the keyboard; what was scored is in its record."""


@dataclass
class _Piece:
    """A worker's result for one sample and metric: a score, or the prepared sample that waits for a batch."""

    index: int
    column: Column
    fingerprint: str = ""
    score: Score | None = None
    prepared: Any = None
    batch_key: Hashable = None
    note: str | None = None
    reused: bool = False


class Availability:
    """The metrics that were stopped, by label, and why: a GPU, a network or an endpoint that is missing stays missing.

    Too little memory for some samples says nothing of others, and stops no metric.

    >>> run = Availability()
    >>> for _ in range(3):
    ...     run.watch("vie_score", Score.unscored("unavailable", "the endpoint cannot be reached"))
    >>> run.score("vie_score"), run.score("psnr")
    (Score(unavailable: the endpoint cannot be reached), None)
    """

    def __init__(self) -> None:
        self.stopped: dict[str, str] = {}
        self._in_a_row: Counter[str] = Counter()

    def watch(self, label: str, score: Score) -> None:
        """Take note of a new score; the third in a row that is unavailable stops its metric."""
        if score.status != "unavailable" or (score.reason or "").startswith(OUT_OF_MEMORY):
            self._in_a_row[label] = 0
            return
        self._in_a_row[label] += 1
        if self._in_a_row[label] >= STOP_AFTER:
            self.stopped.setdefault(label, score.reason or "")

    def score(self, label: str) -> Score | None:
        """The score of every sample by a metric that was stopped; None while the metric still runs."""
        reason = self.stopped.get(label)
        return None if reason is None else Score.unscored("unavailable", reason)


@dataclass
class _Group:
    metric: Metric
    tickets: list[Any] = field(default_factory=list)
    prepared: list[Any] = field(default_factory=list)
    pixels: int = 0


class Batches:
    """Groups prepared samples by metric and `batch_key`, and scores a group when its pixels reach `budget`.

    Filling by pixels keeps the memory of a batch the same for small and large images. When all groups together hold
    four budgets, the fullest goes first, so that a folder of many sizes does not pile up in memory.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self._groups: dict[tuple[int, Hashable], _Group] = {}
        self._waiting = 0

    def add(
        self, metric: Metric, ticket: Any, prepared: Any, batch_key: Hashable, pixels: int
    ) -> Iterator[tuple[Any, Score]]:
        """Put one sample in its group; yields (ticket, score) of every batch that this fills."""
        group = self._groups.setdefault((id(metric), batch_key), _Group(metric))
        group.tickets.append(ticket)
        group.prepared.append(prepared)
        group.pixels += pixels
        self._waiting += pixels
        if group.pixels >= self.budget:
            yield from self._score(group)
        while self._waiting >= 4 * self.budget:
            yield from self._score(max(self._groups.values(), key=lambda waiting: waiting.pixels))

    def flush(self) -> Iterator[tuple[Any, Score]]:
        """Score all that waits, metric by metric."""
        for group in list(self._groups.values()):
            yield from self._score(group)

    def _score(self, group: _Group) -> Iterator[tuple[Any, Score]]:
        self._groups = {key: waiting for key, waiting in self._groups.items() if waiting is not group}
        self._waiting -= group.pixels
        yield from zip(group.tickets, group.metric.score_or_why_not(group.prepared), strict=True)


class Unwritten:
    """In place of a record, on an actor: keeps what the driver will write to the record."""

    def __init__(self) -> None:
        self.scores: Done = {}

    def write(self, sample: Sample, column: Column, fingerprint: str, score: Score) -> None:
        self.scores[sample.id, column.key] = fingerprint, score


class Loop:
    """A run under way: what is known of it, and the steps of a sample through it."""

    def __init__(
        self,
        samples: Sequence[Sample],
        columns: Sequence[Column],
        results: Results,
        record: Record | Unwritten | None,
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
        self.streams = {c.label: self.stream(c) for c in columns if c.metric.streams}
        self.rows: dict[int, dict[str, Score]] = {}
        """The samples of which some scores are known and others not yet."""
        self.availability = Availability()
        sets = any(column.metric.of_sets for column in columns)  # hours each: a run that is killed is not their fault
        self.under_way = UnderWay(record.path) if isinstance(record, Record) and not sets else None

    def stream(self, column: Column) -> Stream:
        from .streams import Stream

        return Stream(
            column.metric,
            known=lambda: self.availability.score(column.label),
            watch=lambda score: self.availability.watch(column.label, score),
        )

    def go(self, workers: int) -> None:
        """Score all samples. A bounded number is under way at a time, so memory does not grow with the run."""
        waiting: deque[Future[tuple[list[_Piece], int]]] = deque()
        pool = ThreadPoolExecutor(workers, thread_name_prefix="editmetrics")
        ahead = workers * (2 if len(self.inline) == len(self.columns) else 8)
        suspects = self.suspects()
        try:
            with one_thread() if self.inline and "torch" in sys.modules else nullcontext():  # more would be in the way
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
            for stream in self.streams.values():
                self.keep_all(stream.stop(), watched=True)
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
        self.keep_all(self.batches.flush())
        for stream in self.streams.values():
            self.keep_all(stream.finish(), watched=True)

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
        return Interrupted(
            "stopped; the same command resumes from here"
            if self.record
            else "stopped; no score was kept: only a run with an output file (-o scores.csv) resumes"
        )

    def work(self, index: int) -> tuple[list[_Piece], int]:
        """In a worker thread: one sample, up to its scores or to what its batch needs, and how many pixels that is."""
        with clean_room():
            return self._work(index, self.samples[index])

    def _work(self, index: int, sample: Sample) -> tuple[list[_Piece], int]:
        opened = Opened(sample, self.fields, self.profile)
        pieces = [_Piece(index, column) for column in self.columns]
        for piece in pieces if self.record is not None else ():  # without a record, fingerprints are not needed
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
        of_files: set[str] = set()
        of_pixels: set[str] = set()
        for piece in todo:
            (of_files if piece.column.metric.reads_files else of_pixels).update(piece.column.fields)
        files, decoded = opened.as_files(of_files), opened.decoded(of_pixels)
        for piece in todo:
            metric = piece.column.metric
            piece.note = opened.note(piece.column.fields)
            prepared, piece.batch_key = metric.prepare_or_why_not(files if metric.reads_files else decoded)
            if isinstance(prepared, Score):
                piece.score = prepared
            elif id(piece.column) in self.inline:
                (piece.score,) = metric.score_or_why_not([prepared])
            else:
                piece.prepared = prepared
        return pieces, _pixels(decoded if of_pixels else files)

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
            elif batch and (stream := self.streams.get(piece.column.label)) is not None:
                stream.add(piece, piece.prepared)
            elif batch:
                self.keep_all(self.batches.add(piece.column.metric, piece, piece.prepared, piece.batch_key, pixels))
        for stream in self.streams.values():
            self.keep_all(stream.ready(), watched=True)

    def keep_all(self, scored: Iterable[tuple[_Piece, Score]], watched: bool = False) -> None:
        for piece, score in scored:
            self.keep(piece, score, watched)

    def keep(self, piece: _Piece, score: Score, watched: bool = False) -> None:
        """A score is known: into the record at once, unless it came from there. `watched`: availability knows of it."""
        sample = self.samples[piece.index]
        if piece.reused:
            self.results.reused += 1
            self.results.reused_failures += score.status == "failed"
        else:
            score = score.with_note(piece.note) if piece.note else score
            if not watched:
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


def _pixels(sample: Sample) -> int:
    """How many pixels the arrays of a sample have; a byte of a file counts as one."""
    images = [image for name in IMAGE_FIELDS for image in images_of(getattr(sample, name))]
    shapes = [getattr(image, "shape", (len(image) if isinstance(image, bytes) else 0, 1)) for image in images]
    return sum(shape[0] * shape[1] for shape in shapes)
