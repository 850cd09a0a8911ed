"""`editmetrics plugin`: begin a metric of one's own, check it, and say which may take a built-in's name."""

from __future__ import annotations

import logging
import sys
import unittest
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .plugin_package import KINDS, write_plugin

if TYPE_CHECKING:
    from ..testing.conformance import Case


@click.group()
def plugin() -> None:
    """Begin a metric of your own, check it, and say which may take a built-in's name.

    \b
    editmetrics plugin new edge-loss                  a small package that works
    editmetrics plugin check edge_loss                the conformance kit, and what to do
    editmetrics plugin allow psnr PACKAGE             let a plugin replace a built-in metric
    """


@plugin.command("new")
@click.argument("name")
@click.option("--kind", type=click.Choice([*KINDS]), default="classic", show_default=True)
@click.option(
    "--dir", "parent", type=click.Path(path_type=Path, file_okay=False), default=".", help="Where to put its folder."
)
def new(name: str, kind: str, parent: Path) -> None:
    """Write a package with a metric NAME that installs, is found and passes its tests.

    \b
    classic   a formula over the pixels of two images
    network   a network whose weights are downloaded
    judge     a question to a chat model
    learned   a head on features, trained on ratings
    """
    folder, names = write_plugin(name, kind, parent)
    place = {
        "classic": f"the function {names['metric']}",
        "network": "network and forward",
        "judge": "QUESTION",
        "learned": "the function features",
    }
    click.echo(f"wrote {folder}, a {kind} metric {names['metric']}; it works as it is\n")
    click.echo(f"  pip install -e '{folder}[test]'")
    click.echo(f"  editmetrics plugin check {names['metric']}")
    click.echo(f"  pytest {folder}\n")
    click.echo(f"Yours goes into {folder / names['package'] / 'metric.py'}: {place[kind]}.")


@plugin.command("check")
@click.argument("spec", metavar="NAME[:opt=value,...]")
@click.option("--device", default="cpu", show_default=True, help="Where it computes.")
@click.option(
    "--exception", "exceptions", multiple=True, metavar="CHECK=REASON", help="A check that cannot hold, and why not."
)
def check(spec: str, device: str, exceptions: tuple[str, ...]) -> None:
    """Run every check of the conformance kit over a metric, and print what to do about each failure.

    Exit code 0 when all pass, 3 when one fails. docs/conformance.md says what each demands and why.
    """
    from ..registry import BrokenPluginError, MissingPackageError, metric_class, parse_spec
    from ..testing import conformance_cases
    from .checked_metric import show, show_broken

    logging.getLogger(__name__.partition(".")[0]).setLevel(logging.ERROR)  # it is loaded again and again
    name = parse_spec(spec)[0]
    try:
        cls = metric_class(name)
    except (BrokenPluginError, MissingPackageError) as error:
        show_broken(name, error)
        sys.exit(3)
    try:
        cases = conformance_cases([spec], exceptions={spec: _exceptions(exceptions)}, device=device)
    except ValueError as error:  # the package declares an unknown check, or one without a reason
        raise click.UsageError(str(error)) from error
    sys.exit(3 if show(cls, spec, cases[0].trial.stand_ins, map(_outcome, cases), len(cases)) else 0)


def _outcome(case: Case) -> tuple[str, str, list[str]]:
    """The name of a check, "pass", "fail" or "skip", and what there is to say of it."""
    from ..testing import ConformanceError

    try:
        case()
    except ConformanceError as error:
        return case.check, "fail", [problem for problems in error.failures.values() for problem in problems]
    except unittest.SkipTest as reason:
        return case.check, "skip", [str(reason)]
    return case.check, "pass", []


def _exceptions(texts: tuple[str, ...]) -> dict[str, str]:
    from ..testing import CHECKS

    found = {}
    for text in texts:
        name, equals, reason = (part.strip() for part in text.partition("="))
        if not (equals and reason):
            raise click.UsageError(f"--exception {text!r} is not CHECK=REASON")
        if name not in CHECKS:
            raise click.UsageError(f"--exception: there is no check {name!r}; there are {', '.join(CHECKS)}")
        found[name] = reason
    return found


@plugin.command("allow")
@click.argument("name")
@click.argument("package")
def allow(name: str, package: str) -> None:
    """Let PACKAGE take the name NAME of a built-in metric.

    That is written down for this user; a score's identity names the package that it comes from. 'editmetrics plugin
    forbid NAME' takes it back.
    """
    from .. import allowed
    from ..registry import providers_of

    providers = providers_of(name)
    if package not in providers:
        raise click.UsageError(
            f"no installed package {package} has a metric {name}; it is offered by {', '.join(providers) or 'none'}"
        )
    allowed.allow(name, package)
    click.echo(f"{name} is now that of {package}; written to {allowed.path()}")


@plugin.command("forbid")
@click.argument("name")
def forbid(name: str) -> None:
    """Take back what 'allow' allowed: NAME is the built-in metric again."""
    from .. import allowed

    if name not in allowed.allowed():
        click.echo(f"{name} was not allowed to anybody")
        return
    allowed.allow(name, None)
    click.echo(f"{name} is the built-in metric again; written to {allowed.path()}")
