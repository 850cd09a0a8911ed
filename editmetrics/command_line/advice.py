"""Advice on how `score` is called: options that have no effect, metrics that lack their option."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import click

from ..registry import known_names
from ..unknown_names import looks_like_a_metric

if TYPE_CHECKING:
    from ..metric import Metric

FIELDS = {"--prompts": "prompt", "--prompt": "prompt", "--masks": "mask", "--references": "reference"}
"""The field that each option fills."""

READERS = {
    "prompt": "'editmetrics list --needs prompt' names metrics that do",
    "mask": "-m psnr:region=outside does",
    "reference": "-m lpips:against=reference does",
}
"""How to choose a metric that looks at a field."""


def unused_options(options: Iterable[str], metrics: Sequence[Metric]) -> Iterator[str]:
    """Yield a note for each of `options` that fills a field which none of `metrics` looks at.

    >>> from editmetrics import create_metric
    >>> list(unused_options(["--masks"], [create_metric("psnr")]))
    ['--masks has no effect: no metric of this run looks at a mask; -m psnr:region=outside does']
    """
    fields = {field for metric in metrics for field in metric.fields()}
    for option in options:
        field = FIELDS[option]
        if field not in fields:
            yield f"{option} has no effect: no metric of this run looks at a {field}; {READERS[field]}"


def note_unused(options: Iterable[str], metrics: Sequence[Metric]) -> None:
    """Print the notes of `unused_options`."""
    for line in unused_options(options, metrics):
        click.echo(f"note: {line}", err=True)


def refuse_metrics(paths: Sequence[str], metrics: Sequence[str]) -> None:
    """Raise `UsageError` where `paths`, none of which exists, are names of metrics, as in `-m psnr ssim`."""
    if problem := looks_like_a_metric(paths, metrics, known_names()):
        raise click.UsageError(problem)
