"""A small made-up copy of EditReward-Bench of TIGER-Lab: sets of two, three and four edits, as rows of pairs."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

from ..small_copies import MakeEdits, in_cell, write_parquet
from .reader import SIZES

TIED = 20
"""Edits of a set of two whose mean scores differ by less are a tie."""


def write(folder: Path, each: int, edits: MakeEdits) -> None:
    """Write `each` sets of every size."""
    rows: list[dict[str, Any]] = []
    for kind, size in SIZES.items():
        made = list(edits(each * size, per_source=size))
        for number in range(each):
            ranked = made[number * size : (number + 1) * size]
            quality = [sum(edit.scores.values()) / len(edit.scores) for edit in ranked]
            for one, other in combinations(range(size), 2):
                letters = "ABCD"[one], "ABCD"[other]
                tied = size == 2 and abs(quality[one] - quality[other]) < TIED
                better = letters if quality[one] >= quality[other] else letters[::-1]
                rows.append(
                    {
                        "id": f"set{number}_{letters[0]}{letters[1]}",
                        "dataset": kind,
                        "instruction": ranked[0].prompt,
                        "source_image": in_cell(ranked[0].source),
                        "candidate_1": in_cell(ranked[one].edited),
                        "candidate_2": in_cell(ranked[other].edited),
                        "model_1": f"model {one}",
                        "model_2": f"model {other}",
                        "ranking": ("=" if tied else ">").join(letters if tied else better),
                        "comparison_type": "vs".join(letters),
                    }
                )
    write_parquet(folder / "data" / "train-00000-of-00001.parquet", rows)
