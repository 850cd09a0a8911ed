"""The suite of the Emu Edit test set: it has no official script, so that each variant is what one paper computes."""

from __future__ import annotations

from ..sample import Sample
from .definition import ProtocolDifference, RowBlock, RowField, Suite, SuiteColumn, SuiteSource, TableLayout

SPLITS = {
    3589: "test split; 'validation' in emu_edit_test_set_generations",
    2022: "validation split; 'test' in emu_edit_test_set_generations",
}
HEADINGS = {"prompt": ("output_caption",), "source_prompt": ("input_caption",), "source": ("image",)}


def captions(sample: Sample) -> str:
    """Tell whether the captions of source and wanted image are "equal" or "different".

    >>> captions(Sample("cat", edited="cat.png", source_prompt="a cat", prompt="a dog"))
    'different'
    """
    return "equal" if sample.source_prompt == sample.prompt else "different"


def output(sample: Sample) -> str:
    """Tell whether an edited image is "black" in every pixel; one that cannot be read is "visible", and fails later.

    >>> import numpy as np
    >>> output(Sample("night", edited=np.zeros((8, 8, 3), np.uint8)))
    'black'
    """
    from ..images import ImageError, read_image

    try:
        return "visible" if read_image(sample.edited).any() else "black"
    except ImageError:
        return "visible"


def _source(repository: str, commit: str = "") -> SuiteSource:
    paper = "Sheynin et al., Emu Edit, CVPR 2024, arXiv:2311.10089"
    return SuiteSource(paper, repository, commit, data_licence="CC BY-NC 4.0", read_on="2026-11-30")


def _variant(
    name: str,
    about: str,
    source: SuiteSource,
    columns: tuple[SuiteColumn, ...],
    differences: tuple[ProtocolDifference, ...],
    field: RowField | None = None,
) -> Suite:
    """A variant, of all rows, or of those that have the first value of `field`."""
    block = (
        RowBlock("all rows")
        if field is None
        else RowBlock(f"{field.name} {field.values[0]}", {field.name: field.values[:1]})
    )
    against = any("against=reference" in column.value for column in columns)
    return Suite(
        f"emu-edit:variant={name}",
        about,
        source,
        (TableLayout(f"emu-edit, as {name}", columns, (block,)),),
        fields=() if field is None else (field,),
        differences=differences,
        unchecked="rows and images, which are on the hub",
        prompt="caption",
        headings={**HEADINGS, "reference": ("edited_image",)} if against else HEADINGS,
        sizes=SPLITS,
    )


NOT_STATED = ProtocolDifference("the split", "not stated", "the rows that there are; their number tells the split")
NO_SCRIPT = ProtocolDifference(
    "the script", "not published; its settings are those that the authors state", "written from these", "unknown"
)
DIRECTION = ProtocolDifference(
    "CLIPdir where the captions are equal", "not stated; there is no direction to compare", "no number, counted"
)

VARIANTS = {
    "ultraedit": _variant(
        "ultraedit",
        "CLIP ViT-B/32 and DINO ViT-S/16 as in MagicBrush's script, all rows, against the source.",
        _source("HaozheZhao/UltraEdit (issues 18 and 25)"),
        (
            SuiteColumn("CLIPdir", "clip_direction:model=ViT-B-32", digits=4),
            SuiteColumn("CLIPimg", "clip_image:model=ViT-B-32", digits=4),
            SuiteColumn("CLIPout", "clip_text:model=ViT-B-32", digits=4),
            SuiteColumn("L1", "mae:resize=edited", digits=4),
            SuiteColumn("DINO", "dino_image:model=ViT-S-16", digits=4),
        ),
        (NO_SCRIPT, NOT_STATED, DIRECTION),
    ),
    "omnigen": _variant(
        "omnigen",
        "CLIP ViT-L/14, all rows with their captions as they are, against the source; outputs of 512 pixels.",
        _source("VectorSpaceLab/OmniGen (issues 164 and 191)"),
        (
            SuiteColumn("CLIP-I", "clip_image:model=ViT-L-14"),
            SuiteColumn("CLIP-T", "clip_text:model=ViT-L-14"),
        ),
        (
            NO_SCRIPT,
            NOT_STATED,
            ProtocolDifference("DINO", "a column of the table; its network is not stated", "left out", "none"),
        ),
    ),
    "icedit": _variant(
        "icedit",
        "CLIP ViT-L/14 and DINO ViT-S/16, rows whose two captions differ, against the source.",
        _source("River-Zhang/ICEdit (issues 61 and 69)"),
        (
            SuiteColumn("CLIP-I", "clip_image:model=ViT-L-14"),
            SuiteColumn("CLIP-Out", "clip_text:model=ViT-L-14"),
            SuiteColumn("DINO", "dino_image:model=ViT-S-16"),
        ),
        (
            NO_SCRIPT,
            NOT_STATED,
            ProtocolDifference("DINO's network", "not stated; 'as UltraEdit'", "UltraEdit's, ViT-S/16"),
        ),
        RowField("captions", (), ("different", "equal"), compute=captions),
    ),
    "anybench": _variant(
        "anybench",
        "CLIP ViT-B/32 and DINO ViT-S/16 against Emu Edit's own edits (column edited_image), without black outputs: "
        "AnySD's script.",
        _source("weichow23/AnySD", "bf39b45ba8d908f52ff3ff89faf7076e6f71be35"),
        (
            SuiteColumn("CLIP-I", "clip_image:model=ViT-B-32,against=reference"),
            SuiteColumn("CLIP-T", "clip_text:model=ViT-B-32"),
            SuiteColumn("DINO", "dino_image:model=ViT-S-16,against=reference"),
            SuiteColumn("L1", "mae:against=reference,resize=source"),
            SuiteColumn("L2", "mse:against=reference,resize=source"),
        ),
        (
            ProtocolDifference(
                "an output that is missing or cannot be read",
                "stops the script",
                "has no number, and is counted",
                "none where all are there",
            ),
        ),
        RowField("output", (), ("visible", "black"), compute=output),
    ),
}

SUITE = Suite(
    "emu-edit",
    "The Emu Edit test set. Its paper states neither the networks nor a script, and later papers differ in networks, "
    "rows and reference, so that their numbers do not compare with each other: a user measured 0.223, 0.275 and 0.301 "
    "as CLIP-Out of one model, by ViT-L/14, by ViT-B/32, and by ViT-L/14 without rows of equal captions. There is a "
    "table for each variant, and none without.",
    _source(""),
    (),
    prompt="caption",
    headings=HEADINGS,
    sizes=SPLITS,
    variants=VARIANTS,
)
