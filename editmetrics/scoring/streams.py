"""Metrics that wait for another machine, scored in a thread of their own while more samples are prepared."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain
from queue import Empty, Queue, SimpleQueue
from typing import Any, Protocol, cast

from ..clean_room import clean_room
from ..metric import Metric
from ..sample import Score

AHEAD = 8
"""Prepared samples that wait to be taken; whoever adds more waits, so that memory does not grow with the run."""


class Streaming(Protocol):
    """Methods that a metric has besides those of `Metric` if it `streams`."""

    def score_each(self, prepared: Iterable[Any]) -> Iterator[tuple[int, Score]]:
        """Yield the number and the score of each of many prepared samples as soon as it is known."""

    def interrupt(self) -> None:
        """The run was stopped: end a `score_each` under way in another thread, leaving samples unscored."""


class Stream:
    """One metric that `streams`, such as a judge: prepared samples go in, scores come out as soon as they are known.

    There is no end of a batch at which nothing is asked. `watch` is told each score at once, and `known` gives the
    score of a sample that need not be scored, since the metric was stopped.

    >>> from editmetrics import create_metric
    >>> judge = create_metric("vie_score")
    >>> stream = Stream(judge, lambda: Score.unscored("unavailable", "the endpoint is down"), print)
    >>> stream.add("cat", None)
    >>> list(stream.finish())
    [('cat', Score(unavailable: the endpoint is down))]
    """

    def __init__(self, metric: Metric, known: Callable[[], Score | None], watch: Callable[[Score], object]) -> None:
        self.metric, self._known, self._watch = metric, known, watch
        self._streaming = cast("Streaming", metric)
        self._waiting: Queue[tuple[Any, Any] | None] = Queue(AHEAD)
        self._scored: SimpleQueue[tuple[Any, Score] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    def add(self, ticket: Any, prepared: Any) -> None:
        """Give it a prepared sample; waits while it has enough."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"editmetrics {self.metric.label}", daemon=True)
            self._thread.start()
        self._waiting.put((ticket, prepared))

    def ready(self) -> Iterator[tuple[Any, Score]]:
        """Yield the scores that are known by now."""
        with suppress(Empty):
            while (scored := self._scored.get_nowait()) is not None:
                yield scored

    def finish(self) -> Iterator[tuple[Any, Score]]:
        """Yield the scores of all samples that were added, and wait for them."""
        if self._thread is None:
            return
        self._waiting.put(None)
        while (scored := self._scored.get()) is not None:
            yield scored
        self._thread.join()
        self._thread = None

    def stop(self) -> Iterator[tuple[Any, Score]]:
        """Yield the scores of samples whose questions were answered, and leave the others unscored."""
        self._stopped.set()
        self._streaming.interrupt()
        with suppress(Empty):
            while True:
                self._waiting.get_nowait()
        yield from (scored for scored in self.finish() if scored[1].status != "unavailable")

    def _run(self) -> None:
        try:
            with clean_room():
                items = self._items()
                for first in items:
                    self._score(first, items)
        finally:
            self._scored.put(None)

    def _items(self) -> Iterator[tuple[Any, Any]]:
        while (item := self._waiting.get()) is not None:
            if self._stopped.is_set():
                continue
            if (score := self._known()) is not None:
                self._scored.put((item[0], score))
            else:
                yield item

    def _score(self, first: tuple[Any, Any], more: Iterator[tuple[Any, Any]]) -> None:
        """Score `first` and what comes after it, until the metric gives up; what it left out is scored alone."""
        held = {0: first}

        def prepared() -> Iterator[Any]:
            for number, item in enumerate(chain([first], more)):
                held[number] = item
                yield item[1]

        with suppress(Exception, SystemExit):  # whichever sample it was: each is scored again below
            for number, score in self._streaming.score_each(prepared()):
                self._give(held.pop(number)[0], self.metric.checked([score], 1)[0])
        for ticket, item in held.values():
            if not self._stopped.is_set():
                self._give(ticket, self.metric.score_or_why_not([item])[0])

    def _give(self, ticket: Any, score: Score) -> None:
        self._watch(score)
        self._scored.put((ticket, score))
