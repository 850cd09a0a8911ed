"""`editmetrics score`: folders, files or a manifest in; a table out."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..command_line import (
    SectionedCommand,
    advise_on_missing,
    completed_by,
    config_option,
    configured_by,
    device_option,
    file_option,
    json_option,
    map_option,
    metrics_option,
    name_value_pairs,
    overwrite_option,
    quiet_option,
    retry_option,
    score_with_progress,
    track_option,
    workers_option,
)

if TYPE_CHECKING:
    from ..command_line.thresholds import CheckedMean, Threshold
    from ..data import SampleSet
    from ..metric import Metric
    from ..sample import Sample
    from ..scoring import Results
    from ..scoring.suite_runs import SuiteRun


@dataclass(frozen=True)
class ScoreOptions:
    """The options of `editmetrics score`."""

    metrics: tuple[str, ...]
    suites: tuple[str, ...]
    output: Path | None
    images: Path | None
    prompts: Path | None
    prompt: str | None
    masks: Path | None
    references: Path | None
    root: Path | None
    pair_by: str | None
    split: str | None
    columns: tuple[str, ...]
    resize: str
    profile: str
    dimension: str | None
    strict: bool
    with_source_as_system: bool
    device: str | None
    workers: int | None
    batch_pixels: int | None
    engine: str
    ray_address: str | None
    shard: str | None
    limit: int | None
    dry_run: bool
    overwrite: bool
    retry: tuple[str, ...]
    report: Path | None
    fail_under: tuple[str, ...]
    fail_over: tuple[str, ...]
    trackers: tuple[str, ...]
    as_json: bool
    quiet: bool

    @property
    def table(self) -> Path | None:
        """The file of the table; None where there is none, and for standard output."""
        return None if self.to_standard_output else self.output

    @property
    def to_standard_output(self) -> bool:
        return self.output == Path("-")


@click.command(cls=SectionedCommand)
@config_option
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@metrics_option("Metric to compute. Repeatable.", show_default="the classic metrics, which need no download")
@click.option(
    "--suite",
    "suites",
    multiple=True,
    metavar="NAME",
    help="Compute a benchmark's own table, as 'editmetrics suite NAME' explains it, or your own set of metrics. "
    "Repeatable.",
    shell_complete=completed_by("suite_names"),
)
@file_option(
    "-o",
    "--output",
    text="Write the scores to this file (.csv, .jsonl or .parquet) and a record beside it. The same command resumes. "
    "- prints them as csv, with --json as jsonl.",
)
@click.option(
    "--images",
    type=click.Path(path_type=Path, exists=True),
    help="Folder or file of generated images, which have no source; replaces PATHS.",
)
@click.option(
    "--prompts",
    type=click.Path(path_type=Path),
    show_default="the file NAME.txt beside an image",
    help="File of instructions by image name: csv, jsonl, json or txt.",
)
@click.option("--prompt", help="Instruction for all images.")
@click.option(
    "--masks", type=click.Path(path_type=Path), help="Folder of masks by image name. White marks the edited region."
)
@click.option("--references", type=click.Path(path_type=Path), help="Folder of ground-truth edits by image name.")
@click.option(
    "--root", type=click.Path(path_type=Path), help="Folder that the paths of a manifest are relative to and stay in."
)
@map_option
@click.option("--split", metavar="NAME", help="Split of a data set on the hub, such as test.")
@click.option(
    "--pair-by",
    metavar="PATTERN",
    show_default="equal names",
    help="Pattern of the edited images' names, such as '{id}_edited', or of both, '{id}_src,{id}_edit'.",
)
@click.option(
    "--resize",
    type=click.Choice(["none", "edited", "source"]),
    default="none",
    help="Image to resize if the sizes of a pair differ; none rejects the pair.",
)
@click.option(
    "--profile",
    type=click.Choice(["ignore", "convert"]),
    default="ignore",
    help="Ignore colour profiles, or convert colours to sRGB.",
)
@click.option("--dimension", metavar="NAME", help="Compute only this dimension, for metrics that support it.")
@click.option("--strict", is_flag=True, help="Fail if any image has no counterpart.")
@click.option(
    "--with-source-as-system",
    is_flag=True,
    help="Add the system that does nothing: every source, scored as if it were the edit. It is ranked with none.",
)
@device_option
@workers_option
@click.option(
    "--batch-pixels",
    type=click.IntRange(min=1),
    show_default="16 images of 512x512",
    help="Number of pixels per batch on an accelerator.",
)
@click.option(
    "--engine", type=click.Choice(["local", "ray"]), default="local", help="Score on this machine or on a Ray cluster."
)
@click.option(
    "--ray-address",
    metavar="ADDRESS",
    show_default="RAY_ADDRESS; else a new local cluster",
    help="Address of the Ray cluster.",
)
@click.option("--shard", metavar="I/N", help="Score only part I of N; 'editmetrics merge' joins the parts.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Score only the first N samples of each system.")
@click.option("--dry-run", is_flag=True, help="Show pairs, metrics, downloads and requests to judges, and exit.")
@overwrite_option("Start over instead of resuming from the record of OUTPUT.")
@retry_option
@file_option("--report", text="Write a report to this file (.html, .md, .tex or .json), as 'editmetrics report' does.")
@click.option(
    "--fail-under",
    multiple=True,
    metavar="COLUMN=NUMBER",
    help="Exit with code 5 if the mean of this column is lower, or missing. Repeatable.",
)
@click.option(
    "--fail-over",
    multiple=True,
    metavar="COLUMN=NUMBER",
    help="Exit with code 5 if the mean of this column, where lower is better, is higher, or missing. Repeatable.",
)
@track_option
@json_option
@quiet_option
def score(paths: tuple[Path, ...], **values: Any) -> None:
    """Score edited images against their sources.

    \b
    PATHS are one of
      SOURCE_DIR EDITED_DIR...   pairs of images with equal names; compares several edited folders
      SOURCE EDITED              two images
      EDITED_DIR or EDITED       images without a source, for metrics that do not need one
      DIR --pair-by PATTERN      sources and edits in one folder
      MANIFEST                   a table with one row per sample: csv, jsonl, parquet, xlsx, ...
      MANIFEST EDITED_DIR...     rows with keys, and folders of images that are called after them
      hf://OWNER/NAME            a data set on the Hugging Face hub (--split) in the place of a manifest

    Exit codes: 0 success; 1 interrupted or aborted; 2 usage error; 3 some samples have no score; 4 this machine could
    not compute a metric (no GPU, no network, an endpoint down): run the same command again; 5 a mean fails --fail-under
    or --fail-over.
    """
    from ..data import with_source_as_system

    options = ScoreOptions(**values)
    sample_set = _sample_set(paths, options)
    samples, table, report = list(sample_set.samples), options.table, options.report
    about: dict[str, Any] = {"command": sys.argv, "unmatched": sample_set.unmatched}
    about |= sample_set.about() | configured_by()
    if options.limit is not None:
        from ..command_line.parts import first_of_each_system

        samples, about["limit"] = first_of_each_system(samples, options.limit)
    if options.with_source_as_system:
        samples = with_source_as_system(samples)
    runs, chosen = _chosen(samples, options)
    about |= {"suites": [run.suite.name for run in runs]} if runs else {}
    _advise_on_options(chosen, options)
    if options.dry_run:
        from ..command_line.dry_run import preview

        preview(samples, chosen, about, table, options.as_json)
        return
    thresholds = _thresholds(chosen, options)
    if options.shard is not None:
        from ..command_line.parts import shard_part

        samples, table, described = shard_part(options.shard, samples, table)
        about |= described
    if report is not None:
        from ..report.write import report_format

        report_format(report)
    with ExitStack() as stack:
        kept = table
        if report is not None and table is None:  # a report is made from a table and its record
            kept = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "scores.parquet"
        results = _scored(samples, chosen, kept, about, options)
        code = _show(results, about, table, thresholds, options, runs)
        if report is not None and kept is not None:
            from .report import report_run

            report_run(kept, report, runs, results, options)
    advise_on_missing(results)
    sys.exit(code)


def _sample_set(paths: Sequence[Path], options: ScoreOptions) -> SampleSet:
    """The samples that the options name; says what is unmatched."""
    from ..command_line.options import finder_for
    from ..data.sample_set import is_hub

    if bool(paths) == (options.images is not None):
        raise click.UsageError("expected either PATHS or --images")
    if options.images is not None and options.pair_by is not None:
        raise click.UsageError("--images have no source to pair them with; give the folder as PATHS with --pair-by")
    if missing := [str(path) for path in paths if not path.exists() and not is_hub(path)]:
        from ..command_line.advice import refuse_metrics

        refuse_metrics(missing, options.metrics)
    find = finder_for(options)
    if options.suites:
        from ..command_line.suites import samples_of_suites

        find = samples_of_suites(options.suites)
    sample_set = find(
        [*paths] if options.images is None else [options.images],
        prompts=options.prompts,
        prompt=options.prompt,
        masks=options.masks,
        references=options.references,
        root=options.root,
        pair_by=options.pair_by,
        split=options.split,
        columns=name_value_pairs("--map", options.columns, "NAME=COLUMN"),
    )
    for line in sample_set.problems():
        click.echo(f"note: {line}", err=True)
    if options.strict:
        sample_set.require_complete()
    return sample_set


def _advise_on_options(metrics: Sequence[Metric], options: ScoreOptions) -> None:
    """Note the options that no metric looks at."""
    filled = [
        f"--{name}" for name in ("prompts", "prompt", "masks", "references") if getattr(options, name) is not None
    ]
    if filled:
        from ..command_line.advice import note_unused

        note_unused(filled, metrics)


def _scored(
    samples: Sequence[Sample], metrics: list[Metric], table: Path | None, about: dict[str, Any], options: ScoreOptions
) -> Results:
    from ..data import SampleSet
    from ..scoring.run import BATCH_PIXELS

    return score_with_progress(
        SampleSet(samples),
        metrics,
        trackers=options.trackers,
        quiet=options.quiet,
        output=table,
        workers=options.workers,
        batch_pixels=options.batch_pixels or BATCH_PIXELS,
        profile=options.profile,
        engine=options.engine,
        ray_address=options.ray_address,
        overwrite=options.overwrite,
        retry=options.retry,
        about=about,
    )


def _chosen(samples: Sequence[Sample], options: ScoreOptions) -> tuple[list[SuiteRun], list[Metric]]:
    """Create the suites, and the metrics to compute: those of the suites and those named, or the classic ones."""
    from ..scoring.run import metrics_for

    shared = {"resize": options.resize, "dimension": options.dimension}
    shared = {name: value for name, value in shared.items() if value not in (None, "none")}
    if not options.suites:
        return [], metrics_for(samples, options.metrics or None, options.device, shared)
    from ..command_line.suites import chosen_suites

    def create(specs: Sequence[str]) -> list[Metric]:
        return metrics_for(samples, specs, options.device, shared) if specs else []

    runs, own = chosen_suites(options.suites, samples, create, options.device)
    of_suites = dict.fromkeys(metric for run in runs for metric in run.metrics)
    return runs, [*of_suites, *own, *create(options.metrics)]


def _thresholds(metrics: Sequence[Metric], options: ScoreOptions) -> list[Threshold]:
    if not options.fail_under and not options.fail_over:
        return []
    from ..command_line.thresholds import on_columns, parse_thresholds

    return on_columns(parse_thresholds(options.fail_under, options.fail_over), metrics)


def _show(
    results: Results,
    about: Mapping[str, Any],
    output: Path | None,
    thresholds: list[Threshold],
    options: ScoreOptions,
    runs: Sequence[SuiteRun],
) -> int:
    """Print the outcome of a run, as tables or for programs, and return the exit code."""
    from ..tables.results import results_blocks
    from ..tables.table import error_output, show

    checked: list[CheckedMean] = []
    if thresholds:
        from ..command_line.thresholds import checked_means

        checked = checked_means(thresholds, results)
    code = 4 if results.unavailable else 5 if not all(check.met for check in checked) else 3
    code = 0 if code == 3 and results.all_scored else code
    if options.to_standard_output:
        from ..command_line.machine_readable import print_rows

        print_rows(results, ".jsonl" if options.as_json else ".csv")
    elif options.as_json:
        from ..command_line.machine_readable import print_json, run_as_json

        facts = {"limit": about.get("limit"), "unmatched": about["unmatched"], "output": output and str(output)}
        described = run_as_json(results, facts, checked, code)
        if runs:
            from ..command_line.suites import suite_results, suites_as_json

            described["suites"] = suites_as_json(suite_results(runs, results))
        print_json(described)
    if not options.as_json or options.to_standard_output:
        kept = output is not None or options.to_standard_output or options.report is not None
        blocks = [*results_blocks(results, kept), *(check.line for check in checked)]
        if runs:
            from ..command_line.suites import suite_blocks, suite_results

            blocks += suite_blocks(suite_results(runs, results))
        if options.limit is not None:
            from ..command_line.parts import limit_line

            blocks.append(limit_line(about, results))
        show(blocks, output, error_output() if options.to_standard_output else None)
    return code
