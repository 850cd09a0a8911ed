"""`editmetrics score`: folders, files or a manifest in; a table out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..sample import STATUSES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..metric import Metric
    from ..sample import Sample


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
@click.option("--dimension", metavar="NAME", help="This dimension alone, of the metrics that can be asked for one.")
@click.option("--strict", is_flag=True, help="Refuse to start when anything has no partner.")
@click.option("--device", help="cpu, cuda, cuda:1, ... Default: the first GPU, else the CPU.")
@click.option("--workers", type=click.IntRange(min=1), help="Decoding threads. Default: one for each processor.")
@click.option(
    "--batch-pixels",
    type=click.IntRange(min=1),
    help="Pixels in a batch on an accelerator. Default: 16 images of 512x512.",
)
@click.option("--overwrite", is_flag=True, help="Start afresh instead of going on with OUTPUT's record.")
@click.option(
    "--retry",
    multiple=True,
    type=click.Choice([status for status in STATUSES if status != "ok"]),
    help="Score again what has this status in the record; as often as wanted.",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def score(paths: tuple[Path, ...], metrics: tuple[str, ...], output: Path | None, **options: Any) -> None:
    """Score edited images against their sources.

    \b
    PATHS are one of
      SOURCE_DIR EDITED_DIR...   pairs by relative path without suffix; several edited folders are compared
      SOURCE EDITED              two images
      EDITED_DIR or EDITED       images without a source, for metrics that need none
      MANIFEST                   a csv, jsonl or parquet file with a row for each sample

    \b
    Exit codes: 0 all scored; 3 finished, and some samples have no score; 2 called wrongly; 1 stopped or aborted.
    """
    from .. import scoring
    from ..data import find_samples
    from ..registry import BUILTIN
    from ..report import terminal
    from ..scoring.run import BATCH_PIXELS
    from .progress import Progress

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
    made = [_made(spec, asked, options["device"]) for spec in metrics or BUILTIN]
    chosen = made if metrics else _without_weights(made, found.samples)
    _keep_freed_memory()
    try:
        with Progress(len(found.samples), quiet=options["quiet"]) as progress:
            results = scoring.score(
                found.samples,
                chosen,
                output=output,
                workers=options["workers"],
                batch_pixels=options["batch_pixels"] or BATCH_PIXELS,
                overwrite=options["overwrite"],
                retry=options["retry"],
                on_row=progress.row,
                about={"command": sys.argv, "unmatched": found.unmatched},
            )
    except scoring.Interrupted as stopped:
        click.echo(f"\n{stopped}", err=True)
        sys.exit(1)
    terminal.show_results(results, output)
    sys.exit(0 if results.all_scored else 3)


def _keep_freed_memory() -> None:
    """Let glibc keep what one image frees for the next one, instead of handing it back to the system.

    Otherwise every image's temporaries are mapped and zeroed anew, and two threads wait for each other in the kernel:
    a third of the time of psnr, ssim and ms_ssim on two cores. It is a setting of the whole process, so the program
    makes it and the library does not.
    """
    import ctypes
    import platform

    if platform.libc_ver()[0] == "glibc":
        mmap_threshold, trim_threshold = -3, -1  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD of malloc.h
        libc = ctypes.CDLL(None)
        libc.mallopt(mmap_threshold, 32 << 20)  # the most that glibc takes
        libc.mallopt(trim_threshold, 1 << 30)


def _made(spec: str, asked: Mapping[str, str | None], device: str | None) -> Metric:
    """The metric of `spec` on `device`, told what the command asks of all metrics, as far as it has these options."""
    from ..registry import create_metric, metric_class, parse_spec

    name, options = parse_spec(spec)
    open_ = {option.name for option in metric_class(name).option_list()} - options.keys()
    told = {option: value for option, value in asked.items() if value is not None and option in open_}
    return create_metric(spec, device=device, **told)


def _without_weights(made: list[Metric], samples: Sequence[Sample]) -> list[Metric]:
    """Those of the metrics that need no weights and whose fields are there."""
    from ..metric import LearnedMetric

    fields = {name for name in ("source", "edited") if any(sample.has(name) for sample in samples)}
    classic = [metric for metric in made if not (metric.checkpoints() or isinstance(metric, LearnedMetric))]
    usable = [metric for metric in classic if metric.required() <= fields]
    if not usable:
        raise click.UsageError(
            "no classic metric works without source images; name a metric with -m ('editmetrics list')"
        )
    return usable
