"""EvalMi-50K (LMM4LMM): 50,400 images by 24 text-to-image models for 2,100 prompts of 20 tasks.

Read from a folder with the files of the public repository and data set, any of them that are there:

    MOS&QA/AIGI2025_MOS_yn.xlsx                ImageName, MOS1, MOS2, Y/N, YN_1 ... YN_4
    MOS&QA/question.xlsx                       prompt, question_1 ... question_5; row i is prompt i
    prompts/prompt_tasks.jsonl                 {"tag": ..., "prompt": ...}; line i is prompt i
    data/{train,test}_AIGI_{mos1,mos2,qa}_fold_K.jsonl     {"image", "mos", "conversations"}
    MODEL/NNN.png                              the images, here or in one folder below

MOS1 is perception and MOS2 correspondence, 0 to 100; Y/N is the answer that most people gave to the first question.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...files.rows import Row
from ...sample import Sample
from ..benchmark import Benchmark, RatedAspect, missing_rows
from ..checks import CopyChecks
from ..table_layout import rating_of, rows_of
from .files import FoldRow, image_id, read_folds

SYSTEMS = (
    "playground", "Kolors", "Infinity", "ali_flux_schnell", "sd3_5_large", "DALLE3", "omnigen", "Kandinsky-3",
    "PixArt-sigma", "EMU3", "sdxl_base_1", "Show-o", "seed-xi", "NOVA", "LaVi-Bridge", "hart", "LLMGA", "sd_v2-1",
    "ELLA", "Janus", "i-Code-V3", "vila-u", "LlamaGen_256", "LWM",
)  # fmt: skip
PROMPTS = 2100

COMPLEX = "Complex"
TASKS = {
    "single_class": "Single Class", "two_class": "Two Class", "counting": "Counting", "colors": "Colors",
    "position": "Position", "shapes": "Shapes", "texture": "Texture", "scene": "Scene", "style": "Style", "OCR": "OCR",
    "HOI": "HOI", "human": "Human", "emotion": "Emotion", "Linguistic Structures": "Linguistic Structure",
    "view": "View", "World Knowledge": "World Knowledge", "face": "Face", "imagination": "Imagination",
    "time and light": "Time & Light", "color_attr": COMPLEX,
}  # fmt: skip
"""From a tag of prompt_tasks.jsonl to the task of the paper's Table 3. Two colours of two things (`color_attr`) are no
task of their own; that they are complex is inferred from the accuracies of a model that always answers no."""

PROMPTS_OF_TASK = {
    "Single Class": 90, "Two Class": 109, "Counting": 90, "Colors": 104, "Position": 111, "Shapes": 80, "Texture": 100,
    "Scene": 66, "Style": 97, "OCR": 50, "HOI": 86, "Human": 105, "Emotion": 111, "Linguistic Structure": 84,
    "View": 101, "World Knowledge": 100, "Face": 112, "Imagination": 111, "Time & Light": 101, COMPLEX: 292,
}  # fmt: skip
"""The number of prompts of each task; 2,100 in all."""

SAME = 0.01
"""Largest difference between ratings of one image in two files, which have different numbers of digits."""

RATINGS = {
    "perception": RatedAspect("perceptual quality (MOS1)"),
    "correspondence": RatedAspect("text-image correspondence (MOS2)"),
    "answer": RatedAspect("the answer to the prompt's first question", labels=("no", "yes"), quality=False),
}
COLUMN = {"perception": "MOS1", "correspondence": "MOS2", "answer": "Y/N"}


def task(tag: str) -> str | None:
    """Return the task of a tag, with or without details; a sum of tags is complex, and an unknown one has no task.

    >>> task("face + detail"), task("view + World Knowledge"), task("color_attr"), task("smell")
    ('Face', 'Complex', 'Complex', None)
    """
    parts = [part.strip() for part in tag.split("+") if part.strip() not in ("detail", "details")]
    return COMPLEX if len(parts) > 1 else TASKS.get(parts[0] if parts else "")


def _read(folder: Path, checks: CopyChecks) -> list[Sample]:
    table = _file(folder, "AIGI2025_MOS_yn.xlsx", "MOS&QA")
    rows = _table(table, checks) if table else {}
    folds = read_folds(folder, checks)
    if not table and not folds:
        expected = "MOS&QA/AIGI2025_MOS_yn.xlsx or data/{train,test}_AIGI_{mos1,mos2,qa}_fold_K.jsonl"
        checks.add("file", str(folder), f"has no ratings; expected {expected}")
        return []
    questions = _questions(folder, checks)
    tags = _tags(folder, checks)
    _compare_prompts(questions, tags, checks)
    images = _images_folder(folder)
    samples = []
    for name in dict.fromkeys([*rows, *folds]):
        system, number = name.split("/")
        location, meta = rows.get(name, (folds[name].location if name in folds else name, {}))
        fold = folds.get(name)
        if system not in SYSTEMS or not 1 <= int(number) <= PROMPTS:
            checks.add("value", location, f"{name}.png has an unknown model or prompt; models are "
                         f"{', '.join(SYSTEMS)}, prompts 001 to {PROMPTS}", name)  # fmt: skip
        prompt, first = questions.get(int(number), (None, None))
        if fold is not None:
            meta = _joined(name, meta, fold, first, checks)
            prompt = prompt or fold.prompt
        tagged = tags.get(int(number))
        prompt = prompt or (tagged and tagged[1]) or None
        checks.required(location, name, "the prompt", prompt)
        image = checks.image(location, name, f"{name}.png", images)
        more = {"system": system, "prompt_id": number, "task": tagged and tagged[0], "fold": fold and fold.fold, **meta}
        samples.append(
            Sample(
                name,
                edited=image,
                prompt=prompt,
                questions=(first,) if first else None,
                meta={key: value for key, value in more.items() if value is not None},
            )
        )
    return samples


def _table(path: Path, checks: CopyChecks) -> dict[str, tuple[str, dict[str, Any]]]:
    """The location and the ratings of each image of the workbook, by its name MODEL/NNN."""
    rows = rows_of(path, checks)
    optional = [f"YN_{number}" for number in range(1, 5)]
    if not rows or not checks.columns(path.name, rows[0].cells, ("ImageName", *COLUMN.values()), optional):
        return {}
    rated: dict[str, tuple[str, dict[str, Any]]] = {}
    locations = []
    for row in rows:
        location = f"{path.name}, {row.location}"
        name = image_id(row.cells["ImageName"], location, checks)
        if name is None:
            continue
        locations.append((name, location))
        rated[name] = (location, _ratings(row, location, name, checks))
    checks.once(locations, "image")
    return rated


def _ratings(row: Row, location: str, name: str, checks: CopyChecks) -> dict[str, Any]:
    ratings: dict[str, Any] = {}
    for rating, column in COLUMN.items():
        cell = row.cells[column]
        if rating == "answer":
            ratings[rating] = checks.choice(location, name, column, cell, {"0": "no", "1": "yes"}, kind="rating")
        else:
            ratings[rating] = rating_of(cell, column, RATINGS[rating], location, name, checks)
        if cell is None:
            checks.add("rating", location, f"{column} is empty", name)
    for column in (f"YN_{number}" for number in range(1, 5)):
        checks.choice(location, name, column, row.cells.get(column), ("0", "1"), kind="rating")
    return ratings


def _joined(name: str, meta: Mapping[str, Any], fold: FoldRow, first: str | None, checks: CopyChecks) -> dict[str, Any]:
    """The ratings of the workbook and of the folds; contradictions are problems."""
    joined = dict(meta)
    for rating, value in fold.ratings(first).items():
        other = joined.get(rating)
        if other is None:
            joined[rating] = value
        elif other != value and (isinstance(other, str) or not abs(other - float(value)) <= SAME):
            checks.add("rating", fold.location, f"{rating} of {name} is {value}, but {other} in the workbook", name)
    return joined


def _questions(folder: Path, checks: CopyChecks) -> dict[int, tuple[str | None, str | None]]:
    """The text and the first question of each prompt."""
    path = _file(folder, "question.xlsx", "MOS&QA")
    rows = rows_of(path, checks) if path else []
    if not rows or not path:
        return {}
    others = [f"question_{number}" for number in range(2, 6)]
    if not checks.columns(path.name, rows[0].cells, ("prompt", "question_1"), others):
        return {}
    return {_number(row) - 1: (_text(row.cells["prompt"]), _text(row.cells["question_1"])) for row in rows}


def _tags(folder: Path, checks: CopyChecks) -> dict[int, tuple[str, str]]:
    """The task and the text of each prompt."""
    path = _file(folder, "prompt_tasks.jsonl", "prompts")
    tagged = {}
    for row in rows_of(path, checks) if path else ():
        name = task(str(row.cells.get("tag", "")))
        if name is None or not isinstance(row.cells.get("prompt"), str):
            location = f"{path and path.name}, {row.location}"
            known = ", ".join(TASKS)
            checks.add(
                "value", location, f"the tag is {row.cells.get('tag')!r}; known are {known}, and sums of them", location
            )
            continue
        tagged[_number(row)] = (name, row.cells["prompt"])
    return tagged


def _compare_prompts(
    questions: Mapping[int, tuple[str | None, str | None]], tags: Mapping[int, tuple[str, str]], checks: CopyChecks
) -> None:
    """Note each prompt that the two files word differently, but for spaces."""
    for number, (_, other) in tags.items():
        prompt, _ = questions.get(number, (None, None))
        if prompt is not None and prompt.split() != other.split():
            checks.note(
                f"prompt {number}",
                f"is {prompt!r} in question.xlsx, which is used, and {other!r} in prompt_tasks.jsonl",
            )


def _number(row: Row) -> int:
    """The number of a row's line, which numbers its prompt; broken and empty lines count too."""
    return int(row.location.split()[-1])


