"""AIGCIQA2023: 2,400 images by six text-to-image models for 100 prompts, rated in three respects from 0 to 100.

`AIGCIQA2023.csv`, which is in the public repository's history (commit 17c1332), beside the images of `allimg.zip`:

    ,name,prompt,style,class,quality_mos,authenticity_mos,correspondence_mos,quality_std,authenticity_std,...
    0,0.png,a corgi,Basic,Animals,60.16417843,47.24654087,59.98587335,0.885226373,1.260743306,...

Images are numbered: 400 of each model in turn, four of each prompt. The files do not name the models.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path

from ...sample import Sample
from ..benchmark import Benchmark, RatedAspect, missing_rows
from ..checks import CopyChecks
from ..table_layout import Layout, LayoutColumn, read_layout

PER_SYSTEM = 400
SYSTEMS = tuple(f"model {number}" for number in range(1, 7))
SIZE = PER_SYSTEM * len(SYSTEMS)

RATINGS = {
    "quality": RatedAspect("perceptual quality (quality_mos, mosz1)"),
    "authenticity": RatedAspect("how real it looks (authenticity_mos, mosz2)"),
    "correspondence": RatedAspect("text-image correspondence (correspondence_mos, mosz3)"),
}

LAYOUT = Layout(
    table="AIGCIQA2023",
    identifier=None,
    images={"edited": "name"},
    columns={"style": LayoutColumn(), "class": LayoutColumn()},
    ratings={name: f"{name}_mos" for name in RATINGS},
    ignored=("column_1", *(f"{name}_std" for name in RATINGS)),
    folders=("allimg", "Image/allimg", "Image", "."),
    rated=True,
)


def _read(folder: Path, checks: CopyChecks) -> list[Sample]:
    samples = read_layout(folder, LAYOUT, RATINGS, checks)
    return [_named(sample, checks) for sample in samples]


def _named(sample: Sample, checks: CopyChecks) -> Sample:
    """The sample with the model that its number tells."""
    if not re.fullmatch(r"\d{1,4}", sample.id) or int(sample.id) >= SIZE:
        checks.add("value", sample.id, f"is not named N.png with N from 0 to {SIZE - 1}", sample.id)
        return sample
    return replace(sample, meta={"system": SYSTEMS[int(sample.id) // PER_SYSTEM], **sample.meta})


BENCHMARK = Benchmark(
    name="aigciqa2023",
    title="AIGCIQA2023",
    paper="Wang et al., AIGCIQA2023, CICAI 2023 (arXiv 2307.00211)",
    ratings=RATINGS,
    protocol="aigciqa2023",
    read=_read,
    size=SIZE,
    unit="images",
    missing=partial(missing_rows, column="system", expected=dict.fromkeys(SYSTEMS, PER_SYSTEM), unit="images"),
    pairing={"perception": "quality", "alignment": "correspondence"},
    obtain="AIGCIQA2023.csv is in github.com/wangjiarui153/AIGCIQA2023 at commit 17c1332, images are allimg.zip of the "
    "data set IntMeGroup/AIGCIQA2023 on the Hugging Face hub.",
    terms="the repository states no licence, so all rights are the authors'; look at the data set's page.",
    public=True,
    shown=("system", "style", "class"),
    methods=("LMM4LMM",),
)
