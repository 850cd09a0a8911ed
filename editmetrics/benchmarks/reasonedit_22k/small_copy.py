"""A small made-up copy of ReasonEdit-22K's test table."""

from __future__ import annotations

from pathlib import Path

from ..small_copies import MakeEdits, save_pair, write_csv
from .reader import HEADINGS


def write(folder: Path, each: int, edits: MakeEdits) -> None:
    """Write three times `each` edits."""
    rows = []
    for number, edit in enumerate(edits(each * 3)):
        _, source, edited = save_pair(folder, number, edit)
        rows.append([source, edited, edit.prompt, *(value / 100 for value in edit.scores.values())])
    write_csv(folder / "test.csv", ("source", "edited", "instruction", *HEADINGS[0]), rows)
