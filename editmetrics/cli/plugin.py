"""`editmetrics plugin`: create a metric, check it, and choose which package may replace a built-in one."""

from __future__ import annotations

import logging
import sys
import textwrap
import unittest
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..command_line import name_value_pairs
from ..command_line.output import echo_styled
from ..sample import EditMetricsError
from ..scaffold import KINDS, write_plugin

if TYPE_CHECKING:
    from ..metric import Metric
    from ..testing.conformance import Case

WIDTH = 96
"""Columns of a line."""

UNLOADED = "it cannot be loaded"
"""Start of the kit's reason for skipping a check because the metric was not loaded."""

COLOURS = {"pass": "green", "fail": "red", "skip": "yellow"}


@click.group()
def plugin() -> None:
    """Create a metric of your own, check it, and choose which package may replace a built-in metric.

    \b
    editmetrics plugin new edge-loss                  write a small package that works
    editmetrics plugin check edge_loss                run the conformance kit
    editmetrics plugin allow psnr PACKAGE             let a plugin replace a built-in metric
    """


@plugin.command("new")
@click.argument("name")
@click.option("--kind", type=click.Choice([*KINDS]), default="classic", help="Kind of metric.")
@click.option(
    "--dir",
    "parent",
    type=click.Path(path_type=Path, file_okay=False),
    default=".",
    help="Folder to create the package in.",
)
def new(name: str, kind: str, parent: Path) -> None:
    """Write a package with a metric NAME that installs, is found and passes its tests.

    \b
    classic   a formula over the pixels of two images
    network   a network whose weights are downloaded
    judge     a question to a chat model
    pair      a question about two edits of one source
    learned   a head on features, trained on ratings
    """
    folder, names = write_plugin(name, kind, parent)
    yours = {
        "classic": f"the function {names['metric']}",
        "network": "network and forward",
        "judge": "QUESTION",
        "pair": "QUESTION",
        "learned": "the function features",
    }
    click.echo(f"wrote {folder}: a {kind} metric {names['metric']} that works as it is\n")
    click.echo(f"  pip install -e '{folder}[test]'")
    click.echo(f"  editmetrics plugin check {names['metric']}")
    click.echo(f"  pytest {folder}\n")
    click.echo(f"Now edit {yours[kind]} in {folder / names['package'] / 'metric.py'}; docs/plugins.md is the guide.")


@plugin.command("check")
@click.argument("spec", metavar="NAME[:opt=value,...]")
@click.option("--device", default="cpu", help="Device to compute on: cpu, cuda, cuda:1, ...")
@click.option(
    "--exception",
    "exceptions",
    multiple=True,
    metavar="CHECK=REASON",
    help="Check that the metric cannot pass, and the reason. Repeatable.",
)
def check(spec: str, device: str, exceptions: tuple[str, ...]) -> None:
    """Run all checks of the conformance kit on a metric, with advice on each failure.

    Exit codes: 0 all checks pass; 3 a check fails. docs/conformance.md explains each check.
    """
    from ..registry import BrokenPluginError, MissingPackageError, metric_class, parse_spec
    from ..testing import conformance_cases

    logging.getLogger(__name__.partition(".")[0]).setLevel(logging.ERROR)  # it is loaded again and again
    name = parse_spec(spec)[0]
    try:
        cls = metric_class(name)
    except (BrokenPluginError, MissingPackageError) as error:
        _show_broken(name, error)
        sys.exit(3)
    try:
        cases = conformance_cases([spec], exceptions={spec: _exceptions(exceptions)}, device=device)
    except ValueError as error:  # the package declares an unknown check, or one without a reason
        raise click.UsageError(str(error)) from error
    sys.exit(3 if _show(cls, spec, cases[0].candidate.stand_ins, map(_outcome, cases), len(cases)) else 0)


def _exceptions(texts: tuple[str, ...]) -> dict[str, str]:
    from ..testing import CHECKS

    exceptions = name_value_pairs("--exception", texts, "CHECK=REASON")
    for name in exceptions:
        if name not in CHECKS:
            raise click.UsageError(f"--exception: unknown check {name!r}; expected one of {', '.join(CHECKS)}")
    return exceptions


