"""`editmetrics fit`: a learned metric trained on rated samples; a checkpoint out."""

from __future__ import annotations

import dataclasses
import inspect
import logging
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast, get_type_hints

import click

from ..wording import expected_one_of

if TYPE_CHECKING:
    from ..learned_metric import LearnedMetric
    from ..options import Option

BY_NAME = ("train", "val", "targets", "label_scale", "group", "output_dir", "resume", "progress")
"""What has an option of its own, or an argument; anything else that `fit` takes is given by `--set`."""


@click.command()
@click.argument("metric", metavar="METRIC[:opt=value,...]")
@click.argument("train", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--val",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Rated samples to validate on. Default: a fifth of TRAIN, by group.",
)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path, file_okay=False), help="The checkpoint.")
@click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="DIMENSION=COLUMN",
    help="The column that rates a dimension; as often as wanted. Default: columns named as the dimensions.",
)
@click.option(
    "--label-scale",
    type=float,
    nargs=2,
    default=(0.0, 100.0),
    show_default=True,
    metavar="LOW HIGH",
    help="The lowest and highest rating that there can be.",
)
@click.option(
    "--group",
    metavar="COLUMN",
    help="What training and validation may not share; images are compared by content. Default: 'source' for edits, "
    "'prompt' for generated images. 'none' allows anything.",
)
@click.option("--preset", metavar="NAME", help="A recipe of the metric: 'paper' is that of its paper.")
@click.option("--backbone", metavar="MODEL", help="Hub id or folder of the backbone, in place of the metric's own.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Anything else that its training takes: learning_rate=1e-4, steps=500, seed=1, ...; as often as wanted.",
)
@click.option("--ablations", is_flag=True, help="Train once for each ablation of the method, and compare them.")
@click.option(
    "--also-backbone",
    "others",
    multiple=True,
    metavar="MODEL",
    help="With --ablations: compare the whole method on this backbone, too; as often as wanted.",
)
@click.option(
    "--folds",
    type=click.IntRange(min=2),
    metavar="K",
    help="Cross-validation: K trainings, each tested on the part of TRAIN that it has not seen, and their mean.",
)
@click.option("--device", help="cpu, cuda, cuda:1, ... Default: the first GPU, else the CPU.")
@click.option("--overwrite", is_flag=True, help="Start afresh instead of going on with what OUTPUT holds.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def fit(metric: str, train: Path, output: Path, **options: Any) -> None:
    """Train a learned metric on rated samples and write a checkpoint.

    \b
    TRAIN is a manifest (csv, jsonl or parquet): the columns of a sample (edited, source, prompt, ...),
    and one column for each dimension with its rating.

    \b
    editmetrics fit ds_ieqa train.csv --val val.csv -o runs/a --target visual_quality=mos_v
    editmetrics score sources/ edits/ -m ds_ieqa:weights=runs/a
    editmetrics fit ds_ieqa rated.csv --folds 5 -o runs/folds

    The same command goes on with a run that was stopped. Several GPUs: accelerate launch -m editmetrics fit ...
    """
    from ..mllm.processes import is_main_process
    from ..scoring import Interrupted
    from . import ablations, folds
    from .training_progress import TrainingProgress

    main = is_main_process()
    if not main:  # each of several processes reads the same data; one of them reports
        logging.getLogger(__name__.partition(".")[0]).setLevel(logging.ERROR)
    learned = _made(metric, options["backbone"], options["device"])
    given = {"preset": options["preset"]} if options["preset"] else {}
    given |= _pairs("--set", options["settings"])
    settings, targets = _checked(learned, given), _targets(learned, options["targets"])
    if options["group"] is not None:
        settings["group"] = None if options["group"].lower() == "none" else options["group"]
    if options["folds"] and (options["ablations"] or options["val"]):
        raise click.UsageError("--folds makes its own parts of TRAIN: leave --val and --ablations out")
    if options["others"] and not options["ablations"]:
        raise click.UsageError("--also-backbone is for --ablations; the backbone of one training is --backbone")
    left_out = ablations.ablations_of(learned) if options["ablations"] else {}
    rows = {name: (learned, str(train), dict(more)) for name, more in left_out.items()}
    rows |= {f"on {model}": (_made(metric, model, options["device"]), str(train), {}) for model in options["others"]}
    parts = folds.folds_of(learned, train, options["folds"], settings) if options["folds"] else []
    runs: dict[Path, tuple[Any, Any, dict[str, Any]]] = {output: (learned, str(train), {})}
    if rows:
        runs = {ablations.folder_of(output, name): row for name, row in rows.items()}
    elif parts:
        runs = {folds.folder_of(output, number): (learned, part.train, {}) for number, part in enumerate(parts, 1)}
    trained = []
    try:
        with TrainingProgress(quiet=options["quiet"] or not main) as progress:
            for folder, (of_run, samples, more) in runs.items():
                one = of_run.fit(
                    samples,
                    None if options["val"] is None else str(options["val"]),
                    targets=targets,
                    label_scale=options["label_scale"],
                    output_dir=str(folder),
                    resume=not options["overwrite"],
                    progress=progress,
                    **{**settings, **more},
                )
                trained.append(one)
        if main and parts:
            folds.report(
                output, trained, parts, targets=targets, settings=settings, overwrite=options["overwrite"],
                quiet=options["quiet"],
            )  # fmt: skip
    except (KeyboardInterrupt, Interrupted):
        if main:
            click.echo("\nstopped; the same command goes on", err=True)
        sys.exit(1)
    if main and rows:
        ablations.report(output, list(rows))
    elif main and not parts:
        _report(learned, output)


def _made(spec: str, backbone: str | None, device: str | None) -> LearnedMetric:
    """The metric of `spec` on `device`, if it is one that learns."""
    from ..learned_metric import LearnedMetric
    from ..registry import create_metric, list_metrics, metric_class, parse_spec

    cls = metric_class(parse_spec(spec)[0])
    if not issubclass(cls, LearnedMetric):
        learned = [name for name in list_metrics() if issubclass(metric_class(name), LearnedMetric)]
        raise click.UsageError(
            f"{cls.name} is not learned from ratings; those that are: {', '.join(learned) or 'none'}"
        )
    made = create_metric(spec, device=device, **({"backbone": backbone} if backbone else {}))
    return cast("LearnedMetric", made)


def _pairs(option: str, texts: tuple[str, ...]) -> dict[str, str]:
    """From "name=value", several times, to a mapping."""
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise click.UsageError(f"{option} {text!r} is not NAME=VALUE")
        if name in pairs:
            raise click.UsageError(f"{option} gives {name} twice")
        pairs[name] = value
    return pairs


def _targets(metric: LearnedMetric, texts: tuple[str, ...]) -> dict[str, str]:
    """From each dimension that is to be learned to the column that rates it."""
    names = [dimension.name for dimension in metric.dimensions]
    if len(names) == 1 and len(texts) == 1 and "=" not in texts[0]:
        return {names[0]: texts[0]}
    targets = _pairs("--target", texts) or {name: name for name in names}
    for name in targets.keys() - set(names):
        raise click.UsageError(f"{metric.name} has no dimension {name!r}; {expected_one_of(name, names)}")
    return targets


def _checked(metric: LearnedMetric, given: dict[str, str]) -> dict[str, Any]:
    """What `fit` takes beside the options of this command, as the types that it declares."""
    from ..options import OptionError, checked_value

    known = _fit_options(type(metric))
    for name in given.keys() - known.keys():
        raise OptionError(f"the training of {metric.name} has no {name!r}; {expected_one_of(name, list(known))}")
    return {name: checked_value(type(metric), known[name], value) for name, value in given.items()}


def _fit_options(cls: type[LearnedMetric]) -> dict[str, Option]:
    """The keywords of `fit` by name: those of its signature, and where it has `**more`, the fields of its settings.

    The settings are the dataclasses that `cls.training_settings()` gives; where there is none, the `Recipe`.
    """
    from ..mllm.recipe import Recipe
    from ..options import Option

    parameters = inspect.signature(cls.fit).parameters.values()
    own = {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in BY_NAME}
    hints = SimpleNamespace(
        __annotations__={name: p.annotation for name, p in own.items() if p.annotation is not p.empty}
    )
    found = get_type_hints(hints, globalns=cls.fit.__globals__, include_extras=True)
    options = {name: Option(name, found.get(name, Any), p.default, "") for name, p in own.items()}
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        for settings in cls.training_settings() or (Recipe,):
            types = get_type_hints(settings, include_extras=True)
            for field in dataclasses.fields(settings):
                options.setdefault(field.name, Option(field.name, types[field.name], field.default, ""))
    return options


def _report(metric: LearnedMetric, output: Path) -> None:
    """The validation of the checkpoint, and what to type next."""
    from ..mllm.checkpoint import METRIC, read_checkpoint
    from ..tables.terminal import show
    from ..tables.training import validation_blocks

    if (output / METRIC).is_file():
        show(validation_blocks(read_checkpoint(output)))
    click.echo(f"\nwrote {output}")
    folders = "SOURCES EDITS" if "source" in metric.required() else "EDITS"
    click.echo(f"next: editmetrics score {folders} -m {metric.name}:weights={output}")
