"""Other libraries in a terminal: which there are, and what each of them offers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .terminal import BETTER, standard_output

WEIGHTS = "its weights: "
"""Before the licence of the weights, in the licence of a metric of another library."""


def show_bridges(bridges: Iterable[Mapping[str, Any]], console: Console | None = None) -> None:
    """A line for each library that there is a bridge to: how to see its metrics, or how to install it."""
    console = console or standard_output()
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for found in bridges:
        name = f"{found['library']}/..."
        if found["version"]:
            advice = f"{found['package']} {found['version']} ({found['licence']}): editmetrics list {found['library']}"
        else:
            advice = f"not installed: pip install {found['package']} ({found['licence']})"
        table.add_row(name, escape(advice))
    console.print("\nOther libraries' metrics, by name:")
    console.print(table)


def show_library(library: Mapping[str, Any], console: Console | None = None) -> None:
    """Every metric of a library, under its licence; then what it does not offer, by reason."""
    console = console or standard_output()
    console.print(
        f"[bold]{escape(library['package'])} {library['version']}[/], licence: {escape(library['licence'])}\n"
    )
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in (f"{library['library']}/", "inputs", "better", "range"):
        table.add_column(heading, no_wrap=heading != "inputs", overflow="fold")
    weights = any(WEIGHTS in metric["licence"] for metric in library["metrics"])
    if weights:
        table.add_column("its weights", overflow="fold")
    for metric in library["metrics"]:
        (dimension,) = metric["dimensions"]
        name = metric["name"].partition("/")[2]
        cells = [name, ", ".join(metric["needs"]), BETTER[dimension["higher_is_better"]], _range(dimension)]
        table.add_row(*map(escape, cells), *([escape(_weights(metric["licence"]))] if weights else []))
    console.print(table)
    reasons = sorted(library["not_offered"].items(), key=lambda pair: pair[1])
    for reason, names in groupby(reasons, key=lambda pair: pair[1]):
        console.print(f"\n[dim]not offered, since {escape(reason)}:[/] {escape(', '.join(name for name, _ in names))}")
    console.print(f"\n[dim]'editmetrics info {escape(library['library'])}/NAME' shows one in full.[/]")


def _weights(licence: str) -> str:
    """What a metric's licence says of its weights, without the name of the library; a dash where it has none."""
    return licence.partition(WEIGHTS)[2].partition(" by ")[0] or "-"


def _range(dimension: Mapping[str, Any]) -> str:
    """The declared range; what the library says of it, where that is not enforced; nothing where neither is known."""
    low, high = dimension["low"], dimension["high"]
    if low is None and high is None:
        return str(dimension["description"]).partition(",")[0]
    return f"{'-inf' if low is None else f'{low:g}'} to {'inf' if high is None else f'{high:g}'}"
