"""Counters and histograms of a server, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Statistics:
    """Counters and histograms in a registry of their own; `waiting` gives the samples that wait."""

    def __init__(self, waiting: Callable[[], int]) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter("editmetrics_requests", "Requests for scores, by answer", ["code"], registry=registry)
        self.scores = Counter(
            "editmetrics_scores", "Scores, by metric and status", ["metric", "status"], registry=registry
        )
        self.latency = Histogram(
            "editmetrics_request_seconds", "From a request's arrival to its answer", registry=registry
        )
        self.sizes = Histogram(
            "editmetrics_batch_samples", "Samples in a batch", buckets=[1, 2, 4, 8, 16, 32, 64], registry=registry
        )
        self.busy = Counter("editmetrics_busy_seconds", "Seconds spent on batches", registry=registry)
        Gauge("editmetrics_waiting_samples", "Samples that wait", registry=registry).set_function(waiting)

    def count_batch(self, size: int, seconds: float) -> None:
        """Count a batch of `size` samples that took `seconds`."""
        self.sizes.observe(size)
        self.busy.inc(seconds)
