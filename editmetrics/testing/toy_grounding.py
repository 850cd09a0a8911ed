"""Another toy backbone: a tiny LLaVA-OneVision that has learned to say where a shape is.

    python -m editmetrics.testing.toy_grounding FOLDER

trains it from random weights on ellipses and diamonds that are painted on photographs. The result ships with the
package as `toy-llava`: the toy of `epaiqa` starts from it, as the paper's model starts from a LLaVA-OneVision that
knows boxes. It knows such shapes and boxes, their colours and sizes, and nothing else: no edited rectangle, no noise
and no quality.

This module imports torch at its top.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..mllm.backbone import IMAGE, Backbone
from ..mllm.readouts import LEVELS
from ..mllm.training import Recipe, train
from ..plugins.epaiqa.answers import Pieces, explained_answer
from ..plugins.epaiqa.box import Box
from ..plugins.epaiqa.levels import level_of
from ..plugins.epaiqa.prompts import BOX_START, QUESTIONS, grounding_chat
from .backbones import tiny_backbone
from .toy_backbone import Learner, Lesson
from .toy_edits import COLOURS, TRAINING, crop_of, photographs_of
from .toy_regions import SIDES, fractions, random_box, region_edits

logger = logging.getLogger(__name__)

SIDE = 64
TENTHS, HUNDREDTHS = 1.0, 0.2
"""The weight of each digit of a fraction in the loss; the digit before the point says nothing."""

RECIPE = Recipe(
    steps=750,
    batch_size=32,
    learning_rate=1e-3,
    weight_decay=0.01,
    schedule="constant",
    warmup_ratio=0.03,
    evaluate_every=250,
)


@dataclass(frozen=True, eq=False)
class Shape:
    """A shape on a photograph: the image without and with it, its box, colour and size from 1 (least) to 5."""

    source: np.ndarray
    image: np.ndarray
    box: Box
    colour: str
    size: float


def shapes(count: int, seed: int = 0, photographs: tuple[str, ...] = TRAINING) -> list[Shape]:
    """`count` ellipses and diamonds of random place, size, colour and strength on crops of photographs."""
    pictures, random = photographs_of(photographs), np.random.default_rng(seed)
    crops = [crop_of(pictures, random, SIDE) for _ in range(max(count // 4, 1))]
    return [_shape(crops[int(random.integers(len(crops)))], random) for _ in range(count)]


def pretrain(folder: str | Path, recipe: Recipe = RECIPE, count: int = 8000) -> Path:
    """Write the backbone into `folder/toy-llava`, and return that; the same call goes on with a stopped training."""
    folder = Path(folder)
    start = tiny_backbone(
        "llava_onevision", folder / "random", seed=0, corpus=_corpus(), vocabulary=1024, patch=16, layers=4,
        vision_layers=3,
    )  # fmt: skip
    backbone = Backbone.load(start, device="cpu")
    learner = Shapes(backbone)
    train(
        learner,
        Lessons(learner, shapes(count)),
        collate=lambda lessons: {"lessons": list(lessons)},
        recipe=recipe,
        output_dir=folder / "training",
        validate=lambda: learner.mean_iou(shapes(64, seed=1)),
        progress=_progress,
    )
    backbone.model.to(dtype=torch.bfloat16)  # type: ignore[call-arg] # half the bytes
    backbone.model.save_pretrained(folder / "toy-llava")
    backbone.processor.save_pretrained(folder / "toy-llava")
    return folder / "toy-llava"


class Shapes(Learner):
    """All of a backbone's weights, trained to answer questions about shapes."""

    def ask(self, shape: Shape, kind: int) -> Lesson:
        """One of four questions, and the answer: short ones about all, or the method's own about a box."""
        said, see = f"{shape.colour} {level_of(shape.size)} {shape.box.written()}", self.backbone.see
        if kind in (0, 3):
            question, said = (
                ("Describe the shape.", said)
                if kind == 0
                else ("How large is the shape?", f"It is {level_of(shape.size)}.")
            )
            return self.lesson((IMAGE, question), [see(shape.image)], said)
        both = [see(shape.source, among=2), see(shape.image, among=2)]
        if kind == 1:
            return self.lesson((IMAGE, IMAGE, "Describe the shape."), both, said)
        ((_, parts),) = grounding_chat(IMAGE)
        return self.lesson(tuple(parts), both, f"{BOX_START} {shape.box.written()}.")

    def mean_iou(self, held_out: Sequence[Shape]) -> float:
        """The mean intersection over union of the boxes that are answered with the true ones; 0 for none."""
        from ..plugins.epaiqa.box import read_box
        from ..sample import SampleError

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
        weights, place = [], 0
        for token in tokens:
            if token in digits:
                weights.append((0.02, TENTHS, HUNDREDTHS)[place % 3])
                place += 1
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
        return self.learner.ask(self.shown[index], index % 4)


def _shape(source: np.ndarray, random: np.random.Generator) -> Shape:
    box = left, top, width, height = random_box(random, SIDE)
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    across, down = (columns - left) / width * 2 - 1, (rows - top) / height * 2 - 1
    ellipse = random.random() < 0.5
    inside = (across**2 + down**2 <= 1) if ellipse else (np.abs(across) + np.abs(down) <= 1)
    colour = str(random.choice(list(COLOURS)))
    share = random.uniform(0.3, 1.0)
    painted = source * (1 - share) + np.array(COLOURS[colour], np.float64) * share
    image = np.where(inside[..., None], painted, source)
    least, most = SIDES
    size = 1 + 4 * ((width + height) / 2 / SIDE - least) / (most - least)
    where = Box(*fractions(box, SIDE))
    return Shape(source, np.rint(image).astype(np.uint8), where, colour, float(np.clip(size, 1, 5)))


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
    said = ["The original image is: , the image after partial editing is: The editing area of image after partial "]
    return " ".join([*QUESTIONS.values(), *answers, *made, *asked, *short, *said])


def _progress(step: int, total: int, loss: float, parts: Any, validation: float | None) -> None:
    if step % 50 == 0:
        logger.info("step %d of %d: loss %.3f, mean IoU %s", step, total, loss, validation)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    pretrain(sys.argv[1])
