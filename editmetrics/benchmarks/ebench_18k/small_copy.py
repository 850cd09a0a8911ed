"""A small made-up copy of EBench-18K: its four files of questions and answers, and pairs of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..small_copies import FIDELITY, YES, MakeEdits, save, write_json_lines
from .reader import FILES, SYSTEMS, TASKS


def write(folder: Path, each: int, edits: MakeEdits) -> None:
    """Write `each` scenes, edited by every model."""
    tasks = list(TASKS)
    scenes = [f"{tasks[number % len(tasks)]}_{number // len(tasks):02}" for number in range(each)]
    names = [(system, scene) for scene in scenes for system in SYSTEMS]
    lines: list[dict[str, Any]] = []
    for (system, scene), edit in zip(names, edits(len(names), per_source=len(SYSTEMS)), strict=True):
        images = [f"{kind}img_{scene[0].lower()}/{system}/{scene}.jpg" for kind in ("source", "target")]
        save(edit.source, folder / images[0])
        save(edit.edited, folder / images[1])
        answer = "Yes" if edit.scores[FIDELITY] >= YES else "No"
        lines.append(lines_of(edit.prompt, images, list(edit.scores.values()), answer))
    for letter in FILES:
        write_json_lines(folder / "data" / f"test_{letter}.json", (line[letter] for line in lines))


def lines_of(prompt: str, images: Sequence[str], ratings: Sequence[float], answer: str) -> dict[str, Any]:
    """Return the line of one edit in each of the four files: its three ratings and its answer, in their wording."""
    start = (
        f"With the image editing prompt [{prompt}], the source image <image> is edited to generate the target image "
        "<image>."
    )
    lines = {}
    for (letter, (_, words)), rating in zip(list(FILES.items())[:3], ratings, strict=True):
        query = (
            f"{start} Please rate the {words} of the target image on a scale of 0-100. Higher score means better "
            f"{words}. Just reply a sentence in the following format: "
            "[The quality score is XX.XX (a number with two decimal)]"
        )
        response = f"The quality score is {round(rating, 2)}"
        lines[letter] = {"query": query, "response": response, "images": list(images)}
    query = f"{start} Does the target image meet the editing expectations? Just reply [Yes] or [No]"
    return {**lines, "yn": {"query": query, "response": answer, "images": list(images)}}
