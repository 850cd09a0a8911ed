"""`editmetrics list`: every metric at a glance."""

from __future__ import annotations

import json
from dataclasses import asdict

import click


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
def list_(as_json: bool) -> None:
    """List every metric, its inputs, dimensions, direction, range and weights, and the suites of benchmarks."""
    from .. import describe
    from ..registry import broken_plugins, list_metrics
    from ..suites import SUITES

    described = [describe.metric(name) for name in list_metrics()]
    broken = broken_plugins()
    if as_json:
        click.echo(
            json.dumps(
                {
                    "metrics": described,
                    "suites": [asdict(suite) for suite in SUITES.values()],
                    "broken": [vars(plugin) for plugin in broken],
                },
                indent=2,
                ensure_ascii=False,
            )
        )
        return
    from ..report import terminal

    terminal.show_metrics(described)
    terminal.show_suites(SUITES.values())
    for plugin in broken:
        click.echo(f"unusable: {plugin.name} of {plugin.package}: {plugin.reason}", err=True)
