"""`editmetrics info NAME`: one metric in full."""

from __future__ import annotations

import json

import click

from ..command_line import json_option
from ..sample import EditMetricsError


@click.command()
@click.argument("name")
@json_option
def info(name: str, as_json: bool) -> None:
    """Show one metric in full: formula, dimensions, options, paper, licence, weights."""
    from .. import describe
    from ..registry import parse_spec

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
