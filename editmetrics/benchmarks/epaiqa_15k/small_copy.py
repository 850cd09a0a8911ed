"""A small made-up copy of EPAIQA-15K, in our layout."""

from __future__ import annotations

from pathlib import Path

from ..small_copies import FIDELITY, PRESERVATION, QUALITY, YES, MakeEdits, save_pair, write_csv
from .reader import BOX, EDIT_TYPES, SYSTEMS

HEADING = ("id", "source", "edited", "prompt", "system", "edit_type", "split", "prompt_completion", *BOX,
           "harmony", "local_naturalness", "overall_quality")  # fmt: skip


def write(folder: Path, each: int, edits: MakeEdits) -> None:
    """Write `each` edits by every tool."""
    types = list(dict.fromkeys(EDIT_TYPES.values()))
    rows = []
    for number, edit in enumerate(edits(each * len(SYSTEMS))):
        harmony, overall, naturalness = (1 + edit.scores[score] / 25 for score in (PRESERVATION, FIDELITY, QUALITY))
        rows.append([
            *save_pair(folder, number, edit), edit.prompt, SYSTEMS[number % len(SYSTEMS)], types[number % len(types)],
            "train" if number % 5 == 0 else "test", 3 if edit.scores[FIDELITY] >= YES else 2,
            0.5, 0.5, 0.5, 0.5, harmony, naturalness, overall,
        ])  # fmt: skip
    write_csv(folder / "ratings.csv", HEADING, rows)
