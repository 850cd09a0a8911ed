"""`editmetrics weights`: what checkpoints there are, and getting them onto this machine."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..checkpoints import Checkpoint


@click.group()
def weights() -> None:
    """List, download and verify the weights of metrics.

    They are kept in $EDITMETRICS_HOME, or in the platform's cache folder; docs/weights.md says how.
    """


@weights.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
def list_(as_json: bool) -> None:
    """List every checkpoint: its metric, size and licence, and whether it is on this machine."""
    from .. import weights as store

    entries = store.registered()
    here = {name: store.find(name) for name in entries}
    if as_json:
        said = [
            {**dataclasses.asdict(entry), "folder": str(here[name] or "") or None} for name, entry in entries.items()
        ]
        click.echo(json.dumps({"checkpoints": said, "broken": store.broken_registries()}, indent=2, ensure_ascii=False))
        return
    from ..tables.model import DataTable, numbers, text
    from ..tables.terminal import show

    rows = [
        [
            name + " *" * bool(entry.inferred),
            entry.metric,
            "?" if entry.megabytes is None else f"{entry.megabytes:g}",
            entry.licence,
            _commercial_use(entry),
            "yes" if here[name] else "no",
        ]
        for name, entry in entries.items()
    ]
    columns = [*text("name", "metric", wrap="never"), *numbers("MB"), *text("licence", "commercial use")]
    show([DataTable([*columns, *text("here", wrap="never")], rows)])
    click.echo("* names of files that were inferred, and not seen: 'weights list --json' says from what")
    for sentence in store.broken_registries():
        click.echo(f"unusable: {sentence}", err=True)


@weights.command("pull")
@click.argument("names", nargs=-1)
@click.option("-m", "--metric", "metrics", multiple=True, help="What this metric loads, as in lpips:net=vgg.")
def pull(names: tuple[str, ...], metrics: tuple[str, ...]) -> None:
    """Download checkpoints and verify them: by NAME, or those that a metric loads."""
    from .. import weights as store
    from ..registry import create_metric

    wanted = dict.fromkeys([*names, *(name for spec in metrics for name in create_metric(spec).checkpoints())])
    if not wanted and metrics:
        click.echo(f"{', '.join(metrics)}: no weights are needed")
    elif not wanted:
        raise click.UsageError("say what to pull: a NAME of 'editmetrics weights list', or --metric lpips:net=vgg")
    for name in wanted:
        entry = store.checkpoint(name)
        if not store.find(name):
            click.echo(f"{name}: licence: {entry.licence}; commercial use: {_commercial_use(entry)}")
        folder = store.pull(name)
        click.echo(f"{name}: verified, in {folder}")


@weights.command("verify")
@click.argument("names", nargs=-1)
def verify(names: tuple[str, ...]) -> None:
    """Hash the files of checkpoints again: the NAMEs given, or all that are on this machine."""
    from .. import weights as store

    problems = []
    for name in names or [name for name in store.registered() if store.find(name)]:
        try:
            for file, digest in store.verify(name).items():
                click.echo(f"{name}: {file} is right, sha256 {digest}")
        except store.WeightsError as error:
            problems.append(str(error))
    if problems:
        raise store.WeightsError("\n".join(problems))


@weights.command("path")
@click.argument("name")
def path(name: str) -> None:
    """Print the folder of the checkpoint NAME, once its files are known to be right."""
    from .. import weights as store

    for file in store.checkpoint(name).files:
        store.path(name, file.path)
    click.echo(store.folder_of(name))


@weights.command("convert")
@click.argument("metric", metavar="METRIC")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path, file_okay=False), help="A new folder.")
@click.option("--part", required=True, help="What the weights are for; 'editmetrics info METRIC' names the parts.")
@click.option("--processor", metavar="MODEL", help="Hub id or folder with the tokenizer in the native layout.")
def convert(metric: str, folder: Path, output: Path, part: str, processor: str | None) -> None:
    """Convert weights as a metric's authors published them, in FOLDER, to what this package loads.

    \b
    editmetrics weights convert lmm4lmm LMM4LMM-Perception/ -o perception --part perception
    editmetrics score images/ --prompts prompts.csv -m lmm4lmm:weights=perception
    """
    from ..learned_metric import LearnedMetric
    from ..registry import metric_class

    cls = metric_class(metric)
    if not (issubclass(cls, LearnedMetric) and cls.convertible_parts):
        raise click.UsageError(f"{metric} has no weights that need to be converted")
    before = output.is_dir() and any(output.iterdir())
    cls.convert(folder, output, part=part, processor=processor)
    click.echo(f"{output} has been converted already" if before else f"wrote {output}")


def _commercial_use(entry: Checkpoint) -> str:
    if entry.commercial_use == "unknown":
        return "unknown"
    return "yes" if entry.commercial_use else "no"
