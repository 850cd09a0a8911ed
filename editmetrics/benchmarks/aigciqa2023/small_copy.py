"""A small made-up copy of AIGCIQA2023: its table beside numbered images."""

from __future__ import annotations

from pathlib import Path

from ..small_copies import FIDELITY, PRESERVATION, QUALITY, MakeEdits, save, write_csv
from .reader import PER_SYSTEM, RATINGS, SYSTEMS

HEADING = (
    "", "name", "prompt", "style", "class", *(f"{name}_mos" for name in RATINGS), *(f"{name}_std" for name in RATINGS)
)  # fmt: skip


def write(folder: Path, each: int, edits: MakeEdits) -> None:
    """Write `each` images of every model."""
    numbers = [system * PER_SYSTEM + number for system in range(len(SYSTEMS)) for number in range(each)]
    rows = []
    for number, edit in zip(numbers, edits(len(numbers)), strict=True):
        save(edit.edited, folder / "allimg" / f"{number}.png")
        ratings = [edit.scores[name] for name in (QUALITY, PRESERVATION, FIDELITY)]
        rows.append([number, f"{number}.png", edit.prompt, "Basic", "Animals", *ratings, 1, 1, 1])
    write_csv(folder / "AIGCIQA2023.csv", HEADING, rows)
