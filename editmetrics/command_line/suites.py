"""The suites of a run of `score`: from `--suite` to metrics, and from results to the benchmark's tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..data import SampleSet
    from ..metric import Metric
    from ..sample import Sample
    from ..scoring import Results
    from ..scoring.suite_results import SuiteRun
    from ..tables.table import Block


def samples_of_suites(specs: Sequence[str]) -> Callable[..., SampleSet]:
    """Return what finds samples as `data.find_samples` does, by the names and folders of the benchmarks in `specs`.

    Raises `SuiteError`.
    """
    from ..suites import suite_of_spec
    from ..suites.reading import find_suite_samples
    from .options import own_set

    suites = [suite_of_spec(spec) for spec in specs if not own_set(spec)]
    for suite in suites:
        suite.require_table()
    return partial(find_suite_samples, suites)


def suite_runs(
    specs: Sequence[str], samples: Sequence[Sample], create: Callable[[Sequence[str]], list[Metric]], device: str | None
) -> tuple[list[SuiteRun], list[Metric]]:
    """Return the suites that `specs` name, and the metrics of the user's own sets among them. Nothing is asked.

    `create` makes the metrics of specs. Raises `PlanError` for a field that no sample has, and `SuiteError` for samples
    that do not fit the benchmark.
    """
    from ..scoring.suite_results import SuiteRun, require_fields
    from ..suites import suite_of_spec
    from ..suites.judged import suite_metric
    from ..suites.rows import check_rows
    from .options import own_set

    runs: list[SuiteRun] = []
    own: list[Metric] = []
    known: dict[str, Metric] = {}
    for spec in specs:
        if metrics := own_set(spec):
            created = create(metrics)
            require_fields(spec, created, samples)
            own += created
            continue
        definition = suite_of_spec(spec)
        definition.require_table()
        if definition.judges:
            run = SuiteRun(definition, (suite_metric(spec, device),))
        else:  # suites may share columns
            run = SuiteRun(definition, tuple(known.setdefault(m.label, m) for m in create(definition.specs)))
        require_fields(definition.name, run.metrics, samples)
        check_rows(definition, samples)
        runs.append(run)
    labels = [metric.label for metric in dict.fromkeys(metric for run in runs for metric in run.metrics)]
    labels += [metric.label for metric in own]
    if twice := next((label for label in labels if labels.count(label) > 1), None):
        raise click.UsageError(f"two suites have the column {twice}; score them in runs of their own")
    return runs, own


def suite_tables(runs: Sequence[SuiteRun], results: Results) -> list[Block]:
    """Return the benchmarks' tables of a run, for people."""
    from ..scoring.suite_results import suite_result
    from ..tables.suites import result_blocks

    return [block for run in runs for block in result_blocks(suite_result(run, results))]


def suites_as_json(runs: Sequence[SuiteRun], results: Results) -> list[dict[str, Any]]:
    """Return the benchmarks' tables of a run, for programs."""
    from dataclasses import asdict

    from ..scoring.suite_results import suite_result
    from ..suites.explain import differences_of

    described = []
    for run in runs:
        result = suite_result(run, results)
        lines = [
            {
                "table": table.layout.title,
                "rows": line.block.heading,
                "system": line.system,
                "samples": line.total,
                "read": line.read,
                "unread": dict(line.unread),
                "script_reads": line.script_reads,
                "cells": {name: asdict(cell) for name, cell in zip(table.headings, line.cells, strict=True)},
            }
            for table in result.tables
            for line in table.lines
        ]
        described.append(
            {
                "suite": run.suite.name,
                "commit": run.suite.source.commit,
                "served": result.served,
                "asked": list(result.asked),
                "lines": lines,
                "notes": list(result.notes),
                "differences": [asdict(one) for one in differences_of(run.suite, run.judged)],
            }
        )
    return described
