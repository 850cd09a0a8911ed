"""The suites of a run: from specs to their metrics and samples, for the command line and for Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ..metric import Metric
from ..registry import create_metric
from ..sample import Sample
from ..suites import Suite, suite_of_spec
from ..suites.of_suite import OfSuite
from .fields import require_fields
from .results import PlanError

if TYPE_CHECKING:
    from ..data import SampleSet

Create = Callable[[Sequence[str]], list[Metric]]


@dataclass(frozen=True)
class SuiteRun:
    """A suite that is part of a run: its metrics, in the order of `Suite.specs`, or the one that asks its judge."""

    suite: Suite
    metrics: tuple[Metric, ...]

    @property
    def judged(self) -> OfSuite | None:
        """The metric that asks the suite's judge; None for a suite without one."""
        metric = self.metrics[0]
        return metric if isinstance(metric, OfSuite) else None


def suite_finder(specs: Iterable[str]) -> Callable[..., SampleSet]:
    """Return what finds samples as `data.find_samples` does, by the names and folders of the benchmarks in `specs`.

    Raises `SuiteError`.
    """
    from ..suites.reading import find_suite_samples

    suites = [suite_of_spec(spec) for spec in specs]
    for suite in suites:
        suite.require_table()
    return partial(find_suite_samples, suites)


def suite_run(spec: str, samples: Sequence[Sample], create: Create, device: str | None) -> SuiteRun:
    """Return the suite that `spec` names, with the metrics that `create` makes of specs. Nothing is asked.

    Raises `PlanError` for a field that no sample has, and `SuiteError` for samples that do not fit the benchmark.
    """
    from ..suites.judged import suite_metric
    from ..suites.rows import check_rows

    suite = suite_of_spec(spec)
    suite.require_table()
    run = SuiteRun(suite, (suite_metric(spec, device),) if suite.judges else tuple(create(suite.specs)))
    require_fields(suite.name, run.metrics, samples)
    check_rows(suite, samples)
    return run


def suite_runs(specs: Iterable[str], samples: Sequence[Sample], create: Create, device: str | None) -> list[SuiteRun]:
    """Return a `suite_run` for each spec; suites without judges share the metrics that they both have.

    Raises as `suite_run`, and `PlanError` for two suites that would have one column.
    """
    shared: dict[str, Metric] = {}

    def create_once(names: Sequence[str]) -> list[Metric]:
        return [shared.setdefault(metric.label, metric) for metric in create(names)]

    runs = [suite_run(spec, samples, create_once, device) for spec in specs]
    require_own_columns(metric for run in runs for metric in run.metrics)
    return runs


def suites_and_metrics(
    specs: Sequence[str], samples: Sequence[Sample], metrics: Any, device: str | None
) -> tuple[list[SuiteRun], list[str | Metric]]:
    """Return the suites that `specs` name, and their metrics with those of `metrics` behind them."""
    runs = suite_runs(specs, samples, lambda names: [create_metric(name, device=device) for name in names], device)
    more = [metrics] if isinstance(metrics, (str, Metric)) else metrics or ()
    return runs, [*dict.fromkeys(metric for run in runs for metric in run.metrics), *more]


def require_own_columns(metrics: Iterable[Metric]) -> None:
    """Raise `PlanError` for two metrics of suites with one label."""
    labels = [metric.label for metric in dict.fromkeys(metrics)]
    if twice := next((label for label in labels if labels.count(label) > 1), None):
        raise PlanError(f"two suites have the column {twice}; score them in runs of their own")
