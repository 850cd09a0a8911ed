"""Edits of a region at a random place of a photograph, whose four qualities are known, because they were made.

Each edit paints a rectangle of a photograph without colours ("make the region red") and errs in three independent ways:

- `harmony`, 1 to 5: how much of the region's colour is paint; 5 for a fifth, 1 for all of it: the more, the less the
  region goes with what surrounds it.
- `local_naturalness`, 1 to 5: white specks of 2 x 2 pixels in the region; 5 for none, 1 where they cover 40 % of it.
- `prompt_completion`, 1 to 3: 3 for the colour that was asked for, 1 for another, 2 where the lower half has another.

`overall_quality` follows the paper's rule: bad where the instruction is not followed, poor where it is followed in
part, else from 1 to 5 by 0.6 harmony + 0.4 naturalness, of which the paper finds harmony to weigh more.

Photographs are made grey first, so that all colour is paint: its hue tells what was followed, and its saturation the
harmony. This world is meant to be easy to see.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.worlds.edits import TRAINING, crop_of, photographs_of

DIMENSIONS = ("overall_quality", "harmony", "local_naturalness", "prompt_completion")

COLOURS = {"red": (230, 30, 30), "green": (30, 230, 30), "blue": (30, 30, 230)}
"""Of paint; each as far from grey as the others."""

LEAST_PAINT, MOST_PAINT, MOST_SPECKS, SPECK = 0.2, 1.0, 0.4, 2
"""Paint's share of the region's colour at a harmony of 5 and 1; the specks' share of the region at a naturalness of 1,
and the side of a speck, in pixels."""

SIDES = (0.25, 0.65)
"""The least and the greatest side of a region, of the image's."""

COMPLETIONS, SHARES = (1, 2, 3), (0.25, 0.2, 0.55)
"""How often an instruction is not followed, in part, and fully."""

Region = tuple[float, float, float, float]
"""Centre x, centre y, width and height, fractions of the image."""


@dataclass(frozen=True, eq=False)
class RegionEdit:
    """One edit: source and edited image (side, side, 3) of uint8, the instruction, the region, the scores.

    `explanation` says in a few words why the edit has its overall level, in the form of the method's answers.
    """

    source: np.ndarray
    edited: np.ndarray
    prompt: str
    region: Region
    scores: dict[str, float]
    explanation: str


def region_edits(
    count: int,
    *,
    per_source: int = 4,
    photographs: Mapping[str, np.ndarray] | tuple[str, ...] = TRAINING,
    side: int = 64,
    seed: int = 0,
) -> Iterator[RegionEdit]:
    """`count` edits, `per_source` of each crop of a photograph. The same arguments give the same pixels.

    `photographs` are as for `tests.worlds.edits.edits`.

    >>> (one,) = region_edits(1)
    >>> one.edited.shape, 0 <= one.region[0] - one.region[2] / 2, one.prompt.startswith("make the region ")
    ((64, 64, 3), True, True)
    """
    pictures = photographs if isinstance(photographs, Mapping) else photographs_of(photographs)
    random = np.random.default_rng(seed)
    for number in range(count):
        if number % per_source == 0:
            source = grey(crop_of(pictures, random, side))
        yield _edit(source, random)


def toy_region_edits(folder: str | os.PathLike[str], count: int = 400, *, per_source: int = 4, **more: Any) -> Path:
    """Write `count` edits as png files into `folder`, and return the manifest that lists them.

    The manifest has the columns id, edited, source, prompt, region ("x,y,w,h"), the four scores, and explanation.
    `more` are arguments of `region_edits`.
    """
    from PIL import Image

    folder = Path(folder)
    (folder / "source").mkdir(parents=True, exist_ok=True)
    (folder / "edited").mkdir(exist_ok=True)
    with (folder / "ratings.csv").open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(["id", "edited", "source", "prompt", "region", *DIMENSIONS, "explanation"])
        for number, edit in enumerate(region_edits(count, per_source=per_source, **more)):
            source, turn = divmod(number, per_source)
            if turn == 0:
                Image.fromarray(edit.source).save(folder / "source" / f"{source:04}.png")
            name = f"{source:04}_{turn}"
            Image.fromarray(edit.edited).save(folder / "edited" / f"{name}.png")
            said = [f"{edit.scores[dimension]:.3f}" for dimension in DIMENSIONS]
            region = ",".join(f"{part:.6f}" for part in edit.region)
            paths = f"edited/{name}.png", f"source/{source:04}.png"
            rows.writerow([name, *paths, edit.prompt, region, *said, edit.explanation])
    return folder / "ratings.csv"


