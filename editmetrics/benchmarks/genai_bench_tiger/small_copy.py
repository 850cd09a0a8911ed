"""A small made-up copy of GenAI-Bench of TIGER-Lab: votes of every kind on edits and on generated images."""

from __future__ import annotations

from pathlib import Path

from ..small_copies import MakeEdits, in_cell, write_parquet

TIED, GOOD = 10, 50
"""Images whose mean scores differ by less are a tie, both good from this mean on."""


def write(folder: Path, each: int, edits: MakeEdits) -> None:
    """Write four times `each` votes of both tasks."""
    count = 4 * each
    both = iter(edits(4 * count, per_source=2))
    rows: dict[str, list[dict[str, object]]] = {"image_edition": [], "image_generation": []}
    for task, listed in rows.items():
        for _ in range(count):
            one, other = next(both), next(both)
            means = [sum(edit.scores.values()) / len(edit.scores) for edit in (one, other)]
            vote = "leftvote" if means[0] > means[1] else "rightvote"
            if abs(means[0] - means[1]) < TIED:
                vote = "tievote" if min(means) >= GOOD else "bothbad_vote"
            left, right = in_cell(one.edited), in_cell(other.edited)
            if task == "image_edition":
                images = {"source_image": in_cell(one.source), "left_output_image": left, "right_output_image": right}
                texts = {"source_prompt": "a photograph", "target_prompt": "it, edited", "instruct_prompt": one.prompt}
            else:
                images, texts = {"left_image": left, "right_image": right}, {"prompt": one.prompt}
            listed.append({**texts, **images, "left_model": "one", "right_model": "other", "vote_type": vote})
    for task, listed in rows.items():
        write_parquet(folder / task / "test_v1-00000-of-00001.parquet", listed)
