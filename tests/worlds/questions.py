"""Questions on painted images, in the layout of Q-Bench-Portrait, with known answers: to try `editmetrics qbench`.

    python -c "from tests.worlds.questions import toy_questions; toy_questions('data')"
    editmetrics qbench data/ --endpoint http://localhost:8000/v1 -o results/

Each image is a disc on a ground of another colour, sharp or blurred; what is asked is what was painted. The groups
(source, dimension, ...) are those of the benchmark and say nothing of these images.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from editmetrics.benchmarks.qbench.portrait import DIMENSIONS, SOURCE_DIMENSIONS, SUBDIMENSION_COUNTS, TYPE_SCOPES
from editmetrics.benchmarks.qbench.questions import LETTERS

if TYPE_CHECKING:
    from PIL import Image

COLOURS = {"red": (200, 40, 40), "green": (40, 150, 60), "blue": (40, 70, 200), "yellow": (230, 200, 40)}
SIDES = ("left", "right")


@dataclass(frozen=True)
class Painting:
    """What is to be seen in an image."""

    disc: str
    ground: str
    side: str
    large: bool
    blurred: bool
    number: int

    def image(self, size: int) -> Image.Image:
        """The painting, `size` x `size` pixels; the shade of the ground tells each number from all others."""
        from PIL import Image, ImageDraw, ImageFilter

        shift = np.array([self.number % 16, self.number // 16 % 16, self.number // 256 % 16])
        ground = tuple(int(level) for level in np.array(COLOURS[self.ground]) - shift)
        image = Image.new("RGB", (size, size), ground)
        radius = size * (0.22 if self.large else 0.12)
        column, row = size * (0.3 if self.side == "left" else 0.7), size / 2
        box = (column - radius, row - radius, column + radius, row + radius)
        ImageDraw.Draw(image).ellipse(box, fill=COLOURS[self.disc])
        return image.filter(ImageFilter.GaussianBlur(size / 12)) if self.blurred else image

    def statements(self) -> dict[str, bool]:
        """What one may say of it, and whether it is so."""
        other = next(colour for colour in COLOURS if colour not in (self.disc, self.ground))
        return {
            f"The disc is {self.disc}": True,
            f"The ground is {other}": False,
            "The image is blurred": self.blurred,
            "The disc is large": self.large,
        }

    def described(self) -> str:
        size, blur = "large" if self.large else "small", "blurred" if self.blurred else "sharp"
        return f"A {size} {self.disc} disc on the {self.side}, on a {self.ground} ground; the image is {blur}."


def toy_questions(folder: str | os.PathLike[str], count: int | None = 40, *, size: int = 64, seed: int = 0) -> Path:
    """Write `questions.jsonl` and `images/` into `folder`, and return the former.

    `count` questions, of all types and groups in turn; None writes 2,765 with the paper's numbers in each group.
    """
    folder = Path(folder)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rows = []
    for number, groups in enumerate(_cells(count, seed)):
        random = np.random.default_rng([seed, number])
        disc, ground = random.permutation(list(COLOURS))[:2].tolist()
        large, blurred = (random.random(2) < 0.5).tolist()
        painting = Painting(disc, ground, SIDES[random.integers(2)], large, blurred, number)
        name = f"images/{number:04}.png"
        painting.image(size).save(folder / name)
        rows.append({"id": f"{number:04}", "image": name, **_asked(painting, groups["type"], random), **groups})
    path = folder / "questions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def _asked(painting: Painting, kind: str, random: np.random.Generator) -> dict[str, Any]:
    """A question of a type, its options and its answer."""
    if kind == "OE":
        return {"question": "What is to be seen, and how sharp is it?", "answer": painting.described()}
    statements = painting.statements()
    if kind == "TF":
        said, true = list(statements.items())[random.integers(len(statements))]
        return {"question": f"{said}.", "answer": true}
    if kind == "SC":
        options = random.permutation(list(COLOURS)).tolist()
        return {"question": "Which colour has the disc?", "options": options, "answer": painting.disc}
    options = random.permutation(list(statements)).tolist()
    right = [letter for letter, option in zip(LETTERS, options, strict=False) if statements[option]]
    return {"question": "What is true of the image?", "options": options, "answer": right}


def _cells(count: int | None, seed: int) -> Iterator[dict[str, str]]:
    """The groups of each question: the paper's, in an order that is mixed, as many as wanted."""
    by_dimension = sorted(SOURCE_DIMENSIONS.items(), key=lambda held: list(DIMENSIONS).index(held[0][1]))
    sources = [cell for cell, number in by_dimension for _ in range(number)]
    within = [name for name, number in SUBDIMENSION_COUNTS.items() for _ in range(number)]
    types = [cell for cell, number in TYPE_SCOPES.items() for _ in range(number)]
    random = np.random.default_rng(seed)
    types = [types[place] for place in random.permutation(len(types))]
    cells = [
        {"type": kind, "scope": scope, "source": source, "dimension": dimension, "subdimension": subdimension}
        for (source, dimension), subdimension, (kind, scope) in zip(sources, within, types, strict=True)
    ]
    order = random.permutation(len(cells))
    yield from (cells[place] for place in order[:count])
