"""A small made-up copy of the challenge's data, in our layout."""

from __future__ import annotations

from pathlib import Path

from ..small_copies import FIDELITY, PRESERVATION, QUALITY, MakeEdits, save_pair, write_csv
from .reader import RATINGS


def write(folder: Path, each: int, edits: MakeEdits) -> None:
    """Write three times `each` edits of the training split, and of the test split in and out of distribution."""
    rows = []
    for number, edit in enumerate(edits(each * 9)):
        split, distribution = (("train", ""), ("test", "in"), ("test", "out"))[number % 3]
        ratings = [1 + edit.scores[score] / 25 for score in (QUALITY, FIDELITY, PRESERVATION)]
        rows.append([*save_pair(folder, number, edit), edit.prompt, split, distribution, *ratings])
    write_csv(folder / "ratings.csv", ("id", "source", "edited", "prompt", "split", "distribution", *RATINGS), rows)
