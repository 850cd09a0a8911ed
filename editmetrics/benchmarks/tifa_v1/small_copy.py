"""A small made-up copy of TIFA's human annotations: its JSON beside the images."""

from __future__ import annotations

import json
from pathlib import Path

from ..small_copies import FIDELITY, MakeEdits, save
from .reader import ORIGINS, SYSTEMS


def write(folder: Path, each: int, edits: MakeEdits) -> None:
    """Write `each` images of every model."""
    names = [(f"{ORIGINS[number % len(ORIGINS)]}_{number}", system) for number in range(each) for system in SYSTEMS]
    entries = {}
    for (text, system), edit in zip(names, edits(len(names)), strict=True):
        name = f"{text}_{system}"
        save(edit.edited, folder / "annotated_images" / f"{name}.jpg")
        ratings = [1 + round(edit.scores[FIDELITY] / 25), min(5, 2 + round(edit.scores[FIDELITY] / 30))]
        entries[name] = {
            "text_id": text, "image_path": f"{name}.jpg", "text": edit.prompt, "human_scores": ratings,
            "human_avg": sum(ratings) / 2,
        }  # fmt: skip
    (folder / "human_annotations.json").write_text(json.dumps(entries, indent=4), encoding="utf-8")
