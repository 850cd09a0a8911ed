"""`editmetrics info NAME`: one metric in full."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from ..command_line import completed_by, json_option
from ..sample import EditMetricsError

if TYPE_CHECKING:
    from ..suites import Suite


@click.command()
@click.argument("name", shell_complete=completed_by("metric_and_suite_names"))
@json_option
def info(name: str, as_json: bool) -> None:
    """Show one metric in full: formula, dimensions, options, paper, licence, weights; or the metrics of a suite."""
    from .. import describe
    from ..registry import parse_spec
    from ..suites import SUITES

    if name in SUITES:
        _suite(SUITES[name], as_json)
        return
    try:
        described = describe.metric(parse_spec(name)[0])
    except EditMetricsError:
        raise
    except Exception as error:  # a plugin's class may raise anything
        raise EditMetricsError(f"{name} cannot be described: {type(error).__name__}: {error}") from error
    if as_json:
        click.echo(json.dumps(described, indent=2, ensure_ascii=False))
        return
    from ..tables.metrics import metric_blocks
    from ..tables.table import show

    show(metric_blocks(described))


def _suite(suite: Suite, as_json: bool) -> None:
    if as_json:
        from ..suites.explain import described

        click.echo(json.dumps(described(suite), indent=2, ensure_ascii=False))
        return
    from ..tables.suites import suite_blocks
    from ..tables.table import show

    show(suite_blocks(suite))
