"""Another toy backbone: a tiny LLaVA-OneVision that has learned to say where a shape is.

    python -m tools.pretrain_llava FOLDER

trains it from random weights on ellipses and diamonds that are painted on photographs. The result ships with the
package as `toy-llava`: the toy of `epaiqa` starts from it, as the paper's model starts from a LLaVA-OneVision that
knows boxes. It knows such shapes, where they are, their colours and sizes, how strong the colour and how coarse their
grain is, and nothing else: no edited rectangle, and none of the questions about quality.

This module imports torch at its top.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from editmetrics.mllm.backbone import IMAGE, Backbone
from editmetrics.mllm.levels import LEVELS
from editmetrics.mllm.loop import train
from editmetrics.mllm.recipe import Recipe, TrainingRun
from editmetrics.plugins.epaiqa.answers import Pieces, explained_answer
from editmetrics.plugins.epaiqa.box import Box
from editmetrics.plugins.epaiqa.levels import level_of
from editmetrics.plugins.epaiqa.prompts import BOX_START, QUESTIONS, grounding_chat
from editmetrics.testing import tiny_backbone
from tests.worlds.edits import COLOURS, TRAINING, crop_of, photographs_of
from tests.worlds.regions import SIDES, fractions, random_box, region_edits
from tools.pretrain_internvl import Learner, Lesson

logger = logging.getLogger(__name__)

SIDE, NOISE, BLOCK = 64, 60.0, 4
"""Of an image, in pixels; the strongest noise's deviation, in levels, and the side of its blocks."""

TENTHS, HUNDREDTHS = 1.0, 0.2
"""The weight of each digit of a fraction in the loss; the digit before the point says nothing."""

_RECIPE = Recipe(steps=750, batch_size=32, learning_rate=1e-3, weight_decay=0.01, warmup_ratio=0.03, evaluate_every=250)


@dataclass(frozen=True)
class Phase:
    """A part of the training: on so many shapes of this seed, without noise in them or with it."""

    name: str
    count: int
    seed: int
    noisy: bool
    recipe: Recipe


PHASES = (
    Phase("places", 8000, 0, False, replace(_RECIPE, schedule="constant")),
    Phase("looks", 8000, 2, True, replace(_RECIPE, steps=500)),
)
"""First where a shape is, of what colour and how large; then also how strong its colour is, and how noisy it is."""


@dataclass(frozen=True, eq=False)
class Shape:
    """A shape on a photograph: the image without and with it, its box and colour; size, strength of the colour and
    noise from 1 (least) to 5, the noise None where it is no question."""

    source: np.ndarray
    image: np.ndarray
    box: Box
    colour: str
    size: float
    strength: float
    noise: float | None


