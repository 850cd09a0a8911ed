"""NTIRE 2026 X-AIGC quality assessment challenge, track 2: image editing, three ratings, in and out of distribution.

No public source documents the layout of its files. Read in our layout: `ratings.csv` (or
.jsonl, .parquet) with a row for each edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...sample import Sample
from ..benchmark import Benchmark, RatedAspect
from ..checks import CopyChecks
from ..table_layout import Layout, LayoutColumn, read_layout

RATINGS = {
    "visual_quality": RatedAspect("visual quality"),
    "editing_fidelity": RatedAspect("whether the edit is what was asked for"),
    "content_preservation": RatedAspect("whether the rest was left as it was"),
}
"""The scale of the published labels is not known: 0 to 100 takes 1 to 5, too, and correlations do not see it."""

LAYOUT = Layout(
    table="ratings",
    images={"source": "source", "edited": "edited"},
    columns={
        "split": LayoutColumn(choices=("train", "val", "test")),
        "distribution": LayoutColumn(choices=("in", "out"), filled=False),
        "system": LayoutColumn(required=False, filled=False),
        "edit_type": LayoutColumn(required=False, filled=False),
    },
    ratings={name: name for name in RATINGS},
    rated=True,
)


def _read(folder: Path, checks: CopyChecks) -> list[Sample]:
    samples = read_layout(folder, LAYOUT, RATINGS, checks)
    spoiled = checks.spoiled
    for sample in samples:
        if sample.id in spoiled:
            continue
        if sample.meta["split"] != "train":
            checks.required(sample.id, sample.id, "distribution", sample.meta.get("distribution"))
    return samples


def _missing(samples: Sequence[Sample]) -> list[str]:
    """The number of samples is not stated; what the final score requires is known."""
    splits = {(sample.meta.get("split"), sample.meta.get("distribution")) for sample in samples}
    return [f"every edit of the test split that is {name} distribution" for name, value in
            (("in", "in"), ("out of", "out")) if ("test", value) not in splits]  # fmt: skip


BENCHMARK = Benchmark(
    name="ntire-x-aigc-2",
    title="NTIRE 2026 X-AIGC track 2",
    paper="Liu et al., NTIRE 2026 X-AIGC Quality Assessment Challenge, CVPR Workshops 2026",
    ratings=RATINGS,
    protocol="ntire-x-aigc-2",
    read=_read,
    size=0,
    unit="edits",
    missing=_missing,
    pairing={
        "perceptual_quality": "visual_quality",
        "editing_alignment": "editing_fidelity",
        "attribute_preservation": "content_preservation",
    },
    obtain="codabench competition 13031 and the data set sparkling621/IEQA on the Hugging Face hub; its ratings go "
    "into our layout. The test labels were kept by the organisers.",
    terms="those of the challenge and of the data set's page.",
    public=False,
    split="split",
    evaluated="test",
    shown=("split", "distribution", "system", "edit_type"),
    protocol_columns={"split": "distribution"},
    methods=("DS-IEQA",),
)
