"""AGIQA-3K: 2,982 images by six text-to-image models, rated for perception and alignment from 0 to 5.

`data.csv` of the public repository beside the images:

    name,prompt,adj1,adj2,style,mos_quality,std_quality,mos_align,std_align
    AttnGAN_normal_000.jpg,statue of a man,,,,0.965602553,...

The name holds the model, the variant (normal, lowstep, lowcorr) and the number of the prompt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...sample import Sample
from ..benchmark import Benchmark, RatedAspect
from ..checks import CopyChecks
from ..table_layout import Layout, LayoutColumn, read_layout

SYSTEMS = ("AttnGAN", "DALLE2", "glide", "midjourney", "sd1.5", "xl2.2")
SIZE = 2982
NAME = re.compile(r"([^_/]+)_([^_/]+)_(\d{3})")

RATINGS = {
    "perception": RatedAspect("perceptual quality (mos_quality)", 0, 5),
    "alignment": RatedAspect("text-image alignment (mos_align)", 0, 5),
}

LAYOUT = Layout(
    table="data",
    identifier=None,
    images={"edited": "name"},
    columns={
        "style": LayoutColumn(required=False, filled=False),
        "adj1": LayoutColumn(required=False, filled=False),
        "adj2": LayoutColumn(required=False, filled=False),
    },
    ratings={"perception": "mos_quality", "alignment": "mos_align"},
    ignored=("std_quality", "std_align"),
    folders=("AGIQA-3K", "images", "image", "."),
    rated=True,
)


def _read(folder: Path, checks: CopyChecks) -> list[Sample]:
    samples = read_layout(folder, LAYOUT, RATINGS, checks)
    spoiled = checks.spoiled
    return [sample if sample.id in spoiled else _named(sample, checks) for sample in samples]


def _named(sample: Sample, checks: CopyChecks) -> Sample:
    """The sample with the model and the variant in its name."""
    named = NAME.fullmatch(sample.id)
    if named is None or named[1] not in SYSTEMS:
        message = f"is not named MODEL_VARIANT_NNN.jpg with one of the models {', '.join(SYSTEMS)}"
        checks.add("value", sample.id, message, sample.id)
        return sample
    return replace(sample, meta={"system": named[1], "variant": named[2], **sample.meta})


def _missing(samples: Sequence[Sample]) -> list[str]:
    lines = [] if len(samples) == SIZE else [f"{len(samples):,} of {SIZE:,} images"]
    systems = {sample.meta.get("system") for sample in samples}
    return lines + [f"every image of the model {name}" for name in SYSTEMS if name not in systems]


BENCHMARK = Benchmark(
    name="agiqa-3k",
    title="AGIQA-3K",
    paper="Li et al., AGIQA-3K, IEEE TCSVT 34(8), 2023 (arXiv 2306.04717)",
    ratings=RATINGS,
    protocol="agiqa-3k",
    read=_read,
    size=SIZE,
    unit="images",
    missing=_missing,
    pairing={"perception": "perception", "correspondence": "alignment", "alignment": "alignment"},
    obtain="data.csv is in github.com/lcysyzxdxc/AGIQA-3k-Database, whose README links the images.",
    terms="MIT licence in the repository; the images' own terms are not stated there.",
    public=True,
    shown=("system", "variant", "style"),
    methods=("LMM4LMM",),
)
