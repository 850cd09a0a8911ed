"""`editmetrics report`: a table of scores in, a report for people out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..report.write import WrittenReport


@click.command()
@click.argument("scores", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="Write the report here: .html, .md or .tex, by the suffix.",
)
@click.option("--format", type=click.Choice(["html", "md", "latex"]), help="Whatever the suffix says.")
@click.option("--title", help="Default: the name of the table.")
@click.option("--ratings", type=click.Path(path_type=Path), help="What people said: one rating for each image.")
@click.option(
    "--pair",
    "pairs",
    multiple=True,
    metavar="SCORE=RATING",
    help="Which score column meets which rating column; as often as wanted. Default: equal names, or the only rating.",
)
@click.option(
    "--metric", "metrics", multiple=True, metavar="COLUMN", help="Only these columns. Default: those of the record."
)
@click.option(
    "--group-by",
    multiple=True,
    metavar="COLUMN",
    help="A table for each value of this column. Default: edit_type, task, group, where there.",
)
@click.option("--lower-is-better", multiple=True, metavar="COLUMN", help="Of a score this program does not know.")
@click.option("--higher-is-better", multiple=True, metavar="COLUMN", help="The same, the other way.")
@click.option(
    "--root",
    "roots",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Images may lie here, too; by default only below the current folder and the table's.",
)
@click.option(
    "--thumbnails",
    "thumbnail",
    type=click.IntRange(32, 1024),
    default=160,
    show_default=True,
    metavar="PIXELS",
    help="Longer side of the pictures in the gallery.",
)
@click.option(
    "--max-pairs",
    type=click.IntRange(min=1),
    default=3000,
    show_default=True,
    help="Pairs in the gallery; all numbers are over all pairs.",
)
@click.option(
    "--larger-pairs",
    type=click.IntRange(min=0),
    default=48,
    show_default=True,
    help="Pairs that have larger pictures inside, the worst, best and most disputed first.",
)
@click.option(
    "--bootstrap", "replicates", type=click.IntRange(min=100), default=1000, show_default=True, help="Resamples."
)
@click.option(
    "--level", type=click.FloatRange(0, 1, True, True), default=0.95, show_default=True, help="Of the intervals."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the resampling.")
@click.option("--workers", type=click.IntRange(min=1), help="Threads. Default: one for each processor.")
@click.option("--overwrite", is_flag=True, help="Replace OUTPUT, whatever it is.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def report(scores: Path, output: Path, pairs: tuple[str, ...], overwrite: bool, quiet: bool, **options: Any) -> None:
    """One page about a table of scores, which opens offline.

    \b
    SCORES   csv, jsonl or parquet, as `editmetrics score -o` writes it; its record is read where it lies beside it

    \b
    editmetrics report scores.parquet -o report.html
    editmetrics report scores.parquet --ratings mos.csv --group-by edit_type -o report.html
    editmetrics report scores.parquet -o tables.tex       the tables for a paper

    \b
    Exit codes: 0 written; 2 called wrongly, or a file cannot be read; 1 aborted.
    """
    from ..report.write import ReportOptions, check_replaceable, write_report
    from .evaluate import pair
    from .progress import CountProgress

    if output.resolve() != scores.resolve():  # which is refused whatever is asked
        check_replaceable(output, options["format"], overwrite)
    chosen = ReportOptions(pairs=[pair(text) for text in pairs], **options)
    with CountProgress("pictures", quiet=quiet) as progress:
        written = write_report(scores, output, chosen, progress.at)
    say_written(written)


def say_written(written: WrittenReport) -> None:
    """What a reader of the terminal has to know of a report."""
    for note in written.content.notes:
        click.echo(f"note: {note}", err=True)
    if written.missing:
        click.echo(f"note: {written.missing} pictures are missing; the first: {written.reason}", err=True)
    if written.outside:
        more = f" (and {len(written.outside) - 1} more folders)" if len(written.outside) > 1 else ""
        click.echo(f"note: to show images from {written.outside[0]}{more}: --root {written.outside[0]}", err=True)
    samples = len(written.content.table)
    shown = f"{written.pairs} of {samples} pairs" if written.pairs < samples else f"{samples} pairs"
    pictures = f", {_megabytes(written.pictures)} of it pictures" if written.pictures else ""
    click.echo(f"wrote {written.path}: {shown}, {_megabytes(written.size)}{pictures}")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.0f} kB"
