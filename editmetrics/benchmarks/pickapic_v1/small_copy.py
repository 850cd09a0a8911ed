"""A small made-up copy of Pick-a-Pic v1: pairs of its two unique splits."""

from __future__ import annotations

from pathlib import Path

from ..small_copies import FIDELITY, MakeEdits, in_cell, write_parquet
from .reader import SIZES

TIED = 10
"""Images whose scores differ by less are a tie."""


def write(folder: Path, each: int, edits: MakeEdits) -> None:
    """Write four times `each` pairs of both splits."""
    count = 4 * each
    both = iter(edits(4 * count, per_source=2))
    for split in SIZES:
        rows = []
        for number in range(count):
            one, other = next(both), next(both)
            gap = one.scores[FIDELITY] - other.scores[FIDELITY]
            label = 0.5 if abs(gap) < TIED else float(gap > 0)
            rows.append(
                {
                    "are_different": label != 0.5, "best_image_uid": "", "caption": one.prompt, "has_label": True,
                    "image_0_uid": f"{split}-{number}-0", "image_1_uid": f"{split}-{number}-1",
                    "jpg_0": in_cell(one.edited)["bytes"], "jpg_1": in_cell(other.edited)["bytes"],
                    "label_0": label, "label_1": 1 - label, "ranking_id": number,
                }
            )  # fmt: skip
        write_parquet(folder / "data" / f"{split}-00000-of-00001.parquet", rows)
