"""The toy backbone: a tiny InternVL that has learned to look at edits, instead of billions of pretrained parameters.

    python -m tools.pretrain_internvl FOLDER

trains it from random weights on edits of photographs (`tests.worlds.edits`) in about an hour on one
processor core. The result ships with the package as `toy-internvl`: what is trained on top of it in the tests, by the
same code as on a real backbone, learns in a minute. It knows these edits and nothing else.

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
from torch import Tensor, nn

from editmetrics.mllm.backbone import IMAGE, Backbone, Picture, Prompt
from editmetrics.mllm.levels import LEVELS
from editmetrics.mllm.loop import train
from editmetrics.mllm.recipe import Recipe, TrainingRun
from editmetrics.plugins.ds_ieqa.digit_scale import DigitScale
from editmetrics.plugins.ds_ieqa.prompts import NAMES, START_DEFINITIONS, answer, chat
from editmetrics.testing import tiny_backbone
from tests.worlds.edits import COLOURS, DIMENSIONS, TRAINING, Edit, edits

logger = logging.getLogger(__name__)

SCALE = DigitScale(0, 100)
PLACES = (1.0, 0.1, 0.01)
"""The weight of each digit of a number in the loss: the last one is noise to a tiny model."""

WORD = 0.02
"""The weight of tokens that say nothing of the edit."""

_RECIPE = Recipe(batch_size=32, learning_rate=1e-3, weight_decay=0.01, warmup_ratio=0.025)


@dataclass(frozen=True)
class Phase:
    """A part of the training: so many edits of this seed, the share of them that is asked for everything at once."""

    name: str
    pairs: int
    seed: int
    everything: float
    recipe: Recipe


PHASES = (
    Phase("first", 8000, 0, 1.0, replace(_RECIPE, steps=2200, schedule="constant")),
    Phase("then", 8000, 0, 0.5, replace(_RECIPE, steps=4000, warmup_ratio=0.0)),
    Phase("last", 12000, 1, 0.5, replace(_RECIPE, steps=1500)),
)
"""One answer that says everything finds its way off the plateau soonest; then questions of all kinds; then new edits,
each seen four times, against learning the old ones by heart."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """A prompt with its answer, and the weight of each of the answer's tokens."""

    prompt: Prompt
    weights: Tensor


def pretrain(folder: str | Path, phases: Sequence[Phase] = PHASES) -> Path:
    """Write the toy backbone into `folder`, and return it; the same call goes on with a training that was stopped."""
    folder = Path(folder)
    start = tiny_backbone("internvl", folder / "random", seed=0, corpus=_corpus(), vocabulary=1024)
    backbone = Backbone.load(start, device="cpu")
    learner, random = Learner(backbone), np.random.default_rng(0)
    for phase in phases:
        lessons = Lessons(learner, phase, random)
        train(
            learner,
            lessons,
            TrainingRun(phase.recipe, folder / phase.name, progress=_progress),
            collate=_collate,
        )
    backbone.model.save_pretrained(folder / "toy-internvl")
    backbone.processor.save_pretrained(folder / "toy-internvl")
    return folder / "toy-internvl"


class Learner(nn.Module):
    """All of a backbone's weights, trained to answer: weighted cross-entropy of the answers' tokens."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone, self.model = backbone, backbone.model.requires_grad_(True)

    def forward(self, lessons: Sequence[Lesson]) -> dict[str, Tensor]:
        hidden = self.backbone.forward([lesson.prompt for lesson in lessons]).hidden
        losses, weights = [], []
        for row, lesson in zip(hidden, lessons, strict=True):
            prompt = lesson.prompt
            logits = self.backbone.logits(row[prompt.answer_start - 1 : len(prompt) - 1])
            losses.append(nn.functional.cross_entropy(logits, prompt.ids[prompt.answer_start :], reduction="none"))
            weights.append(lesson.weights)
        weight = torch.cat(weights)
        return {"loss": (torch.cat(losses) * weight).sum() / weight.sum()}

    @cache  # noqa: B019 - as many as there are questions, a few hundred
    def asked(self, question: tuple[Any, ...], pictures: tuple[Picture, ...]) -> Prompt:
        """The prompt of a question with pictures of this size; the pictures themselves are put in later."""
        return self.backbone.prompt([("user", list(question))], pictures)

    def lesson(self, question: tuple[Any, ...], pictures: Sequence[Picture], reply: str) -> Lesson:
        """The prompt with its answer, and the weights of the answer's tokens."""
        samples = tuple(self._sample(picture) for picture in pictures)
        prompt = self.asked(question, samples)
        tokens = [*self.backbone.tokens(reply), self.backbone.tokenizer.eos_token_id]
        ids = torch.cat([prompt.ids, torch.tensor(tokens)])
        return Lesson(replace(prompt, ids=ids, pictures=tuple(pictures)), torch.tensor(self._weights(tokens)))

    @cache  # noqa: B019
    def _of_size(self, tokens: int, among: int) -> Picture:
        return self.backbone.see(np.zeros((64, 64, 3), np.uint8), among=among)

    def _sample(self, picture: Picture) -> Picture:
        """One and the same picture for all pictures of this size."""
        return self._of_size(picture.tokens, picture.among)

    def _weights(self, tokens: Sequence[int]) -> list[float]:
        """1 for words that say what the edit is like, falling weights for a number's digits, little for the rest."""
        telling = self._telling()
        digits = set(self.backbone.digit_ids())
        weights, position = [], 0
        for token in tokens:
            if token in digits:
                weights.append(PLACES[position % len(PLACES)])
                position += 1
            else:
                weights.append(1.0 if token in telling else WORD)
        return weights

    @cache  # noqa: B019
    def _telling(self) -> frozenset[int]:
        return frozenset(self.backbone.token(f" {word}") for word in (*LEVELS, "yes", "no"))


