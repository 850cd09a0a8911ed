"""A small made-up copy of VCReward-Bench: the same few pairs in each task, of which one keeps more of the source."""

from __future__ import annotations

from pathlib import Path

from ..small_copies import PRESERVATION, MakeEdits, in_cell, write_parquet
from .reader import TASKS


def write(folder: Path, each: int, edits: MakeEdits) -> None:
    """Write `each` pairs of every task."""
    made = list(edits(2 * each, per_source=2))
    rows = []
    for task in TASKS:
        for number in range(each):
            one, other = made[2 * number : 2 * number + 2]
            rows.append(
                {
                    "key": f"{task}_pair_{number}",
                    "task": task,
                    "instruction": one.prompt,
                    "source_image": in_cell(one.source),
                    "edited_images": [in_cell(one.edited), in_cell(other.edited)],
                    "winner": "Image A" if one.scores[PRESERVATION] >= other.scores[PRESERVATION] else "Image B",
                }
            )
    write_parquet(folder / "data" / "train-00000-of-00001.parquet", rows)