def _file(folder: Path, name: str, below: str) -> Path | None:
    return next((path for path in (folder / below / name, folder / name) if path.is_file()), None)


def _images_folder(folder: Path) -> Path:
    """The folder that holds the models' folders: this one, or the first below it that does."""
    below = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    return next((path for path in [folder, *below] if any((path / name).is_dir() for name in SYSTEMS)), folder)


def _text(cell: Any) -> str | None:
    return str(cell).strip() or None if cell is not None else None


def _missing(samples: Sequence[Sample]) -> list[str]:
    lines = missing_rows(samples, "system", dict.fromkeys(SYSTEMS, PROMPTS), "images")
    for rating in RATINGS:
        count = sum(rating in sample.meta for sample in samples)
        if count < len(samples):
            lines.append(f"{rating}: {count:,} of {len(samples):,} images have one")
    tagged = Counter(sample.meta["task"] for sample in samples if "task" in sample.meta)
    if not tagged:
        lines.append("tasks: prompts/prompt_tasks.jsonl does not exist, so single tasks have no figures")
    elif not lines:
        expected = {name: count * len(SYSTEMS) for name, count in PROMPTS_OF_TASK.items()}
        lines += missing_rows(samples, "task", expected, "images")
    return lines


BENCHMARK = Benchmark(
    name="evalmi-50k",
    title="EvalMi-50K",
    paper="Wang et al., LMM4LMM, ICCV 2025 (arXiv 2504.08358)",
    ratings=RATINGS,
    protocol="evalmi-50k",
    read=_read,
    size=len(SYSTEMS) * PROMPTS,
    unit="images",
    missing=_missing,
    pairing={"accuracy": "answer", "alignment": "correspondence"},
    obtain="ratings and prompts are in github.com/IntMeGroup/LMM4LMM, images and folds in the data set "
    "IntMeGroup/EvalMi-50K on the Hugging Face hub.",
    terms="the repository states no licence, so all rights are the authors'; look at the data set's page.",
    public=True,
    split="fold",
    shown=("system", "task", "fold", "answer"),
    headline={"all": ("average over fold", "all")},
    methods=("LMM4LMM",),
)
