"""Edits of scenes by editors of different skill, with labels that are true by construction.

Each edit answers an instruction ("make the circle red", "add two blue squares"). Its labels:

- `alignment`: 100 times the share of the instruction's parts that were carried out; `completion` says none (1), some
  (2) or all of them (3).
- `preservation`: 100 times the share of the other things that stayed as they were.
- `naturalness`: 100 for no broken look in the squares that were worked on to carry it out, 0 for the strongest.
  `harmony`: 100 where such a square is as bright as its surroundings, but for a trace, 0 where it stands out most.
  `quality` is 0.6 naturalness + 0.4 harmony.
- `region`: the box of the squares that were worked on to carry out the instruction.

Parts, other changes, naturalness and harmony are drawn independently. Edited image and source are two views: the camera
moved and its exposure, colours, sharpness and noise vary, in real images too. Every edit leaves a trace; a real image
is another view of a source.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tools.world.instructions import PARTS, Attempt, Instruction, attempt, scene_and_instruction
from tools.world.scenes import LOOKS, SIDE, Backgrounds, Flaw, Scene, Thing, square_of, view

SCORES = ("quality", "alignment", "preservation", "naturalness", "harmony")
OBEDIENCE = {"none": 0.2, "some": 0.4, "all": 0.4}
"""How often none, some and all parts of an instruction are carried out, over all editors."""

CHANGES = (0.4, 0.3, 0.2, 0.1)
"""How often 0, 1, 2 or 3 other things are changed."""

STEPS = (7.0, 45.0)
"""By how many levels a square that was worked on is brighter or darker: at a harmony of 100, and of 0."""

EDITORS = {"alpha": (1, 0, 0), "beta": (0, 1, 0), "gamma": (0, 0, 1), "delta": (-1, 0, 0), "epsilon": (0, -1, -1)}
"""How much better or worse an editor is than the average at obeying, preserving and rendering."""

SKILL = 0.1


@dataclass(frozen=True, eq=False)
class Edit:
    """One edit: source and edited image, the instruction's words, its labels, and how it was made.

    `region` is x and y of the centre, width and height, in fractions of the image.
    """

    source: np.ndarray
    edited: np.ndarray
    prompt: str
    scores: dict[str, float]
    completion: int
    region: tuple[float, float, float, float]
    editor: str
    before: Scene
    asked: Instruction
    attempt: Attempt


def edits(backgrounds: Backgrounds, count: int, seed: int, *, per_source: int = 4) -> Iterator[Edit]:
    """`count` edits, `per_source` of each scene. The same arguments give the same pixels."""
    for number in range(count):
        scene_number, turn = divmod(number, per_source)
        yield one_edit(backgrounds, [seed, scene_number], turn)


def real_view(backgrounds: Backgrounds, scene_seed: list[int], turn: int) -> np.ndarray:
    """Another view of a scene that nobody edited."""
    random = np.random.default_rng(scene_seed)
    background = backgrounds.draw(random)
    before, _ = scene_and_instruction(random)
    return view(before, background, np.random.default_rng([*scene_seed, turn, 2]))


def one_edit(backgrounds: Backgrounds, scene_seed: list[int], turn: int) -> Edit:
    """The edit number `turn` of the scene with this seed."""
    random = np.random.default_rng(scene_seed)
    background = backgrounds.draw(random)
    before, asked = scene_and_instruction(random)
    source = view(before, background, random)
    random = np.random.default_rng([*scene_seed, turn, 1])
    editor = str(random.choice(list(EDITORS)))
    obeys, preserves, renders = (SKILL * skill for skill in EDITORS[editor])
    failed = _failed(asked, obeys, random)
    shares = np.array(CHANGES) + np.array([preserves, 0, 0, -min(preserves, CHANGES[-1])])
    done = attempt(before, asked, failed, int(random.choice(4, p=shares / shares.sum())), random)
    naturalness, harmony = (float(np.clip(value + renders, 0, 1)) for value in random.uniform(0, 1, 2))
    flaws = _flaws(before, asked, done, (naturalness, harmony), random)
    edited = view(done.after, background, random, flaws)
    kept = 1 - len(done.changed) / len(done.others) if done.others else 1.0
    parts = len(PARTS[asked.kind])
    scores = {
        "quality": 100 * quality(naturalness, harmony),
        "alignment": 100 * (1 - len(done.failed) / parts),
        "preservation": 100 * kept,
        "naturalness": 100 * naturalness,
        "harmony": 100 * harmony,
    }
    completion = 3 if not done.failed else 1 if len(done.failed) == parts else 2
    region = _region(before, done, _worked_on(asked, done))
    return Edit(source, edited, asked.words, scores, completion, region, editor, before, asked, done)


def _failed(asked: Instruction, obeys: float, random: np.random.Generator) -> frozenset[str]:
    """The parts that are not carried out."""
    parts = PARTS[asked.kind]
    shares = np.array(list(OBEDIENCE.values())) + np.array([-obeys, 0, obeys])
    outcome = str(random.choice(list(OBEDIENCE), p=shares))
    if outcome != "some":
        return frozenset(parts if outcome == "none" else ())
    if asked.kind == "count":
        return frozenset({"another"})
    return frozenset(str(part) for part in random.permutation(parts)[: int(random.integers(1, len(parts)))])


def _worked_on(asked: Instruction, done: Attempt) -> tuple[int, ...]:
    """The cells that were worked on to carry out the instruction; where nothing was done, where it should have been."""
    return done.touched or (asked.cell,)


def _flaws(
    before: Scene, asked: Instruction, done: Attempt, qualities: tuple[float, float], random: np.random.Generator
) -> list[Flaw]:
    look, sign = str(random.choice(LOOKS)), float(random.choice((-1.0, 1.0)))
    return [flaw(done.after[cell] or before[cell], cell, look, sign, *qualities) for cell in _worked_on(asked, done)]


def flaw(one: Thing | None, cell: int, look: str, sign: float, naturalness: float, harmony: float) -> Flaw:
    """What is left around a thing at this naturalness and harmony, 0 to 1, in a brighter (1) or darker square (-1)."""
    least, most = STEPS
    return Flaw(square_of(one, cell), look, 1 - naturalness, sign * (most - (most - least) * harmony))


def quality(naturalness: float, harmony: float) -> float:
    """Of an edited square: both from 0 to 1.

    >>> quality(1, 0), quality(0.5, 0.5)
    (0.6, 0.5)
    """
    return 0.6 * naturalness + 0.4 * harmony


def _region(before: Scene, done: Attempt, cells: tuple[int, ...]) -> tuple[float, float, float, float]:
    squares = [_square(before, done, cell) for cell in cells]
    left, top = (min(square[edge] for square in squares) for edge in (0, 1))
    right, bottom = (max(square[edge] for square in squares) for edge in (2, 3))
    return (left + right) / 2 / SIDE, (top + bottom) / 2 / SIDE, (right - left) / SIDE, (bottom - top) / SIDE


def _square(before: Scene, done: Attempt, cell: int) -> tuple[int, int, int, int]:
    """The square around the thing of a cell, or around the one that was there before."""
    return square_of(done.after[cell] or before[cell], cell)
