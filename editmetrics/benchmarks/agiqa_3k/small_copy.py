"""A small made-up copy of AGIQA-3K: `data.csv` beside the images."""

from __future__ import annotations

from pathlib import Path

from ..small_copies import FIDELITY, QUALITY, MakeEdits, save, write_csv
from .reader import SYSTEMS

HEADING = ("name", "prompt", "adj1", "adj2", "style", "mos_quality", "std_quality", "mos_align", "std_align")


def write(folder: Path, each: int, edits: MakeEdits) -> None:
    """Write `each` images of every model."""
    names = [f"{system}_normal_{number:03}.jpg" for number in range(each) for system in SYSTEMS]
    rows = []
    for name, edit in zip(names, edits(len(names)), strict=True):
        save(edit.edited, folder / "AGIQA-3K" / name)
        quality, alignment = (edit.scores[score] / 20 for score in (QUALITY, FIDELITY))
        rows.append([name, edit.prompt, "", "", "sci-fi style", quality, 0.5, alignment, 0.5])
    write_csv(folder / "data.csv", HEADING, rows)
