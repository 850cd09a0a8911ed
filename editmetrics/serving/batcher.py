"""The queue between requests and metrics: what waits is scored together, at the latest after a short time."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from ..metric import Metric
from ..sample import EditMetricsError, Sample, Score, Status, UnavailableError
from ..scoring import score_loaded

logger = logging.getLogger(__name__)
Scores = dict[str, Score]


class FullError(EditMetricsError):
    """So many samples wait that no more are taken; ask again after `retry_after` seconds."""

    def __init__(self, waiting: int, retry_after: float) -> None:
        super().__init__(f"{waiting} samples are waiting already; try again in {retry_after:.0f} s")
        self.retry_after = retry_after


@dataclass
class _Waiting:
    sample: Sample
    pixels: int = 0
    scores: Future[Scores] = field(default_factory=Future)


class Batcher:
    """Takes samples from any thread and scores them in one, in batches, with the engine that `score` uses.

    - `batch_size`: the most samples in a batch. `wait`: seconds after the first of them that a batch waits for more.
    - `capacity`: how many samples may wait; more are refused (`FullError`). `batch_pixels`: a batch is full, too, when
      its images have so many pixels.
    - `workers`: threads that decode. `on_batch`: called with the size of each batch and the seconds that it took.

    - `on_failure`: called with the error where the metrics cannot be loaded.

    Use as a context manager: when it is entered it begins to load the metrics, and takes samples at once; when it is
    left, what waits is still scored.
    """

    def __init__(
        self,
        metrics: Sequence[Metric],
        *,
        batch_size: int = 16,
        wait: float = 0.01,
        capacity: int = 256,
        batch_pixels: int = 64_000_000,
        workers: int = 1,
        on_batch: Callable[[int, float], None] = lambda size, seconds: None,
        on_failure: Callable[[Exception], None] = lambda error: None,
    ) -> None:
        self.metrics, self.batch_size, self.wait, self.capacity = list(metrics), batch_size, wait, capacity
        self.batch_pixels = batch_pixels
        self.workers, self.on_batch, self.on_failure = workers, on_batch, on_failure
        self.loaded = False
        """Whether the metrics are ready to score."""
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._count = 0
        self._pace = 0.1
        """Seconds that a sample took lately: a running mean, for `retry_after`."""
        self._thread = threading.Thread(target=self._work, name="editmetrics-batches", daemon=True)

    def __enter__(self) -> Batcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._queue.put(None)
        self._thread.join()

    @property
    def waiting(self) -> int:
        """How many samples have been taken and not yet scored."""
        return self._count

    def submit(self, samples: Sequence[Sample], pixels: Sequence[int] | None = None) -> list[Future[Scores]]:
        """The scores of `samples`, whose images have so many `pixels`, to come.

        All of them are taken, or none: then it raises `FullError`.
        """
        with self._lock:
            if self._count + len(samples) > self.capacity:
                raise FullError(self._count, max(1.0, self._count * self._pace))
            self._count += len(samples)
        sizes = pixels if pixels is not None else [0] * len(samples)
        taken = [_Waiting(sample, size) for sample, size in zip(samples, sizes, strict=True)]
        for one in taken:
            self._queue.put(one)
        return [one.scores for one in taken]

    def _work(self) -> None:
        try:
            for metric in self.metrics:
                metric.load()
        except Exception as error:
            self.on_failure(error)
            return
        self.loaded = True
        while (first := self._queue.get()) is not None:
            batch, more = self._filled(first)
            wanted = [one for one in batch if one.scores.set_running_or_notify_cancel()]
            if wanted:
                self._score(wanted)
            with self._lock:
                self._count -= len(batch)
            if not more:
                return

    def _filled(self, first: _Waiting) -> tuple[list[_Waiting], bool]:
        """A batch that begins with `first`, and whether there may be more after it."""
        batch, until = [first], time.monotonic() + self.wait
        while len(batch) < self.batch_size and sum(one.pixels for one in batch) < self.batch_pixels:
            try:
                another = self._queue.get(timeout=max(until - time.monotonic(), 0))
            except queue.Empty:
                break
            if another is None:
                return batch, False
            batch.append(another)
        return batch, True

    def _score(self, batch: Sequence[_Waiting]) -> None:
        started = time.monotonic()
        try:
            found = score_loaded(self.metrics, [one.sample for one in batch], workers=self.workers)
        except Exception as error:  # a defect, ours or a plugin's: each is tried alone, and the service goes on
            if len(batch) > 1:
                for one in batch:
                    self._score([one])
                return
            logger.exception("a sample failed")
            status: Status = "unavailable" if isinstance(error, UnavailableError) else "failed"
            unscored = Score.unscored(status, f"{type(error).__name__}: {error}")
            batch[0].scores.set_result({metric.label: unscored for metric in self.metrics})
            return
        seconds = time.monotonic() - started
        self._pace = 0.9 * self._pace + 0.1 * seconds / len(batch)
        self.on_batch(len(batch), seconds)
        for one, scores in zip(batch, found, strict=True):
            one.scores.set_result(scores)
