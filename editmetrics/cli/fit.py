"""`editmetrics fit`: a learned metric trained on rated samples; a checkpoint out."""

from __future__ import annotations

import dataclasses
import inspect
import logging
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast, get_type_hints

import click

from ..command_line import (
    SectionedCommand,
    TrainingProgress,
    completed_by,
    device_option,
    folder_option,
    label_scale_option,
    map_option,
    name_value_pairs,
    opened_trackers,
    overwrite_option,
    quiet_option,
    score_with_progress,
    target_option,
    track_option,
)
from ..wording import expected_one_of, plural

if TYPE_CHECKING:
    from ..learned_metric import LearnedMetric
    from ..mllm.folds import Fold
    from ..mllm.recipe import Progress
    from ..options import Option
    from ..studies import Training

BY_NAME = ("train", "val", "targets", "label_scale", "group", "output_dir", "resume", "progress")
"""Parameters of `fit` that have an option or an argument of their own; all others are set by `--set`."""

ABLATION_MEASURES = ("srcc", "plcc", "balanced_accuracy", "f1")
FOLD_MEASURES = ("srcc", "plcc", "krcc", "auc", "balanced_accuracy", "accuracy")
"""Measures in the tables of the terminal; the files have all of them."""

FOLD_COLUMNS = 5
"""Largest number of folds that have a column each in the table."""


@dataclasses.dataclass(frozen=True)
class FitOptions:
    """The options of `editmetrics fit`."""

    val: Path | None
    output: Path
    targets: tuple[str, ...]
    columns: tuple[str, ...]
    label_scale: tuple[float, float]
    group: str | None
    preset: str | None
    backbone: str | None
    settings: tuple[str, ...]
    ablations: bool
    more_backbones: tuple[str, ...]
    folds: int | None
    device: str | None
    overwrite: bool
    trackers: tuple[str, ...]
    quiet: bool

    def check(self) -> None:
        """Raise `UsageError` for options that do not go together."""
        if self.folds and (self.ablations or self.val):
            raise click.UsageError("--folds makes its own parts of TRAIN; remove --val and --ablations")
        if self.more_backbones and not self.ablations:
            raise click.UsageError("--also-backbone requires --ablations; to choose the backbone, use --backbone")


@click.command(cls=SectionedCommand)
@click.argument("metric", metavar="METRIC[:opt=value,...]", shell_complete=completed_by("learned_names"))
@click.argument("train", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--val",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    show_default="a fifth of TRAIN, by group",
    help="Rated samples to validate on.",
)
@folder_option("-o", "--output", required=True, text="Write the checkpoint to this folder.")
@target_option
@map_option
@label_scale_option(0.0, 100.0)
@click.option(
    "--group",
    metavar="COLUMN",
    show_default="source for edits, prompt for generated images",
    help="Column whose values training and validation must not share, or several (source,system), or 'none'. "
    "Images are compared by content.",
)
@click.option("--preset", metavar="NAME", help="Training recipe of the metric; 'paper' is that of its paper.")
@click.option("--backbone", metavar="MODEL", show_default="the metric's", help="Hub id or folder of the backbone.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Any other setting of the training: learning_rate=1e-4, steps=500, seed=1, ... Repeatable.",
)
@click.option("--ablations", is_flag=True, help="Train once for each ablation of the method, and compare them.")
@click.option(
    "--also-backbone",
    "more_backbones",
    multiple=True,
    metavar="MODEL",
    help="With --ablations: also train the full method on this backbone. Repeatable.",
)
@click.option(
    "--folds",
    type=click.IntRange(min=2),
    metavar="K",
    help="Cross-validate: train K times, test each time on the rest of TRAIN, and average.",
)
@device_option
@overwrite_option("Start over instead of resuming from OUTPUT.")
@track_option
@quiet_option
def fit(metric: str, train: Path, **values: Any) -> None:
    """Train a learned metric on rated samples and write a checkpoint.

    \b
    TRAIN is a manifest (csv, xlsx, jsonl, ...) with the columns of a sample (edited, source, prompt, ...)
    and one rating column per dimension.

    \b
    editmetrics fit ds_ieqa train.csv --val val.csv -o runs/a --target visual_quality=mos_v
    editmetrics score sources/ edits/ --prompts prompts.csv -m ds_ieqa:weights=runs/a
    editmetrics fit ds_ieqa rated.csv --folds 5 -o runs/folds

    Run the same command again to resume. Several GPUs: torchrun --nproc_per_node N -m editmetrics fit ...
    """
    from ..mllm.processes import is_main_process, process_group
    from ..scoring import Interrupted
    from ..studies import Training, ablation_folder, ablation_trainings, cross_validation_folds, fold_trainings

    options = FitOptions(**values)
    main = is_main_process()
    if not main:  # all processes read the same data; one of them reports
        logging.getLogger(__name__.partition(".")[0]).setLevel(logging.ERROR)
    learned = _learned(metric, options.backbone, options.device)
    settings, targets = _settings(learned, options), _targets(learned, options.targets)
    options.check()
    data = _manifest(train, options)
    ablations: dict[str, Training] = {}
    folds: list[Fold] = []
    trainings = [Training(learned, data, options.output, {})]
    if options.ablations:
        if not learned.ablations:
            raise click.UsageError(f"{learned.name} declares no ablations; remove --ablations")
        ablations = ablation_trainings(learned, data, options.output, settings)
        for model in options.more_backbones:
            other, folder = _learned(metric, model, options.device), ablation_folder(options.output, f"on {model}")
            ablations[f"on {model}"] = Training(other, data, folder, {})
        trainings = [*ablations.values()]
    elif options.folds:
        folds = cross_validation_folds(learned, data, options.folds, settings, targets)
        trainings = fold_trainings(learned, folds, options.output, settings)
    try:
        with process_group(options.device):
            trained = _train(trainings, options, settings, targets, quiet=options.quiet or not main)
        if main and folds:
            _report_folds(trained, folds, options, settings, targets)
    except (KeyboardInterrupt, Interrupted):
        if main:
            click.echo("\ninterrupted; run the same command to resume", err=True)
        sys.exit(1)
    if main and ablations:
        _report_ablations(ablations, options.output)
    elif main and not folds:
        _report(learned, options, train)


