"""Edits of real photographs whose quality is known, because it was made: to see whether an assessor learns.

Each edit answers an instruction ("make the square red"), and errs in three ways of which each is one dimension's score:

- `visual_quality`: the whole edited image is blurred; 100 for none, 0 for a standard deviation of 4 % of its side.
- `editing_fidelity`: the square is tinted too little; 100 for the full tint, 0 for none, or for a wrong colour.
- `content_preservation`: another photograph shines through outside the square; 100 for none of it, 0 for half.

The three are drawn independently, so that none can be told from another.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from editmetrics.sample import EditMetricsError

DIMENSIONS = ("visual_quality", "editing_fidelity", "content_preservation")
TRAINING = ("astronaut", "chelsea", "rocket", "motorcycle_left", "ihc")
HELD_OUT = ("coffee", "retina", "hubble_deep_field")
"""The photographs that come with scikit-image: those to train on, and others to test on."""

COLOURS = {"red": (230, 30, 30), "green": (30, 200, 30), "blue": (40, 40, 230)}
WRONG = 0.2
"""How often the square gets another colour than was asked for."""

BLUR, GHOST, TINT = 0.04, 0.5, 0.75
"""At a score of 0, or 100: blur over the image's side, the other photograph's share, the colour's share."""


@dataclass(frozen=True, eq=False)
class Edit:
    """One edit: source and edited image (side, side, 3) of uint8, the instruction, and the scores, 0 to 100.

    `colour` is what the square was made, and `tint` that colour's share of it.
    """

    source: np.ndarray
    edited: np.ndarray
    prompt: str
    scores: dict[str, float]
    colour: str
    tint: float


def edits(
    count: int,
    *,
    per_source: int = 4,
    photographs: Mapping[str, np.ndarray] | tuple[str, ...] = TRAINING,
    side: int = 64,
    seed: int = 0,
) -> Iterator[Edit]:
    """`count` edits, `per_source` of each crop of a photograph. The same arguments give the same pixels.

    `photographs` are images (H, W, 3) of uint8 by name, or names of those that come with scikit-image. Raises
    `EditMetricsError` when scikit-image is needed and not installed.

    >>> one, two = edits(2)
    >>> one.source is two.source, one.edited.shape, sorted(one.scores)
    (True, (64, 64, 3), ['content_preservation', 'editing_fidelity', 'visual_quality'])
    """
    pictures = photographs if isinstance(photographs, Mapping) else photographs_of(photographs)
    random = np.random.default_rng(seed)
    for number in range(count):
        if number % per_source == 0:
            source = crop_of(pictures, random, side)
        yield _edit(source, crop_of(pictures, random, side), random)


def toy_edits(folder: str | os.PathLike[str], count: int = 400, *, per_source: int = 4, **more: Any) -> Path:
    """Write `count` edits as png files into `folder`, and return the manifest that lists them.

    The manifest has the columns id, edited, source, prompt, and the three scores. `more` are arguments of `edits`.
    """
    from PIL import Image

    folder = Path(folder)
    (folder / "source").mkdir(parents=True, exist_ok=True)
    (folder / "edited").mkdir(exist_ok=True)
    with (folder / "ratings.csv").open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(["id", "edited", "source", "prompt", *DIMENSIONS])
        for number, edit in enumerate(edits(count, per_source=per_source, **more)):
            source, turn = divmod(number, per_source)
            if turn == 0:
                Image.fromarray(edit.source).save(folder / "source" / f"{source:04}.png")
            name = f"{source:04}_{turn}"
            Image.fromarray(edit.edited).save(folder / "edited" / f"{name}.png")
            said = [f"{edit.scores[dimension]:.2f}" for dimension in DIMENSIONS]
            rows.writerow([name, f"edited/{name}.png", f"source/{source:04}.png", edit.prompt, *said])
    return folder / "ratings.csv"


def question(colour: str) -> str:
    """The question whether the square has a colour.

    >>> question("red")
    'Is the square of the image red? Answer yes or no.'
    """
    return f"Is the square of the image {colour}? Answer yes or no."


def _edit(source: np.ndarray, other: np.ndarray, random: np.random.Generator) -> Edit:
    """One edit of `source`, through which `other` may shine."""
    from scipy.ndimage import gaussian_filter

    quality, fidelity, preservation = random.uniform(0, 100, 3)
    asked, another = (str(colour) for colour in random.choice(list(COLOURS), 2, replace=False))
    wrong = random.random() < WRONG
    colour = another if wrong else asked
    side = len(source)
    square = np.zeros((side, side, 1), bool)
    square[side // 4 : side - side // 4, side // 4 : side - side // 4] = True
    tint, ghost = TINT * fidelity / 100, GHOST * (1 - preservation / 100)
    painted = source * (1 - tint) + np.array(COLOURS[colour], np.float64) * tint
    edited = np.where(square, painted, source * (1 - ghost) + other * ghost)
    deviation = BLUR * side * (1 - quality / 100)
    edited = gaussian_filter(edited, (deviation, deviation, 0))
    scores = dict(zip(DIMENSIONS, (quality, 0.0 if wrong else fidelity, preservation), strict=True))
    return Edit(source, np.rint(edited).clip(0, 255).astype(np.uint8), f"make the square {asked}", scores, colour, tint)


def crop_of(pictures: Mapping[str, np.ndarray], random: np.random.Generator, side: int) -> np.ndarray:
    """A square piece of a photograph, made smaller to `side` pixels, so that it is sharp; never a flat one."""
    from PIL import Image

    while True:
        picture = pictures[str(random.choice(list(pictures)))]
        height, width = picture.shape[:2]
        size = int(random.integers(2 * side, max(min(height, width), 2 * side) + 1))
        if size > min(height, width):
            raise EditMetricsError(f"a photograph of {width} x {height} pixels is too small for crops of {2 * side}")
        top, left = int(random.integers(0, height - size + 1)), int(random.integers(0, width - size + 1))
        piece = Image.fromarray(picture[top : top + size, left : left + size])
        crop = np.array(piece.resize((side, side), Image.Resampling.LANCZOS))
        if crop.std() > 20:
            return crop


def photographs_of(names: tuple[str, ...]) -> dict[str, np.ndarray]:
    try:
        import skimage.data
    except ImportError as error:
        raise EditMetricsError(
            "the photographs come with scikit-image: pip install 'editmetrics[test]', or give photographs= of your own"
        ) from error
    from PIL import Image

    folder = Path(skimage.data.__file__).parent
    found = {path.stem: path for path in folder.iterdir() if path.stem in names}
    if missing := sorted(set(names) - found.keys()):
        raise EditMetricsError(f"scikit-image brings no photograph {', '.join(missing)} of its own")
    return {name: np.asarray(Image.open(found[name]).convert("RGB")) for name in names}
