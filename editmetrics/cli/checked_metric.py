"""What `editmetrics plugin check` stands on and prints: stand-ins for weights, each check, and what to do."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

import click

from ..metric import Metric
from ..sample import EditMetricsError
from .streams import echo_styled

WIDTH = 96
"""Columns of a line."""

UNLOADED = "it cannot be loaded"
"""How the kit begins the reason why a check was skipped for want of a loaded metric."""


def show(
    metric: type[Metric], spec: str, stand_ins: str, outcomes: Iterable[tuple[str, str, list[str]]], count: int
) -> int:
    """Print each outcome as it comes, and what to do about those that fail; returns how many do."""
    from ..testing.advice import ADVICE

    click.echo(f"{spec} of {metric.__module__}, {count} checks{'; ' * bool(stand_ins)}{stand_ins}\n")
    failed = skipped = 0
    unloaded = False
    for check, outcome, said in outcomes:
        failed, skipped = failed + (outcome == "fail"), skipped + (outcome == "skip")
        unloaded = unloaded or any(line.startswith(UNLOADED) for line in said)
        lines = said or [""]
        head = outcome.ljust(4), {"fg": _COLOURS[outcome]}
        echo_styled(head, f"  {check.ljust(18)}{_hanging(lines[0], ' ' * 24)}".rstrip())
        for line in lines[1:]:
            click.echo(" " * 24 + _hanging(line, " " * 24))
        if outcome == "fail":
            echo_styled(" " * 24, (_hanging(f"-> {ADVICE[check]}", " " * 27), {"bold": True}))
    passed = count - failed - skipped
    click.echo(f"\n{passed} passed, {failed} failed, {skipped} skipped")
    if unloaded:
        click.echo(
            f"It could not be loaded: name its weights, as in {spec.partition(':')[0]}:weights=..., or let its package "
            "give it a stand-in\n(docs/conformance.md, 'A metric with weights')."
        )
    if failed:
        click.echo("docs/conformance.md says what each check demands and why.")
    return failed


def show_broken(name: str, error: EditMetricsError) -> None:
    """Print why a metric cannot even be loaded, and what to do."""
    echo_styled(("fail", {"fg": "red"}), f"  {'registration'.ljust(18)}{_hanging(str(error), ' ' * 24)}")
    advice = (
        "Correct what stands above, and install the package again. Its entry point is NAME = 'module:Class' under "
        "[project.entry-points.\"editmetrics.metrics\"], with the NAME of the class. 'editmetrics doctor' shows all "
        "plugins."
    )
    if "pip install" in str(error):
        advice = f"Install it: {str(error).rpartition(': ')[2]}"
    echo_styled(" " * 24, (_hanging(f"-> {advice}", " " * 27), {"bold": True}))


_COLOURS = {"pass": "green", "fail": "red", "skip": "yellow"}


def _hanging(text: str, indent: str) -> str:
    """`text` broken into lines, of which all but the first are indented."""
    return "\n".join(_lines(text, indent)).removeprefix(indent)


def _lines(text: str, indent: str) -> Iterator[str]:
    for part in text.splitlines() or [""]:
        yield from textwrap.wrap(part, WIDTH, initial_indent=indent, subsequent_indent=indent) or [indent]
