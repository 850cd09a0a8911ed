"""Pictures made from descriptions, by generators of different skill, with labels that are true by construction.

Each answers a description ("a red circle at the top left, a blue square at the bottom right"). Its labels:

- `correspondence`: 100 times the share of the described things that are where and as they are described. The others are
  missing, or of another colour or shape.
- `perception`: the `quality` of an edit (`tools.world.edits`): a square of the picture looks broken and stands out.
- for each of two questions ("Is there a red circle at the top left?"), whether its answer is yes.

The number of right things and both parts of the quality are drawn independently.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tools.world.edits import flaw, quality
from tools.world.files import write_manifest
from tools.world.instructions import another_version
from tools.world.scenes import CELLS, FITTING, LOOKS, Backgrounds, Thing, scene, view


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture (SIDE, SIDE, 3) of uint8, its description, its labels, and questions with their answers."""

    image: np.ndarray
    prompt: str
    perception: float
    correspondence: float
    questions: tuple[str, ...]
    answers: tuple[bool, ...]


def pictures(backgrounds: Backgrounds, count: int, seed: int) -> Iterator[Picture]:
    """`count` pictures. The same arguments give the same pixels."""
    for number in range(count):
        yield one_picture(backgrounds, np.random.default_rng([seed, number, 5]))


def one_picture(backgrounds: Backgrounds, random: np.random.Generator) -> Picture:
    """Any picture."""
    described = scene(random, int(random.integers(2, 5)))
    cells = [cell for cell, one in enumerate(described) if one is not None]
    wrong = {int(cell) for cell in random.permutation(cells)[: int(random.integers(len(cells) + 1))]}
    drawn = [another_version(one, random) if one and cell in wrong else one for cell, one in enumerate(described)]
    naturalness, harmony = (float(value) for value in random.uniform(0, 1, 2))
    broken = random.permutation(cells)[: int(random.integers(1, 3))]
    look, sign = str(random.choice(LOOKS)), float(random.choice((-1.0, 1.0)))
    flaws = [flaw(drawn[cell] or described[cell], cell, look, sign, naturalness, harmony) for cell in map(int, broken)]
    one, two, three, four = drawn
    image = view((one, two, three, four), backgrounds.draw(random), random, flaws)
    asked = [int(cell) for cell in random.permutation(cells)[:2]]
    return Picture(
        image,
        ", ".join(_phrase(one, cell) for cell, one in enumerate(described) if one is not None),
        100 * quality(naturalness, harmony),
        100 * (1 - len(wrong) / len(cells)),
        tuple(f"Is there {_phrase(one, cell)}?" for cell in asked if (one := described[cell]) is not None),
        tuple(cell not in wrong for cell in asked),
    )


def _phrase(one: Thing, cell: int) -> str:
    return f"a {one.words()} at the {CELLS[cell]}"


def write_pictures(
    folder: str | os.PathLike[str], count: int, *, photographs: Sequence[str] = FITTING, seed: int
) -> Path:
    """Write `count` pictures as png files into `folder`, and return the manifest that lists them.

    The manifest has the columns id, edited, prompt, perception and correspondence from 0 to 100, questions and answers.
    """
    from PIL import Image

    folder = Path(folder)
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    rows = []
    for number, picture in enumerate(pictures(Backgrounds(photographs, seed=seed), count, seed)):
        path = f"pictures/{number:04}.png"
        Image.fromarray(picture.image).save(folder / path)
        answers = ["yes" if answer else "no" for answer in picture.answers]
        rows.append({
            "id": f"{number:04}", "edited": path, "prompt": picture.prompt, "perception": f"{picture.perception:.2f}",
            "correspondence": f"{picture.correspondence:.2f}", "questions": json.dumps(picture.questions),
            "answers": json.dumps(answers),
        })  # fmt: skip
    return write_manifest(folder, rows)