def _train(
    trainings: Sequence[Training],
    options: FitOptions,
    settings: Mapping[str, Any],
    targets: Mapping[str, str],
    *,
    quiet: bool,
) -> list[LearnedMetric]:
    from ..mllm.processes import is_main_process

    with ExitStack() as stack:
        shown: list[Progress] = [stack.enter_context(TrainingProgress(quiet))]
        config = {**settings, "metric": trainings[0].metric.name, "output": options.output}
        specs = options.trackers if is_main_process() else ()
        shown += [tracker.progress for tracker in stack.enter_context(opened_trackers(specs, config))]

        def progress(*step: Any) -> None:
            for each in shown:
                each(*step)

        return [
            training.metric.fit(
                training.train,
                None if options.val is None else _manifest(options.val, options),
                targets=targets,
                label_scale=options.label_scale,
                output_dir=str(training.folder),
                resume=not options.overwrite,
                progress=progress,
                **{**settings, **training.settings},
            )
            for training in trainings
        ]


def _manifest(path: Path, options: FitOptions) -> Any:
    """The path of a manifest, or its samples, if `--map` says how to read its columns."""
    from ..data import from_manifest

    columns = name_value_pairs("--map", options.columns, "NAME=COLUMN")
    return from_manifest(path, columns=columns) if columns else str(path)


def _learned(spec: str, backbone: str | None, device: str | None) -> LearnedMetric:
    """Create the metric of `spec`, which must be a learned one."""
    from ..learned_metric import LearnedMetric
    from ..registry import create_metric, list_metrics, metric_class, parse_spec

    cls = metric_class(parse_spec(spec)[0])
    if not issubclass(cls, LearnedMetric):
        learned = [name for name in list_metrics() if issubclass(metric_class(name), LearnedMetric)]
        raise click.UsageError(f"{cls.name} is not a learned metric; these are: {', '.join(learned) or 'none'}")
    metric = create_metric(spec, device=device, **({"backbone": backbone} if backbone else {}))
    return cast("LearnedMetric", metric)


def _targets(metric: LearnedMetric, texts: tuple[str, ...]) -> dict[str, str]:
    """Return the rating column of each dimension to learn."""
    names = [dimension.name for dimension in metric.dimensions]
    if len(names) == 1 and len(texts) == 1 and "=" not in texts[0]:
        return {names[0]: texts[0]}
    targets = name_value_pairs("--target", texts, "DIMENSION=COLUMN") or {name: name for name in names}
    for name in targets.keys() - set(names):
        raise click.UsageError(f"{metric.name}: unknown dimension {name!r}; {expected_one_of(name, names)}")
    return targets


def _settings(metric: LearnedMetric, options: FitOptions) -> dict[str, Any]:
    """Return what `fit` takes besides the options of this command, converted to the types that it declares."""
    from ..options import OptionError, checked_value

    texts = {"preset": options.preset} if options.preset else {}
    texts |= name_value_pairs("--set", options.settings)
    known = _fit_options(type(metric))
    for name in texts.keys() - known.keys():
        raise OptionError(f"{metric.name}: unknown training setting {name!r}; {expected_one_of(name, known)}")
    settings = {name: checked_value(type(metric), known[name], value) for name, value in texts.items()}
    if options.group is not None:
        settings["group"] = None if options.group.lower() == "none" else options.group
    return settings


