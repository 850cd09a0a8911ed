"""The toy edits as text-to-image results: an image and its prompt, two ratings, and questions with known answers.

`perception` is how little the whole image is blurred, `correspondence` how far its square has the colour of the prompt;
the source is left out. Each image has two questions about the square's colour, of which one is the prompt's.
"""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

from tests.worlds.edits import COLOURS, Edit, edits, question

SEEN = 0.4
"""A square of at least so much tint has a colour."""


def toy_images(folder: str | os.PathLike[str], count: int = 400, **more: Any) -> Path:
    """Write `count` images as png files into `folder`, and return the manifest that lists them.

    The manifest has the columns id, edited, prompt, scene (the photograph's crop, which several images share),
    perception, correspondence, questions and answers. `more` are arguments of `toy_edits.edits`.
    """
    from PIL import Image

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    per_source = more.get("per_source", 4)
    with (folder / "ratings.csv").open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(["id", "edited", "prompt", "scene", "perception", "correspondence", "questions", "answers"])
        for number, edit in enumerate(edits(count, **more)):
            scene, turn = divmod(number, per_source)
            name = f"{scene:04}_{turn}"
            Image.fromarray(edit.edited).save(folder / f"{name}.png")
            ratings = [f"{edit.scores[each]:.2f}" for each in ("visual_quality", "editing_fidelity")]
            rows.writerow([name, f"{name}.png", edit.prompt, scene, *ratings, *map(json.dumps, _asked(edit, number))])
    return folder / "ratings.csv"


def _asked(edit: Edit, number: int) -> tuple[list[str], list[str]]:
    """Two questions and their answers: of the square's colour, and of another."""
    others = [colour for colour in COLOURS if colour != edit.colour]
    colours = [edit.colour, others[number % len(others)]]
    answers = ["yes" if colour == edit.colour and edit.tint > SEEN else "no" for colour in colours]
    return [question(colour) for colour in colours], answers