def _outcome(case: Case) -> tuple[str, str, list[str]]:
    """Run a check; returns its name, "pass", "fail" or "skip", and the reasons."""
    from ..testing import ConformanceError

    try:
        case()
    except ConformanceError as error:
        return case.check, "fail", [problem for problems in error.failures.values() for problem in problems]
    except unittest.SkipTest as reason:
        return case.check, "skip", [str(reason)]
    return case.check, "pass", []


def _show(
    metric: type[Metric], spec: str, stand_ins: str, outcomes: Iterable[tuple[str, str, list[str]]], count: int
) -> int:
    """Print each outcome as it comes, with advice for failures; returns the number of failures."""
    from ..testing.conformance import ADVICE

    click.echo(f"{spec} of {metric.__module__}, {count} checks{'; ' * bool(stand_ins)}{stand_ins}\n")
    failed = skipped = 0
    unloaded = False
    for check_name, outcome, reasons in outcomes:
        failed, skipped = failed + (outcome == "fail"), skipped + (outcome == "skip")
        unloaded = unloaded or any(line.startswith(UNLOADED) for line in reasons)
        lines = reasons or [""]
        head = outcome.ljust(4), {"fg": COLOURS[outcome]}
        echo_styled(head, f"  {check_name.ljust(18)}{_hanging(lines[0], ' ' * 24)}".rstrip())
        for line in lines[1:]:
            click.echo(" " * 24 + _hanging(line, " " * 24))
        if outcome == "fail":
            echo_styled(" " * 24, (_hanging(f"-> {ADVICE[check_name]}", " " * 27), {"bold": True}))
    passed = count - failed - skipped
    click.echo(f"\n{passed} passed, {failed} failed, {skipped} skipped")
    if unloaded:
        click.echo(
            f"The metric could not be loaded: give its weights, as in {spec.partition(':')[0]}:weights=..., or let its "
            "package provide a stand-in\n(docs/conformance.md, 'A metric with weights')."
        )
    if failed:
        click.echo("docs/conformance.md explains each check.")
    return failed


def _show_broken(name: str, error: EditMetricsError) -> None:
    """Print why a metric cannot be imported, and how to correct it."""
    echo_styled(("fail", {"fg": "red"}), f"  {'registration'.ljust(18)}{_hanging(str(error), ' ' * 24)}")
    advice = (
        "Correct this, and install the package again. Its entry point is NAME = 'module:Class' under "
        "[project.entry-points.\"editmetrics.metrics\"], with the NAME of the class. 'editmetrics doctor' shows all "
        "plugins."
    )
    if "pip install" in str(error):
        advice = f"Install it: {str(error).rpartition(': ')[2]}"
    echo_styled(" " * 24, (_hanging(f"-> {advice}", " " * 27), {"bold": True}))


def _hanging(text: str, indent: str) -> str:
    """Wrap `text` into lines, all but the first of them indented."""
    lines: list[str] = []
    for part in text.splitlines() or [""]:
        lines += textwrap.wrap(part, WIDTH, initial_indent=indent, subsequent_indent=indent) or [indent]
    return "\n".join(lines).removeprefix(indent)


@plugin.command("allow")
@click.argument("name")
@click.argument("package")
def allow(name: str, package: str) -> None:
    """Let PACKAGE replace the built-in metric NAME.

    The permission is saved for the current user; the identity of a score names the package that computed it.
    'editmetrics plugin forbid NAME' revokes it.
    """
    from .. import allowed
    from ..registry import providers_of

    providers = providers_of(name)
    if package not in providers:
        raise click.UsageError(
            f"no installed package {package} provides a metric {name}; it is provided by "
            f"{', '.join(providers) or 'no package'}"
        )
    allowed.allow(name, package)
    click.echo(f"{name} is now provided by {package}; saved in {allowed.path()}")


@plugin.command("forbid")
@click.argument("name")
def forbid(name: str) -> None:
    """Revoke 'allow': use the built-in metric NAME again."""
    from .. import allowed

    if name not in allowed.allowed():
        click.echo(f"no package is allowed to replace {name}")
        return
    allowed.allow(name, None)
    click.echo(f"{name} is the built-in metric again; saved in {allowed.path()}")
