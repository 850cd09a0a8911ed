"""Small made-up copies of the papers' data sets, each in its layout, to see that everything runs on them.

The images are toy edits (`editmetrics.testing.toy_edits`), whose three scores stand in for what people said. The names
of models and tasks are the real ones, a few images each; so a copy is whole in itself, and far from complete.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..benchmarks import agiqa_3k, ebench_18k, epaiqa_15k, evalmi_50k, hpe_bench
from .toy_edits import COLOURS, Edit, edits, question

QUALITY, FIDELITY, PRESERVATION = "visual_quality", "editing_fidelity", "content_preservation"
YES = 50
"""An edit of at least so much fidelity is what was asked for."""


def write_copy(name: str, folder: str | os.PathLike[str], each: int = 2, **more: Any) -> Path:
    """Write a copy of the data set `name` into `folder`, with `each` images of every model (or group), and return it.

    `more` are arguments of `toy_edits.edits`. EvalMi-50K needs openpyxl.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    COPIES[name](folder, each, more)
    return folder


def _agiqa_3k(folder: Path, each: int, more: dict[str, Any]) -> None:
    names = [f"{system}_normal_{n:03}" for n in range(each) for system in agiqa_3k.SYSTEMS]
    rows = []
    for name, edit in zip(names, _edits(len(names), more), strict=True):
        _save(edit.edited, folder / "AGIQA-3K" / f"{name}.jpg")
        quality, alignment = (edit.scores[score] / 20 for score in (QUALITY, FIDELITY))
        rows.append([f"{name}.jpg", edit.prompt, "", "", "sci-fi style", quality, 0.5, alignment, 0.5])
    heading = ["name", "prompt", "adj1", "adj2", "style", "mos_quality", "std_quality", "mos_align", "std_align"]
    _write_csv(folder / "data.csv", heading, rows)


def _ebench_18k(folder: Path, each: int, more: dict[str, Any]) -> None:
    tasks = list(ebench_18k.TASKS)
    scenes = [f"{tasks[n % len(tasks)]}_{n // len(tasks):02}" for n in range(each)]
    names = [(system, scene) for scene in scenes for system in ebench_18k.SYSTEMS]
    lines: dict[str, list[str]] = {letter: [] for letter in ebench_18k.FILES}
    edited = _edits(len(names), {"per_source": len(ebench_18k.SYSTEMS), **more})
    for (system, scene), edit in zip(names, edited, strict=True):
        level = scene[0].lower()
        images = [f"{kind}img_{level}/{system}/{scene}.jpg" for kind in ("source", "target")]
        _save(edit.source, folder / images[0])
        _save(edit.edited, folder / images[1])
        answer = "Yes" if edit.scores[FIDELITY] >= YES else "No"
        for letter, line in zip(
            lines, ebench_lines(edit.prompt, images, list(edit.scores.values()), answer), strict=True
        ):
            lines[letter].append(line)
    (folder / "data").mkdir()
    for letter, found in lines.items():
        (folder / "data" / f"test_{letter}.json").write_text("\n".join(found) + "\n", encoding="utf-8")


def ebench_lines(prompt: str, images: Sequence[str], ratings: Sequence[float], answer: str) -> list[str]:
    """The line of one edit in each of EBench-18K's four files: its three ratings and its answer, in their wording."""
    start = (
        f"With the image editing prompt [{prompt}], the source image <image> is edited to generate the target image "
        "<image>."
    )
    found = []
    for (_, words), rating in zip(list(ebench_18k.FILES.values())[:3], ratings, strict=True):
        query = (
            f"{start} Please rate the {words} of the target image on a scale of 0-100. Higher score means better "
            f"{words}. Just reply a sentence in the following format: "
            "[The quality score is XX.XX (a number with two decimal)]"
        )
        found.append({"query": query, "response": f"The quality score is {round(rating, 2)}", "images": list(images)})
    query = f"{start} Does the target image meet the editing expectations? Just reply [Yes] or [No]"
    found.append({"query": query, "response": answer, "images": list(images)})
    return [json.dumps(line, ensure_ascii=False) for line in found]


def _epaiqa_15k(folder: Path, each: int, more: dict[str, Any]) -> None:
    types = list(dict.fromkeys(epaiqa_15k.EDIT_TYPES.values()))
    rows = []
    for n, edit in enumerate(_edits(each * len(epaiqa_15k.SYSTEMS), more)):
        harmony, overall, naturalness = (1 + edit.scores[s] / 25 for s in (PRESERVATION, FIDELITY, QUALITY))
        rows.append([
            *_pair(folder, n, edit), edit.prompt, epaiqa_15k.SYSTEMS[n % len(epaiqa_15k.SYSTEMS)],
            types[n % len(types)], "train" if n % 5 == 0 else "test", 3 if edit.scores[FIDELITY] >= YES else 2,
            0.5, 0.5, 0.5, 0.5, harmony, naturalness, overall,
        ])  # fmt: skip
    heading = ["id", "source", "edited", "prompt", "system", "edit_type", "split", "prompt_completion",
               *epaiqa_15k.BOX, "harmony", "local_naturalness", "overall_quality"]  # fmt: skip
    _write_csv(folder / "ratings.csv", heading, rows)


