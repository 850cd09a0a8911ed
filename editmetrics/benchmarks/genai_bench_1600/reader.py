"""GenAI-Bench (Lin et al.): images by six text-to-image models for 1,600 prompts, rated by three people from 1 to 5.

`genai_image.json` and `genai_skills.json` of the public data set (also of its first 527 prompts), beside the images:

    {"00000": {"prompt": "A baker ...", "models": {"DALLE_3": [5, 4, 5], "SDXL_Turbo": [...], ...}}, ...}
    {"basic": [0, 1, ...], "counting": [...], ...}      the prompts that need each skill
    DALLE_3/00000.jpeg ...

The layout is that of the loader in github.com/linzhiqiu/t2v_metrics (dataset.py, commit 6ecb74f).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...agreement.protocols.rated_images import TAGS
from ...files.decoding import read_json
from ...files.rows import Row
from ...files.text import DataError
from ...sample import Sample
from ..benchmark import Benchmark, RatedAspect, missing_rows
from ..checks import CopyChecks
from ..table_layout import Layout, LayoutColumn, entries_of, mean_of, samples_of

SYSTEMS = ("DALLE_3", "SDXL_Turbo", "DeepFloyd_I_XL_v1", "Midjourney_6", "SDXL_2_1", "SDXL_Base")
PROMPTS = 1600

RATINGS = {"alignment": RatedAspect("text-image alignment: the mean of three people", 1, 5)}

LAYOUT = Layout(
    table="genai_image",
    images={"edited": "image"},
    columns={
        "system": LayoutColumn(choices=SYSTEMS),
        "prompt_id": LayoutColumn(),
        "skills": LayoutColumn(filled=False),
    },
    ratings={"alignment": "human_alignment"},
    folders=("images", "."),
    rated=True,
)


def _read(folder: Path, checks: CopyChecks) -> list[Sample]:
    path = folder / "genai_image.json"
    if not path.is_file():
        checks.add("file", str(folder), f"has no {path.name}")
        return []
    rows = list(_rows(entries_of(path, checks), _skills(folder, checks), checks))
    return samples_of(rows, path.name, folder, LAYOUT, RATINGS, checks)


def _rows(entries: Sequence[Row], skills: Mapping[int, list[str]], checks: CopyChecks) -> Iterator[Row]:
    """A row for each image of each prompt."""
    for entry in entries:
        models = entry.cells.get("models")
        if not isinstance(models, dict) or not entry.location.isdigit():
            expected = "a number, and its models an object of lists of ratings"
            checks.add("row", f"prompt {entry.location}", f"cannot be read; expected {expected}", entry.location)
            continue
        for system, ratings in models.items():
            name = f"{system}/{entry.location}"
            cells = {"id": name, "image": f"{name}.jpeg", "prompt": entry.cells.get("prompt"), "system": system}
            tags = TAGS.join(skills.get(int(entry.location), ()))
            cells |= {"prompt_id": entry.location, "skills": tags, "human_alignment": _rated(name, ratings, checks)}
            yield Row(name, cells)


def _rated(name: str, ratings: Any, checks: CopyChecks) -> Any:
    """The mean of the people's ratings, each of which has to be on the scale."""
    for rating in ratings if isinstance(ratings, list) else ():
        checks.number(name, name, "a rating", rating, 1, 5)
    return mean_of(ratings)


def _skills(folder: Path, checks: CopyChecks) -> dict[int, list[str]]:
    """The skills that each prompt needs, by its number; a copy without them has no figures of skills."""
    path = folder / "genai_skills.json"
    if not path.is_file():
        return {}
    try:
        table = read_json(path)
    except DataError as error:
        checks.add("file", path.name, str(error))
        return {}
    needed: dict[int, list[str]] = {}
    for skill, numbers in table.items() if isinstance(table, dict) else ():
        for number in numbers if isinstance(numbers, list) else ():
            if isinstance(number, int):
                needed.setdefault(number, []).append(skill)
    if not needed:
        checks.add("file", path.name, "has no lists of prompt numbers by skill")
    return needed


def _missing(samples: Sequence[Sample]) -> list[str]:
    lines = missing_rows(samples, "system", dict.fromkeys(SYSTEMS, PROMPTS), "images")
    if samples and not any("skills" in sample.meta for sample in samples):
        lines.append("skills: genai_skills.json does not exist, so single skills have no figures")
    return lines


BENCHMARK = Benchmark(
    name="genai-bench-1600",
    title="GenAI-Bench",
    paper="Li et al., GenAI-Bench, CVPR Workshops 2024 (arXiv 2406.13743); Lin et al., VQAScore, ECCV 2024",
    ratings=RATINGS,
    protocol="genai-bench-1600",
    read=_read,
    size=PROMPTS * len(SYSTEMS),
    unit="images",
    missing=_missing,
    pairing={"correspondence": "alignment"},
    obtain="the data set BaiqiL/GenAI-Bench-1600 on the Hugging Face hub; its first 527 prompts, which VQAScore "
    "evaluates, are zhiqiulin/GenAI-Bench-527.",
    terms="look at the data set's page; the code that reads it is under Apache-2.0.",
    public=True,
    shown=("system", "skills"),
    methods=("LMM4LMM",),
    also_called=("genai-bench",),
)
