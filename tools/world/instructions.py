"""Instructions about a scene, and what an editor makes of them: which parts are carried out, and what else changes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tools.world.scenes import CELLS, COLOURS, SHAPES, Scene, Thing, scene, thing

PARTS = {
    "recolour": ("object", "colour"),
    "turn": ("object", "shape"),
    "remove": ("object", "gone"),
    "move": ("object", "where"),
    "add": ("shape", "colour", "where"),
    "count": ("one", "another"),
}
"""The parts of each kind of instruction: an edit carries out each of them, or not."""

COUNTS = {"recolour": (2, 3, 4), "turn": (2, 3, 4), "remove": (2, 3, 4), "move": (2,), "add": (1, 2), "count": (1, 2)}
"""How many things the scene of an instruction has."""

GHOST = 0.45
"""The opacity of a thing that an editor failed to remove."""


@dataclass(frozen=True)
class Instruction:
    """What is asked: `target` is the cell of the thing it is about, `wanted` that thing as it shall be (as it is, for
    "remove"), `cell` where it shall be. For "count", `wanted` shall be in two more cells."""

    kind: str
    target: int | None
    wanted: Thing
    cell: int
    words: str


@dataclass(frozen=True)
class Attempt:
    """A scene after an edit. `failed`: the parts of the instruction that were not carried out. `touched`: the cells
    that were worked on to carry it out; `changed`: the cells of other things that differ, of `others`."""

    after: Scene
    failed: frozenset[str]
    touched: tuple[int, ...]
    changed: tuple[int, ...]
    others: tuple[int, ...]


def scene_and_instruction(random: np.random.Generator) -> tuple[Scene, Instruction]:
    """A scene, and an instruction about it."""
    kind = str(random.choice(list(PARTS)))
    things = scene(random, int(random.choice(COUNTS[kind])))
    return things, instruction(things, kind, random)


def instruction(things: Scene, kind: str, random: np.random.Generator) -> Instruction:
    """An instruction of a kind about a scene that has enough things, and empty cells where it needs some."""
    empty = empty_cells(things)
    cell = int(random.choice(empty)) if empty else 0
    if kind == "add":
        new = thing(random)
        return Instruction(kind, None, new, cell, f"add a {new.words()} at the {CELLS[cell]}")
    if kind == "count":
        new = thing(random)
        return Instruction(kind, None, new, cell, f"add two {new.plural()}")
    target = int(random.choice(sorted(set(range(4)) - set(empty))))
    old, name = at(things, target), reference(things, target)
    if kind == "recolour":
        new = replace(old, colour=_other(COLOURS, random, old.colour))
        return Instruction(kind, target, new, target, f"make {name} {new.colour}")
    if kind == "turn":
        new = replace(old, shape=_other(SHAPES, random, old.shape))
        return Instruction(kind, target, new, target, f"turn {name} into a {new.shape}")
    if kind == "remove":
        return Instruction(kind, target, old, target, f"remove {name}")
    return Instruction(kind, target, old, cell, f"move {name} to the {CELLS[cell]}")


def empty_cells(things: Sequence[Thing | None]) -> list[int]:
    return [cell for cell, one in enumerate(things) if one is None]


def at(things: Sequence[Thing | None], cell: int) -> Thing:
    """The thing of a cell that has one."""
    one = things[cell]
    if one is None:
        raise ValueError(f"nothing is at the {CELLS[cell]}; expected a thing")
    return one


def reference(things: Scene, cell: int) -> str:
    """The shortest words that name one thing of a scene: its shape, with its colour, or with its cell.

    >>> two = Thing("circle", "red", 9, 0, 0), Thing("circle", "blue", 9, 0, 0)
    >>> reference((*two, None, None), 1)
    'the blue circle'
    """
    one = at(things, cell)
    same = [other for other in things if other is not None and other.shape == one.shape]
    if len(same) == 1:
        return f"the {one.shape}"
    if sum(other.colour == one.colour for other in same) == 1:
        return f"the {one.words()}"
    return f"the {one.shape} at the {CELLS[cell]}"


def attempt(
    things: Scene, asked: Instruction, failed: frozenset[str], changes: int, random: np.random.Generator
) -> Attempt:
    """What an editor makes of an instruction, who fails in some parts of it, and changes so many other things.

    Where "object" fails, the first of those changes is what was asked, done to a wrong thing. Where that cannot be, the
    parts other than "object" fail; where all shall fail and nothing else changes, nothing is done.
    """
    others = tuple(cell for cell, one in enumerate(things) if one is not None and cell != asked.target)
    spare = [int(cell) for cell in random.permutation(list(others))][: min(changes, len(others))]
    result, wrong = list(things), None
    touched: tuple[int, ...] = ()
    if "object" in failed:
        able = [cell for cell in spare if _differs(at(things, cell), asked)]
        wrong = able[0] if able else None
    if failed == frozenset(PARTS[asked.kind]) and wrong is None:
        pass
    else:
        if "object" in failed and wrong is None:
            failed = frozenset(PARTS[asked.kind][1:])
        touched = _carried_out(result, asked, failed, wrong, random)
    for cell in spare:
        if cell != wrong:
            result[cell] = another_version(at(result, cell), random)
    one, two, three, four = result
    return Attempt((one, two, three, four), failed, touched, tuple(spare), others)


def _differs(one: Thing, asked: Instruction) -> bool:
    """True if doing to this thing what was asked of another changes it."""
    same = {"recolour": one.colour == asked.wanted.colour, "turn": one.shape == asked.wanted.shape}
    return not same.get(asked.kind, False)


def _carried_out(
    result: list[Thing | None],
    asked: Instruction,
    failed: frozenset[str],
    wrong: int | None,
    random: np.random.Generator,
) -> tuple[int, ...]:
    """Change the things as asked but for the parts that fail; returns the cells that were worked on."""
    if asked.target is None:
        return _added(result, asked, failed, random)
    cell = asked.target if wrong is None else wrong
    old, new = at(result, cell), asked.wanted
    if asked.kind == "remove":
        result[cell] = replace(old, opacity=GHOST) if "gone" in failed else None
    elif asked.kind == "recolour":
        colour = _other(COLOURS, random, old.colour, new.colour) if "colour" in failed else new.colour
        result[cell] = replace(old, colour=colour)
    elif asked.kind == "turn":
        shape = _other(SHAPES, random, old.shape, new.shape) if "shape" in failed else new.shape
        result[cell] = replace(old, shape=shape)
    else:
        goal = _elsewhere(result, asked.cell, random) if "where" in failed else asked.cell
        result[cell], result[goal] = None, old
        return cell, goal
    return (cell,)


def _added(
    result: list[Thing | None], asked: Instruction, failed: frozenset[str], random: np.random.Generator
) -> tuple[int, ...]:
    empty, new = empty_cells(result), asked.wanted
    if asked.kind == "count":
        cells = [int(cell) for cell in random.permutation(empty)][: 2 - len(failed)]
    else:
        cells = [_elsewhere(result, asked.cell, random) if "where" in failed else asked.cell]
    shape = _other(SHAPES, random, new.shape) if "shape" in failed else new.shape
    colour = _other(COLOURS, random, new.colour) if "colour" in failed else new.colour
    for cell in cells:
        across, down = (float(value) for value in random.uniform(-3, 3, 2))
        result[cell] = replace(new, shape=shape, colour=colour, across=across, down=down)
    return tuple(cells)


def another_version(one: Thing, random: np.random.Generator) -> Thing | None:
    """Another colour, another shape, or nothing in place of a thing."""
    kind = int(random.integers(3))
    if kind == 0:
        return None
    if kind == 1:
        return replace(one, colour=_other(COLOURS, random, one.colour))
    return replace(one, shape=_other(SHAPES, random, one.shape))


def _elsewhere(result: Sequence[Thing | None], cell: int, random: np.random.Generator) -> int:
    """Another empty cell."""
    return int(random.choice([each for each in empty_cells(result) if each != cell]))


def _other(names: Iterable[str], random: np.random.Generator, *but: str) -> str:
    return str(random.choice([name for name in names if name not in but]))