def _evalmi_50k(folder: Path, each: int, more: dict[str, Any]) -> None:
    """The workbooks, the tasks, and all five folds; an image's fold is that of its prompt."""
    tags = list(evalmi_50k.TASKS)
    names = [(system, number) for number in range(1, each + 1) for system in evalmi_50k.SYSTEMS]
    table: list[list[Any]] = []
    prompts: dict[int, str] = {}
    found: list[tuple[int, dict[str, dict[str, Any]]]] = []
    by_colour: dict[str, list[Edit]] = {colour: [] for colour in COLOURS}
    for edit in _edits(2 * len(names) + 24 * len(COLOURS), more):
        by_colour[edit.prompt.split()[-1]].append(edit)
    for system, number in names:
        edit = by_colour[list(COLOURS)[number % len(COLOURS)]].pop()  # all models answer the same prompt
        image = f"{system}/{number:03}.png"
        _save(edit.edited, folder / image)
        prompt = prompts.setdefault(number, edit.prompt)
        perception, correspondence = round(edit.scores[QUALITY], 3), round(edit.scores[FIDELITY], 3)
        yes = correspondence >= YES
        table.append([image, perception, correspondence, int(yes), int(yes), None, None, None])
        asked = {
            "mos1": "How would you rate the quality of this image?",
            "mos2": f"How would you rate the correspondence of this image and its prompt? prompt: {prompt}",
            "qa": question(prompt.split()[-1]),
        }
        said = {"mos1": "The quality of the image is good.", "qa": "Yes" if yes else "No"}
        said["mos2"] = "The correspondence of the image and its prompt is good."
        line = {
            kind: {"image": image, "mos": value, "conversations": _talk(asked[kind], said[kind])}
            for kind, value in (("mos1", perception), ("mos2", correspondence))
        }
        line["qa"] = {"image": image, "conversations": _talk(asked["qa"], said["qa"])}
        found.append((number % 5 + 1, line))
    heading = ["ImageName", "MOS1", "MOS2", "Y/N", "YN_1", "YN_2", "YN_3", "YN_4"]
    _write_xlsx(folder / "MOS&QA" / "AIGI2025_MOS_yn.xlsx", heading, table)
    asked_of = [[prompt, question(prompt.split()[-1]), None, None, None, None] for prompt in prompts.values()]
    heading = ["prompt", *(f"question_{n}" for n in range(1, 6))]
    _write_xlsx(folder / "MOS&QA" / "question.xlsx", heading, asked_of)
    tasks = [{"tag": tags[n % len(tags)], "include": [], "prompt": text} for n, text in enumerate(prompts.values())]
    _write_jsonl(folder / "prompts" / "prompt_tasks.jsonl", tasks)
    for fold in range(1, 6):
        for kind in ("mos1", "mos2", "qa"):
            for part in ("train", "test"):
                lines = [line[kind] for tested, line in found if (tested == fold) == (part == "test")]
                _write_jsonl(folder / "data" / f"{part}_AIGI_{kind}_fold_{fold}.jsonl", lines)


def _hpe_bench(folder: Path, each: int, more: dict[str, Any]) -> None:
    rows: list[list[Any]] = []
    splits = ("test", "train", "val")
    for n, edit in enumerate(_edits(each * len(hpe_bench.SYSTEMS), more)):
        split = splits[n // len(hpe_bench.SYSTEMS) % 3]
        name, source, edited = _pair(folder, n, edit)
        ratings = [round(edit.scores[score], 2) for score in (QUALITY, FIDELITY, PRESERVATION)]
        system = hpe_bench.SYSTEMS[n % len(hpe_bench.SYSTEMS)]
        rows.append([name, source, edited, edit.prompt, system, split, 0, *ratings])
        if n % 4 == 0:
            rows.append([f"real_{name}", "", source, "", "", split, 1, "", "", ""])
    heading = ["id", "source", "edited", "prompt", "system", "split", *hpe_bench.RATINGS]
    _write_csv(folder / "ratings.csv", heading, rows)


def _ntire_x_aigc_2(folder: Path, each: int, more: dict[str, Any]) -> None:
    rows = []
    for n, edit in enumerate(_edits(each * 9, more)):
        split, distribution = ("train", "") if n % 3 == 0 else ("test", "in" if n % 3 == 1 else "out")
        ratings = [1 + edit.scores[score] / 25 for score in (QUALITY, FIDELITY, PRESERVATION)]
        rows.append([*_pair(folder, n, edit), edit.prompt, split, distribution, *ratings])
    heading = ["id", "source", "edited", "prompt", "split", "distribution", QUALITY, FIDELITY, PRESERVATION]
    _write_csv(folder / "ratings.csv", heading, rows)


COPIES: dict[str, Callable[[Path, int, dict[str, Any]], None]] = {
    "agiqa-3k": _agiqa_3k,
    "ebench-18k": _ebench_18k,
    "epaiqa-15k": _epaiqa_15k,
    "evalmi-50k": _evalmi_50k,
    "hpe-bench": _hpe_bench,
    "ntire-x-aigc-2": _ntire_x_aigc_2,
}


def _edits(count: int, more: dict[str, Any]) -> list[Edit]:
    return list(edits(count, **more))


def _pair(folder: Path, number: int, edit: Edit) -> tuple[str, str, str]:
    """The name of an edit, and where its two images are saved."""
    name = f"{number:04}"
    _save(edit.source, folder / "source" / f"{name}.png")
    _save(edit.edited, folder / "edited" / f"{name}.png")
    return name, f"source/{name}.png", f"edited/{name}.png"


def _save(pixels: Any, path: Path) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=95)


def _talk(asked: str, said: str) -> list[dict[str, str]]:
    return [{"from": "human", "value": asked}, {"from": "gpt", "value": said}]


def _write_csv(path: Path, heading: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([heading, *rows])


def _write_jsonl(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def _write_xlsx(path: Path, heading: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    import openpyxl

    path.parent.mkdir(parents=True, exist_ok=True)
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in (heading, *rows):
        sheet.append(row)
    book.save(path)
