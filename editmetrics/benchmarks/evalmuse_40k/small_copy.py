"""A small made-up copy of EvalMuse-40K: its JSON beside folders of images."""

from __future__ import annotations

import json
from pathlib import Path

from ..small_copies import FIDELITY, MakeEdits, save
from .reader import TYPES

SYSTEMS = ("SDXL-Turbo", "SD_v1.5")


def write(folder: Path, each: int, edits: MakeEdits) -> None:
    """Write `each` images of two models."""
    names = [(system, number) for number in range(each) for system in SYSTEMS]
    rows = []
    for (system, number), edit in zip(names, edits(len(names)), strict=True):
        path = f"{system}/{number:05}.png"
        save(edit.edited, folder / "images" / path)
        rating = 1 + round(edit.scores[FIDELITY] / 25)
        rows.append({
            "prompt_id": f"p{number}", "prompt": edit.prompt, "type": TYPES[number % 2], "img_path": path,
            "total_score": [rating, rating, min(5, rating + 1)], "element_score": "{'square (object)': [1, 1, 0]}",
            "promt_meaningless": [0, 0, 0], "split_confidence": [0, 0, 0], "attribute_confidence": [1, 1, 1],
            "fidelity_label": ["", "", ""],
        })  # fmt: skip
    (folder / "train_list.json").write_text(json.dumps(rows), encoding="utf-8")
