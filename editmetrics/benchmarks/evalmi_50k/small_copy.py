"""A small made-up copy of EvalMi-50K: workbooks, tasks, images, and five folds, by prompt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..small_copies import FIDELITY, QUALITY, YES, MakeEdits, RatedEdit, save, write_json_lines
from .reader import SYSTEMS, TASKS

QUESTION = "Is the square of the image {}? Answer yes or no."
RATED = "How would you rate the {} of this image"


def write(folder: Path, each: int, edits: MakeEdits) -> None:
    """Write the images of `each` prompts by every model; all models answer the same prompt."""
    numbers = range(1, each + 1)
    by_prompt: dict[str, list[RatedEdit]] = {}
    for edit in edits(2 * each * len(SYSTEMS) + 72):
        by_prompt.setdefault(edit.prompt, []).append(edit)
    prompts = {number: list(by_prompt)[number % len(by_prompt)] for number in numbers}
    questions = {number: QUESTION.format(prompt.split()[-1]) for number, prompt in prompts.items()}
    table: list[Sequence[Any]] = []
    folds: dict[int, list[dict[str, Any]]] = {fold: [] for fold in range(1, 6)}
    for system, number in ((system, number) for number in numbers for system in SYSTEMS):
        edit = by_prompt[prompts[number]].pop()
        image = f"{system}/{number:03}.png"
        save(edit.edited, folder / image)
        perception, correspondence = (round(edit.scores[score], 3) for score in (QUALITY, FIDELITY))
        yes = correspondence >= YES
        table.append((image, perception, correspondence, int(yes), int(yes), None, None, None))
        matched = RATED.format("correspondence") + f" and its prompt? prompt: {prompts[number]}"
        folds[number % 5 + 1].append({
            "mos1": {"image": image, "mos": perception, **_talk(RATED.format("quality") + "?", "It is good.")},
            "mos2": {"image": image, "mos": correspondence, **_talk(matched, "It is good.")},
            "qa": {"image": image, **_talk(questions[number], "Yes" if yes else "No")},
        })  # fmt: skip
    heading = ("ImageName", "MOS1", "MOS2", "Y/N", "YN_1", "YN_2", "YN_3", "YN_4")
    _write_workbook(folder / "MOS&QA" / "AIGI2025_MOS_yn.xlsx", heading, table)
    rows = [(prompts[number], questions[number], None, None, None, None) for number in numbers]
    _write_workbook(folder / "MOS&QA" / "question.xlsx", ("prompt", *(f"question_{n}" for n in range(1, 6))), rows)
    tags = list(TASKS)
    tasks = ({"tag": tags[n % len(tags)], "include": [], "prompt": text} for n, text in enumerate(prompts.values()))
    write_json_lines(folder / "prompts" / "prompt_tasks.jsonl", tasks)
    for fold, lines in folds.items():
        others = [line for other, rest in folds.items() if other != fold for line in rest]
        for kind in ("mos1", "mos2", "qa"):
            for part, held in (("train", others), ("test", lines)):
                path = folder / "data" / f"{part}_AIGI_{kind}_fold_{fold}.jsonl"
                write_json_lines(path, (line[kind] for line in held))


def _talk(question: str, answer: str) -> dict[str, list[dict[str, str]]]:
    return {"conversations": [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]}


def _write_workbook(path: Path, heading: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    import openpyxl

    path.parent.mkdir(parents=True, exist_ok=True)
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in (heading, *rows):
        sheet.append(row)
    book.save(path)
