"""A small made-up copy of AGIQA-1K: its workbook beside the images."""

from __future__ import annotations

from pathlib import Path

from ..small_copies import QUALITY, MakeEdits, save
from .reader import SYSTEMS


def write(folder: Path, each: int, edits: MakeEdits) -> None:
    """Write `each` images of every model."""
    import openpyxl

    names = [f"{system}_{number}_0_0_{number % 2}.jpg" for number in range(each) for system in SYSTEMS]
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(["Image", "Prompt", "MOS"])
    for name, edit in zip(names, edits(len(names)), strict=True):
        save(edit.edited, folder / "file" / name)
        style = ("anime style", "realistic style")[int(name[-5])]
        sheet.append([name, f"bird, driving aircraft, city, {style}", edit.scores[QUALITY] / 20])
    book.save(folder / "AIGC_MOS_Zscore.xlsx")
