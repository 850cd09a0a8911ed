"""Questions about scenes and about two views of them, with answers that describe, and never rate.

A backbone is pretrained on them. No label of `tools.world.edits` is ever asked for or answered: not how well an
instruction was followed, how much was preserved, how strong a flaw is, where was edited, or whether an image is real.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from editmetrics.mllm.levels import LEVELS
from tools.world.instructions import Attempt, Instruction, at, reference
from tools.world.scenes import CELLS, COLOURS, LOOKS, SHAPES, SIDE, Flaw, Scene, box, plural

Asked = tuple[str, str]
"""A question and its answer."""

STRONG, WEAK = 0.5, 0.12
"""A look of at least so much strength is named; one of at most so little is none; between them it is not asked for."""

BRIGHTNESS, CONTRAST = (75.0, 160.0), (20.0, 60.0)
"""The scales of an image's mean and deviation, in levels."""


@dataclass(frozen=True)
class Shown:
    """An image that is asked about: its words ("the source image"), its scene, and its flaws by cell."""

    name: str
    things: Scene
    flaws: dict[int, Flaw]


def about_one(shown: Shown, random: np.random.Generator) -> Asked:
    """A question about one image."""
    while True:
        asked = ONE[int(random.choice(len(ONE), p=ONE_SHARES))](shown, random)
        if asked is not None:
            return asked


def caption(shown: Shown, random: np.random.Generator) -> Asked:
    """The things of all cells, in their order."""
    words = ["nothing" if one is None else one.words() for one in shown.things]
    return f"Describe {shown.name}.", ", ".join(words)


def _count(shown: Shown, random: np.random.Generator) -> Asked:
    things = [one for one in shown.things if one is not None]
    shape, colour = str(random.choice(SHAPES)), str(random.choice(list(COLOURS)))
    asked, count = [
        ("things", len(things)),
        (plural(shape), sum(one.shape == shape for one in things)),
        (f"{colour} things", sum(one.colour == colour for one in things)),
    ][int(random.integers(3))]
    return f"How many {asked} are in {shown.name}?", str(count)


def _attribute(shown: Shown, random: np.random.Generator) -> Asked | None:
    cell = _some_cell(shown, random)
    if cell is None:
        return None
    one, name = at(shown.things, cell), reference(shown.things, cell)
    if random.random() < 0.5:
        return f"Which colour is {name} of {shown.name}?", one.colour
    return f"What is at the {CELLS[cell]} of {shown.name}?", one.words()


def _where(shown: Shown, random: np.random.Generator) -> Asked | None:
    cell = _some_cell(shown, random)
    if cell is None:
        return None
    return f"Where is the {at(shown.things, cell).words()} of {shown.name}?", CELLS[cell]


def _box(shown: Shown, random: np.random.Generator) -> Asked | None:
    cell = _some_cell(shown, random)
    if cell is None:
        return None
    left, top, right, bottom = (edge / SIDE for edge in box(at(shown.things, cell), cell))
    numbers = (left + right) / 2, (top + bottom) / 2, right - left, bottom - top
    written = ", ".join(f"{number:.2f}" for number in numbers)
    return f"Give the box of {reference(shown.things, cell)} of {shown.name}.", f"({written})"


def _is_there(shown: Shown, random: np.random.Generator) -> Asked | None:
    cell = _some_cell(shown, random)
    if cell is None:
        return None
    one = at(shown.things, cell)
    shape, colour = one.shape, one.colour
    if random.random() < 0.5:  # another colour or shape, which may be there all the same
        if random.random() < 0.5:
            colour = str(random.choice(list(COLOURS)))
        else:
            shape = str(random.choice(SHAPES))
    is_there = any(each is not None and (each.shape, each.colour) == (shape, colour) for each in shown.things)
    question = f"Is there a {colour} {shape} in {shown.name}? Answer yes or no."
    return question, _yes(is_there)


def _look(shown: Shown, random: np.random.Generator) -> Asked | None:
    cell = some_place(shown, random)
    look = named_look(shown.flaws.get(cell))
    return None if look is None else (f"How does the {CELLS[cell]} of {shown.name} look?", look)


def named_look(flaw: Flaw | None) -> str | None:
    """The name of a look, "plain" without one; None where it is between strong and weak."""
    if flaw is None or flaw.strength <= WEAK:
        return "plain"
    return flaw.look if flaw.strength >= STRONG else None


def about_piece(shown: Shown, cell: int) -> tuple[Asked, ...]:
    """Questions about the square of a cell, which is all that is seen of an image."""
    one, look = shown.things[cell], named_look(shown.flaws.get(cell))
    described = ("Describe the piece of the image.", "nothing" if one is None else one.words())
    return (described,) if look is None else (described, ("How does the piece of the image look?", look))


def _square(shown: Shown, random: np.random.Generator) -> Asked:
    """Whether a cell has a bright or a dark square, however little it differs."""
    flaw = shown.flaws.get(cell := some_place(shown, random))
    answer = "none" if flaw is None else "bright" if flaw.step > 0 else "dark"
    return f"Which square has the {CELLS[cell]} of {shown.name}?", answer


def some_place(shown: Shown, random: np.random.Generator) -> int:
    """A cell, mostly one with a flaw."""
    cell = int(random.integers(4))
    return int(random.choice(list(shown.flaws))) if shown.flaws and random.random() < 0.7 else cell


def looks(shown: Shown, random: np.random.Generator) -> Asked:
    """Every cell's look at once."""
    words = [
        "plain" if (flaw := shown.flaws.get(cell)) is None or flaw.strength < WEAK else flaw.look for cell in range(4)
    ]
    return f"Describe the looks of {shown.name}.", ", ".join(words)


