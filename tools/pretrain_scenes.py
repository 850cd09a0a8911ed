"""A toy backbone that has learned to look at scenes: a tiny InternVL, pretrained on questions about a made world.

    python -m tools.pretrain_scenes FOLDER                # toy-scenes, and toy-scenes-any-order
    python -m tools.pretrain_scenes FOLDER toy-scenes     # toy-scenes-any-order, from that backbone

trains it from random weights on scenes and edits of them (`tools.world`) in about three quarters of an hour on two free
cores. Its vision tower learns to tell things and looks apart; then, with the tower frozen, the language model learns to
describe, to count, to compare and to say where something is. It never sees a label of an edit, and none of the
photographs that assessors learn from or are tested on. The same call resumes a training that was stopped.

A second backbone continues from the first, in twenty minutes, with instructions that stand behind the images, and with
pieces of an image: of what it knows of a pair, the first one uses little where it has not read the instruction before
the images, and it has never seen a square enlarged.

This module imports torch at its top.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from editmetrics.mllm.backbone import Backbone
from editmetrics.mllm.levels import LEVELS
from editmetrics.mllm.loop import train
from editmetrics.mllm.recipe import Recipe, TrainingRun
from editmetrics.plugins.ds_ieqa.digit_scale import DigitScale
from editmetrics.plugins.ds_ieqa.prompts import NAMES, START_DEFINITIONS, answer_start, chat
from editmetrics.plugins.epaiqa.answers import Pieces, explained_answer
from editmetrics.plugins.epaiqa.levels import COMPLETIONS
from editmetrics.plugins.epaiqa.prompts import BOX_START, HARMONY_LEVEL, NATURALNESS_LEVEL, QUESTIONS
from editmetrics.plugins.hpe_lsa.assessor import PAIR, SINGLE
from editmetrics.plugins.lmm4lmm.prompts import question, sentence
from editmetrics.testing import tiny_backbone
from tools.world.lessons import IMAGE, Mixture, SceneLesson, SceneLessons
from tools.world.questions import WORDS
from tools.world.scenes import PRETRAINING, Backgrounds
from tools.world.sight import SightLearner, Sights, pixels_of

logger = logging.getLogger(__name__)

OPENING_WORDS = (
    *" ".join(WORDS).split(), "nothing", "same", "plain", "bright", "dark", "none", "user", "assistant", "With", "The",
    "Is", "What", "Which", "Where", "How", "Describe", "Give", "make", "turn", "move", "add", "remove",
)  # fmt: skip
"""Words that may open a text, so that each is one token without a space before it, too."""

SIZES = {
    "hidden": 64, "layers": 4, "heads": 4, "key_value_heads": 2, "vision_hidden": 64, "vision_layers": 3,
    "vocabulary": 1024,
}  # fmt: skip
"""Of the backbone: 0.4 million parameters, written in bfloat16."""

NUMBER, HELD_OUT = 1_000_000, 9
"""The number of lessons, so great that none is seen twice; and the seed of those that are not trained on."""

_RECIPE = Recipe(
    batch_size=32,
    learning_rate=2e-3,
    weight_decay=0.02,
    warmup_ratio=0.05,
    betas=(0.9, 0.98),
    evaluate_every=250,
    workers=1,
)


@dataclass(frozen=True)
class Phase:
    """A part of the training: lessons of this seed. `sees`: whether the vision tower learns with the rest."""

    name: str
    seed: int
    mixture: Mixture
    recipe: Recipe
    sees: bool = False


NUMBERS = ("0.12", "1.34", "2.56", "3.78", "4.90", "5.21", "6.43", "7.65", "8.87", "9.09")
"""As they stand in answers: each digit at each place."""

SIGHT = replace(_RECIPE, batch_size=64, steps=2000)
"""How the vision tower is trained first, on single images."""

PHASES = (
    Phase("look", 0, Mixture(1.0, 1.0), replace(_RECIPE, steps=300, schedule="constant")),
    Phase("inspect", 2, Mixture(0.1, 1.0), replace(_RECIPE, steps=1500, warmup_ratio=0, schedule="constant")),
    Phase("ask", 3, Mixture(0.15, 0.5), replace(_RECIPE, steps=3000, warmup_ratio=0)),
    Phase("measure", 5, Mixture(0.2, 0.2, numbers=0.5), replace(_RECIPE, steps=1000, learning_rate=1e-3)),
    Phase("repeat", 6, Mixture(0.5, 0.2, numbers=0.3, repeats=0.5), replace(_RECIPE, steps=600, learning_rate=1e-3)),
)
"""How the language model is trained: first on single images, which are quick; then on pairs of them, described; then on
questions of all kinds; then to write numbers, levels and any word."""

ORDER = Phase(
    "order",
    7,
    Mixture(0.25, 0.5, numbers=0.1, repeats=0.1, last=0.75, pieces=0.8),
    replace(_RECIPE, steps=3000, learning_rate=1e-3),
    sees=True,
)
"""How the second backbone continues from the first."""


class SceneLearner(nn.Module):
    """A backbone that is trained to answer, its vision tower where it `sees`: cross-entropy of the answers' tokens."""

    def __init__(self, backbone: Backbone, sees: bool = False) -> None:
        super().__init__()
        self.backbone, self.model = backbone, backbone.model.requires_grad_(True)
        self.model.model.vision_tower.requires_grad_(sees)

    def collate(self, lessons: Sequence[SceneLesson]) -> dict[str, Tensor]:
        """Images and tokens of a batch; `answers` tells which tokens are answers."""
        rows = [self.tokens(lesson) for lesson in lessons]
        length = max(len(ids) for ids, _ in rows)
        ids = torch.full((len(rows), length), self.backbone.tokenizer.pad_token_id)
        answers = torch.zeros(len(rows), length, dtype=torch.bool)
        for number, (row, marks) in enumerate(rows):
            ids[number, : len(row)], answers[number, : len(row)] = torch.tensor(row), torch.tensor(marks)
        pixels = pixels_of(self.backbone, np.concatenate([lesson.images for lesson in lessons]))
        return {"pixels": pixels, "ids": ids, "answers": answers}

    def tokens(self, lesson: SceneLesson) -> tuple[list[int], list[bool]]:
        """The chat of a lesson, and for each token whether it is of an answer or ends one."""
        processor = self.backbone.processor
        image = f"{processor.start_image_token}{processor.image_token * processor.image_seq_length}"
        image += f"{processor.end_image_token}\n"
        start = "".join(image if part is IMAGE else part for part in lesson.opening)
        ids: list[int] = []
        marks: list[bool] = []
        for asked, reply in lesson.asked:
            for text, is_answer in (
                (f"<|im_start|>user\n{start}{asked}<|im_end|>\n<|im_start|>assistant\n", False),
                (f"{reply}<|im_end|>", True),
                ("\n", False),
            ):
                some = self._written(text)
                ids += some
                marks += [is_answer] * len(some)
            start = ""
        return ids, marks

    @lru_cache(maxsize=1 << 16)  # noqa: B019 - as many texts as there are questions and answers
    def _written(self, text: str) -> list[int]:
        return list(self.backbone.tokenizer(text, add_special_tokens=False)["input_ids"])

    def states(self, pixels: Tensor, ids: Tensor) -> Tensor:
        """The last hidden states (B, T, H) of chats with their images."""
        inner = self.model.model
        shown = inner.get_image_features(pixel_values=pixels).pooler_output.flatten(0, 1)
        embedded = inner.get_input_embeddings()(ids)
        is_image = (ids == self.model.config.image_token_id)[..., None]
        embedded = embedded.masked_scatter(is_image, shown)
        return inner.language_model(inputs_embeds=embedded, use_cache=False).last_hidden_state

    def forward(self, pixels: Tensor, ids: Tensor, answers: Tensor) -> dict[str, Tensor]:
        hidden = self.states(pixels, ids)[:, :-1][answers[:, 1:]]
        logits = self.model.get_output_embeddings()(hidden)
        wanted = ids[:, 1:][answers[:, 1:]]
        loss = nn.functional.cross_entropy(logits, wanted)
        return {"loss": loss, "right": (logits.argmax(-1) == wanted).float().mean()}


