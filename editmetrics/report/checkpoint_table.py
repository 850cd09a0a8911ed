"""A trained metric's validation, as a table for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .terminal import number, standard_output

if TYPE_CHECKING:
    from ..mllm.checkpoint import Checkpoint


def show_checkpoint(checkpoint: Checkpoint, console: Console | None = None) -> None:
    """How well a checkpoint agrees with the ratings of its validation samples: a line for each dimension."""
    console = console or standard_output()
    measures = list(dict.fromkeys(measure for found in checkpoint.validation.values() for measure in found))
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("validation", no_wrap=True)
    for measure in measures:
        table.add_column(measure, justify="right", no_wrap=True)
    for dimension, found in checkpoint.validation.items():
        table.add_row(escape(dimension), *(_cell(found.get(measure)) for measure in measures))
    console.print(table)
    counts = checkpoint.data
    console.print(f"[dim]trained on {counts.get('train', '?')} samples; {_left_out(counts.get('left_out', {}))}[/]")


def _cell(value: object) -> str:
    return number(value) if isinstance(value, float) or value is None else escape(str(value))


def _left_out(left_out: dict[str, int]) -> str:
    if not left_out:
        return "none was left out"
    return escape("left out: " + ", ".join(f"{count} ({why})" for why, count in left_out.items()))
