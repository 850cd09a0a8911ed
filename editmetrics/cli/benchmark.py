"""`editmetrics benchmark`: the papers' data sets, from a local copy: checked, described, and used to judge a metric."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..command_line import (
    SectionedCommand,
    config_option,
    device_option,
    file_option,
    lower_option,
    map_option,
    metrics_option,
    name_value_pairs,
    overwrite_option,
    pairs_option,
    quiet_option,
    retry_option,
    score_rating,
    score_with_progress,
    workers_option,
)
from ..wording import first_few, plural
from .benchmark_table import redo_table, show_printed

if TYPE_CHECKING:
    from ..benchmarks.comparison.paper_table import Kind
    from ..benchmarks.load import Copy, EvaluatedPart
    from ..scoring import Results


@dataclass(frozen=True)
class BenchmarkOptions:
    """The options of `editmetrics benchmark`."""

    metrics: tuple[str, ...]
    output: Path | None
    scores: Path | None
    figures: Path | None
    split: str | None
    limit: int | None
    partial: bool
    pairs: tuple[str, ...]
    columns: tuple[str, ...]
    lower_is_better: tuple[str, ...]
    manifest: Path | None
    problems: Path | None
    device: str | None
    workers: int | None
    overwrite: bool
    retry: tuple[str, ...]
    quiet: bool
    table: bool
    tables: tuple[str, ...]
    only: tuple[Kind, ...]
    rows: tuple[str, ...]
    also: tuple[str, ...]

    @property
    def judging(self) -> bool:
        return bool(self.metrics or self.scores)

    def check(self) -> None:
        """Raise `UsageError` for options that do not go together."""
        if self.table:
            self._check_table()
            return
        about_table: dict[str, object] = {
            "--only": self.only,
            "--row": self.rows,
            "--also": self.also,
            "--only-table": self.tables,
        }
        for flag, value in about_table.items():
            if value:
                raise click.UsageError(f"{flag} requires --table")
        if self.columns and not self.scores:
            raise click.UsageError("--map requires --scores, the table that it reads")
        about_figures: dict[str, object] = {"-o": self.output, "--figures": self.figures, "--pair": self.pairs}
        if self.manifest is None:
            about_figures |= {"--split": self.split, "--limit": self.limit, "--partial": self.partial}
        for flag, value in about_figures.items():
            if value and not self.judging:
                raise click.UsageError(f"{flag} requires scores: name a metric with -m, or a file with --scores")
        if self.metrics and self.scores:
            raise click.UsageError("-m and --scores exclude each other; give one of them")

    def _check_table(self) -> None:
        others: dict[str, object] = {"--figures": self.figures, "--pair": self.pairs, "--map": self.columns}
        others |= {"--lower-is-better": self.lower_is_better, "--manifest": self.manifest, "--problems": self.problems}
        for flag, value in others.items():
            if value:
                raise click.UsageError(f"{flag} and --table exclude each other")
        if self.scores and (self.metrics or self.rows or self.also):
            raise click.UsageError("--scores computes nothing; omit -m, --row and --also")


@click.command(cls=SectionedCommand)
@config_option
@click.argument("name", required=False)
@click.argument("path", required=False, type=click.Path(path_type=Path))
@metrics_option("Metric to evaluate. Repeatable.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Write the scores to this file (.csv, .jsonl or .parquet) and a record beside it; with --table, everything to "
    "this folder. The same command resumes.",
)
@file_option("--scores", text="Evaluate the scores in this file, one row per sample id; images are not needed.")
@file_option("--figures", text="Write all figures to this file (.csv, .jsonl or .parquet), with published ones marked.")
@click.option(
    "--split", metavar="NAME", show_default="what the paper evaluates", help="Use this split or fold only, or 'all'."
)
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="Use only N samples, drawn by a hash; marked as partial."
)
@click.option("--partial", is_flag=True, help="Use the valid samples of an incomplete copy; marked as partial.")
@pairs_option
@map_option
@lower_option
@file_option(
    "--manifest", text="Write the samples and their ratings to this file inside PATH, as input for 'editmetrics fit'."
)
@file_option("--problems", text="Write all problems of the copy to this file (.csv, .jsonl or .parquet).")
@click.option("--table", is_flag=True, help="Redo the comparison tables of the data set's paper, each method a row.")
@click.option("--only-table", "tables", multiple=True, metavar="TITLE", help="With --table: this table. Repeatable.")
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(["classic", "deep", "mllm"]),
    help="With --table: methods of this kind, and the paper's own. Repeatable.",
)
@click.option(
    "--row",
    "rows",
    multiple=True,
    metavar="METHOD=METRIC",
    help="With --table: compute this row by a metric. Repeatable.",
)
@click.option(
    "--also",
    multiple=True,
    metavar="NAME=PATH",
    help="With --table: evaluate on this data set, too, what is trained on NAME's. Repeatable.",
)
@device_option
@workers_option
@overwrite_option("Start over instead of resuming from the record of OUTPUT.")
@retry_option
@quiet_option
def benchmark(name: str | None, path: Path | None, **values: Any) -> None:
    """Check a local copy of a paper's data set, and evaluate metrics on it by the paper's protocol.

    \b
    editmetrics benchmark                                    list the data sets
    editmetrics benchmark evalmi-50k                         how to get one, and its terms
    editmetrics benchmark evalmi-50k PATH                    check a copy
    editmetrics benchmark evalmi-50k PATH -m lmm4lmm -o s.csv
    editmetrics benchmark evalmi-50k PATH --scores s.csv
    editmetrics benchmark evalmi-50k PATH --table --only classic --limit 10

    Nothing is downloaded. All problems of a copy are reported before anything is scored. Published numbers are shown
    beside yours and marked as published.

    Exit codes: 0 success; 1 interrupted; 2 usage error, or the copy cannot be used; 3 the copy is incomplete, or a
    sample or figure has no value; 4 this machine could not score (a download, a package or an endpoint is missing).
    """
    from ..benchmarks.catalogue import BENCHMARKS
    from ..benchmarks.catalogue import benchmark as find_benchmark
    from ..benchmarks.show import benchmark_blocks, benchmarks_blocks
    from ..tables.table import show

    options = BenchmarkOptions(**values)
    options.check()
    if name is None:
        show(benchmarks_blocks(BENCHMARKS.values()))
    elif path is None and options.table:
        show_printed(name, options)
    elif path is None:
        if options.judging:
            raise click.UsageError(f"missing the folder of the data set: editmetrics benchmark {name} PATH ...")
        show(benchmark_blocks(find_benchmark(name)))
    else:
        sys.exit((redo_table if options.table else _with_copy)(name, path, options))


def _with_copy(name: str, path: Path, options: BenchmarkOptions) -> int:
    """Check the copy at `path`, write what is asked for, and evaluate; returns the exit code."""
    from ..benchmarks.load import load
    from ..benchmarks.show import copy_blocks
    from ..files.rows import require_writable, write_rows
    from ..tables.table import show

    for file in (options.figures, options.manifest, options.problems):
        if file is not None:
            require_writable(file)
    copy = load(name, path, images=options.scores is None)
    if options.problems is not None:
        rows = [{"kind": p.kind, "place": p.location, "problem": p.message, "row": p.row} for p in copy.problems]
        write_rows(rows, options.problems)
        click.echo(f"wrote {options.problems}: {plural(len(rows), 'problem')}", err=True)
    if options.manifest is not None:
        _write_manifest(copy, options.manifest, options)
    if not options.judging:
        show(copy_blocks(copy))
        return 0 if copy.complete else 3
    part = copy.chosen(options.split, options.limit, options.partial)
    whole = "all that the paper evaluates" if part.benchmark.size else "all of this copy"
    scope = whole if part.caveat is None else f"a part: {part.caveat}"
    click.echo(f"{part.benchmark.title}: {plural(len(part.samples), 'sample')}, {scope}", err=True)
    return _evaluate(part, options)


def _evaluate(part: EvaluatedPart, options: BenchmarkOptions) -> int:
    from ..benchmarks.evaluation import evaluate, read_scores
    from ..benchmarks.show import evaluation_blocks
    from ..files.rows import write_rows
    from ..tables.table import show

    all_scored, unavailable = True, False
    scores: Any
    if options.scores is not None:
        scores = read_scores(options.scores)
    else:
        results = _scored(part, options)
        all_scored, unavailable = results.all_scored, results.unavailable
        if unavailable and not any(results.get(row, one).ok for row in range(len(results)) for one in results.columns):
            return 4
        scores = results.table()
    evaluation = evaluate(
        part,
        scores,
        pairs=[score_rating(text) for text in options.pairs],
        lower_is_better=options.lower_is_better,
        columns=name_value_pairs("--map", options.columns, "NAME=COLUMN"),
    )
    show(evaluation_blocks(evaluation))
    if options.output is not None:
        click.echo(f"wrote {options.output}")
    if options.figures is not None:
        write_rows(evaluation.rows(), options.figures)
        click.echo(f"wrote {options.figures}")
    complete = all_scored and all(line.value is not None for line in evaluation.agreement.lines)
    return 4 if unavailable else 0 if complete else 3


def _scored(part: EvaluatedPart, options: BenchmarkOptions) -> Results:
    from ..registry import create_metric

    metrics = [create_metric(spec, device=options.device) for spec in options.metrics]
    results = score_with_progress(
        part.samples_for(metrics),
        metrics,
        quiet=options.quiet,
        output=options.output,
        workers=options.workers,
        overwrite=options.overwrite,
        retry=options.retry,
        about={"command": sys.argv, "benchmark": part.benchmark.name, "part": part.caveat},
    )
    for (label, status, reason), ids in results.problems().items():
        click.echo(f"{len(ids)} {status} ({label}): {reason} ({first_few(ids)})", err=True)
    if results.reused:
        click.echo(f"{plural(results.reused, 'score')} reused from the record of an earlier run", err=True)
    return results


def _write_manifest(copy: Copy, path: Path, options: BenchmarkOptions) -> None:
    """Write a row for each chosen sample, with paths relative to the manifest, which must be inside the copy."""
    from ..files.rows import write_rows

    folder = copy.folder.resolve()
    if folder != path.resolve().parent:
        raise click.UsageError(
            f"--manifest {path}: its image paths are relative to its folder; write it to {copy.folder}"
        )
    part = copy.chosen(options.split, options.limit, options.partial)
    write_rows(part.rows(folder), path)
    click.echo(f"wrote {path}: {plural(len(part.samples), 'sample')}", err=True)
