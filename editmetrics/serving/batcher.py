"""The queue between requests and metrics: waiting samples are scored together, and no metric keeps another waiting."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
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
    - `batch_size`: samples per batch at most. `wait`: seconds that a batch waits for more after its first sample,
      where samples have been arriving together.
    - `capacity`: samples that may wait (more raise `FullError`), and samples per request.
    - `workers`: threads that decode.
    - `max_bytes`: size of a request's body. `body_timeout`: seconds for the body to arrive.
    - `max_pixels`: decoded pixels of a request's images together (a small file may claim a large image), and pixels
      that fill a batch.
    - `token`: what requests must carry in their Authorization header; None for no check.
    - `own_page_only`: requests from pages of other sites, and under other names of this machine, are refused.
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
    token: str | None = None
    own_page_only: bool = False
    on_failure: Callable[[Exception], None] = lambda error: None


class FullError(EditMetricsError):
    """The queue is full; try again in `retry_after` seconds."""

    def __init__(self, waiting: int, retry_after: float) -> None:
        super().__init__(f"{plural(waiting, 'sample')} waiting already; try again in {retry_after:.0f} s")
        self.retry_after = retry_after


@dataclass
class Order:
    """A sample to score: by which metrics, how many pixels its images have, and how long its client waits.

    - `labels`: labels of the metrics; empty for all.
    - `expires`: the reading of `time.monotonic()` from which the client no longer wants the scores; None for never.
    - `scores`: the scores to come. Cancel it, and a sample that still waits is not scored.
    """

    sample: Sample
    pixels: int = 0
    labels: frozenset[str] = frozenset()
    expires: float | None = None
    scores: Future[Scores] = field(default_factory=Future)


@dataclass
class _Line:
    """The orders that wait for the same metrics, and the seconds that these have had of the device."""

    orders: deque[Order] = field(default_factory=deque)
    seconds: float = 0.0


class Batcher:
    """Takes samples from any thread and scores them in one, in batches, with the engine that `score` uses.

    Orders for the same metrics wait in one line. The line whose metrics have had the least time is served next, so that
    a slow metric with a long line cannot starve a fast one; a line that was empty has no claim to the past.

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
        self._changed = threading.Condition()
        self._lines: dict[frozenset[str], _Line] = {}
        self._closing = False
        self._count = 0
        self._together = False  # whether samples have been arriving together lately
        self._now_served = 0.0
        self._pace = 0.1
        """Seconds per sample lately: a running mean, for `retry_after`."""
        self._thread = threading.Thread(target=self._work, name="editmetrics-batches", daemon=True)

    def __enter__(self) -> Batcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    @property
    def waiting(self) -> int:
        """Samples that have been accepted and have no scores yet."""
        return self._count

    def submit(self, orders: Sequence[Order]) -> list[Future[Scores]]:
        """Return the future scores of `orders`.

        Accepts all of them, or none: then it raises `FullError`.
        """
        with self._changed:
            if self._count + len(orders) > self.options.capacity:
                raise FullError(self._count, max(1.0, self._count * self._pace))
            self._count += len(orders)
            for order in orders:
                line = self._lines.setdefault(order.labels, _Line())
                if not line.orders:
                    line.seconds = max(line.seconds, self._now_served)
                line.orders.append(order)
            self._changed.notify()
        for order in orders:
            order.scores.add_done_callback(self._leave)
        return [order.scores for order in orders]

    def _leave(self, _: Future[Scores]) -> None:
        with self._changed:
            self._count -= 1

    def _work(self) -> None:
        try:
            for metric in self.metrics:
                metric.load()
        except Exception as error:
            self.options.on_failure(error)
            return
        self.loaded = True
        while (line := self._next_line()) is not None:
            batch = self._batch_of(line)
            self._together = len(batch) > 1
            started = time.monotonic()
            wanted = [order for order in batch if order.scores.set_running_or_notify_cancel()]
            in_time = [order for order in wanted if not self._expired(order)]
            if in_time:
                self._score(in_time)
            with self._changed:
                line.seconds += time.monotonic() - started

    def _next_line(self) -> _Line | None:
        """Wait for orders, and return the line to serve; None when the last order is done and the batcher closes."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing or any(line.orders for line in self._lines.values()))
            waiting = [line for line in self._lines.values() if line.orders]
            if not waiting:
                return None
            line = min(waiting, key=lambda one: one.seconds)
            self._now_served = line.seconds
            return line

    def _batch_of(self, line: _Line) -> list[Order]:
        """Take a batch from the front of a line.

        Waits for more only where the batch before held several: a client that sends one sample at a time, and waits for
        its score, is answered at once.
        """
        batch: list[Order] = []
        until = time.monotonic() + (self.options.wait if self._together else 0)
        with self._changed:
            while len(batch) < self.options.batch_size and sum(one.pixels for one in batch) < self.options.max_pixels:
                if line.orders:
                    batch.append(line.orders.popleft())
                elif self._closing or not self._changed.wait(max(until - time.monotonic(), 0)):
                    break
        return batch

    def _expired(self, order: Order) -> bool:
        """Return whether the client of an order has stopped waiting; then its scores say so."""
        if order.expires is None or time.monotonic() < order.expires:
            return False
        unscored = Score.unscored("unavailable", "not scored within the time that the client waits")
        order.scores.set_result(dict.fromkeys(self._labels(order), unscored))
        return True

    def _labels(self, order: Order) -> list[str]:
        return [metric.label for metric in self._metrics_of(order)]

    def _metrics_of(self, order: Order) -> list[Metric]:
        return [metric for metric in self.metrics if not order.labels or metric.label in order.labels]

    def _score(self, batch: Sequence[Order]) -> None:
        """Score a batch of orders for the same metrics."""
        started = time.monotonic()
        metrics = self._metrics_of(batch[0])
        try:
            results = score_loaded(metrics, [order.sample for order in batch], workers=self.options.workers)
        except Exception as error:  # a defect in a metric: try each sample alone, and keep serving
            if len(batch) > 1:
                for order in batch:
                    self._score([order])
                return
            logger.exception("a sample failed")
            status: Status = "unavailable" if isinstance(error, UnavailableError) else "failed"
            unscored = Score.unscored(status, f"{type(error).__name__}: {error}")
            batch[0].scores.set_result(dict.fromkeys(self._labels(batch[0]), unscored))
            return
        seconds = time.monotonic() - started
        self._pace = 0.9 * self._pace + 0.1 * seconds / len(batch)
        self.on_batch(len(batch), seconds)
        for order, scores in zip(batch, results, strict=True):
            order.scores.set_result(scores)
