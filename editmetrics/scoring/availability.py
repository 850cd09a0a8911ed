"""Which metrics of a run this machine cannot compute, and when a metric is stopped for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..machine import OUT_OF_MEMORY, machine_fault
from ..sample import Score
from .plan import Column

STOP_AFTER = 3
"""After how many scores in a row that this machine could not compute a metric is stopped."""


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
        """What every sample gets from a metric that was stopped; None where the metric still runs."""
        reason = self.stopped.get(label)
        return None if reason is None else Score.unscored("unavailable", reason)


def loaded(columns: Sequence[Column]) -> tuple[list[Column], dict[str, str]]:
    """The columns with their metrics loaded, and from the label of each that this machine cannot load to the reason."""
    ready: list[Column] = []
    unavailable: dict[str, str] = {}
    for column in columns:
        try:
            column.metric.load()
            _ = column.key
        except Exception as error:
            reason = machine_fault(error)
            if reason is None:
                raise
            unavailable[column.label] = reason
            column = _identified(column)
        ready.append(column)
    return ready, unavailable


def _identified(column: Column) -> Column:
    """The column of a metric that is not loaded: with its identity, if that can be told, so that scores are reused."""
    try:
        _ = column.key
        return column
    except Exception as error:
        reason = machine_fault(error)
        if reason is None:
            raise
        return Column(column.metric, {"metric": column.label, "unavailable": reason}, column.profile)
