"""Lessons of a backbone: one or two images, and several questions about them with their answers, as one chat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from tools.world.instructions import PARTS, Attempt, Instruction, attempt, scene_and_instruction
from tools.world.questions import (
    Asked,
    Shown,
    about_one,
    about_piece,
    about_two,
    became,
    caption,
    looks,
    numbers,
    places_changed,
    repeat,
    some_place,
    what_changed,
)
from tools.world.scenes import SIDE, Backgrounds, Thing, flaws_of, square_of, view

IMAGE = None
"""The sign of an image among the parts of a lesson's opening."""

QUESTIONS = 5
"""How many questions a lesson has, if it asks for more than descriptions."""


@dataclass(frozen=True)
class Mixture:
    """The shares of the lessons that show one image alone, and that ask for descriptions of everything only: these are
    short and say most. `looks`: whether descriptions of two images include the second one's looks. `numbers`: the share
    of the questions that are answered by numbers or levels. `repeats`: the share that asks to repeat some words.
    `last`: the share of the edits whose instruction stands behind the images and not before them. `pieces`: the share
    of the lessons on one image that show a piece of it alone, enlarged."""

    alone: float = 0.25
    descriptive: float = 0.4
    looks: bool = True
    numbers: float = 0.0
    repeats: float = 0.0
    last: float = 0.0
    pieces: float = 0.0


@dataclass(frozen=True, eq=False)
class SceneLesson:
    """The images (n, SIDE, SIDE, 3) of uint8, the words around them, and questions with answers, of which the first
    follows the words at once."""

    images: np.ndarray
    opening: tuple[str | None, ...]
    asked: tuple[Asked, ...]


MIXTURE = Mixture()


class SceneLessons(Sequence[SceneLesson]):
    """`count` lessons on these photographs, made anew each time that one is asked for; equal seeds give equal ones.

    `texts` have the words that a lesson asks to repeat.
    """

    def __init__(
        self, backgrounds: Backgrounds, count: int, seed: int, mixture: Mixture = MIXTURE, texts: Sequence[str] = ()
    ) -> None:
        self.backgrounds, self.size, self.seed, self.mixture, self.texts = backgrounds, count, seed, mixture, texts

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> SceneLesson:  # type: ignore[override] # no slices
        random = np.random.default_rng([self.seed, int(index), 3])
        made = lesson(self.backgrounds, random, self.mixture)
        if not self.mixture.repeats:
            return made
        asked = [repeat(self.texts, random) if random.random() < self.mixture.repeats else one for one in made.asked]
        return replace(made, asked=tuple(asked))


def lesson(backgrounds: Backgrounds, random: np.random.Generator, mixture: Mixture = MIXTURE) -> SceneLesson:
    """Any lesson."""
    before, asked = scene_and_instruction(random)
    done = attempt(before, asked, _failed(asked, random), int(random.choice(4, p=(0.4, 0.3, 0.2, 0.1))), random)
    background = backgrounds.draw(random)
    descriptive = bool(random.random() < mixture.descriptive)
    if random.random() < mixture.alone:
        things = before if random.random() < 0.5 else done.after
        shown = Shown("the image", things, flaws_of(things, random))
        image = view(things, background, random, list(shown.flaws.values()))
        if _by_chance(mixture.pieces, random):
            cell = some_place(shown, random)
            return SceneLesson(piece(image, things[cell], cell)[None], (IMAGE, ""), about_piece(shown, cell))
        if descriptive:
            asking: tuple[Asked, ...] = (caption(shown, random), looks(shown, random))
        else:
            asking = tuple(
                numbers(shown, image, random) if _by_chance(mixture.numbers, random) else about_one(shown, random)
                for _ in range(QUESTIONS)
            )
        return SceneLesson(image[None], (IMAGE, ""), asking)
    is_edit = bool(random.random() < 0.8)
    names = ("the source image", "the target image") if is_edit else ("the first image", "the second image")
    both = [
        Shown(name, things, flaws_of(things, random)) for name, things in zip(names, (before, done.after), strict=True)
    ]
    images = np.stack([view(shown.things, background, random, list(shown.flaws.values())) for shown in both])
    if descriptive:
        named = (became(before, done.after, asked, done),) if is_edit else ()
        broken = (looks(both[1], random),) if mixture.looks else ()
        every = caption(both[1], random), what_changed(before, done.after), *named, *broken
        asking = tuple(every[index] for index in random.permutation(len(every)))
    else:
        asking = tuple(
            _number(both, images, random) if _by_chance(mixture.numbers, random) else _about(both, asked, done, random)
            for _ in range(QUESTIONS)
        )
    is_last = is_edit and _by_chance(mixture.last, random)
    return SceneLesson(images, opening(asked.words if is_edit else None, is_last), asking)


def piece(image: np.ndarray, one: Thing | None, cell: int) -> np.ndarray:
    """The square around a thing, cut out of an image and enlarged to the size of one."""
    left, top, right, bottom = square_of(one, cell)
    cut = Image.fromarray(image[top:bottom, left:right])
    return np.asarray(cut.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def opening(prompt: str | None, last: bool = False) -> tuple[str | None, ...]:
    """The words around two images: those of an edit by this prompt, before them or `last`, or without one."""
    if prompt is None:
        return "The first image is ", IMAGE, ", the second image is ", IMAGE, ". "
    if last:  # as the prompt of `epaiqa` has it
        middle = ", the image after partial editing is: "
        return "The original image is: ", IMAGE, middle, IMAGE, f". The partial editing prompt is: {prompt}. "
    start = f"With the image editing prompt [{prompt}], the source image "
    return start, IMAGE, " is edited to generate the target image ", IMAGE, ". "


def _about(both: Sequence[Shown], asked: Instruction, done: Attempt, random: np.random.Generator) -> Asked:
    before, after = both
    if random.random() < 0.5:
        return about_one(before if random.random() < 0.35 else after, random)
    named = before.name == "the source image"
    return about_two(before.things, after.things, (asked, done) if named else None, random)


def _number(both: Sequence[Shown], images: np.ndarray, random: np.random.Generator) -> Asked:
    if random.random() < 0.5:
        return places_changed(both[0].things, both[1].things)
    which = int(random.integers(2))
    return numbers(both[which], images[which], random)


def _by_chance(share: float, random: np.random.Generator) -> bool:
    """True so often; nothing is drawn for a share of 0."""
    return share > 0 and bool(random.random() < share)


def _failed(asked: Instruction, random: np.random.Generator) -> frozenset[str]:
    """Some parts of an instruction, all or none of them."""
    parts = PARTS[asked.kind]
    if asked.kind == "count":
        return frozenset(parts[::-1][: int(random.integers(3))])
    return frozenset(part for part in parts if random.random() < 0.4)
