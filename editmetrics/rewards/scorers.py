"""Where a reward's scores come from: metrics in this process, or a server."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..metric import Metric
from ..registry import create_metric
from ..sample import Dimension, Sample, Score
from ..scoring.results import Column
from ..scoring.run import available_processors, score_loaded
from ..wording import expected_one_of
from .terms import RewardError, Term

if TYPE_CHECKING:
    from ..serving import Client

Scores = dict[str, Score]


class MetricFacts(NamedTuple):
    """A metric as a reward knows it, on this machine or elsewhere."""

    label: str
    dimensions: tuple[Dimension, ...]
    identity: dict[str, Any]
    needs: frozenset[str]


class _Waiting:
    """Samples of one caller, and their scores or what went wrong."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.samples = samples
        self.scores: list[Scores] | None = None
        self.error: BaseException | None = None


class LocalScorer:
    """Scores in this process, with the engine that `score` uses.

    Callers in several threads are scored together: whoever comes while others are scored waits, and the first of those
    that waited scores for all of them.
    """

    def __init__(self, terms: Sequence[Term], device: str | None, workers: int | None) -> None:
        self.metrics: dict[int, Metric] = {}
        by_spec: dict[str, Metric] = {}
        for position, term in enumerate(terms):
            metric = term.metric
            if isinstance(metric, str):
                metric = by_spec.setdefault(metric, create_metric(metric, device=device))
            if metric.of_sets:
                raise RewardError(f"{metric.label} is a number of a set of images; a reward is of one image")
            self.metrics[position] = metric
        self.workers = workers or available_processors()
        self._loaded = False
        self._queue = threading.Lock()
        self._scoring = threading.Lock()
        self._waiting: list[_Waiting] = []

    def sources(self) -> list[MetricFacts]:
        """The metric of each term."""
        return [
            MetricFacts(metric.label, metric.dimensions, {}, frozenset(metric.required()))
            for metric in self.metrics.values()
        ]

    def identities(self) -> dict[str, Any]:
        """All that produces each metric's numbers, by its label; loads the metrics."""
        self._load()
        return {metric.label: Column(metric).identity for metric in self.metrics.values()}

    def score(self, samples: Sequence[Sample]) -> list[Scores]:
        """The scores of each sample by the label of the metric."""
        mine = _Waiting(samples)
        with self._queue:
            self._waiting.append(mine)
        with self._scoring:
            if mine.scores is None and mine.error is None:
                with self._queue:
                    together, self._waiting = self._waiting, []
                self._score(together)
        if mine.error is not None:
            raise mine.error
        return mine.scores or []

    def _score(self, together: Sequence[_Waiting]) -> None:
        try:
            self._load()
            distinct = {metric.label: metric for metric in self.metrics.values()}
            samples = [sample for waiting in together for sample in waiting.samples]
            scores = iter(score_loaded(list(distinct.values()), samples, workers=self.workers))
            for waiting in together:
                waiting.scores = [next(scores) for _ in waiting.samples]
        except BaseException as error:
            for waiting in together:
                waiting.error = error

    def _load(self) -> None:
        if not self._loaded:
            for metric in self.metrics.values():
                metric.load()
            self._loaded = True


class ServedScorer:
    """Scores on `editmetrics serve`."""

    def __init__(self, terms: Sequence[Term], client: Client) -> None:
        self.client = client
        self.specs = [term.metric for term in terms]
        for spec in self.specs:
            if not isinstance(spec, str):
                raise RewardError(f"{spec.label} is a metric of this process; name one that {client.url} serves")
        self._served: list[dict[str, Any]] | None = None

    def sources(self) -> list[MetricFacts]:
        """The metric of each term, as the server describes it."""
        served = self._metrics()
        sources = []
        for spec in self.specs:
            if spec not in served:
                labels = expected_one_of(str(spec), served)
                raise RewardError(f"{self.client.url} does not serve {spec}; {labels}")
            about = served[str(spec)]
            dimensions = [
                Dimension(
                    each["name"], each["unit"], float(each["low"]), float(each["high"]), each["higher_is_better"],
                    primary=index == 0,
                )
                for index, each in enumerate(about["dimensions"])
            ]  # fmt: skip
            sources.append(MetricFacts(about["label"], tuple(dimensions), about["identity"], frozenset(about["needs"])))
        return sources

    def identities(self) -> dict[str, Any]:
        """All that produces each metric's numbers, by its label."""
        return {source.label: source.identity for source in self.sources()}

    def score(self, samples: Sequence[Sample]) -> list[Scores]:
        """The scores of each sample by the label of the metric."""
        return self.client.score(samples)

    def _metrics(self) -> dict[str, dict[str, Any]]:
        if self._served is None:
            self._served = self.client.metrics()
        return {metric["label"]: metric for metric in self._served}
