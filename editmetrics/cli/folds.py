"""Cross-validation of a learned metric: each fold's training scores what it has not seen, and one table of them all."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..learned_metric import LearnedMetric
    from ..mllm.folds import Fold
    from ..scoring.results import Results

SHOWN = ("srcc", "plcc", "krcc", "auc", "balanced_accuracy", "accuracy")
"""The measures of the table; the file has all of them."""

COLUMNS = 5
"""So many folds have a column of their own in the table."""


def folds_of(metric: LearnedMetric, manifest: Path, count: int, settings: Mapping[str, Any]) -> list[Fold]:
    """The folds of a manifest by `settings["group"]` or what `metric` groups by, and by the seed of its training."""
    from ..data import from_manifest
    from ..mllm.folds import folds

    group = settings.get("group", inspect.signature(metric.fit).parameters["group"].default)
    return folds(list(from_manifest(manifest)), count, group=group, seed=int(settings.get("seed", 0)))


def folder_of(output: Path, number: int) -> Path:
    """The checkpoint's folder of the fold `number`, counted from 1."""
    return output / f"fold_{number}"


def report(
    output: Path,
    trained: Sequence[LearnedMetric],
    folds: Sequence[Fold],
    *,
    targets: Mapping[str, str],
    settings: Mapping[str, Any],
    overwrite: bool,
    quiet: bool,
) -> None:
    """Score each fold's test part with what was trained on the rest; show and write (`folds.csv`) the agreement.

    The scores are kept in `fold_N.csv` with their record, so that a run that was stopped goes on.
    """
    from ..files.rows import write_rows
    from ..scoring import score
    from ..tables.terminal import show
    from ..tables.training import fold_blocks
    from .progress import Progress

    rows: list[dict[str, Any]] = []
    for number, (metric, fold) in enumerate(zip(trained, folds, strict=True), 1):
        scores = folder_of(output, number).with_suffix(".csv")
        with Progress(len(fold.test), quiet=quiet) as progress:
            results = score(fold.test, metric, output=scores, overwrite=overwrite, on_row=progress.row)
        rows += [{"fold": number, **row} for row in _agreement(results, metric, targets)]
        rows += [{"fold": number, **row} for row in _further(results, metric, settings)]
    write_rows(rows, output / "folds.csv")
    show(fold_blocks(rows, SHOWN, COLUMNS))
    click.echo(f"\nwrote {output / 'folds.csv'}, and scores and a checkpoint for each fold beside it")


def _agreement(results: Results, metric: LearnedMetric, targets: Mapping[str, str]) -> list[dict[str, Any]]:
    """A row for each dimension and measure."""
    from ..evaluation import evaluate

    (column,) = results.columns
    names = {dimension.name: column.names[dimension.name] for dimension in metric.dimensions}
    dimension_of = {names[dimension]: dimension for dimension in targets if dimension in names}
    ratings: dict[str, list[Any]] = {"id": [sample.id for sample in results.samples]}
    ratings |= {name: [sample.meta.get(name) for sample in results.samples] for name in targets.values()}
    directions = {names[d.name]: d.higher_is_better for d in metric.dimensions}
    found = evaluate(
        results.table(),
        ratings,
        pairs=[(score, targets[dimension]) for score, dimension in dimension_of.items()],
        on=["id"],
        known_directions=directions,
    )
    return [
        {"dimension": dimension_of[line.score], "measure": line.measure, "value": line.value, "n": line.n,
         "excluded": line.excluded, "note": line.note}
        for line in found.lines if line.group == "all"
    ]  # fmt: skip


def _further(results: Results, metric: LearnedMetric, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the metric itself measures of scored samples, beside its dimensions, where it has something."""
    (column,) = results.columns
    return metric.extra_measures(results.samples, results[column.label], settings)
