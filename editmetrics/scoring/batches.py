"""What waits for a batch: prepared samples of one metric and one shape, until their pixels fill it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..metric import Metric
from ..sample import Score


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