def numbers(shown: Shown, image: np.ndarray, random: np.random.Generator) -> Asked:
    """A question about one image that is answered by a number or a level.

    Brightness and contrast are statistics of the whole image, which the baseline has, too. They teach the backbone to
    write numbers and level words, as a large one is able to.
    """
    kind = int(random.integers(4))
    if kind == 0:
        return f"Give the brightness of {shown.name}.", f"{9.99 * _share(float(image.mean()), BRIGHTNESS):.2f}"
    if kind == 1:
        level = LEVELS[min(int(5 * _share(float(image.std()), CONTRAST)), 4)]
        return f"How is the contrast of {shown.name}?", f"The contrast of {shown.name} is {level}"
    asked = None if kind == 2 else _box(shown, random)
    return asked or _count(shown, random)


def repeat(texts: Sequence[str], random: np.random.Generator) -> Asked:
    """To repeat some words of a text: it teaches the backbone to write every word that it can read.

    >>> repeat(["one two"], np.random.default_rng(0))
    ('Repeat: one two', 'one two')
    """
    words = texts[int(random.integers(len(texts)))].split()
    count = int(random.integers(min(3, len(words)), min(8, len(words)) + 1))
    first = int(random.integers(len(words) - count + 1))
    some = " ".join(words[first : first + count])
    return f"Repeat: {some}", some


def _share(value: float, scale: tuple[float, float]) -> float:
    low, high = scale
    return min(max((value - low) / (high - low), 0.0), 1.0)


ONE: tuple[Callable[[Shown, np.random.Generator], Asked | None], ...] = (
    caption, _count, _attribute, _where, _box, _is_there, _look, _square, looks,
)  # fmt: skip
ONE_SHARES = (0.32, 0.08, 0.12, 0.06, 0.06, 0.1, 0.09, 0.08, 0.09)


def about_two(
    before: Scene, after: Scene, named: tuple[Instruction, Attempt] | None, random: np.random.Generator
) -> Asked:
    """A question about two images; `named` is the edit whose prompt stands before them, if one does."""
    kind = int(random.choice(4, p=(0.35, 0.08, 0.32, 0.25)))
    if kind == 0:
        return what_changed(before, after)
    if kind == 1:
        return places_changed(before, after)
    if kind == 2 and named is not None:
        return became(before, after, *named)
    return _statement(before, after, random)


def places_changed(before: Scene, after: Scene) -> Asked:
    return "How many places changed?", str(sum(one != two for one, two in zip(before, after, strict=True)))


def what_changed(before: Scene, after: Scene) -> Asked:
    return "What changed?", ", ".join(changes(before, after))


def changes(before: Scene, after: Scene) -> list[str]:
    """For each cell what became of it.

    >>> from tools.world.scenes import Thing
    >>> red, blue = Thing("circle", "red", 9, 0, 0), Thing("circle", "blue", 9, 0, 0)
    >>> changes((red, None, None, red), (blue, red, None, red))
    ['red circle became blue circle', 'red circle came', 'same', 'same']
    """
    words = []
    for old, new in zip(before, after, strict=True):
        if old == new:
            words.append("same")
        elif old is None or new is None:
            words.append(f"{old.words()} is gone" if old else f"{new.words()} came" if new else "same")
        else:
            pale = "pale " if new.opacity < 1 else ""
            words.append(f"{old.words()} became {pale}{new.words()}")
    return words


def became(before: Scene, after: Scene, asked: Instruction, done: Attempt) -> Asked:
    """What became of the thing that the instruction names, or what is where it wants something."""
    words = changes(before, after)
    if asked.target is not None:
        where = [CELLS[cell] for cell in done.touched[1:]] if asked.target in done.touched else []
        moved = f" and went to the {where[0]}" if where else ""
        return "What became of the thing that the prompt names?", words[asked.target] + moved
    new = [f"{one.words()} at the {CELLS[cell]}" for cell in done.touched if (one := after[cell])]
    return "What came that the prompt names?", " and ".join(new) or "nothing"


def _statement(before: Scene, after: Scene, random: np.random.Generator) -> Asked:
    """Whether a sentence about a change is true: true ones, and such as have one word wrong."""
    cell = int(random.integers(4))
    changed = [each for each in range(4) if before[each] != after[each]]
    if changed and random.random() < 0.75:
        cell = int(random.choice(changed))
    old, new = before[cell], after[cell]
    then, now = (one.words() if one else None for one in (old, new))
    truth = _sentence(then, now, CELLS[cell])
    sentence = truth
    if random.random() < 0.5:
        colour, shape = str(random.choice(list(COLOURS))), str(random.choice(SHAPES))
        thing = new or old
        wrong = (
            f"{colour} {thing.shape}"
            if thing and random.random() < 0.5
            else f"{thing.colour if thing else colour} {shape}"
        )
        sentence = _sentence(then, wrong, CELLS[cell])
    return f"Is it true? {sentence} Answer yes or no.", _yes(sentence == truth)


def _sentence(old: str | None, new: str | None, cell: str) -> str:
    if old == new:
        return f"The {cell} is the same." if old is None else f"The {old} at the {cell} is the same."
    if old is None:
        return f"A {new} came to the {cell}."
    return f"The {old} at the {cell} is gone." if new is None else f"The {old} at the {cell} became a {new}."


def _some_cell(shown: Shown, random: np.random.Generator) -> int | None:
    cells = [cell for cell, one in enumerate(shown.things) if one is not None]
    return int(random.choice(cells)) if cells else None


def _yes(true: bool) -> str:
    return "yes" if true else "no"


WORDS = (*SHAPES, *COLOURS, *LOOKS, *CELLS)
