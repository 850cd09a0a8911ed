"""`editmetrics report`: a table of scores in, a report for people out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..command_line import (
    CountProgress,
    SectionedCommand,
    columns_option,
    higher_option,
    level_option,
    lower_option,
    map_option,
    name_value_pairs,
    overwrite_option,
    pairs_option,
    quiet_option,
    resamples_option,
    score_rating,
    seed_option,
    workers_option,
)
from ..wording import plural

if TYPE_CHECKING:
    from ..report.write import WrittenReport
    from ..scoring import Results
    from ..scoring.suite_runs import SuiteRun
    from .score import ScoreOptions


@click.command(cls=SectionedCommand)
@click.argument("scores", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="Write the report to this file: .html, .md, .tex, or the leaderboard as .json.",
)
@click.option(
    "--format",
    type=click.Choice(["html", "md", "latex", "json"]),
    show_default="by the suffix",
    help="Format of the report.",
)
@click.option("--title", show_default="the systems and the number of samples", help="Title of the report.")
@click.option("--ratings", type=click.Path(path_type=Path), help="Table of human ratings, one per image.")
@pairs_option
@map_option
@columns_option("the columns of the record")
@click.option(
    "--group-by",
    multiple=True,
    metavar="COLUMN",
    show_default="edit_type, task and group, if present",
    help="Add a table with the means for each value of this column. Repeatable.",
)
@lower_option
@higher_option
@click.option(
    "--root",
    "roots",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    show_default="the current folder and that of SCORES",
    help="Additional folder to read images from. Repeatable.",
)
@click.option(
    "--thumbnails",
    "thumbnail",
    type=click.IntRange(32, 1024),
    default=160,
    metavar="PIXELS",
    help="Longer side of the images in the gallery.",
)
@click.option(
    "--max-pairs",
    type=click.IntRange(min=1),
    default=3000,
    help="Maximum number of pairs in the gallery; numbers are always over all pairs.",
)
@click.option(
    "--larger-pairs",
    type=click.IntRange(min=0),
    default=48,
    help="Number of pairs that also have larger images: the worst, best and most disputed.",
)
@resamples_option(100, 1000)
@level_option
@seed_option()
@workers_option
@overwrite_option("Replace OUTPUT, even if it is not a report.")
@quiet_option
def report(
    scores: Path,
    output: Path,
    pairs: tuple[str, ...],
    columns: tuple[str, ...],
    overwrite: bool,
    quiet: bool,
    **values: Any,
) -> None:
    """Write a report on a table of scores, as one page that opens offline.

    \b
    SCORES   table written by `editmetrics score -o`; its record is read if it is beside it

    \b
    editmetrics report scores.parquet -o report.html
    editmetrics report scores.parquet --ratings mos.csv --group-by edit_type -o report.html
    editmetrics report scores.parquet -o tables.tex       the tables for a paper
    editmetrics report scores.parquet -o leaderboard.json

    Exit codes: 0 success; 1 aborted; 2 usage error, or a file cannot be read.
    """
    from ..report.write import ReportOptions, check_replaceable, write_report

    if output.resolve() != scores.resolve():  # which is refused in any case
        check_replaceable(output, values["format"], overwrite)
    chosen = name_value_pairs("--map", columns, "NAME=COLUMN")
    options = ReportOptions(pairs=[score_rating(text) for text in pairs], columns=chosen, **values)
    with CountProgress("pictures", quiet) as progress:
        written = write_report(scores, output, options, progress.at)
    show_written(written)


def report_run(table: Path, report: Path, runs: Sequence[SuiteRun], results: Results, options: ScoreOptions) -> None:
    """Write the report of the run whose table is `table`, with images wherever the run found them.

    The tables of its suites, `runs`, stand first; `options` are those of the run.
    """
    from dataclasses import replace

    from ..command_line.suites import suite_results, suite_tables, suites_as_json
    from ..report.pictures import listed
    from ..report.write import ReportOptions, write_report
    from ..runs.read_scores import read_scores

    scores = read_scores(table)
    if options.table is None:
        scores = replace(scores, notes=[*scores.notes, "the table and the record of this run were not kept (no -o)"])
    images = {path for names in (scores.sources, scores.edits) for name in names for path in listed(name)}
    with CountProgress("pictures", options.quiet) as progress:
        suites = suite_results(runs, results)
        tables, described = suite_tables(suites), suites_as_json(suites)
        written = write_report(
            scores, report, ReportOptions(trusted=images, first=tables, suite_tables=described), progress.at
        )
    show_written(written, err=options.as_json or options.to_standard_output)


def show_written(written: WrittenReport, err: bool = False) -> None:
    """Print the notes of a report, what is missing from it, and its size, the last on standard error if `err`."""
    for note in written.content.notes:
        click.echo(f"note: {note}", err=True)
    if written.missing:
        click.echo(f"note: missing {plural(written.missing, 'picture')}; the first: {written.reason}", err=True)
    if written.outside:
        others = len(written.outside) - 1
        more = f" (and {plural(others, 'more folder')})" if others else ""
        click.echo(f"note: to show images from {written.outside[0]}{more}: --root {written.outside[0]}", err=True)
    samples, one = len(written.content.table), "system" if written.content.table.of_sets else "pair"
    shown = f"{written.pairs} of {samples} pairs" if written.pairs < samples else plural(samples, one)
    pictures = f", including {_megabytes(written.pictures)} of pictures" if written.pictures else ""
    click.echo(f"wrote {written.path}: {shown}, {_megabytes(written.size)}{pictures}", err=err)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.0f} kB"
