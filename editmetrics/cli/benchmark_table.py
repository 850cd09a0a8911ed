"""`editmetrics benchmark NAME PATH --table`: a paper's comparison table, redone."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..command_line import TrainingProgress, name_value_pairs, score_with_progress
from ..wording import plural

if TYPE_CHECKING:
    from ..benchmarks.comparison.redo import TableRequest
    from ..benchmarks.comparison.result import ComparisonResult
    from ..benchmarks.load import Copy
    from .benchmark import BenchmarkOptions


def show_printed(name: str, options: BenchmarkOptions) -> None:
    """Show the tables of papers on a data set, and what would compute each method."""
    from ..benchmarks.comparison.redo import in_print

    _show(in_print(name, _request(options)))


def redo_table(name: str, path: Path, options: BenchmarkOptions) -> int:
    """Compute the tables on the copy at `path` and others, show and write them; returns the exit code."""
    from ..benchmarks.comparison.compute import ComputeOptions
    from ..benchmarks.comparison.redo import FILES, redo
    from ..benchmarks.load import load
    from ..files.writing import make_folder

    others = name_value_pairs("--also", options.also, "NAME=PATH")
    images = options.scores is None
    copies: dict[str, Copy] = {name: load(name, path, images=images)}
    copies |= {other: load(other, folder, images=images) for other, folder in others.items()}
    parts = {
        each: copy.chosen(options.split if each == name else None, options.limit, options.partial)
        for each, copy in copies.items()
    }
    for part in parts.values():
        scope = "all of it" if part.caveat is None else f"a part: {part.caveat}"
        click.echo(f"{part.benchmark.title}: {plural(len(part.samples), 'sample')}, {scope}", err=True)
    folder = options.output or Path(f"{name}-table")
    make_folder(folder / FILES[0])
    compute = ComputeOptions(
        folder,
        limit=options.limit,
        device=options.device,
        workers=options.workers,
        overwrite=options.overwrite,
        retry=options.retry,
        run=partial(score_with_progress, quiet=options.quiet),
        training=partial(TrainingProgress, options.quiet),
    )
    starting = (lambda text: None) if options.quiet else partial(click.echo, err=True)
    try:
        results = redo(name, copies, parts, _request(options), compute, starting)
    except KeyboardInterrupt:
        click.echo("\ninterrupted; run the same command to resume", err=True)
        sys.exit(1)
    _show(results)
    click.echo(f"wrote {', '.join(FILES)} to {folder}")
    return 0 if all(result.complete and not result.caveats for result in results) else 3


def _request(options: BenchmarkOptions) -> TableRequest:
    from ..benchmarks.comparison.redo import TableRequest

    rows = name_value_pairs("--row", options.rows, "METHOD=METRIC")
    return TableRequest(options.only, rows, options.metrics, options.scores, options.tables)


def _show(results: list[ComparisonResult]) -> None:
    from ..benchmarks.comparison.layout import comparison_tables
    from ..tables.table import show

    for result in results:
        for table in comparison_tables(result, terminal=True):
            show([table, ""])