def grey(image: np.ndarray) -> np.ndarray:
    """An image (H, W, 3) of uint8 without its colours: three times its luma (ITU-R BT.601).

    >>> grey(np.array([[[255, 0, 0]]], np.uint8)).tolist()
    [[[76, 76, 76]]]
    """
    luma = np.rint(image @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    return np.repeat(luma[..., None], 3, axis=-1)


def random_box(random: np.random.Generator, side: int) -> tuple[int, int, int, int]:
    """Left, top, width and height of a rectangle that lies inside a square of `side` pixels."""
    width, height = (round(float(random.uniform(*SIDES)) * side) for _ in range(2))
    left, top = int(random.integers(0, side - width + 1)), int(random.integers(0, side - height + 1))
    return left, top, width, height


def fractions(box: tuple[int, int, int, int], side: int) -> Region:
    """A rectangle of pixels as its centre and size in fractions of the image."""
    left, top, width, height = box
    return (left + width / 2) / side, (top + height / 2) / side, width / side, height / side


def _edit(source: np.ndarray, random: np.random.Generator) -> RegionEdit:
    side = len(source)
    box = left, top, width, height = random_box(random, side)
    harmony, naturalness = (float(score) for score in random.uniform(1, 5, 2))
    completion = int(random.choice(COMPLETIONS, p=SHARES))
    asked, another = (str(colour) for colour in random.choice(list(COLOURS), 2, replace=False))
    paint = np.empty((height, width, 3))
    paint[:] = COLOURS[another if completion == 1 else asked]
    if completion == 2:
        paint[height // 2 :] = COLOURS[another]
    share = MOST_PAINT + (LEAST_PAINT - MOST_PAINT) * (harmony - 1) / 4
    specks = _specks(random, height, width, MOST_SPECKS * (5 - naturalness) / 4)
    edited = source.astype(np.float64)
    inside = edited[top : top + height, left : left + width]
    edited[top : top + height, left : left + width] = np.where(specks, 255.0, inside * (1 - share) + paint * share)
    scores = {
        "overall_quality": overall(harmony, naturalness, completion),
        "harmony": harmony,
        "local_naturalness": naturalness,
        "prompt_completion": float(completion),
    }
    return RegionEdit(
        source,
        np.rint(edited).clip(0, 255).astype(np.uint8),
        f"make the region {asked}",
        fractions(box, side),
        scores,
        _explanation(scores, asked, another),
    )


def _specks(random: np.random.Generator, height: int, width: int, share: float) -> np.ndarray:
    """Where the specks are, (height, width, 1) of bool: as many blocks as make up `share` of the region."""
    rows, columns = -(-height // SPECK), -(-width // SPECK)
    blocks = np.zeros(rows * columns, bool)
    blocks[random.permutation(len(blocks))[: round(share * len(blocks))]] = True
    return blocks.reshape(rows, columns).repeat(SPECK, 0).repeat(SPECK, 1)[:height, :width, None]


def overall(harmony: float, naturalness: float, completion: int) -> float:
    """The overall quality, 1 to 5: at most 1.79 where the instruction is not followed, 2.59 where it is in part.

    >>> overall(5, 5, 3), overall(1, 1, 1), round(overall(5, 5, 2), 2)
    (5.0, 1.0, 2.59)
    """
    looks = 0.6 * harmony + 0.4 * naturalness
    floor = {1: 1.0, 2: 1.8}.get(completion)
    return looks if floor is None else floor + 0.79 * (looks - 1) / 4


def _explanation(scores: Mapping[str, float], asked: str, another: str) -> str:
    """What a viewer would say of the edit, each piece of it true by construction."""
    from editmetrics.plugins.epaiqa.answers import Pieces, explained_answer
    from editmetrics.plugins.epaiqa.levels import level_of

    completion = int(scores["prompt_completion"])
    seen = {1: f"The region is {another}.", 2: f"One half is {another}.", 3: f"The region is {asked}."}[completion]
    harmony, naturalness = (f"It is {level_of(scores[name])}." for name in ("harmony", "local_naturalness"))
    pieces = Pieces(f"The prompt is {asked}. {seen}", harmony, naturalness)
    return explained_answer(completion, pieces, level_of(scores["overall_quality"]))
