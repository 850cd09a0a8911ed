"""`editmetrics benchmark`: the papers' data sets, from a local copy: checked, described, and a metric judged on one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..sample import STATUSES
from ..wording import first_few

if TYPE_CHECKING:
    from ..benchmarks.load import Copy, Part
    from ..scoring import Results


@click.command()
@click.argument("name", required=False)
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option(
    "-m", "--metric", "metrics", multiple=True, metavar="NAME[:opt=value,...]", help="Judge this metric; repeatable."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the scores here (.csv, .jsonl or .parquet) and a record beside it; the same command resumes.",
)
@click.option(
    "--scores",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Evaluate the scores of this file instead, a row for each sample with its id; images are not needed.",
)
@click.option(
    "--figures",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write every figure here (.csv, .jsonl or .parquet), the published ones marked.",
)
@click.option("--split", metavar="NAME", help="This split (or fold) alone, or all. Default: what the paper evaluates.")
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="N samples only, drawn by a hash; marked as a part."
)
@click.option("--partial", is_flag=True, help="Go on with what is usable of an incomplete copy; marked as a part.")
@click.option("--pair", "pairs", multiple=True, metavar="SCORE=RATING", help="Which score column meets which rating.")
@click.option("--lower-is-better", multiple=True, metavar="SCORE", help="Of a score this program does not know.")
@click.option(
    "--manifest",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the samples with their ratings here, inside PATH: what 'editmetrics fit' trains on.",
)
@click.option(
    "--problems",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write everything that is wrong here (.csv, ...).",
)
@click.option("--device", help="cpu, cuda, cuda:1, ... Default: the first GPU, else the CPU.")
@click.option("--workers", type=click.IntRange(min=1), help="Decoding threads. Default: one for each processor.")
@click.option("--overwrite", is_flag=True, help="Start afresh instead of going on with OUTPUT's record.")
@click.option(
    "--retry",
    multiple=True,
    type=click.Choice([status for status in STATUSES if status != "ok"]),
    help="Score again what has this status in the record; as often as wanted.",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def benchmark(name: str | None, path: Path | None, metrics: tuple[str, ...], **options: Any) -> None:
    """The papers' data sets: check a local copy, and judge metrics on it by the paper's protocol.

    \b
    editmetrics benchmark                                    the data sets
    editmetrics benchmark evalmi-50k                         how to get one, and its terms
    editmetrics benchmark evalmi-50k PATH                    is this copy complete and sound?
    editmetrics benchmark evalmi-50k PATH -m lmm4lmm -o s.csv
    editmetrics benchmark evalmi-50k PATH --scores s.csv

    Nothing is downloaded. Everything that is wrong with a copy is said at once, before anything is scored. Published
    numbers stand beside ours and are marked as published.

    \b
    Exit codes: 0 all is well; 3 the copy is incomplete, or some sample or figure has no value; 2 called wrongly, or
    the copy cannot be used; 1 stopped.
    """
    from ..benchmarks.catalogue import BENCHMARKS
    from ..benchmarks.catalogue import benchmark as called
    from ..benchmarks.show import benchmark_blocks, benchmarks_blocks
    from ..tables.terminal import show

    judging = bool(metrics or options["scores"])
    for option in ("output", "figures", "pairs") + (() if options["manifest"] else ("split", "limit", "partial")):
        if options[option] and not judging:
            flag = {"output": "-o", "pairs": "--pair"}.get(option, f"--{option}")
            raise click.UsageError(f"{flag} is about figures: name a metric with -m, or bring --scores")
    if metrics and options["scores"]:
        raise click.UsageError("-m scores the samples and --scores brings scores; give one of them")
    if name is None:
        show(benchmarks_blocks(BENCHMARKS.values()))
    elif path is None:
        if judging:
            raise click.UsageError(f"give the folder of the data set, too: editmetrics benchmark {name} PATH ...")
        show(benchmark_blocks(called(name)))
    else:
        sys.exit(_with_copy(name, path, metrics, options))


def _with_copy(name: str, path: Path, metrics: tuple[str, ...], options: dict[str, Any]) -> int:
    from ..benchmarks.load import load
    from ..benchmarks.show import copy_blocks
    from ..files.rows import require_writable, write_rows
    from ..tables.terminal import show

    for option in ("figures", "manifest", "problems"):
        if options[option] is not None:
            require_writable(options[option])
    copy = load(name, path, images=options["scores"] is None)
    if options["problems"] is not None:
        write_rows([{"kind": p.kind, "place": p.place, "problem": p.said, "row": p.row} for p in copy.problems],
                   options["problems"])  # fmt: skip
        click.echo(f"wrote {options['problems']}: {len(copy.problems)} problems", err=True)
    if options["manifest"] is not None:
        _write_manifest(copy, options)
    if not metrics and options["scores"] is None:
        show(copy_blocks(copy))
        return 0 if copy.complete else 3
    part = copy.chosen(options["split"], options["limit"], options["partial"])
    _say_what(part)
    return _judge(part, metrics, options)


def _judge(part: Part, metrics: tuple[str, ...], options: dict[str, Any]) -> int:
    from ..benchmarks.evaluation import evaluate, read_scores
    from ..benchmarks.show import evaluation_blocks
    from ..files.rows import write_rows
    from ..tables.terminal import show
    from .evaluate import pair

    all_scored = True
    if metrics:
        results = _scored(part, metrics, options)
        if results is None:
            return 1
        all_scored = results.all_scored
        scores: Any = results.table()
    else:
        scores = read_scores(options["scores"])
    found = evaluate(
        part,
        scores,
        pairs=[pair(text) for text in options["pairs"]],
        lower_is_better=options["lower_is_better"],
    )
    show(evaluation_blocks(found))
    if options["output"] is not None:
        click.echo(f"wrote {options['output']}")
    if options["figures"] is not None:
        write_rows(found.rows(), options["figures"])
        click.echo(f"wrote {options['figures']}")
    return 0 if all_scored and all(line.value is not None for line in found.agreement.lines) else 3


def _scored(part: Part, metrics: tuple[str, ...], options: dict[str, Any]) -> Results | None:
    """Score through the ordinary engine; None when it was stopped."""
    from .. import scoring
    from ..registry import create_metric
    from .memory import keep_freed_memory
    from .progress import Progress

    made = [create_metric(spec, device=options["device"]) for spec in metrics]
    samples = part.unrated()
    keep_freed_memory()
    try:
        with Progress(len(samples), quiet=options["quiet"]) as progress:
            results = scoring.score(
                samples,
                made,
                output=options["output"],
                workers=options["workers"],
                overwrite=options["overwrite"],
                retry=options["retry"],
                on_row=progress.row,
                about={"command": sys.argv, "benchmark": part.benchmark.name, "part": part.said},
            )
    except scoring.Interrupted as stopped:
        click.echo(f"\n{stopped}", err=True)
        return None
    for (label, status, reason), ids in results.problems().items():
        click.echo(f"{len(ids)} {status} ({label}): {reason} ({first_few(ids)})", err=True)
    if results.reused:
        click.echo(f"{results.reused} scores were taken over from the record of an earlier run.", err=True)
    return results


def _say_what(part: Part) -> None:
    whole = "all that the paper evaluates" if part.benchmark.size else "all of this copy"
    what = whole if part.said is None else f"a part: {part.said}"
    click.echo(f"{part.benchmark.title}: {len(part.samples):,} samples, {what}", err=True)


def _write_manifest(copy: Copy, options: dict[str, Any]) -> None:
    """A row for each sample that is asked for, paths relative to the manifest, which must lie in the copy."""
    from ..files.rows import write_rows

    path: Path = options["manifest"]
    folder = copy.folder.resolve()
    if folder != path.resolve().parent:
        raise click.UsageError(
            f"--manifest {path}: its paths are relative to it and stay inside its folder, so it must lie in "
            f"{copy.folder}"
        )
    part = copy.chosen(options["split"], options["limit"], options["partial"])
    write_rows(part.rows(folder), path)
    click.echo(f"wrote {path}: {len(part.samples):,} samples", err=True)
