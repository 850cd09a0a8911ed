"""VCReward-Bench (GEditBench v2): pairs of edits of 21 tasks, and which of them is more consistent with the source.

Parquet files with a row for each pair, as the repository's data loader reads them:

    key, instruction, task
    source_image, edited_images   two of them, A and B
    winner                        Image A or Image B
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...sample import Sample
from ..benchmark import Benchmark, RatedAspect
from ..checks import CopyChecks
from ..pair_layout import PREFERENCE, PairTable, read_tables

TASKS = (
    "subject_addition", "subject_removal", "subject_replace", "size_adjustment", "color_alteration",
    "material_modification", "portrait_beautification", "motion_change", "relation_change", "text_editing",
    "in_image_text_translation", "chart_editing", "background_change", "style_transfer", "tone_transfer", "enhancement",
    "camera_motion", "line2image", "character_reference", "object_reference", "style_reference",
)  # fmt: skip
"""The tasks of calculate_statistics.py."""

TABLE = PairTable(
    images={"source": "source_image", "edited": "edited_images[0]", "rival": "edited_images[1]"},
    prompt="instruction",
    answer="winner",
    answers={"Image A": 1.0, "Image B": -1.0, "Tie": 0.0},
    identifier="key",
    columns={"task": "task"},
)


def _read(folder: Path, checks: CopyChecks) -> list[Sample]:
    return read_tables(folder, checks, TABLE)


def _missing(samples: Sequence[Sample]) -> list[str]:
    tasks = {sample.meta.get("task") for sample in samples}
    lines = [f"task {task}: no pair" for task in TASKS if task not in tasks]
    count = BENCHMARK.size
    return lines if len(samples) == count else [*lines, f"{len(samples):,} of {count:,} pairs"]


BENCHMARK = Benchmark(
    name="vcreward-bench",
    title="VCReward-Bench",
    paper="Jiang et al., GEditBench v2, arXiv 2603.28547",
    ratings={PREFERENCE: RatedAspect("which edit keeps better what the instruction does not name", -1, 1)},
    protocol="vcreward-bench",
    read=_read,
    size=3506,
    unit="pairs",
    missing=_missing,
    pairing={"overall": PREFERENCE, "consistency": PREFERENCE},
    obtain="GEditBench-v2/VCReward-Bench of the Hugging Face hub, linked in github.com/ZhangqiJiang07/GEditBench_v2.",
    terms="its repository has no licence, and states none for the data: see the data set's page.",
    public=True,
    shown=("task",),
    pairs=True,
)
