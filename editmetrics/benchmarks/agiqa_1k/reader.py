"""AGIQA-1K: 1,080 images by two text-to-image models, rated from 0 to 5.

`AIGC_MOS_Zscore.xlsx` of the public repository (commit 7a8d9f2) beside the images of `file.zip`:

    Image                Prompt                                     MOS
    deepai_0_0_0_0.jpg   bird, driving aircraft, city, anime style  2.7934105636524

The prompt has four parts: object, activity, place and style.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

from ...sample import Sample
from ..benchmark import Benchmark, RatedAspect, missing_rows
from ..checks import CopyChecks
from ..table_layout import Layout, find_table, rows_of, samples_of

SYSTEMS = {"deepai": 720, "dreamStudio": 358}
"""The models, Stable Diffusion v2 and an inpainting model v1, and how many of their images have one rating."""

TWICE = "dreamStudio_8_9_1_1.jpg"
"""The authors' table names this image twice, with the ratings 0.44 and 2.08; another, which of the two is not known, is
missing. So neither rating is used."""

RATINGS = {"quality": RatedAspect("quality, unnaturalness and discrepancy included (MOS)", 0, 5)}
PARTS = ("object", "activity", "place", "style")

LAYOUT = Layout(
    table="AIGC_MOS_Zscore",
    suffixes=(".xlsx",),
    identifier=None,
    images={"edited": "Image"},
    prompt="Prompt",
    columns={},
    ratings={"quality": "MOS"},
    folders=("file", "images", "."),
    rated=True,
)


def _read(folder: Path, checks: CopyChecks) -> list[Sample]:
    path = find_table(folder, LAYOUT.table, checks, LAYOUT.suffixes)
    rows = rows_of(path, checks) if path else []
    if Counter(row.cells.get("Image") for row in rows)[TWICE] == 2:
        checks.note(TWICE, "is named twice in the authors' table, with ratings of 0.44 and 2.08; neither is used")
        rows = [row for row in rows if row.cells.get("Image") != TWICE]
    samples = samples_of(rows, str(path and path.name), folder, LAYOUT, RATINGS, checks)
    return [_described(sample, checks) for sample in samples]


def _described(sample: Sample, checks: CopyChecks) -> Sample:
    """The sample with the model in its name, and the parts of its prompt."""
    system, parts = sample.id.partition("_")[0], (sample.prompt or "").split(", ")
    if system not in SYSTEMS or len(parts) != len(PARTS):
        expected = f"{', '.join(SYSTEMS)}; a prompt of {', '.join(PARTS)}"
        checks.add("value", sample.id, f"has another model or prompt; expected {expected}", sample.id)
        return sample
    return replace(sample, meta={"system": system, **dict(zip(PARTS, parts, strict=True)), **sample.meta})


BENCHMARK = Benchmark(
    name="agiqa-1k",
    title="AGIQA-1K",
    paper="Zhang et al., A Perceptual Quality Assessment Exploration for AIGC Images, ICME Workshops 2023 (arXiv "
    "2303.12618)",
    ratings=RATINGS,
    protocol="agiqa-1k",
    read=_read,
    size=sum(SYSTEMS.values()),
    unit="images",
    missing=partial(missing_rows, column="system", expected=SYSTEMS, unit="images"),
    pairing={"perception": "quality"},
    obtain="AIGC_MOS_Zscore.xlsx is in github.com/lcysyzxdxc/AGIQA-1k-Database, whose README links the images.",
    terms="MIT licence in the repository; the images' own terms are not stated there.",
    public=True,
    shown=("system", *PARTS[2:]),
)
