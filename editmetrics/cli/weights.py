"""`editmetrics weights`: list checkpoints, and get them onto this machine."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..command_line import completed_by, folder_option, json_option
from ..command_line.output import echo_row
from ..wording import plural

if TYPE_CHECKING:
    from ..checkpoints import WeightsEntry


@click.group()
def weights() -> None:
    """List, download and verify the weights of metrics.

    They are stored in $EDITMETRICS_HOME, by default in the platform's cache folder; see docs/weights.md.
    """


@weights.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all checkpoints: metric, size, licence, and whether they are on this machine."""
    from .. import weights as store

    entries = store.registered()
    folders = {name: store.find(name) for name in entries}
    if as_json:
        listed = [
            {**dataclasses.asdict(entry), "folder": str(folders[name] or "") or None} for name, entry in entries.items()
        ]
        listing = {"checkpoints": listed, "broken": store.broken_registries()}
        click.echo(json.dumps(listing, indent=2, ensure_ascii=False))
        return
    from ..tables.table import DataTable, numbers, show, text

    rows = [
        [
            name + " *" * bool(entry.doubts),
            entry.metric,
            "?" if entry.megabytes is None else f"{entry.megabytes:g}",
            entry.licence,
            _commercial_use(entry),
            "yes" if folders[name] else "no",
        ]
        for name, entry in entries.items()
    ]
    columns = [*text("name", "metric", wrap="never"), *numbers("MB"), *text("licence", "commercial use")]
    show([DataTable([*columns, *text("here", wrap="never")], rows)])
    click.echo("* some facts are not confirmed, such as file names; 'editmetrics weights check' says which")
    for sentence in store.broken_registries():
        click.echo(f"unusable: {sentence}", err=True)


@weights.command("pull")
@click.argument("names", nargs=-1, shell_complete=completed_by("weights_names"))
@click.option(
    "-m", "--metric", "metrics", multiple=True, metavar="NAME[:opt=value,...]",
    shell_complete=completed_by("metric_names"),
    help="Metric whose weights to download, such as lpips:net=vgg. Repeatable.",
)  # fmt: skip
def pull(names: tuple[str, ...], metrics: tuple[str, ...]) -> None:
    """Download checkpoints by NAME or by metric, and verify them."""
    from .. import weights as store
    from ..registry import create_metric

    wanted = dict.fromkeys([*names, *(name for spec in metrics for name in create_metric(spec).checkpoints())])
    if not wanted and metrics:
        click.echo(f"{', '.join(metrics)}: requires no weights")
    elif not wanted:
        raise click.UsageError("missing a NAME of 'editmetrics weights list', or a metric: --metric lpips:net=vgg")
    for name in wanted:
        entry = store.checkpoint(name)
        if not store.find(name):
            click.echo(f"{name}: licence: {entry.licence}; commercial use: {_commercial_use(entry)}")
        folder = store.pull(name)
        click.echo(f"{name}: verified, in {folder}")


@weights.command("verify")
@click.argument("names", nargs=-1, shell_complete=completed_by("weights_names"))
def verify(names: tuple[str, ...]) -> None:
    """Verify the checksums of the checkpoints NAMES, or of all that are on this machine."""
    from .. import weights as store

    problems = []
    for name in names or [name for name in store.registered() if store.find(name)]:
        try:
            for file, digest in store.verify(name).items():
                click.echo(f"{name}: {file} verified, sha256 {digest}")
        except store.WeightsError as error:
            problems.append(str(error))
    if problems:
        raise store.WeightsError("\n".join(problems))


@weights.command("check")
@click.argument("names", nargs=-1, shell_complete=completed_by("weights_names"))
@click.option("--remote", is_flag=True, help="Ask the hub and the other sites for what they have now.")
@json_option
def check(names: tuple[str, ...], remote: bool, as_json: bool) -> None:
    """Show which facts of the registry are not confirmed; with --remote, compare it with its sources.

    Checks the checkpoints NAMES, or all that are downloaded. Nothing is downloaded: the sources are asked for sizes,
    checksums, licences and commits.

    Exit codes: 0 nothing has moved; 3 something has moved; 4 nothing has moved, but something could not be asked.
    """
    from .. import weights as store

    wanted = [name for name in names or store.registered() if store.checkpoint(name).source.package is None]
    rows = _compared(wanted) if remote else [(name, *_doubts(name)) for name in wanted]
    states = [state for _, state, _ in rows]
    if as_json:
        listed = [{"name": name, "state": state, "details": details} for name, state, details in rows]
        click.echo(json.dumps(listed, indent=2, ensure_ascii=False))
    else:
        for name, state, details in rows:
            echo_row(name, state, details)
        counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
        click.echo(f"{plural(len(rows), 'checkpoint')}: {counts}")
    sys.exit(3 if "moved" in states else 4 if "not asked" in states else 0)


@weights.command("path")
@click.argument("name", shell_complete=completed_by("weights_names"))
def path(name: str) -> None:
    """Verify the checkpoint NAME and print its folder."""
    from .. import weights as store

    for file in store.checkpoint(name).files:
        store.path(name, file.path)
    click.echo(store.folder_of(name))


@weights.command("convert")
@click.argument("metric", metavar="METRIC")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@folder_option("-o", "--output", required=True, text="Write the converted weights to this new folder.")
@click.option("--part", required=True, help="Part of the metric; 'editmetrics info METRIC' lists the parts.")
@click.option("--processor", metavar="MODEL", help="Hub id or folder of the tokenizer in the native layout.")
def convert(metric: str, folder: Path, output: Path, part: str, processor: str | None) -> None:
    """Convert weights from the authors' layout in FOLDER to the layout that this package loads.

    \b
    editmetrics weights convert lmm4lmm LMM4LMM-Perception/ -o perception --part perception
    editmetrics score images/ --prompts prompts.csv -m lmm4lmm:weights=perception
    """
    from ..learned_metric import LearnedMetric
    from ..registry import metric_class

    cls = metric_class(metric)
    if not (issubclass(cls, LearnedMetric) and cls.convertible_parts):
        raise click.UsageError(f"the weights of {metric} need no conversion")
    before = output.is_dir() and any(output.iterdir())
    cls.convert(folder, output, part=part, processor=processor)
    click.echo(f"{output} is already converted" if before else f"wrote {output}")


def _compared(names: Sequence[str]) -> list[tuple[str, str, list[str]]]:
    from ..moved_weights import compare

    return [(one.name, one.state, list(one.details)) for one in compare(names)]


def _doubts(name: str) -> tuple[str, list[str]]:
    from .. import weights as store

    doubts = store.checkpoint(name).doubts
    return ("doubtful", [doubts]) if doubts else ("confirmed", [])


def _commercial_use(entry: WeightsEntry) -> str:
    if entry.commercial_use == "unknown":
        return "unknown"
    return "yes" if entry.commercial_use else "no"
