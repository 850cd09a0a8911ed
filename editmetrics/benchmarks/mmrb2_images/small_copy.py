"""A small made-up copy of MMRB2: pairs of generated images and of edits, the latter with one source or two."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..small_copies import MakeEdits, save
from .reader import SIZES


def write(folder: Path, each: int, edits: MakeEdits) -> None:
    """Write twice `each` pairs of both tasks; every third edit has two sources."""
    both = iter(edits(2 * 2 * each * len(SIZES), per_source=2))
    for task in SIZES:
        pairs: list[dict[str, Any]] = []
        for number in range(2 * each):
            name, responses, means = f"made_{number}_1_one_2_other_3", [], []
            prompt = [["text", f"{number}: "]]
            for index in range(2):
                edit = next(both)
                save(edit.edited, folder / "images" / f"{task}_{name}_{index}.jpg")
                content = [["image", f"images/{task}_{name}_{index}.jpg"]]
                responses.append({"model_name": ("one", "other")[index], "response_content": content})
                means.append(sum(edit.scores.values()))
                if index == 0:
                    prompt = [["text", f"{number}: {edit.prompt}"]]
                if task == "edit" and (index == 0 or number % 3 == 0):
                    save(edit.source, folder / "input_images" / f"{name}_{index}.jpg")
                    prompt.append(["image", f"input_images/{name}_{index}.jpg"])
            pairs.append(
                {
                    "id": name, "prompt_content": prompt, "prompt_source": "made", "prompt_metadata": {"id": number},
                    "response_a": responses[0], "response_b": responses[1],
                    "chosen": "A" if means[0] >= means[1] else "B", "human_annotations": [1, 2, 1],
                }
            )  # fmt: skip
        (folder / f"{task}.json").write_text(json.dumps({"pairs": pairs}), encoding="utf-8")