def shapes(count: int, seed: int = 0, noisy: bool = False) -> list[Shape]:
    """`count` ellipses and diamonds of random position, size, colour, strength and noise on crops of photographs."""
    pictures, random = photographs_of(TRAINING), np.random.default_rng(seed)
    crops = [crop_of(pictures, random, SIDE) for _ in range(max(count // 4, 1))]
    return [_shape(crops[int(random.integers(len(crops)))], random, noisy) for _ in range(count)]


def pretrain(folder: str | Path, phases: Sequence[Phase] = PHASES) -> Path:
    """Write the backbone into `folder/toy-llava`, and return that; the same call goes on with a stopped training."""
    folder = Path(folder)
    start = tiny_backbone(
        "llava_onevision", folder / "random", seed=0, corpus=_corpus(), vocabulary=1024, patch=16, layers=4,
        vision_layers=3,
    )  # fmt: skip
    backbone = Backbone.load(start, device="cpu")
    learner = Shapes(backbone)
    for phase in phases:
        train(
            learner,
            Lessons(learner, shapes(phase.count, phase.seed, phase.noisy)),
            TrainingRun(phase.recipe, folder / phase.name, progress=_progress),
            collate=_collate,
            validate=lambda: learner.mean_iou(shapes(64, seed=1)),
        )
    backbone.model.to(dtype=torch.bfloat16)  # type: ignore[call-arg] # half the bytes
    backbone.model.save_pretrained(folder / "toy-llava")
    backbone.processor.save_pretrained(folder / "toy-llava")
    return folder / "toy-llava"


class Shapes(Learner):
    """All of a backbone's weights, trained to answer questions about shapes."""

    def ask(self, shape: Shape, number: int) -> Lesson:
        """One of four questions, and the answer: short ones about all or one thing, or the method's own about a box."""
        kind, see = number % 4, self.backbone.see
        if kind in (0, 3):
            question, reply = describe(shape) if kind == 0 else ask_one(shape, number // 4)
            return self.lesson((IMAGE, question), [see(shape.image)], reply)
        both = [see(shape.source, among=2), see(shape.image, among=2)]
        if kind == 1:
            question, reply = describe(shape)
            return self.lesson((IMAGE, IMAGE, question), both, reply)
        ((_, parts),) = grounding_chat(IMAGE)
        return self.lesson(tuple(parts), both, f"{BOX_START} {shape.box.written()}.")

    def mean_iou(self, held_out: Sequence[Shape]) -> float:
        """The mean intersection over union of the boxes that are answered with the true ones; 0 for none."""
        from editmetrics.plugins.epaiqa.box import read_box
        from editmetrics.sample import SampleError

        ((_, parts),) = grounding_chat(IMAGE)
        see, overlaps = self.backbone.see, []
        prompts = [
            self.backbone.prompt([("user", parts)], [see(s.source, among=2), see(s.image, among=2)], answer=BOX_START)
            for s in held_out
        ]
        for shape, answer in zip(held_out, self.backbone.generate(prompts, max_tokens=32), strict=True):
            try:
                overlaps.append(shape.box.iou(read_box(answer)))
            except SampleError:
                overlaps.append(0.0)
        return float(np.mean(overlaps))

    def _weights(self, tokens: Sequence[int]) -> list[float]:
        """Much for what tells a shape from another, little for what is always the same."""
        digits = set(self.backbone.digit_ids())
        telling = {self.backbone.token(f" {word}") for word in LEVELS}
        telling |= {self.backbone.tokens(word)[0] for word in COLOURS}
        weights, position = [], 0
        for token in tokens:
            if token in digits:
                weights.append((0.02, TENTHS, HUNDREDTHS)[position % 3])
                position += 1
            else:
                weights.append(0.5 if token in telling else 0.02)
        return weights


class Lessons(Sequence[Lesson]):
    """A question about each shape, always the same one."""

    def __init__(self, learner: Shapes, shown: Sequence[Shape]) -> None:
        self.learner, self.shown = learner, shown

    def __len__(self) -> int:
        return len(self.shown)

    def __getitem__(self, index: Any) -> Any:
        return self._lesson(int(index))

    @cache  # noqa: B019 - as many as there are shapes
    def _lesson(self, index: int) -> Lesson:
        return self.learner.ask(self.shown[index], index)


def describe(shape: Shape) -> tuple[str, str]:
    """A question about everything, and the answer."""
    levels = [level_of(value) for value in (shape.size, shape.strength, shape.noise) if value is not None]
    levels = levels[:1] if shape.noise is None else levels
    return "Describe the shape.", f"{shape.colour} {' '.join(levels)} {shape.box.written()}"


def ask_one(shape: Shape, draw: int) -> tuple[str, str]:
    """A question about one of a shape's looks, and the answer."""
    asked = {"How large is the shape?": shape.size}
    if shape.noise is not None:
        asked |= {"How strong is the colour?": shape.strength, "How noisy is the shape?": shape.noise}
    question, value = list(asked.items())[draw % len(asked)]
    return question, f"It is {level_of(value)}."


def _shape(source: np.ndarray, random: np.random.Generator, noisy: bool) -> Shape:
    box = left, top, width, height = random_box(random, SIDE)
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    across, down = (columns - left) / width * 2 - 1, (rows - top) / height * 2 - 1
    ellipse = random.random() < 0.5
    inside = (across**2 + down**2 <= 1) if ellipse else (np.abs(across) + np.abs(down) <= 1)
    colour = str(random.choice(list(COLOURS)))
    share = random.uniform(0.3, 1.0)
    painted = source * (1 - share) + np.array(COLOURS[colour], np.float64) * share
    noise = float(random.uniform(1, 5)) if noisy else None
    if noise is not None:
        painted = painted + _noise(random) * (noise - 1) / 4
    image = np.where(inside[..., None], painted, source)
    least, most = SIDES
    size = 1 + 4 * ((width + height) / 2 / SIDE - least) / (most - least)
    where = Box(*fractions(box, SIDE))
    strength = 1 + 4 * (share - 0.3) / 0.7
    pixels = np.rint(image).clip(0, 255).astype(np.uint8)
    return Shape(source, pixels, where, colour, float(np.clip(size, 1, 5)), float(np.clip(strength, 1, 5)), noise)


def _noise(random: np.random.Generator) -> np.ndarray:
    """Coarse grey noise (SIDE, SIDE, 1)."""
    blocks = random.normal(0, NOISE, (SIDE // BLOCK, SIDE // BLOCK))
    return blocks.repeat(BLOCK, 0).repeat(BLOCK, 1)[..., None]


def _corpus() -> str:
    """What the tokenizer shall know in few tokens: the questions, and answers of every kind."""
    answers = [explained_answer(completion, Pieces("a", "b", "c"), "good") for completion in (1, 2, 3)]
    nothing = {"blank": np.random.default_rng(0).integers(0, 256, (256, 256, 3)).astype(np.uint8)}
    made = [edit.explanation for edit in region_edits(60, photographs=nothing)]
    asked = [f"make the region {colour}. The partial editing prompt is:" for colour in COLOURS]
    short = [
        "Describe the shape.",
        "How large is the shape? It is",
        BOX_START,
        "Harmony level is: Naturalness level is:",
    ]
    reply = ["The original image is: , the image after partial editing is: The editing area of image after partial "]
    return " ".join([*QUESTIONS.values(), *answers, *made, *asked, *short, *reply])


def _collate(lessons: Sequence[Lesson]) -> dict[str, Any]:
    return {"lessons": list(lessons)}


def _progress(step: int, total: int, loss: float, parts: Any, validation: float | None) -> None:
    if step % 50 == 0:
        logger.info("step %d of %d: loss %.3f, mean IoU %s", step, total, loss, validation)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    pretrain(sys.argv[1])
