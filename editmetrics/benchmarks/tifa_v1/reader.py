"""TIFA v1.0: human judgements of 800 images by five text-to-image models for 160 of its prompts, from 1 to 5.

`human_annotations.json` of the public repository (commit 8e37050), or the one with metrics' scores, beside the images:

    {"coco_669925_mini_dalle": {"text_id": "coco_669925", "image_path": "coco_669925_mini_dalle.jpg",
                                "text": "A Christmas tree ...", "human_scores": [5, 5], "human_avg": 5.0}, ...}
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ...files.rows import Row
from ...sample import Sample
from ..benchmark import Benchmark, RatedAspect, missing_rows
from ..checks import CopyChecks
from ..table_layout import Layout, LayoutColumn, entries_of, mean_of, samples_of

SYSTEMS = ("mini_dalle", "vq_diffusion", "stable_diffusion_v1_1", "stable_diffusion_v1_5", "stable_diffusion_v2_1")
PER_SYSTEM = 160
ORIGINS = ("coco", "partiprompt", "paintskill", "drawbench")
FILES = ("human_annotations.json", "human_annotations_with_scores.json")
KEYS = ("text_id", "image_path", "text", "human_scores", "human_avg")

RATINGS = {"faithfulness": RatedAspect("text-image faithfulness: the mean of two people (human_avg)", 1, 5)}

LAYOUT = Layout(
    table="human_annotations",
    identifier="name",
    images={"edited": "image_path"},
    prompt="text",
    columns={"system": LayoutColumn(choices=SYSTEMS), "origin": LayoutColumn(choices=ORIGINS)},
    ratings={"faithfulness": "human_avg"},
    folders=("annotated_images", "images", "."),
    rated=True,
)


def _read(folder: Path, checks: CopyChecks) -> list[Sample]:
    places = (folder / below / name for name in FILES for below in ("", "human_annotations"))
    path = next((path for path in places if path.is_file()), None)
    if path is None:
        checks.add("file", str(folder), f"has no {FILES[0]}")
        return []
    rows = [Row(row.location, _cells(row)) for row in entries_of(path, checks)]
    for row in rows:
        average, scores = row.cells["human_avg"], row.cells["human_scores"]
        if mean_of(scores) != average:
            checks.add(
                "rating", row.location, f"human_avg is {average!r}, and human_scores are {scores!r}", row.location
            )
    others = dict.fromkeys(name for row in rows for name in row.cells if name not in KEYS)
    layout = replace(LAYOUT, ignored=("text_id", "human_scores", *others.keys() - {"name", *LAYOUT.columns}))
    return samples_of(rows, path.name, folder, layout, RATINGS, checks)


def _cells(row: Row) -> dict[str, Any]:
    """The cells of an entry, with its name, its model and the origin of its text."""
    text = str(row.cells.get("text_id", ""))
    system = row.location.removeprefix(f"{text}_")
    known = {key: row.cells.get(key) for key in KEYS}
    return {**row.cells, **known, "name": row.location, "system": system, "origin": text.partition("_")[0]}


BENCHMARK = Benchmark(
    name="tifa-v1",
    title="TIFA v1.0",
    paper="Hu et al., TIFA, ICCV 2023 (arXiv 2303.11897)",
    ratings=RATINGS,
    protocol="tifa-v1",
    read=_read,
    size=PER_SYSTEM * len(SYSTEMS),
    unit="images",
    missing=partial(missing_rows, column="system", expected=dict.fromkeys(SYSTEMS, PER_SYSTEM), unit="images"),
    pairing={"alignment": "faithfulness", "correspondence": "faithfulness"},
    obtain="human_annotations.json is in github.com/Yushi-Hu/tifa (human_annotations/), whose README links the images.",
    terms="Apache-2.0 licence in the repository; the images' own terms are not stated there.",
    public=True,
    shown=("system", "origin"),
    methods=("LMM4LMM",),
    also_called=("tifa", "tifa160"),
)
