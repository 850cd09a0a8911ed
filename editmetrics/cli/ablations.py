"""What each part of a metric's method is worth: a training for each of its ablations, and one table of them all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..learned_metric import LearnedMetric
    from ..mllm.checkpoint import Checkpoint


def ablations_of(metric: LearnedMetric) -> Mapping[str, Mapping[str, Any]]:
    """By name, the settings of `fit` that leave a part out; `UsageError` for a metric that names none."""
    if not metric.ablations:
        raise click.UsageError(f"{metric.name} names no ablations of its method")
    return metric.ablations


def folder_of(output: Path, name: str) -> Path:
    """The checkpoint's folder of one ablation: its name with words joined, inside `output`."""
    return output / "".join(letter if letter.isalnum() else "_" for letter in name)


def report(output: Path, names: list[str]) -> None:
    """Show and write (`ablations.csv`) each ablation's agreement: on test data where a training set some aside."""
    from ..files.rows import write_rows
    from ..mllm.checkpoint import read_checkpoint
    from ..tables.model import DataTable, numbers, text
    from ..tables.terminal import show

    measured = {name: _measures(read_checkpoint(folder_of(output, name))) for name in names}
    columns = list(dict.fromkeys(column for found in measured.values() for column in found))
    write_rows(
        [{"ablation": name, **{column: found.get(column) for column in columns}} for name, found in measured.items()],
        output / "ablations.csv",
    )
    shown = [column for column in columns if column.split(" ")[-1] in SHOWN]
    headings = numbers(*(column.replace("_", " ") for column in shown), wrap="fold")
    rows = [[name, *(values.get(column) for column in shown)] for name, values in measured.items()]
    show([DataTable([*text("ablation", wrap="never"), *headings], rows)], output / "ablations.csv")


SHOWN = ("srcc", "plcc", "balanced_accuracy", "f1")
"""The measures of the table; the file has all of them."""


def _measures(checkpoint: Checkpoint) -> dict[str, float | None]:
    """The measures of all dimensions, as "DIMENSION MEASURE"; those on test data where there are some."""
    found: dict[str, float | None] = {}
    for dimension, measures in checkpoint.validation.items():
        tested = {name.removeprefix("test "): value for name, value in measures.items() if name.startswith("test ")}
        found |= {f"{dimension} {name}": value for name, value in (tested or measures).items()}
    return found
