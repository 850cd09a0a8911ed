"""`editmetrics lsa`: which layer of a backbone tells real from edited images best."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .streams import unfiltered

if TYPE_CHECKING:
    from ..plugins.hpe_lsa.lsa import LayerProfile

STATISTICS = ("bins", "entropy_bins", "smoothing", "divergence", "symmetric", "epsilon")
"""The options that are keywords of `LayerStatistics`."""


@click.command()
@click.argument("backbone")
@click.argument("pairs", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the profile here (.csv).")
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw the three curves, their sum and the chosen layer (.svg, .png or .pdf).",
)
@click.option(
    "--label",
    default="authenticity",
    show_default=True,
    metavar="COLUMN",
    help="1 for real, 0 for edited images. Without this column, the sources of the edits are the real images.",
)
@click.option("--adapter", type=click.Path(path_type=Path, exists=True), help="A LoRA adapter, as a peft folder.")
@click.option(
    "--pooling",
    type=click.Choice(["last", "image"]),
    default="last",
    show_default=True,
    help="What stands for an image: the state at the prompt's last token, or the mean over the image's tokens.",
)
@click.option(
    "--divergence",
    type=click.Choice(["histogram", "gaussian"]),
    default="histogram",
    show_default=True,
    help="How the divergence of real and edited images is estimated.",
)
@click.option("--symmetric", is_flag=True, help="The mean of the divergence in both directions.")
@click.option("--bins", type=click.IntRange(min=2), default=32, show_default=True, help="Bins of the divergence.")
@click.option("--entropy-bins", type=click.IntRange(min=2), default=10, show_default=True, help="Bins of the entropy.")
@click.option(
    "--smoothing",
    type=click.FloatRange(min=0, min_open=True),
    default=1e-6,
    show_default=True,
    help="Added to each bin's probability before the divergence.",
)
@click.option(
    "--epsilon",
    type=click.FloatRange(min=0, min_open=True),
    default=1e-6,
    show_default=True,
    help="Added to the variance that the separability divides by.",
)
@click.option("--revision", help="Branch, tag or commit of the backbone on the hub.")
@click.option("--dtype", type=click.Choice(["bfloat16", "float16", "float32"]), help="Default: bfloat16 on a GPU.")
@click.option("--image-tokens", type=click.IntRange(min=1), help="The most tokens that one image may take.")
@click.option("--batch", type=click.IntRange(min=1), default=8, show_default=True, help="Images at a time.")
@click.option("--device", help="cpu, cuda, cuda:1, ... Default: the first GPU, else the CPU.")
@click.option("--overwrite", is_flag=True, help="Replace what stands under these names, whatever it is.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def lsa(backbone: str, pairs: Path, output: Path | None, plot: Path | None, **options: Any) -> None:
    """Which layer of BACKBONE tells real from edited images, and still says much?

    \b
    BACKBONE  hub id or folder of a vision-language model
    PAIRS     csv, jsonl or parquet with the columns edited and source

    For each layer: the divergence of real and edited images (D_KL), their separability (LDR), and the entropy of the
    activations. The layer with the largest sum, each min-max normalised over the layers, is the one to read.

    \b
    editmetrics lsa OpenGVLab/InternVL3_5-8B-HF pairs.csv -o profile.csv --plot profile.svg
    """
    from ..files.overwrite import check_table
    from ..mllm.backbone import Backbone
    from ..mllm.lora import load_lora
    from ..plugins.hpe_lsa.analysis import analyse
    from ..plugins.hpe_lsa.assessor import Assessor
    from ..plugins.hpe_lsa.labels import LABEL, labelled
    from ..plugins.hpe_lsa.profile_plot import draw
    from ..report.agreement_plots import check_plot

    if plot is not None:
        check_plot(plot, options["overwrite"])
    if output is not None:
        check_table(output, ("layer", "kl", "ldr", "entropy"), options["overwrite"])
    samples = labelled(pairs, options["label"])
    real, edited = ([sample for sample in samples if sample.meta[LABEL] == kind] for kind in (1, 0))
    loaded = Backbone.load(
        backbone, options["revision"], options["device"], options["dtype"], image_tokens=options["image_tokens"]
    )
    assessor = Assessor(loaded, None, None, options["pooling"])
    if options["adapter"] is not None:
        assessor.adapter = "lsa"
        load_lora(loaded, assessor.adapter, options["adapter"])
    hidden = options["quiet"] or not sys.stderr.isatty()
    file = unfiltered(sys.stderr)
    with click.progressbar(length=len(real) + len(edited), label="images", file=file, hidden=hidden) as bar:
        profile = analyse(
            assessor,
            real,
            edited,
            batch_size=options["batch"],
            on_images=bar.update,
            **{name: options[name] for name in STATISTICS},
        )
    _show(profile)
    if output is not None:
        profile.write(output)
        click.echo(f"wrote {output}")
    if plot is not None:
        click.echo(f"wrote {draw(profile, plot)}")


def _show(profile: LayerProfile) -> None:
    from ..tables.model import DataTable, numbers, text
    from ..tables.terminal import show

    rows = [
        [layer, *map(float, values), "chosen" if layer == profile.chosen else ""]
        for layer, *values in zip(
            range(1, len(profile.kl) + 1), profile.kl, profile.ldr, profile.entropy, profile.total, strict=True
        )
    ]
    table = DataTable([*numbers("layer", "D_KL", "LDR", "entropy", "sum"), *text("", wrap="never")], rows)
    show([table, f"[dim]{profile.real} real and {profile.edited} edited images[/]"])
