"""A small made-up copy of HPD v2's test set: ranked images of a few prompts."""

from __future__ import annotations

import json
from pathlib import Path

from ..small_copies import MakeEdits, ranks_of, save

SIZE = 4


def write(folder: Path, each: int, edits: MakeEdits) -> None:
    """Write `each` prompts with four images."""
    made = iter(edits(SIZE * each, per_source=SIZE))
    sets = []
    for number in range(each):
        images = [next(made) for _ in range(SIZE)]
        names = [f"{number:05}_{index}.jpg" for index in range(SIZE)]
        for name, image in zip(names, images, strict=True):
            save(image.edited, folder / "test" / name)
        ranks = ranks_of(images)
        raw = [{"rank": ranks, "user_hash": "made up"}]
        sets.append({"prompt": images[0].prompt, "image_path": names, "rank": ranks, "raw_annotations": raw})
    (folder / "test.json").write_text(json.dumps(sets), encoding="utf-8")