def _fit_options(cls: type[LearnedMetric]) -> dict[str, Option]:
    """Return the keywords of `fit` by name: those of its signature and, if it has `**more`, the fields of its settings.

    The settings are the dataclasses that `cls.training_settings()` returns, or else the `Recipe`.
    """
    from ..mllm.recipe import Recipe
    from ..options import Option

    parameters = inspect.signature(cls.fit).parameters.values()
    own = {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in BY_NAME}
    annotations = {name: p.annotation for name, p in own.items() if p.annotation is not p.empty}
    hints = get_type_hints(
        SimpleNamespace(__annotations__=annotations), globalns=cls.fit.__globals__, include_extras=True
    )
    options = {name: Option(name, hints.get(name, Any), p.default, "") for name, p in own.items()}
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        for settings in cls.training_settings() or (Recipe,):
            types = get_type_hints(settings, include_extras=True)
            for field in dataclasses.fields(settings):
                options.setdefault(field.name, Option(field.name, types[field.name], field.default, ""))
    return options


def _report(metric: LearnedMetric, options: FitOptions, train: Path) -> None:
    """Show the validation of the checkpoint, and the commands that score with it."""
    from ..mllm.checkpoint import METRIC, read_checkpoint
    from ..tables.table import show
    from ..tables.training import validation_blocks

    if (options.output / METRIC).is_file():
        show(validation_blocks(read_checkpoint(options.output)))
    click.echo(f"\nwrote {options.output}")
    click.echo("\n".join(_next_commands(metric, options.val or train, options.output)))


def _next_commands(metric: LearnedMetric, manifest: Path, output: Path) -> list[str]:
    """The command that scores the validation samples, or else the training's; and its form for images in folders."""
    spec = shlex.quote(f"{metric.name}:weights={output}")
    folders = "SOURCES EDITS" if "source" in metric.required() else "EDITS"
    prompts = " --prompts PROMPTS.csv" if "prompt" in metric.required() else ""
    return [
        f"next: editmetrics score {shlex.quote(str(manifest))} -m {spec}",
        f"  or: editmetrics score {folders}{prompts} -m {spec}    (your own images)",
    ]


def _report_ablations(trainings: Mapping[str, Training], output: Path) -> None:
    """Show the agreement of each ablation, and write it to `ablations.csv`."""
    from ..files.rows import write_rows
    from ..studies import ablation_rows
    from ..tables.table import DataTable, numbers, show, text

    rows = ablation_rows(trainings)
    write_rows(rows, output / "ablations.csv")
    columns = [column for column in rows[0] if column.split(" ")[-1] in ABLATION_MEASURES]
    headings = numbers(*(column.replace("_", " ") for column in columns), wrap="fold")
    cells = [[row["ablation"], *(row[column] for column in columns)] for row in rows]
    show([DataTable([*text("ablation", wrap="never"), *headings], cells)], output / "ablations.csv")


def _report_folds(
    trained: Sequence[LearnedMetric],
    folds: Sequence[Fold],
    options: FitOptions,
    settings: Mapping[str, Any],
    targets: Mapping[str, str],
) -> None:
    """Score the test part of each fold with the metric trained on the rest; show the agreement, write `folds.csv`.

    The scores are kept in `fold_N.csv` with their record, so that an interrupted run resumes.
    """
    from ..files.rows import write_rows
    from ..studies import fold_baseline, fold_rows
    from ..tables.table import show
    from ..tables.training import fold_blocks

    rows: list[dict[str, Any]] = []
    for number, (metric, fold) in enumerate(zip(trained, folds, strict=True), 1):
        scores = options.output / f"fold_{number}.csv"
        results = score_with_progress(
            fold.test, [metric], quiet=options.quiet, output=scores, overwrite=options.overwrite
        )
        rows += fold_rows(number, results, metric, targets, settings)
        rows += fold_baseline(number, fold, targets) if settings.get("baseline", True) else []
    write_rows(rows, options.output / "folds.csv")
    show(fold_blocks(rows, FOLD_MEASURES, FOLD_COLUMNS))
    for number, fold in enumerate(folds, 1):
        if fold.left_out:
            click.echo(
                f"fold {number}: {plural(len(fold.test), 'row')} tested, {len(fold.train)} trained on, "
                f"{len(fold.left_out)} left out, which share some of {settings['group']} with the test rows, "
                "and not all"
            )
    click.echo(f"\nwrote {options.output / 'folds.csv'}, and the scores and checkpoint of each fold beside it")
