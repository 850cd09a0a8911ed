"""A small made-up copy of GenAI-Bench: its two JSON files beside folders of images."""

from __future__ import annotations

import json
from pathlib import Path

from ..small_copies import FIDELITY, MakeEdits, save
from .reader import SYSTEMS


def write(folder: Path, each: int, edits: MakeEdits) -> None:
    """Write the images of every model for `each` prompts."""
    made = iter(edits(each * len(SYSTEMS)))
    prompts = {}
    for number in range(each):
        name, models = f"{number:05}", {}
        for system in SYSTEMS:
            edit = next(made)
            save(edit.edited, folder / system / f"{name}.jpeg")
            rating = 1 + round(edit.scores[FIDELITY] / 25)
            models[system] = [rating, rating, min(5, rating + 1)]
        prompts[name] = {"prompt": f"prompt {number}", "models": models}
    skills = {"basic": list(range(0, each, 2)), "counting": list(range(each))}
    (folder / "genai_image.json").write_text(json.dumps(prompts), encoding="utf-8")
    (folder / "genai_skills.json").write_text(json.dumps(skills), encoding="utf-8")
