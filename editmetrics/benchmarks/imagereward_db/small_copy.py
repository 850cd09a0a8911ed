"""A small made-up copy of ImageRewardDB's test split, as the repository has it: ranked images of a few prompts."""

from __future__ import annotations

import json
from pathlib import Path

from ..small_copies import MakeEdits, ranks_of, save

SIZES = (4, 5)


def write(folder: Path, each: int, edits: MakeEdits) -> None:
    """Write `each` prompts with four images, and with five; two of a set have one rank."""
    sets = []
    for size in SIZES:
        made = iter(edits(size * each, per_source=size))
        for number in range(each):
            images = [next(made) for _ in range(size)]
            names = [f"part-{size:06}/images/{number:04}/{index}.webp" for index in range(size)]
            for name, image in zip(names, images, strict=True):
                save(image.edited, folder / "test_images" / name)
            ranks = [min(rank, size - 1) for rank in ranks_of(images)]
            sets.append(
                {"id": f"{size:06}-{number:04}", "prompt": images[0].prompt, "generations": names, "ranking": ranks}
            )
    (folder / "test.json").write_text(json.dumps(sets), encoding="utf-8")
