"""A table for a terminal: the figures of a paper's protocol, for each metric and dimension."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .terminal import number, standard_output

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..agreement.result import Agreement, Line

ALL = "over all items"


def show_figures(agreement: Agreement, output: Path | None = None, console: Console | None = None) -> None:
    """What `evaluate_protocol` found: for each metric and dimension a row a group and a column a measure."""
    console = console or standard_output()
    console.print(f"[bold]{escape(agreement.settings['protocol'])}[/] ({escape(agreement.settings['source'])})\n")
    for score in dict.fromkeys(line.score for line in agreement.lines):
        for rating in dict.fromkeys(line.rating for line in agreement.lines if line.score == score):
            lines = [line for line in agreement.lines if (line.score, line.rating) == (score, rating)]
            console.print(f"[bold]{escape(score)}[/]: {escape(rating)}")
            console.print(_table(lines), "")
    for note in [*_undefined(agreement.lines), *agreement.notes]:
        console.print(escape(note))
    if output is not None:
        console.print(f"wrote {escape(str(output))}")


def _table(lines: Sequence[Line]) -> Table:
    measures = list(dict.fromkeys(line.measure for line in lines))
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("over", overflow="fold")
    for heading in [*(name.replace("_", " ") for name in measures), "n", "left out"]:
        table.add_column(escape(heading), justify="right", vertical="bottom")
    for group in dict.fromkeys(line.group for line in lines):
        found = {line.measure: line for line in lines if line.group == group}
        first = next(iter(found.values()))
        over = ALL if group == "all" else group if first.groups is None else f"{group} ({first.groups})"
        cells = [number(found[name].value) if name in found else "" for name in measures]
        table.add_row(escape(over), *cells, str(first.n), str(first.excluded))
    return table


def _undefined(lines: Sequence[Line]) -> list[str]:
    """Each reason why figures have no value, and how many."""
    reasons: dict[str, list[Line]] = {}
    for line in lines:
        if line.value is None:
            reasons.setdefault(line.note or "", []).append(line)
    said = []
    for reason, found in reasons.items():
        first = f"{found[0].measure} of {found[0].score} ({found[0].group})"
        said.append(f"{len(found)} figures have no value, such as {first}: {reason}")
    return said
