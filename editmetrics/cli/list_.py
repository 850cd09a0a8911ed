"""`editmetrics list`: every metric at a glance, or those of another library."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from ..command_line import json_option


@click.command("list")
@click.argument("library", required=False)
@json_option
def list_(library: str | None, as_json: bool) -> None:
    """List all metrics with their inputs, dimensions, directions, ranges and weights, and the suites of benchmarks.

    \b
    editmetrics list            built-in metrics and those of plugins
    editmetrics list piq        metrics of another library, through the bridge to it
    """
    from .. import describe
    from ..registry import BrokenPlugin, broken_plugins, list_metrics, metric_class
    from ..suites import SUITES
    from ..tables.metrics import bridges_blocks, library_blocks, metrics_blocks, suites_blocks
    from ..tables.table import show

    if library is not None:
        of_library = describe.library(library)
        if as_json:
            click.echo(json.dumps(of_library, indent=2, ensure_ascii=False))
            return
        show(library_blocks(of_library))
        return
    described, unusable = [], []
    for name in list_metrics():
        try:
            described.append(describe.metric(name))
        except Exception as error:  # an exception in a plugin's class affects that plugin alone
            package = metric_class(name).__module__.partition(".")[0]
            unusable.append(BrokenPlugin(name, package, f"it cannot be described: {type(error).__name__}: {error}"))
    broken, bridges = [*broken_plugins(), *unusable], describe.bridges()
    if as_json:
        listing = {
            "metrics": described,
            "suites": [asdict(suite) for suite in SUITES.values()],
            "broken": [vars(plugin) for plugin in broken],
            "bridges": bridges,
        }
        click.echo(json.dumps(listing, indent=2, ensure_ascii=False))
        return
    show([*metrics_blocks(described), *bridges_blocks(bridges), *suites_blocks(SUITES.values())])
    for plugin in broken:
        click.echo(f"unusable: {plugin.name} of {plugin.package}: {plugin.reason}", err=True)
