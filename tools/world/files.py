"""Edits of the made world as image files with a manifest, as `editmetrics fit` and `evaluate` read them."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tools.world.edits import Edit, one_edit, real_view
from tools.world.questions import became
from tools.world.scenes import FITTING, Backgrounds

SEEDS = {"train": 101, "validation": 202, "test": 4021}
"""Of the edits that an assessor learns from, chooses its weights by and is tested on; `tools.pretrain_scenes` has
others."""

COLUMNS = {
    "visual_quality": "quality", "editing_fidelity": "alignment", "content_preservation": "preservation",
    "local_naturalness": "naturalness", "harmony": "harmony",
}  # fmt: skip
"""The scores by the names of their columns."""


def write_edits(
    folder: str | os.PathLike[str],
    count: int,
    *,
    photographs: Sequence[str] = FITTING,
    seed: int = SEEDS["train"],
    per_source: int = 4,
    real: bool = False,
) -> Path:
    """Write `count` edits as png files into `folder`, and return the manifest that lists them.

    The manifest has the columns id, edited, source, prompt, system, the scores from 0 to 100, prompt_completion from 1
    to 3, region ("x,y,w,h"), explanation and is_real; with `real` also a real image for each edit, without ratings.
    """
    from PIL import Image

    folder = Path(folder)
    for name in ("source", "edited", "real"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    backgrounds, rows = Backgrounds(photographs, seed=seed), []
    for number in range(count):
        scene, turn = divmod(number, per_source)
        edit, name = one_edit(backgrounds, [seed, scene], turn), f"{scene:04}_{turn}"
        source, edited = f"source/{scene:04}.png", f"edited/{name}.png"
        Image.fromarray(edit.source).save(folder / source)
        Image.fromarray(edit.edited).save(folder / edited)
        rows.append({"id": name, "edited": edited, "source": source, **labels(edit), "is_real": 0})
        if real:
            path = f"real/{name}.png"
            Image.fromarray(real_view(backgrounds, [seed, scene], turn)).save(folder / path)
            rows.append({"id": f"real_{name}", "edited": path, "source": source, "is_real": 1})
    return write_manifest(folder, rows)


def write_manifest(folder: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    """Write `rows` into `folder/ratings.csv`, and return that."""
    with (folder / "ratings.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder / "ratings.csv"


def labels(edit: Edit) -> dict[str, object]:
    """The columns of an edit that come from its labels."""
    scores = {column: f"{edit.scores[name]:.2f}" for column, name in COLUMNS.items()}
    return {
        "prompt": edit.prompt, "system": edit.editor, **scores, "overall_quality": f"{overall(edit):.2f}",
        "prompt_completion": edit.completion, "region": ",".join(f"{part:.6f}" for part in edit.region),
        "explanation": explanation(edit),
    }  # fmt: skip


def overall(edit: Edit) -> float:
    """The overall quality, 0 to 100: the quality, below 20 if nothing was carried out, from 20 to 40 if some was."""
    quality = edit.scores["quality"]
    return quality if edit.completion == 3 else 20 * (edit.completion - 1) + 0.199 * quality


def explanation(edit: Edit) -> str:
    """What a viewer would say of an edit, in the form of `epaiqa`'s answers: each piece is true by construction."""
    from editmetrics.plugins.epaiqa.answers import Pieces, explained_answer
    from editmetrics.plugins.epaiqa.levels import level_of

    _, seen = became(edit.before, edit.attempt.after, edit.asked, edit.attempt)
    looks = (f"It is {level_of(edit.scores[name], 0, 100)}." for name in ("harmony", "naturalness"))
    pieces = Pieces(f"{seen[0].upper()}{seen[1:]}.", *looks)
    return explained_answer(edit.completion, pieces, level_of(overall(edit), 0, 100))


def digests(images: Sequence[np.ndarray]) -> set[str]:
    """Checksums of images' pixels."""
    import hashlib

    return {hashlib.sha256(image.tobytes()).hexdigest() for image in images}
