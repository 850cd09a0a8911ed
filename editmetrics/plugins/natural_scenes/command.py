"""`editmetrics pristine`: a model of natural photographs of one's own, for `niqe` and `ilniqe`."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from ...command_line import Progress, SectionedCommand, file_option, overwrite_option, quiet_option


@click.command(cls=SectionedCommand)
@click.argument("metric", metavar="METRIC[:opt=value,...]")
@click.argument("photographs", type=click.Path(path_type=Path, exists=True, file_okay=False))
@file_option("-o", "--output", text="Write the model to this .safetensors file.", required=True)
@click.option(
    "--sharpness",
    type=click.FloatRange(0, 1, max_open=True),
    show_default="the authors': 0.75 for niqe, 0.78 for ilniqe",
    help="Count blocks that are sharper than this share of the sharpest one of their photograph.",
)
@overwrite_option("Replace an existing output file.")
@quiet_option
def pristine(
    metric: str, photographs: Path, output: Path, sharpness: float | None, overwrite: bool, quiet: bool
) -> None:
    """Fit the model of natural images that niqe and ilniqe compare with.

    \b
    METRIC       niqe or ilniqe, with its options
    PHOTOGRAPHS  folder of undistorted photographs, a hundred or more

    \b
    editmetrics pristine niqe photographs/ -o mine.safetensors
    editmetrics score --images edits/ -m niqe:parameters=mine.safetensors
    """
    from ...data.sample_set import images_in
    from ...files.text import DataError
    from ...registry import create_metric
    from ...sample import Sample
    from ...wording import plural
    from .pristine import PristineMetric, fit_pristine, write_parameters

    fitted = create_metric(metric)
    if not isinstance(fitted, PristineMetric):
        raise click.UsageError(f"{fitted.name} has no model of natural photographs; expected niqe or ilniqe")
    if output.suffix != ".safetensors":
        raise click.UsageError(f"{output} does not end in .safetensors")
    if output.exists() and not overwrite:
        raise DataError(f"{output} exists, and is kept; choose another name, or --overwrite")
    listing = images_in(photographs)
    samples = [Sample(str(path), edited=path) for paths in listing.images.values() for path in paths]
    with Progress(len(samples), quiet, ("reading photographs", "read", "")) as progress:
        arrays = fit_pristine(fitted, samples, sharpness, on_images=lambda count: progress.step(count=count))
    write_parameters(arrays, output)
    click.echo(f"wrote {output}, of {plural(len(samples), 'photograph')}")
    for line in listing.unusable:
        click.echo(f"not counted: {line}", err=True)
    separator = "," if ":" in metric else ":"
    click.echo(f"next: editmetrics score --images IMAGES -m {shlex.quote(f'{metric}{separator}parameters={output}')}")