def pretrain(
    folder: str | Path, sight: Recipe = SIGHT, phases: Sequence[Phase] = PHASES, sizes: Mapping[str, Any] = SIZES
) -> Path:
    """Write the backbone into `folder/toy-scenes`, and return that."""
    folder = Path(folder)
    backgrounds = Backgrounds(PRETRAINING)
    start = tiny_backbone("internvl", folder / "random", seed=0, corpus=corpus(backgrounds), **sizes)
    backbone = Backbone.load(start, device="cpu", own=True)
    _see(backbone, backgrounds, sight, folder / "see")
    _teach(backbone, backgrounds, phases, folder)
    return _saved(backbone, folder / "toy-scenes")


def any_order(start: str, folder: str | Path, phase: Phase = ORDER) -> Path:
    """Write the backbone that continues from `start`, a name or a folder, and return its folder."""
    folder = Path(folder)
    backbone = Backbone.load(start, device="cpu", own=True)
    backbone.model.float()
    _teach(backbone, Backgrounds(PRETRAINING), [phase], folder)
    return _saved(backbone, folder / "toy-scenes-any-order")


def _teach(backbone: Backbone, backgrounds: Backgrounds, phases: Sequence[Phase], folder: Path) -> None:
    """Train phase by phase."""
    texts = texts_to_repeat()
    for phase in phases:
        learner = SceneLearner(backbone, phase.sees)
        asked = replace(phase.mixture, last=float(phase.mixture.last > 0))  # of the order that it teaches alone
        held_out = SceneLessons(backgrounds, 100, HELD_OUT, asked, texts)
        train(
            learner,
            SceneLessons(backgrounds, NUMBER, phase.seed, phase.mixture, texts),
            TrainingRun(phase.recipe, folder / phase.name, progress=_progress),
            collate=learner.collate,
            validate=partial(accuracy, learner, held_out),
        )


