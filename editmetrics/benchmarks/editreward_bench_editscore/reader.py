"""EditReward-Bench of EditScore: pairs of edits of 13 tasks, and which of them is better in one of three respects.

Parquet files with a row for each pair and respect, as its evaluation script reads them:

    key            names of both edits, the better one first
    instruction    what both were asked for
    input_image    the source; output_images: both edits, in the order of key
    task_type      one of 13 tasks; dimension: prompt_following, consistency or overall
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...sample import Sample
from ..benchmark import Benchmark, RatedAspect
from ..checks import CopyChecks
from ..pair_layout import PairsOfCopy, edit_names
from ..stored_pairs import stored_rows

CATEGORIES = {
    "object": ("subject-add", "subject-remove", "subject-replace"),
    "appearance": ("color_alter", "material_alter", "style_change", "tone_transfer"),
    "scene": ("background_change", "extract"),
    "advanced": ("ps_human", "text_change", "motion_change", "compose"),
}
"""The groups of tasks of calculate_statistics.py; its table calls the first one Subject."""

CATEGORY_OF = {task: category for category, tasks in CATEGORIES.items() for task in tasks}
COLUMNS = ("key", "instruction", "input_image", "output_images", "task_type", "dimension")
RATINGS = {
    name: RatedAspect(about, -1, 1)
    for name, about in {
        "prompt_following": "which edit follows the instruction better",
        "consistency": "which edit keeps the rest of the source better",
        "overall": "which edit is better",
    }.items()
}


def _read(folder: Path, checks: CopyChecks) -> list[Sample]:
    pairs = PairsOfCopy(checks)
    items: dict[str, str] = {}
    for location, cells in stored_rows(folder, checks, COLUMNS):
        names = cells["key"] if isinstance(cells["key"], (list, tuple)) else []
        task = checks.choice(location, location, "task_type", cells["task_type"], list(CATEGORY_OF))
        dimension = checks.choice(location, location, "dimension", cells["dimension"], list(RATINGS))
        checks.required(location, location, "task_type", cells["task_type"])
        checks.required(location, location, "dimension", cells["dimension"])
        if len(names) != 2 or not all(names) or names[0] == names[1]:
            checks.add("value", location, f"key is {cells['key']!r}; expected the names of two edits", location)
        elif task is not None and dimension is not None:
            meta = {"task": task, "category": CATEGORY_OF[task], "dimension": dimension, dimension: 1.0}
            _add(pairs, location, cells, meta, items)
    return pairs.samples()


def _add(
    pairs: PairsOfCopy, location: str, cells: dict[str, Any], meta: dict[str, Any], items: dict[str, str]
) -> None:  # fmt: skip
    """Add the pair of a row, the better edit first; `items` numbers the instructions."""
    edit, rival = map(str, cells["key"])
    name = f"{meta['dimension']}/{edit}/{rival}"
    outputs = cells["output_images"] if isinstance(cells["output_images"], list) else []
    if len(outputs) != 2:
        pairs.checks.add("image", location, f"output_images holds {len(outputs)} images; expected 2", name)
        outputs = [None, None]
    prompt = cells["instruction"]
    images = {
        "edited": ("output_images[0]", outputs[0]), "rival": ("output_images[1]", outputs[1]),
        "source": ("input_image", cells["input_image"]),
    }  # fmt: skip
    item = items.setdefault(str(prompt), f"{len(items)}")
    pairs.add(name, location, images, ("instruction", prompt), meta | edit_names(item, edit, rival))


def _missing(samples: Sequence[Sample]) -> list[str]:
    present = {(sample.meta["task"], sample.meta["dimension"]) for sample in samples}
    return [
        f"task {task}, {dimension}: no pair"
        for task in CATEGORY_OF
        for dimension in RATINGS
        if (task, dimension) not in present
    ]


BENCHMARK = Benchmark(
    name="editreward-bench-editscore",
    title="EditReward-Bench (EditScore)",
    paper="Luo et al., EditScore, arXiv 2509.23909",
    ratings=RATINGS,
    protocol="editreward-bench-editscore",
    read=_read,
    size=0,
    unit="pairs",
    missing=_missing,
    pairing={"preference": "overall", "instruction_following": "prompt_following"},
    obtain="EditScore/EditReward-Bench of the Hugging Face hub, linked in github.com/VectorSpaceLab/EditScore.",
    terms="the code is under the Apache licence 2.0; its repository states none for the data: see the data set's page.",
    public=True,
    shown=("task", "dimension"),
    methods=("EditScore-7B",),
    pairs=True,
    also_called=("editreward-bench",),
)
