"""The queue between requests and metrics: waiting samples are scored together, after a short time at the latest."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from ..metric import Metric
from ..sample import EditMetricsError, Sample, Score, Status, UnavailableError
from ..scoring import score_loaded
from ..wording import plural

logger = logging.getLogger(__name__)
Scores = dict[str, Score]


@dataclass(frozen=True)
class ServingOptions:
    """Batching and limits of a server.

    - `folder`: images below it may be named by path; with None, no paths are allowed.
    - `batch_size`: samples per batch at most. `wait`: seconds that a batch waits for more after its first sample.
    - `capacity`: samples that may wait (more raise `FullError`), and samples per request.
    - `workers`: threads that decode.
    - `max_bytes`: size of a request's body. `body_timeout`: seconds for the body to arrive.
    - `max_pixels`: decoded pixels of a request's images together (a small file may claim a large image), and pixels
      that fill a batch.
    - `on_failure`: called with the error if the metrics cannot be loaded.
    """

    folder: Path | None = None
    batch_size: int = 16
    wait: float = 0.01
    capacity: int = 256
    workers: int = 1
    max_bytes: int = 32 << 20
    max_pixels: int = 64_000_000
    body_timeout: float = 60.0
    on_failure: Callable[[Exception], None] = lambda error: None


class FullError(EditMetricsError):
    """The queue is full; try again in `retry_after` seconds."""

    def __init__(self, waiting: int, retry_after: float) -> None:
        super().__init__(f"{plural(waiting, 'sample')} waiting already; try again in {retry_after:.0f} s")
        self.retry_after = retry_after


@dataclass
class _Waiting:
    sample: Sample
    pixels: int = 0
    scores: Future[Scores] = field(default_factory=Future)


class Batcher:
    """Takes samples from any thread and scores them in one, in batches, with the engine that `score` uses.

    `on_batch` is called with the size of each batch and the seconds that it took. Use as a context manager: entering
    starts to load the metrics, and samples are accepted at once; leaving scores the samples that still wait.
    """

    def __init__(
        self,
        metrics: Sequence[Metric],
        options: ServingOptions,
        on_batch: Callable[[int, float], None] = lambda size, seconds: None,
    ) -> None:
        self.metrics, self.options, self.on_batch = list(metrics), options, on_batch
        self.loaded = False
        """Whether the metrics are ready to score."""
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._count = 0
        self._pace = 0.1
        """Seconds per sample lately: a running mean, for `retry_after`."""
        self._thread = threading.Thread(target=self._work, name="editmetrics-batches", daemon=True)

    def __enter__(self) -> Batcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._queue.put(None)
        self._thread.join()

    @property
    def waiting(self) -> int:
        """Samples that have been accepted and have no scores yet."""
        return self._count

    def submit(self, samples: Sequence[Sample], pixels: Sequence[int]) -> list[Future[Scores]]:
        """Return the future scores of `samples`, whose images have `pixels` each.

        Accepts all of them, or none: then it raises `FullError`.
        """
        with self._lock:
            if self._count + len(samples) > self.options.capacity:
                raise FullError(self._count, max(1.0, self._count * self._pace))
            self._count += len(samples)
        accepted = [_Waiting(sample, size) for sample, size in zip(samples, pixels, strict=True)]
        for item in accepted:
            self._queue.put(item)
        return [item.scores for item in accepted]

    def _work(self) -> None:
        try:
            for metric in self.metrics:
                metric.load()
        except Exception as error:
            self.options.on_failure(error)
            return
        self.loaded = True
        while (first := self._queue.get()) is not None:
            batch, more = self._filled(first)
            wanted = [item for item in batch if item.scores.set_running_or_notify_cancel()]
            if wanted:
                self._score(wanted)
            with self._lock:
                self._count -= len(batch)
            if not more:
                return

    def _filled(self, first: _Waiting) -> tuple[list[_Waiting], bool]:
        """Return a batch that begins with `first`, and whether more may follow."""
        batch, until = [first], time.monotonic() + self.options.wait
        while len(batch) < self.options.batch_size and sum(item.pixels for item in batch) < self.options.max_pixels:
            try:
                item = self._queue.get(timeout=max(until - time.monotonic(), 0))
            except queue.Empty:
                break
            if item is None:
                return batch, False
            batch.append(item)
        return batch, True

    def _score(self, batch: Sequence[_Waiting]) -> None:
        started = time.monotonic()
        try:
            results = score_loaded(self.metrics, [item.sample for item in batch], workers=self.options.workers)
        except Exception as error:  # a defect in a metric: try each sample alone, and keep serving
            if len(batch) > 1:
                for item in batch:
                    self._score([item])
                return
            logger.exception("a sample failed")
            status: Status = "unavailable" if isinstance(error, UnavailableError) else "failed"
            unscored = Score.unscored(status, f"{type(error).__name__}: {error}")
            batch[0].scores.set_result({metric.label: unscored for metric in self.metrics})
            return
        seconds = time.monotonic() - started
        self._pace = 0.9 * self._pace + 0.1 * seconds / len(batch)
        self.on_batch(len(batch), seconds)
        for item, scores in zip(batch, results, strict=True):
            item.scores.set_result(scores)
