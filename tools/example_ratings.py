"""Makes the ratings in docs/examples, and the small edits to train on: `python -m tools.example_ratings`.

No person gave these ratings. They come from simulated raters of known bias and noise, with a fixed seed, so that every
command of the documentation has something to run on, and its result can be checked:

- `ratings.csv`: eight raters on a scale from 1 to 5, one row per rater and image, of both systems' edits. The quality
  behind them (`QUALITY`) is one person's opinion of how well each edit does what its instruction asks.
- `battles.csv`: the same raters' choices between the two edits of each photograph, by these ratings.
- `squares/`: edits of pieces of the photographs ("make the square red") whose quality is known, since it was made
  (tests/worlds/edits.py says how). `train.csv` and `test_ratings.csv` have the mean of five raters for each dimension,
  from 0 to 100. Training and test show different photographs.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tests.worlds.edits import DIMENSIONS, Edit, edits

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
QUALITY = {
    "edited": {
        "astronaut": 4.3, "brick": 4.5, "camera": 4.4, "cat": 4.7, "coffee": 4.8, "coins": 3.3, "gravel": 4.4,
        "rocket": 4.2, "stars": 2.3,
    },
    "edited_b": {
        "astronaut": 2.3, "brick": 2.6, "camera": 1.1, "cat": 1.7, "coffee": 1.1, "coins": 1.2, "gravel": 2.1,
        "rocket": 2.7, "stars": 1.1,
    },
}  # fmt: skip
"""How well an edit does what its instruction asks, from 1 to 5."""

RATERS, STRICTNESS, NOISE = 8, 0.4, 0.5
"""How many rate the photographs, and the standard deviations of a rater's bias and of a single rating."""

SQUARES = {
    "train": (96, 11, ("astronaut", "brick", "camera", "cat", "coins", "rocket")),
    "test": (32, 12, ("coffee", "gravel", "stars")),
}
"""Of each part of the small edits: how many, the seed, and the photographs that they show."""

SQUARE_RATERS, SQUARE_NOISE = 5, 8.0
"""How many rate a small edit, and the standard deviation of a single rating, in points of 100."""

QUALITY_OF_JPEG = 90


def main() -> None:
    write_table(EXAMPLES / "ratings.csv", ratings())
    write_table(EXAMPLES / "battles.csv", battles(ratings()))
    train, test = small_edits("train"), small_edits("test")
    for one in (*train, *test):
        save(one.edit.source, EXAMPLES / "squares" / one.row["source"])
        save(one.edit.edited, EXAMPLES / "squares" / one.row["edited"])
    write_table(EXAMPLES / "squares" / "train.csv", [{**one.row, **one.ratings} for one in train])
    write_table(EXAMPLES / "squares" / "test.csv", [one.row for one in test])
    write_table(EXAMPLES / "squares" / "test_ratings.csv", [{"id": one.row["id"], **one.ratings} for one in test])


@dataclass(frozen=True)
class SmallEdit:
    """A small edit, its row in a manifest, and its mean rating in each dimension."""

    edit: Edit
    row: dict[str, str]
    ratings: dict[str, float]


def ratings(seed: int = 0) -> list[dict[str, object]]:
    """One row per simulated rater and edit: `subject`, `item` (SYSTEM/NAME) and `value`, a whole number from 1 to 5."""
    random = np.random.default_rng(seed)
    biases = random.normal(0, STRICTNESS, RATERS)
    return [
        {
            "item": f"{system}/{name}",
            "subject": f"simulated_{number}",
            "value": int(np.clip(np.rint(quality + bias + random.normal(0, NOISE)), 1, 5)),
        }
        for number, bias in enumerate(biases, start=1)
        for system, known in QUALITY.items()
        for name, quality in known.items()
    ]


def battles(rated: Sequence[Mapping[str, object]], seed: int = 0) -> list[dict[str, object]]:
    """One row per simulated rater and photograph: both systems in a random order, and whose edit was rated higher."""
    random = np.random.default_rng(seed)
    values = {(row["item"], row["subject"]): row["value"] for row in rated}
    chosen = []
    for rater in dict.fromkeys(row["subject"] for row in rated):
        for name in QUALITY["edited"]:
            first, second = random.permutation(list(QUALITY)).tolist()
            one, other = (values[f"{system}/{name}", rater] for system in (first, second))
            winner = "tie" if one == other else "a" if one > other else "b"  # type: ignore[operator]
            chosen.append({"system_a": first, "system_b": second, "winner": winner, "source": name})
    return chosen


def small_edits(part: str) -> list[SmallEdit]:
    """The small edits of a part, with what simulated raters say of them."""
    count, seed, photographs = SQUARES[part]
    pictures = {
        name: np.asarray(Image.open(EXAMPLES / "source" / f"{name}.jpg").convert("RGB")) for name in photographs
    }
    random, made = np.random.default_rng([seed, 1]), []
    for number, edit in enumerate(edits(count, photographs=pictures, seed=seed)):
        scene, turn = divmod(number, 4)
        name = f"{part}_{scene:02}"
        row = {"id": f"{name}_{turn}", "source": f"source/{name}.jpg", "edited": f"edited/{name}_{turn}.jpg"}
        rated = {dimension: mean_rating(edit.scores[dimension], random) for dimension in DIMENSIONS}
        made.append(SmallEdit(edit, {**row, "prompt": edit.prompt}, rated))
    return made


def mean_rating(quality: float, random: np.random.Generator) -> float:
    """The mean of several raters' ratings of this quality, 0 to 100."""
    each = np.clip(quality + random.normal(0, SQUARE_NOISE, SQUARE_RATERS), 0, 100)
    return round(float(each.mean()), 1)


def save(pixels: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=QUALITY_OF_JPEG, optimize=True)


def write_table(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