class Lessons(Sequence[Lesson]):
    """The edits of a phase with questions about them, made when they are first asked for."""

    def __init__(self, learner: Learner, phase: Phase, random: np.random.Generator) -> None:
        self.learner = learner
        self.edits = list(edits(phase.pairs, photographs=TRAINING, seed=phase.seed))
        self.draws = [(bool(random.random() < phase.everything), int(random.integers(1 << 30))) for _ in self.edits]

    def __len__(self) -> int:
        return len(self.edits)

    def __getitem__(self, index: Any) -> Any:
        edit = self.edits[index]
        everything, draw = self.draws[index]
        question, reply = ask_everything(edit) if everything else ask_one(edit, draw)
        return self.learner.lesson(question, self.pictures(index), reply)

    @cache  # noqa: B019
    def pictures(self, index: int) -> tuple[Picture, Picture]:
        """Source and edited image of an edit, prepared once."""
        see, edit = self.learner.backbone.see, self.edits[index]
        return see(edit.source, among=2), see(edit.edited, among=2)


def ask_everything(edit: Edit) -> tuple[tuple[Any, ...], str]:
    """A short question, and an answer that says a level and a number for each dimension."""
    reply = [f"{NAMES[name]} {level(edit.scores[name])} {SCALE.number(edit.scores[name]):.2f}" for name in DIMENSIONS]
    return (IMAGE, IMAGE, edit.prompt), " ".join(reply)


def ask_one(edit: Edit, draw: int) -> tuple[tuple[Any, ...], str]:
    """One question of the kinds that assessors ask: a number, a level, yes or no."""
    name = DIMENSIONS[draw % 3]
    kind = draw // 3 % 3
    if kind == 0:
        ((_, parts),) = chat(IMAGE, edit.prompt, name, START_DEFINITIONS[name], SCALE)
        return tuple(parts), answer(name, SCALE.digits(edit.scores[name]))
    if kind == 1:
        reply = f"The {name.replace('_', ' ')} is {level(edit.scores[name])}"
        return (IMAGE, IMAGE, f"{edit.prompt}. How would you rate the {name.replace('_', ' ')}?"), reply
    colour = list(COLOURS)[draw // 9 % 3]
    question = f"Is the square of the second image {colour}? Answer yes or no."
    return (IMAGE, IMAGE, question), " yes" if edit.tint > 0.4 and edit.colour == colour else " no"


def level(score: float) -> str:
    """The level word of a score from 0 to 100, five equal intervals."""
    return LEVELS[min(int(score // 20), 4)]


def _corpus() -> str:
    """What the tokenizer shall know in few tokens: the questions that are asked."""
    scores = dict.fromkeys(DIMENSIONS, 50.0)
    nothing = np.zeros((1, 1, 3), np.uint8)
    texts = []
    for colour in COLOURS:
        edit = Edit(nothing, nothing, f"make the square {colour}", scores, colour, 0.5)
        for draw in range(27):
            question, reply = ask_one(edit, draw)
            texts += [" ".join(part for part in question if part is not IMAGE), reply]
        texts.append(ask_everything(edit)[1])
    return " ".join(texts)


def _collate(lessons: Sequence[Lesson]) -> dict[str, Any]:
    return {"lessons": list(lessons)}


def _progress(step: int, total: int, loss: float, parts: Any, validation: float | None) -> None:
    if step % 100 == 0:
        logger.info("step %d of %d: loss %.3f", step, total, loss)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    pretrain(sys.argv[1])
