"""The suites of a run of `score`: from `--suite` to metrics, and from results to the benchmark's tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..data import SampleSet
    from ..metric import Metric
    from ..sample import Sample
    from ..scoring import Results
    from ..scoring.suite_results import SuiteResult
    from ..scoring.suite_runs import SuiteRun
    from ..tables.table import Block, DataTable


def samples_of_suites(specs: Sequence[str]) -> Callable[..., SampleSet]:
    """Return what finds samples as `data.find_samples` does, by the names and folders of the benchmarks in `specs`."""
    from ..scoring.suite_runs import suite_finder
    from .options import own_set

    return suite_finder(spec for spec in specs if not own_set(spec))


def chosen_suites(
    specs: Sequence[str], samples: Sequence[Sample], create: Callable[[Sequence[str]], list[Metric]], device: str | None
) -> tuple[list[SuiteRun], list[Metric]]:
    """Return the suites that `specs` name, and the metrics of the user's own sets among them. Nothing is asked.

    `create` makes the metrics of specs. Raises as `suite_runs`, and `PlanError` for a set without its fields.
    """
    from ..scoring.fields import require_fields
    from ..scoring.suite_runs import require_own_columns, suite_runs
    from .options import own_set

    runs = suite_runs((spec for spec in specs if not own_set(spec)), samples, create, device)
    own: list[Metric] = []
    for spec in specs:
        created = create(own_set(spec))
        require_fields(spec, created, samples)
        own += created
    require_own_columns([*(metric for run in runs for metric in run.metrics), *own])
    return runs, own


def suite_results(runs: Sequence[SuiteRun], results: Results) -> list[SuiteResult]:
    """Return the tables of each benchmark of a run."""
    if not runs:
        return []
    from ..scoring.suite_results import suite_result

    return [suite_result(run, results) for run in runs]


def suite_blocks(results: Sequence[SuiteResult]) -> list[Block]:
    """Return the benchmarks' tables with notes and differences, for a terminal."""
    from ..tables.suites import result_blocks

    return [block for result in results for block in result_blocks(result)]


def suite_tables(results: Sequence[SuiteResult]) -> list[DataTable]:
    """Return the benchmarks' tables, each complete by itself, for a report."""
    if not results:
        return []
    from ..tables.suites import result_tables

    return [table for result in results for table in result_tables(result)]


def suites_as_json(results: Sequence[SuiteResult]) -> list[dict[str, Any]]:
    """Return the benchmarks' tables, for programs."""
    from dataclasses import asdict

    from ..suites.explain import differences_of

    described = []
    for result in results:
        run = result.run
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