def _saved(backbone: Backbone, folder: Path) -> Path:
    backbone.model.to(dtype=torch.bfloat16)  # type: ignore[call-arg] # half the bytes
    backbone.model.save_pretrained(folder)
    backbone.processor.save_pretrained(folder)
    return folder


def _see(backbone: Backbone, backgrounds: Backgrounds, recipe: Recipe, folder: Path) -> None:
    """Train the vision tower and the projector."""
    learner = SightLearner(backbone)
    held_out = Sights(backgrounds, 500, HELD_OUT)
    batch = learner.collate([held_out[index] for index in range(len(held_out))])
    train(
        learner,
        Sights(backgrounds, NUMBER, 4),
        TrainingRun(recipe, folder, progress=_progress),
        collate=learner.collate,
        validate=lambda: learner.accuracy(batch),
    )


def accuracy(learner: SceneLearner, lessons: Sequence[SceneLesson]) -> float:
    """The share of answers of which every token is the likeliest one, each given those before it."""
    right = by_question(learner, lessons)
    logger.info("%s", ", ".join(f"{name} {np.mean(values):.2f}" for name, values in sorted(right.items())))
    return float(np.mean([value for values in right.values() for value in values]))


def by_question(learner: SceneLearner, lessons: Sequence[SceneLesson]) -> dict[str, list[bool]]:
    """For the first two words of each question, whether its answers were right."""
    right: dict[str, list[bool]] = {}
    with torch.no_grad():
        for first in range(0, len(lessons), 50):
            some = [lessons[index] for index in range(first, min(first + 50, len(lessons)))]
            batch = learner.collate(some)
            logits = learner.model.get_output_embeddings()(learner.states(batch["pixels"], batch["ids"]))
            wrong = (logits[:, :-1].argmax(-1) != batch["ids"][:, 1:]) & batch["answers"][:, 1:]
            for row, lesson in enumerate(some):
                starts = torch.diff(batch["answers"][row, 1:].int(), prepend=torch.zeros(1, dtype=torch.int)) == 1
                turns = starts.int().cumsum(0) * batch["answers"][row, 1:]
                for number, (asked, _) in enumerate(lesson.asked, 1):
                    kind = " ".join(asked.split()[:2])
                    right.setdefault(kind, []).append(not bool(wrong[row][turns == number].any()))
    return right


def corpus(backgrounds: Backgrounds) -> str:
    """Texts that the tokenizer shall write in few tokens: lessons, and the prompts of the assessors."""
    texts = [*OPENING_WORDS] * 100
    lessons = SceneLessons(backgrounds, 400, 2, Mixture(looks=False))
    for lesson in (lessons[index] for index in range(400)):
        texts += [*filter(None, lesson.opening), *(" ".join(asked) for asked in lesson.asked)]
    asked, levels, others = _prompts()
    texts += asked * 10 + levels * 5 + others * 10
    texts += [f"is {completion}" for completion in COMPLETIONS] * 50  # so that each begins with a token of its own
    return "\n".join(texts)


def texts_to_repeat() -> list[str]:
    """The texts that the assessors read and write, with numbers where they write some."""
    asked, levels, others = _prompts()
    answers = [f"{answer_start(name)}{number}" for name in NAMES for number in NUMBERS]
    explained = [explained_answer(number % 3 + 1, Pieces(".", ".", "."), level) for number, level in enumerate(LEVELS)]
    rated = [f"{start} {level}." for start in (HARMONY_LEVEL, NATURALNESS_LEVEL) for level in LEVELS]
    boxes = [f"{BOX_START} ({', '.join(NUMBERS[first : first + 4])})." for first in range(7)]
    every = (*asked, *levels, *others, *answers, *explained, *rated, *boxes)
    return [text for text in every if text.strip()]


def _prompts() -> tuple[list[str], list[str], list[str]]:
    """The texts of `ds_ieqa`, those of `lmm4lmm`, and those of the other two assessors."""
    asked, scale = [], DigitScale(0, 100)
    for name in NAMES:
        ((_, parts),) = chat("", "", name, START_DEFINITIONS[name], scale)
        asked += [*parts, answer_start(name)]
    levels = []
    for name in ("perception", "correspondence"):
        levels += [question(name, ""), *(sentence(name, level) for level in range(1, 6))]
    return asked, levels, [*PAIR, SINGLE, BOX_START, *QUESTIONS.values()]


def _progress(step: int, total: int, loss: float, parts: Any, validation: float | None) -> None:
    if step % 50 == 0:
        logger.info("step %d of %d: loss %.3f, %s, right %s", step, total, loss, parts, validation)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    into, *known = sys.argv[1:]
    any_order(known[0] if known else str(pretrain(into)), into)
