"""`editmetrics lsa`: find the layer of a backbone that separates real from edited images best."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from ...command_line import Progress, SectionedCommand, device_option, file_option, overwrite_option, quiet_option

if TYPE_CHECKING:
    from .criterion import Divergence
    from .profile import LayerProfile


@dataclass(frozen=True)
class AnalysisOptions:
    """The options of `editmetrics lsa`."""

    output: Path | None
    plot: Path | None
    label: str
    adapter: Path | None
    pooling: Literal["last", "image"]
    divergence: Divergence
    symmetric: bool
    bins: int
    entropy_bins: int
    smoothing: float
    epsilon: float
    resamples: int
    revision: str | None
    dtype: str | None
    image_tokens: int | None
    batch: int
    device: str | None
    overwrite: bool
    quiet: bool


@click.command(cls=SectionedCommand)
@click.argument("backbone")
@click.argument("pairs", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@file_option("-o", "--output", text="Write the profile of the layers to this csv file.")
@file_option("--plot", text="Draw the three curves, their sum and the chosen layer (.svg, .png or .pdf).")
@click.option(
    "--label",
    default="authenticity",
    metavar="COLUMN",
    help="Column with 1 for real and 0 for edited images. If it is missing, the sources count as real images.",
)
@click.option("--adapter", type=click.Path(path_type=Path, exists=True), help="LoRA adapter, as a peft folder.")
@click.option(
    "--pooling",
    type=click.Choice(["last", "image"]),
    default="last",
    help="Representation of an image: the state at the prompt's last token, or the mean over the image's tokens.",
)
@click.option(
    "--divergence",
    type=click.Choice(["debiased", "paper", "gaussian"]),
    default="debiased",
    help="Divergence of real and edited images: equation 2 of the paper less its value by chance, as written, or that "
    "of fitted Gaussians.",
)
@click.option("--symmetric", is_flag=True, help="Average the divergence over both directions.")
@click.option("--bins", type=click.IntRange(min=2), default=32, help="Number of histogram bins of the divergence.")
@click.option("--entropy-bins", type=click.IntRange(min=2), default=10, help="Number of histogram bins of the entropy.")
@click.option(
    "--smoothing",
    type=click.FloatRange(min=0, min_open=True),
    default=1e-6,
    help="Constant added to the probability of each bin before the divergence.",
)
@click.option(
    "--epsilon",
    type=click.FloatRange(min=0, min_open=True),
    default=1e-6,
    help="Share of the variance of all images added in the denominator of the separability.",
)
@click.option(
    "--resamples",
    type=click.IntRange(min=0),
    default=100,
    help="Number of bootstrap samples of the images; the share of them that choose a layer is shown.",
)
@click.option("--revision", help="Branch, tag or commit of the backbone on the hub.")
@click.option(
    "--dtype",
    type=click.Choice(["bfloat16", "float16", "float32"]),
    show_default="bfloat16 on a GPU, else float32",
    help="Precision of the backbone.",
)
@click.option("--image-tokens", type=click.IntRange(min=1), help="Maximum number of tokens per image.")
@click.option("--batch", type=click.IntRange(min=1), default=8, help="Number of images per batch.")
@device_option
@overwrite_option()
@quiet_option
def lsa(backbone: str, pairs: Path, **values: Any) -> None:
    """Find the layer of BACKBONE that separates real from edited images and is still informative.

    \b
    BACKBONE  hub id or folder of a vision-language model
    PAIRS     csv, jsonl or parquet with the columns edited and source

    Each layer gets the divergence of real and edited images (D_KL), their separability (LDR), and the entropy of the
    activations. The layer with the largest sum, each min-max normalised over the layers, is chosen. "share" is the
    share of bootstrap samples of the images in which a layer is chosen; "probe AUC" that of a cross-validated linear
    classifier of the layer's states, which chooses nothing.

    \b
    editmetrics lsa OpenGVLab/InternVL3_5-8B-HF pairs.csv -o profile.csv --plot profile.svg
    """
    from ...files.overwrite import check_table
    from ...mllm.backbone import Backbone
    from ...mllm.lora import load_lora
    from ...report.agreement_plots import check_plot
    from .analysis import analyse, draw
    from .assessor import LayerAssessor
    from .criterion import Criterion
    from .labels import LABEL, labelled

    options = AnalysisOptions(**values)
    if options.plot is not None:
        check_plot(options.plot, options.overwrite)
    if options.output is not None:
        check_table(options.output, ("layer", "kl", "ldr", "entropy"), options.overwrite)
    samples = labelled(pairs, options.label)
    real, edited = ([sample for sample in samples if sample.meta[LABEL] == kind] for kind in (1, 0))
    loaded = Backbone.load(backbone, options.revision, options.device, options.dtype, image_tokens=options.image_tokens)
    assessor = LayerAssessor(loaded, None, None, options.pooling)
    if options.adapter is not None:
        assessor.adapter = "lsa"
        load_lora(loaded, assessor.adapter, options.adapter)
    with Progress(len(real) + len(edited), options.quiet, ("reading images", "read", "")) as progress:
        profile = analyse(
            assessor,
            real,
            edited,
            batch_size=options.batch,
            on_images=lambda count: progress.step(count=count),
            criterion=Criterion.of(options),
        )
    _show(profile)
    if options.output is not None:
        profile.write(options.output)
        click.echo(f"wrote {options.output}")
    if options.plot is not None:
        click.echo(f"wrote {draw(profile, options.plot)}")


def _show(profile: LayerProfile) -> None:
    from ...tables.table import DataTable, numbers, show, text

    columns = {"D_KL": profile.kl, "LDR": profile.ldr, "entropy": profile.entropy, "sum": profile.total}
    columns |= {
        name: values for name, values in (("share", profile.shares), ("probe AUC", profile.probe)) if len(values)
    }
    rows = [
        [layer, *map(float, values), "chosen" if layer == profile.chosen else ""]
        for layer, values in enumerate(zip(*columns.values(), strict=True), 1)
    ]
    table = DataTable([*numbers("layer", *columns), *text("", wrap="never")], rows)
    notes = [f"note: {note}" for note in profile.notes()]
    show([table, f"[dim]{profile.real} real and {profile.edited} edited images[/]", *notes])
