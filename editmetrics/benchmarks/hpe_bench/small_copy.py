"""A small made-up copy of HPE-Bench, in our layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..small_copies import FIDELITY, PRESERVATION, QUALITY, MakeEdits, save_pair, write_csv
from .reader import RATINGS, SYSTEMS


def write(folder: Path, each: int, edits: MakeEdits) -> None:
    """Write `each` edits by every model, and a real image for every fourth."""
    rows: list[list[Any]] = []
    for number, edit in enumerate(edits(each * len(SYSTEMS))):
        split = ("test", "train", "val")[number // len(SYSTEMS) % 3]
        name, source, edited = save_pair(folder, number, edit)
        ratings = [round(edit.scores[score], 2) for score in (QUALITY, FIDELITY, PRESERVATION)]
        rows.append([name, source, edited, edit.prompt, SYSTEMS[number % len(SYSTEMS)], split, 0, *ratings])
        if number % 4 == 0:
            rows.append([f"real_{name}", "", source, "", "", split, 1, "", "", ""])
    write_csv(folder / "ratings.csv", ("id", "source", "edited", "prompt", "system", "split", *RATINGS), rows)
