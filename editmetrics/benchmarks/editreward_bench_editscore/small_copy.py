"""A small made-up copy of EditReward-Bench of EditScore: pairs in each task and respect, the better edit first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..small_copies import FIDELITY, PRESERVATION, MakeEdits, in_cell, write_parquet
from .reader import CATEGORY_OF

BY_SCORE = {"prompt_following": FIDELITY, "consistency": PRESERVATION, "overall": None}
"""From a respect to the score by which the better of two made-up edits is known; None: the mean of all."""


def write(folder: Path, each: int, edits: MakeEdits) -> None:
    """Write `each` pairs for every task and respect."""
    names = [(task, number) for task in CATEGORY_OF for number in range(each)]
    both = list(edits(2 * len(names), per_source=2))
    rows: list[dict[str, Any]] = []
    for index, (task, number) in enumerate(names):
        one, other = both[2 * index : 2 * index + 2]
        for dimension, score in BY_SCORE.items():
            quality = [sum(e.scores.values()) if score is None else e.scores[score] for e in (one, other)]
            pair = [(f"{task}_{number}_a", one), (f"{task}_{number}_b", other)]
            pair = pair if quality[0] >= quality[1] else pair[::-1]
            rows.append(
                {
                    "key": [name for name, _ in pair],
                    "instruction": f"{task} {number}: {one.prompt}",
                    "input_image": in_cell(one.source),
                    "output_images": [in_cell(edit.edited) for _, edit in pair],
                    "task_type": task,
                    "dimension": dimension,
                }
            )
    write_parquet(folder / "data" / "train-00000-of-00001.parquet", rows)
