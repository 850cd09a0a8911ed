"""`editmetrics data NAME FOLDER`: a benchmark's inputs from the hub, as a manifest of prompts and keys."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..command_line import json_option, overwrite_option
from ..wording import command_in_lines, in_words, plural

if TYPE_CHECKING:
    from ..suites.inputs import BenchmarkInputs
    from ..suites.layout import LaidOut


@click.command()
@click.argument("name", required=False)
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--from",
    "copy",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder with your own copy of the benchmark's files; nothing is downloaded.",
)
@click.option("--split", metavar="NAME", show_default="the benchmark's own", help="Split of the data set.")
@click.option("--dry-run", is_flag=True, help="Show licence, commit and size, and exit.")
@overwrite_option("Replace the inputs of another benchmark or commit in FOLDER.")
@json_option
def data(
    name: str | None,
    folder: Path | None,
    copy: Path | None,
    split: str | None,
    dry_run: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Lay out the inputs of the benchmark NAME in FOLDER, with a manifest of prompts and keys.

    \b
    editmetrics data                                    the benchmarks
    editmetrics data gedit gedit/                       download, and write gedit/manifest.csv
    editmetrics score gedit/manifest.csv out/my_model/ --suite gedit

    Licence and size are shown before the download, which resumes where it broke.
    """
    from ..suites.inputs import inputs_called

    if name is None:
        _list(as_json)
        return
    inputs = inputs_called(name)
    if folder is None and not dry_run:
        raise click.UsageError(f"missing the folder to write: editmetrics data {name} FOLDER")
    origin, read_from, files = _origin(name, inputs, copy, split, dry_run, as_json)
    if dry_run or folder is None:
        return
    from ..suites.inputs import input_rows
    from ..suites.layout import lay_out

    laid_out = lay_out(input_rows(inputs, read_from, files), folder, origin, overwrite)
    _show(name, inputs, laid_out, origin, split, as_json)


def _origin(
    name: str, inputs: BenchmarkInputs, copy: Path | None, split: str | None, dry_run: bool, as_json: bool
) -> tuple[dict[str, Any], Path, tuple[str, ...] | None]:
    """Where the inputs are from, the folder that has their files, and which; says so, and downloads them."""
    from ..suites.inputs import ask_hub, fetch_inputs

    if copy is not None:
        return {"suite": name, "data_set": str(copy), "commit": None, "licence": None}, copy, None
    on_hub = ask_hub(inputs, split)
    facts = on_hub.facts
    origin = {"suite": name, "data_set": on_hub.repository, "commit": facts.commit, "licence": facts.licence}
    if dry_run and as_json:
        click.echo(json.dumps({**origin, "files": len(on_hub.files), "megabytes": on_hub.megabytes}, indent=2))
    else:
        click.echo(f"{name}: https://huggingface.co/{on_hub.repository} at {facts.commit}", err=not dry_run)
        licence = facts.licence or "not stated; ask its authors before you publish anything made of it"
        click.echo(f"licence: {licence}", err=not dry_run)
        click.echo(f"{plural(len(on_hub.files), 'file')}, {in_words(on_hub.megabytes)}", err=not dry_run)
    if dry_run:
        return origin, Path(), None
    return origin, fetch_inputs(on_hub, progress=sys.stderr.isatty()), on_hub.files


def _show(
    name: str, inputs: BenchmarkInputs, laid_out: LaidOut, origin: dict[str, Any], split: str | None, as_json: bool
) -> None:
    from ..suites import suite

    if as_json:
        described = {**origin, "manifest": str(laid_out.manifest), "rows": laid_out.rows, "expected": inputs.rows}
        click.echo(json.dumps(described, indent=2))
        return
    expected = inputs.rows if split in (None, inputs.split) else None
    as_many = "" if expected is None else ", as the benchmark has"
    if expected not in (None, laid_out.rows):
        as_many = f", where the benchmark has {expected:,}: the data set has changed, or your copy is not complete"
    _say(f"wrote {laid_out.manifest}: {plural(laid_out.rows, 'row')}{as_many}")
    if not inputs.complete:
        _say(
            f"Save your model's image of each row as its cell save_as says ({laid_out.first}; any suffix) in a folder "
            "of the model, then:"
        )
    spec = name if suite(name).tables else f"{name}:variant=NAME"
    paths = f"{laid_out.manifest}" if inputs.complete else f"{laid_out.manifest} my_model/"
    for line in command_in_lines(f"  editmetrics score {paths} --suite {spec} -o scores.csv"):
        click.echo(line)


def _say(text: str) -> None:
    from rich.markup import escape

    from ..tables.table import show

    show([escape(text)])


def _list(as_json: bool) -> None:
    from ..suites import SUITES
    from ..suites.inputs import INPUTS
    from ..tables.table import DataTable, numbers, show, text

    if as_json:
        listed = [{"name": each, "data_set": one.repository or None, "rows": one.rows} for each, one in INPUTS.items()]
        click.echo(json.dumps(listed, indent=2))
        return
    rows = [
        [each, one.repository or "-", one.rows, "-" if one.complete else one.name]
        for each, one in INPUTS.items()
        if one.name
    ]
    show([DataTable([*text("name", "data set on the hub"), *numbers("rows"), *text("outputs are called")], rows)])
    for one in INPUTS.values():
        if not one.repository:
            _say(f"{one.advice[:1].upper()}{one.advice[1:]}")
    if without := [each for each in SUITES if each not in INPUTS]:
        _say(f"No inputs are known of {', '.join(without)}: 'editmetrics suite NAME' says what a row needs.")
