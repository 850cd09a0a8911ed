"""A small made-up copy of AIGIQA-20K: a table and a folder for each split."""

from __future__ import annotations

from pathlib import Path

from ..small_copies import QUALITY, MakeEdits, save, write_csv
from .reader import SPLITS

SYSTEMS = ("DALLE2", "midjourney_v5")


def write(folder: Path, each: int, edits: MakeEdits) -> None:
    """Write `each` images of two models for every split."""
    made = iter(edits(each * len(SYSTEMS) * len(SPLITS)))
    for index, split in enumerate(SPLITS):
        rows = []
        for number in range(each):
            for system in SYSTEMS:
                edit, name = next(made), f"{system}_{index * each + number:04}.png"
                save(edit.edited, folder / split / name)
                rows.append([name, edit.prompt, edit.scores[QUALITY] / 20])
        write_csv(folder / f"info_{split}.csv", ("name", "prompt", "mos"), rows)
