"""`editmetrics score`: folders, files or a manifest in; a table out."""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..sample import STATUSES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..metric import Metric
    from ..sample import Sample
    from ..scoring import Results


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "-m",
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME[:opt=value,...]",
    help="A metric; as often as wanted. Default: the classic metrics that need no download.",
)
@click.option("--suite", metavar="NAME", help="A benchmark's set of metrics: pie-bench, magicbrush or gedit.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the table here (.csv, .jsonl or .parquet) and a record beside it; the same command resumes.",
)
@click.option(
    "--images",
    type=click.Path(path_type=Path, exists=True),
    help="Generated images, which have no sources: a folder or one image, in place of PATHS.",
)
@click.option(
    "--prompts",
    type=click.Path(path_type=Path),
    help="Instructions by image name: csv, jsonl, json or txt. Default: a file NAME.txt beside an image.",
)
@click.option("--prompt", help="One instruction for all images.")
@click.option(
    "--masks", type=click.Path(path_type=Path), help="Folder of masks by image name: white is the edited region."
)
@click.option("--references", type=click.Path(path_type=Path), help="Folder of ground-truth targets by image name.")
@click.option(
    "--root", type=click.Path(path_type=Path), help="Folder that a manifest's paths are relative to and stay in."
)
@click.option(
    "--resize",
    type=click.Choice(["none", "edited", "source"]),
    default="none",
    show_default=True,
    help="When sizes differ: refuse the pair, or scale this image to the size of the other.",
)
@click.option(
    "--profile",
    type=click.Choice(["ignore", "convert"]),
    default="ignore",
    show_default=True,
    help="Colour profiles of images: ignore them, or convert the colours to sRGB.",
)
@click.option("--dimension", metavar="NAME", help="This dimension alone, of the metrics that can be asked for one.")
@click.option("--strict", is_flag=True, help="Refuse to start when anything has no partner.")
@click.option("--device", help="cpu, cuda, cuda:1, ... Default: the first GPU, else the CPU.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Decoding threads, or Ray's actors. Default: one for each processor (of Ray's: each GPU).",
)
@click.option(
    "--batch-pixels",
    type=click.IntRange(min=1),
    help="Pixels in a batch on an accelerator. Default: 16 images of 512x512.",
)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="On this machine, or over a Ray cluster.",
)
@click.option(
    "--ray-address", help="Of the Ray cluster's head. Default: what RAY_ADDRESS says, else one is started here."
)
@click.option("--shard", metavar="I/N", help="Only the I-th of N parts of the samples; 'editmetrics merge' joins them.")
@click.option("--overwrite", is_flag=True, help="Start afresh instead of going on with OUTPUT's record.")
@click.option(
    "--retry",
    multiple=True,
    type=click.Choice([status for status in STATUSES if status != "ok"]),
    help="Score again what has this status in the record; as often as wanted.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a report at the end (.html, .md or .tex); 'editmetrics report' has more to choose.",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def score(
    paths: tuple[Path, ...], metrics: tuple[str, ...], output: Path | None, report: Path | None, **options: Any
) -> None:
    """Score edited images against their sources.

    \b
    PATHS are one of
      SOURCE_DIR EDITED_DIR...   pairs by relative path without suffix; several edited folders are compared
      SOURCE EDITED              two images
      EDITED_DIR or EDITED       images without a source, for metrics that need none
      MANIFEST                   a csv, jsonl or parquet file with a row for each sample

    \b
    Exit codes: 0 all scored; 1 stopped or aborted; 2 usage error; 3 some samples have no score; 4 this machine could
    not compute a metric (no GPU, no network, an endpoint down): the same command tries again.
    """
    from ..data import find_samples
    from ..scoring.plan import require_fields
    from ..scoring.shards import Shard, samples_digest
    from ..suites import suite
    from ..tables.results import results_blocks
    from ..tables.terminal import show
    from .memory import keep_freed_memory

    images = options["images"]
    if bool(paths) == (images is not None):
        raise click.UsageError("name PATHS, or generated images by --images, and not both")
    found = find_samples(
        [*paths] if images is None else [images],
        prompts=options["prompts"],
        prompt=options["prompt"],
        masks=options["masks"],
        references=options["references"],
        root=options["root"],
    )
    for line in found.problems():
        click.echo(f"note: {line}", err=True)
    if options["strict"]:
        found.require_complete()
    asked = {"resize": None if options["resize"] == "none" else options["resize"], "dimension": options["dimension"]}
    specs = [*(suite(options["suite"]).specs if options["suite"] else ()), *metrics]
    made = [_made(spec, asked, options["device"]) for spec in specs or _classic()]
    chosen = made if specs else _usable(made, found.samples)
    if options["suite"]:
        require_fields(options["suite"], chosen, found.samples)
    samples = list(found.samples)
    about: dict[str, Any] = {"command": sys.argv, "unmatched": found.unmatched}
    if options["shard"]:
        shard = Shard.parse(options["shard"])
        if output is None:
            raise click.UsageError("--shard writes a part of a table: give -o")
        digest = samples_digest(sample.id for sample in samples)
        about |= {"shard": [shard.index, shard.count], "total": len(samples), "samples_digest": digest}
        samples, output = shard.of(samples), shard.output(output)
    keep_freed_memory()
    if report is not None:
        from ..report.write import report_format

        report_format(report)
    with ExitStack() as stack:
        kept = output
        if report is not None and output is None:  # a report is made of a table and its record
            kept = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "scores.parquet"
        results = _scored(samples, chosen, kept, about, options)
        show(results_blocks(results, output is not None), output)
        if report is not None and kept is not None:
            _report(kept, report, output is not None, options["quiet"])
    _say_what_to_do(results)
    sys.exit(4 if results.unavailable else 0 if results.all_scored else 3)


def _say_what_to_do(results: Results) -> None:
    """Tell how scores that are missing can be had, where this command will not try them by itself."""
    if results.unavailable:
        click.echo("note: this machine could not compute all metrics; the same command tries them again", err=True)
    if results.reused_failures:
        count = "1 failure was" if results.reused_failures == 1 else f"{results.reused_failures} failures were"
        click.echo(f"note: {count} taken over from the record; --retry failed scores again", err=True)


def _scored(
    samples: Sequence[Sample], chosen: list[Metric], output: Path | None, about: dict[str, Any], options: dict[str, Any]
) -> Results:
    """The run itself, with its progress; ends the program when it is stopped."""
    from .. import scoring
    from ..scoring.run import BATCH_PIXELS
    from .progress import Progress

    try:
        with Progress(len(samples), quiet=options["quiet"]) as progress:
            return scoring.score(
                samples,
                chosen,
                output=output,
                workers=options["workers"],
                batch_pixels=options["batch_pixels"] or BATCH_PIXELS,
                profile=options["profile"],
                engine=options["engine"],
                ray_address=options["ray_address"],
                overwrite=options["overwrite"],
                retry=options["retry"],
                on_row=progress.row,
                about=about,
            )
    except scoring.Interrupted as stopped:
        click.echo(f"\n{stopped}", err=True)
        sys.exit(1)


def _report(table: Path, report: Path, kept: bool, quiet: bool) -> None:
    """The report of a run whose table is at `table`; the images may lie where this command found them."""
    from dataclasses import replace

    from ..report.write import ReportOptions, write_report
    from ..runs.read_scores import read_scores
    from .progress import CountProgress
    from .report import say_written

    scores = read_scores(table)
    if not kept:
        scores = replace(scores, notes=[*scores.notes, "the table and the record of this run were not kept (no -o)"])
    images = {name for names in (scores.sources, scores.edits) for name in names if name}
    with CountProgress("pictures", quiet=quiet) as progress:
        written = write_report(scores, report, ReportOptions(title=report.stem, trusted=images), progress.at)
    say_written(written)


def _made(spec: str, asked: Mapping[str, str | None], device: str | None) -> Metric:
    """The metric of `spec` on `device`, told what the command asks of all metrics, as far as it has these options."""
    from ..registry import create_metric, metric_class, parse_spec

    name, options = parse_spec(spec)
    open_ = {option.name for option in metric_class(name).option_list()} - options.keys()
    told = {option: value for option, value in asked.items() if value is not None and option in open_}
    return create_metric(spec, device=device, **told)


def _classic() -> list[str]:
    """The built-in metrics that are pure functions of pixels, and need no weights."""
    from ..registry import BUILTIN, metric_class

    return [name for name in BUILTIN if metric_class(name).concurrent]


def _usable(made: list[Metric], samples: Sequence[Sample]) -> list[Metric]:
    """Those of the metrics whose fields are there."""
    fields = {name for name in ("source", "edited") if any(sample.has(name) for sample in samples)}
    usable = [metric for metric in made if metric.required() <= fields]
    if not usable:
        raise click.UsageError(
            "no classic metric works without source images; name a metric with -m ('editmetrics list')"
        )
    return usable
