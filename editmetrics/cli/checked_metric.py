"""What `editmetrics plugin check` stands on and prints: stand-ins for weights, each check, and what to do."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from ..metric import Metric
from ..registry import BRIDGES
from ..sample import EditMetricsError
from .streams import echo_styled

if TYPE_CHECKING:
    from ..testing.declared import Declared

WIDTH = 96
"""Columns of a line."""

UNLOADED = "it cannot be loaded"
"""How the kit begins the reason why a check was skipped for want of a loaded metric."""


@dataclass(frozen=True)
class Stand:
    """What stands for a metric's weights while it is checked, in words; empty where nothing has to."""

    words: str

    @staticmethod
    def exceptions_of(name: str) -> dict[str, str]:
        """The exceptions of a metric by the way it gets here: a bridge asks its library what the metric takes."""
        bridged = name.partition("/")[0] in BRIDGES
        return {"light_import": "a bridge asks its library what a metric takes, and so imports it"} if bridged else {}

    @classmethod
    def of(cls, name: str, metric: type[Metric], declared: Declared, inside: ExitStack) -> Stand:
        """Put random weights, until `inside` ends, where a metric's own are not on this machine and can be imitated."""
        from .. import weights
        from ..testing import offline_weights
        from ..testing.offline_weights import DEFAULT

        if declared.setup is not None:
            return cls(f"{declared.where} stands in for its weights or its model")
        missing = [entry for entry in metric().checkpoints() if weights.find(entry) is None]
        if missing and set(missing) <= set(DEFAULT):
            inside.enter_context(offline_weights(missing))
            return cls(f"random weights stand in for {', '.join(missing)}")
        return cls("")


def show(
    metric: type[Metric], spec: str, stand: Stand, outcomes: Iterable[tuple[str, str, list[str]]], count: int
) -> int:
    """Print each outcome as it comes, and what to do about those that fail; returns how many do."""
    from ..testing.advice import ADVICE

    click.echo(f"{spec} of {metric.__module__}, {count} checks{f'; {stand.words}' if stand.words else ''}\n")
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
