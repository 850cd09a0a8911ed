"""`editmetrics merge`: the tables of all shards in; the table and the record of the whole run out."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.argument("tables", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the whole table here, in the format of the parts, and its record beside it.",
)
@click.option("--overwrite", is_flag=True, help="Replace OUTPUT.")
def merge(tables: tuple[Path, ...], output: Path, overwrite: bool) -> None:
    """Join the parts of a run.

    \b
    editmetrics score sources/ edits/ -o scores.csv --shard 1/8   each on a machine of its own
    editmetrics merge scores.*-of-8.csv -o scores.csv

    Parts must be whole, all there, and scored under the same identities. Exit codes: 0 all scored; 3 joined, and some
    samples have no score; 2 the parts do not fit.
    """
    from ..scoring.shards import merge as merged

    found = merged(tables, output, overwrite=overwrite)
    click.echo(f"wrote {output}: {found.samples} samples from {found.parts} parts")
    if found.incomplete:
        click.echo(f"{found.incomplete} samples have something unscored; the column 'problems' says what and why")
    sys.exit(3 if found.incomplete else 0)
