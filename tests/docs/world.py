"""A folder in which the commands of the documentation mean something: the names that they use, with small contents."""

from __future__ import annotations

import csv
import random
import shutil
from pathlib import Path

import polars
from PIL import Image

from editmetrics.benchmarks.small_copies import write_copy
from editmetrics.weights import folder_of
from tests.worlds.edits import edits
from tests.worlds.questions import toy_questions

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
NAMES = ("cat", "coffee", "stars")
PROMPTS = {"cat": "make the square red", "coffee": "make the square blue", "stars": "make the square green"}
SIDE = 180
"""Pixels: over the 160 that MS-SSIM needs."""


COPIES = {"evalmi-50k": "EvalMi-50K", "ebench-18k": "EBench-18K", "hpe-bench": "HPE-Bench"}
"""The data sets that pages name, and where they are there."""


def build(folder: Path, trained: str = "ds_ieqa") -> Path:
    """Fill `folder`; `runs/...` are copies of the toy checkpoint of the metric `trained`."""
    (folder / "docs").mkdir(parents=True)
    (folder / "docs" / "examples").symlink_to(EXAMPLES)
    (folder / "photographs").symlink_to(EXAMPLES / "source")
    for name, kind in {
        "sources": "source", "edits": "edited", "images": "edited", "generated": "edited", "real_or_fake": "edited",
        "model_a": "edited", "model_b": "edited_b", "masks": "masks",
        "targets": "source", "results": "edited", "truth": "source",
    }.items():  # fmt: skip
        (folder / name).mkdir()
        for stem in NAMES:
            (found,) = (
                (EXAMPLES / kind).glob(f"{stem}.*")
                if (EXAMPLES / kind / f"{stem}.png").exists() or kind != ("masks")
                else (EXAMPLES / "masks" / "cat.png",)
            )
            Image.open(found).resize((SIDE, SIDE), Image.Resampling.NEAREST).save(folder / name / f"{stem}.png")
    shutil.copy(folder / "sources" / "cat.png", folder / "cat.png")
    shutil.copy(folder / "edits" / "cat.png", folder / "cat_edited.png")
    Image.open(folder / "cat.png").save(folder / "cat.jpg")
    _table(folder / "prompts.csv", [{"name": name, "prompt": prompt} for name, prompt in PROMPTS.items()])
    rows = [
        {"id": f"{system}/{name}", "source": f"sources/{name}.png", "edited": f"{system}/{name}.png",
         "prompt": PROMPTS[name], "source_prompt": "a square", "system": system, "edit_type": "colour"}
        for system in ("model_a", "model_b") for name in NAMES
    ]  # fmt: skip
    _table(folder / "manifest.csv", rows)
    _table(folder / "test.csv", rows)
    systems = {"system_a": "model_a", "system_b": "model_b", "task": "colour"}
    battles = [{**systems, "winner": winner, "source": f"s{n}"} for n in range(6) for winner in ("a", "a", "b", "tie")]
    _table(folder / "battles.csv", battles)
    polars.DataFrame(rows).write_parquet(folder / "manifest.parquet")
    _workbook(folder / "theirs.xlsx", rows)
    for name in ("runs/mine", "runs/a", "runs/pose"):
        shutil.copytree(folder_of(f"{trained}.toy"), folder / name)
    for name, where in COPIES.items():
        write_copy(name, folder / where, edits, each=1)
    toy_questions(folder / "data")
    _ratings(folder)
    return folder


def _workbook(path: Path, rows: list[dict[str, str]]) -> None:
    """The manifest as somebody else has it: an Excel workbook with other headings."""
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["original", "result_file", "task", "model"])
    for row in rows:
        book.active.append([row["source"], row["edited"], row["prompt"], row["system"]])
    book.save(path)


def _ratings(folder: Path) -> None:
    """Scores and ratings of images by four systems, and what five raters said of them, all random."""
    draw = random.Random(0)
    examples = [path.stem for path in sorted((EXAMPLES / "source").iterdir())]
    names = [*map(str, range(24)), *examples]
    ids = [f"{system}/{name}" for system in ("model_a", "model_b", "edited", "edited_b") for name in names]
    scores, ratings, raw, survey = [], [], [], []
    for id_ in ids:
        quality = draw.uniform(0, 100)
        said = {"id": id_, "system": id_.split("/")[0], "source": f"{id_.split('/')[1]}.png"}
        dimensions = {name: quality + draw.gauss(0, 15) for name in ("visual_quality", "editing_fidelity")}
        dimensions["content_preservation"] = quality + draw.gauss(0, 15)
        scores.append(
            {
                **said,
                "edit_type": draw.choice(("add", "remove")),
                "psnr": 20 + quality / 10 + draw.gauss(0, 2),
                "ssim": quality / 100,
                **dimensions,
            }
        )
        said["split"] = "in" if id_.startswith("model_a") else "out"
        ratings.append({**said, "mos": quality, "psnr": quality, **dict.fromkeys(dimensions, quality)})
        for rater in "abcde":
            raw.append({"item": id_, "subject": rater, "value": draw.randint(1, 5)})
            said = {"overall": draw.randint(1, 5), "harmony": draw.randint(1, 5), "completion": draw.randint(1, 3)}
            survey.append({"item": id_, "subject": rater, **said})
    _table(folder / "scores.csv", scores)
    names = [str(score["id"]) for score in scores[:6]]
    pairs = [(a, b) for a in names for b in names if a < b]
    votes = [{"rater": f"r{n}", "id_a": a, "id_b": b, "winner": "ab"[(n + number) % 3 == 0], "task": "k", "source": a}
             for n in range(6) for number, (a, b) in enumerate(pairs)]  # fmt: skip
    _table(folder / "votes.csv", votes)
    page = [{"rater": one["rater"], "item_a": one["id_a"], "item_b": one["id_b"], "winner": f"image_{one['winner']}",
             "system_a": f"model {number % 3}", "system_b": f"model {(number + 1) % 3}"}
            for number, one in enumerate(votes)]  # fmt: skip
    polars.DataFrame(page).write_ndjson(folder / "votes.jsonl")
    polars.DataFrame(raw).write_ndjson(folder / "grades.jsonl")
    ranks = [{"rater": f"r{n}", "group": "all", "item": name, "rank": (n + number) % len(names)}
             for n in range(6) for number, name in enumerate(names)]  # fmt: skip
    _table(folder / "rankings.csv", ranks)
    for name in ("scores", "before", "after"):
        polars.DataFrame(scores).write_parquet(folder / f"{name}.parquet")
    for name in ("ratings.csv", "mos.csv", "rated.csv"):
        _table(folder / name, ratings)
    _table(folder / "raw.csv", raw)
    _table(folder / "survey.csv", survey)


def _table(path: Path, rows: list[dict]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
