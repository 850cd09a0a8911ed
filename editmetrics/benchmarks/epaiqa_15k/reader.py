"""EPAIQA-15K: 15,026 local edits by 12 tools, 9,132 of them rated for harmony, naturalness and overall quality.

Not public. Read in our layout: `ratings.csv` (or .jsonl, .parquet) with a row for each edit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...sample import Sample
from ..benchmark import Benchmark, RatedAspect
from ..checks import CopyChecks
from ..table_layout import Layout, LayoutColumn, read_layout

SIZE, RATED = 15_026, 9_132
EDIT_TYPES = {
    "style change": "style change", "1": "style change",
    "object enhancement": "object enhancement", "2": "object enhancement",
    "object operation": "object operation", "3": "object operation",
    "semantic change": "semantic change", "4": "semantic change",
}  # fmt: skip
"""The four types of the paper's section 3.1; its tables call them Type-1 to Type-4."""

SYSTEMS = (
    "Stable Diffusion API", "DALLE-2", "MidJourney", "InstructDiffusion", "Ledits++", "Instructpix2pix", "PAG",
    "Diffedit", "SD-2-inpainting", "SDXL-0.1-inpainting", "Flux-controlnet-inpainting", "Hunyuan-DiT-inpainting",
)  # fmt: skip
BOX = ("box_x", "box_y", "box_width", "box_height")

RATINGS = {
    "harmony": RatedAspect("global harmony of the edited region with the rest", 1, 5),
    "local_naturalness": RatedAspect("local naturalness of the edited region", 1, 5),
    "overall_quality": RatedAspect("overall editing quality", 1, 5),
}

LAYOUT = Layout(
    table="ratings",
    images={"source": "source", "edited": "edited"},
    columns={
        "system": LayoutColumn(choices=SYSTEMS),
        "edit_type": LayoutColumn(choices=EDIT_TYPES),
        "split": LayoutColumn(choices=("train", "test"), filled=False),
        "prompt_completion": LayoutColumn(choices=("1", "2", "3"), filled=False),
        **{name: LayoutColumn(low=0, high=1, required=False, filled=False) for name in BOX},
    },
    ratings={name: name for name in RATINGS},
)


def _read(folder: Path, checks: CopyChecks) -> list[Sample]:
    samples = read_layout(folder, LAYOUT, RATINGS, checks, _region)
    spoiled = checks.spoiled
    for sample in samples:
        if sample.id in spoiled:
            continue
        if any(name in sample.meta for name in RATINGS):
            checks.required(sample.id, sample.id, "split", sample.meta.get("split"))
        if "overall_quality" in sample.meta:
            completion = sample.meta.get("prompt_completion")
            checks.required(sample.id, sample.id, "prompt_completion", completion)
        if 0 < sum(name in sample.meta for name in BOX) < len(BOX):
            checks.add("value", sample.id, f"has some of {', '.join(BOX)}, and not all", sample.id)
    return samples


def _region(meta: dict[str, Any]) -> dict[str, Any]:
    """The region as the paper writes it: centre, width and height, as shares of the image."""
    box = [meta.get(name) for name in BOX]
    return {} if None in box else {"region": ",".join(f"{part:g}" for part in box)}


def _missing(samples: Sequence[Sample]) -> list[str]:
    rated = sum(any(name in sample.meta for name in RATINGS) for sample in samples)
    lines = [] if len(samples) == SIZE else [f"{len(samples):,} of {SIZE:,} edits"]
    lines += [] if rated == RATED else [f"{rated:,} of {RATED:,} rated edits"]
    for column, expected in (("system", SYSTEMS), ("edit_type", dict.fromkeys(EDIT_TYPES.values()))):
        counts = Counter(sample.meta.get(column) for sample in samples)
        lines += [f"every edit of {column} {name}" for name in expected if not counts[name]]
    return lines


BENCHMARK = Benchmark(
    name="epaiqa-15k",
    title="EPAIQA-15K",
    paper="Qian et al., Towards Explainable Partial-AIGC Image Quality Assessment (arXiv 2504.09291)",
    ratings=RATINGS,
    protocol="epaiqa",
    read=_read,
    size=SIZE,
    unit="edits, 9,132 of them rated",
    missing=_missing,
    pairing={
        "harmony": "harmony",
        "local_naturalness": "local_naturalness",
        "overall": "overall_quality",
        "overall_quality": "overall_quality",
    },
    obtain="it is not published (the paper promises a part); ask the authors, and convert it to our layout.",
    terms="unknown; its sources come from AVA and FLICKR-AES, whose terms hold, too.",
    public=False,
    split="split",
    evaluated="test",
    shown=("system", "edit_type", "split", "prompt_completion"),
    methods=("EPAIQA-Stage2 (7B)", "EPAIQA-Stage3 (7B)"),
)
