"""A metric that reads trained weights, and what it tells the conformance kit: a built-in one that is new."""

from __future__ import annotations

from typing import Any

from editmetrics import EditMetricsError
from tests.broken_metrics import MeanError


class NewMetric(MeanError):
    """Mean absolute difference of the edited image and the source, in levels of 255, times a learned weight.

    Options:
        weight: What the difference is multiplied by.
        channel: Which channels count.
    """

    name = "new_metric"

    def __init__(self, **shared: Any) -> None:
        super().__init__(**shared)
        self.learned: float | None = None

    def load(self) -> None:
        if self.learned is None:
            raise EditMetricsError("it has no weights")

    def value(self, item: Any) -> float:
        return super().value(item) * self.learned


EXCEPTIONS = {"ladders": "its weight is a stand-in"}


def setup(metric: NewMetric) -> None:
    metric.learned = 0.5
