"""`editmetrics merge`: the tables of all shards in; the table and the record of the whole run out."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ..command_line import file_option, overwrite_option
from ..wording import plural


@click.command()
@click.argument("tables", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@file_option(
    "-o",
    "--output",
    required=True,
    text="Write the joined table to this file, in the format of the parts, and its record beside it.",
)
@overwrite_option("Replace OUTPUT.")
def merge(tables: tuple[Path, ...], output: Path, overwrite: bool) -> None:
    """Join the parts of a run.

    \b
    editmetrics score sources/ edits/ -o scores.csv --shard 1/8   each on its own machine
    editmetrics merge scores.*-of-8.csv -o scores.csv

    All parts are required, complete and scored under the same identities.

    Exit codes: 0 success; 2 the parts do not fit together; 3 joined, but some samples have no score.
    """
    from ..scoring.shards import merge as merge_parts

    merged = merge_parts(tables, output, overwrite=overwrite)
    click.echo(f"wrote {output}: {plural(merged.samples, 'sample')} from {plural(merged.parts, 'part')}")
    if merged.incomplete:
        click.echo(f"{plural(merged.incomplete, 'sample')} with missing scores; see the column 'problems'")
    sys.exit(3 if merged.incomplete else 0)
