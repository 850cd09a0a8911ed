"""The training of LMM4LMM (section 4.2): levels and questions first, then ratings, and answers.

This module imports modules that import torch, and is itself only imported inside functions.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Any

import numpy as np

from ...images import eight_bits, read_image
from ...mllm.checkpoint import Checkpoint, finished_checkpoint, read_checkpoint, write_checkpoint
from ...mllm.fitting import (
    about_training,
    dimensions_to_train,
    place_of,
    settings_of,
    with_dimensions,
    without_unusable,
)
from ...mllm.heads import RegressionHead
from ...mllm.loop import train
from ...mllm.lora import add_lora, remove_lora, trainable, using
from ...mllm.processes import on_main_process, training_device
from ...mllm.projector import projector_tensors, using_projector
from ...mllm.readouts import LEVELS
from ...mllm.recipe import Progress, Recipe, TrainingRun
from ...mllm.run_folder import History
from ...mllm.targets import Example, TrainingSet, read_training_set
from ...sample import Sample
from .answers import answered, require_answers
from .assessor import Assessor
from .learner import LanguageLearner, Lesson, Lessons, RatingLearner, collate, in_ratings
from .levels import ends, level
from .method import PRESETS, Method
from .prompts import ANSWERS, QUESTIONS, answer_start, question, sentence, yes_no_question
from .validation import accuracy, agreement

if TYPE_CHECKING:
    from torch import Tensor

    from ...mllm.backbone import Picture
    from .metric import LMM4LMM

logger = logging.getLogger(__name__)

MEMORY = 1 << 30
"""Bytes of prepared pictures that are kept from one epoch to the next."""


def fit(
    metric: LMM4LMM,
    train_data: Any,
    val: Any,
    *,
    targets: Mapping[str, str],
    label_scale: tuple[float, float],
    group: str | None,
    answers: str | None,
    output_dir: str | os.PathLike[str],
    resume: bool,
    preset: str,
    settings: Mapping[str, Any],
    progress: Progress | None,
) -> Checkpoint:
    """Train both stages, write the checkpoint and return it; see `LMM4LMM.fit`. A run that was killed goes on."""
    folder = Path(output_dir)
    method, recipe = settings_of(metric.name, PRESETS, preset, settings)
    metric.device = training_device(metric.device)
    dimensions = dimensions_to_train(type(metric), targets)
    needs = {"edited", "prompt"} if "correspondence" in dimensions else {"edited"}
    data = read_training_set(
        train_data, val, targets=targets, label_scale=label_scale, group=group, needs=needs, seed=recipe.seed
    )
    if answers is not None:
        require_answers((example.sample for example in data.train), answers)
    backbone = metric.load_backbone()
    about = about_training(
        backbone, dimensions=dimensions, data=data.digest(), label_scale=data.label_scale, method=method, recipe=recipe,
        answers=_digest(data, answers),
    )  # fmt: skip
    if resume and (done := finished_checkpoint(folder, type(metric), about)):
        logger.info("%s holds the finished training already", folder)
        return done
    assessor = Assessor(backbone, method.side, dimensions)
    blank = assessor.see(np.zeros((method.side, method.side, 3), np.uint8))  # all images become as large as this

    def ask(example: Example) -> None:
        for dimension in dimensions:
            assessor.scored(blank, dimension, example.sample.prompt or "")
        for text, _ in answered(example.sample, answers) if answers else ():
            assessor.asked(blank, text)

    data = without_unusable(data, ask)
    training = TrainingRun(recipe, folder, resume, progress, about)
    run = Run(assessor, method, data, answers, Pictures(assessor), training)
    try:
        run.first_stage()
        for dimension in dimensions:
            run.ratings(dimension)
        if answers is not None:
            run.questions()
        write = partial(
            write_checkpoint,
            folder,
            with_dimensions(type(metric), dimensions),
            label_scale=data.label_scale,
            backbone=backbone,
            adapters=run.adapters,
            heads=run.heads,
            parts=run.parts,
            prompts={dimension: question(dimension, "...") for dimension in dimensions},
            settings={
                "backbone": place_of(backbone),
                "side": method.side,
                "projectors": run.projectors,
                "level_ends": {dimension: list(run.ends(dimension)) for dimension in dimensions},
            },
            validation=run.validation,
            recipe={**asdict(method), **asdict(recipe)},
            data=data.counts() | ({"questions": len(run.taught_answers())} if answers else {}),
            fit=about,
            history=run.histories,
        )
        on_main_process(write)
    finally:
        for adapter in run.adapters.values():
            remove_lora(backbone, adapter)
    return read_checkpoint(folder, type(metric))


@dataclass
class Run:
    """One training: what it is done with, and what has come of it so far."""

    assessor: Assessor
    method: Method
    data: TrainingSet
    answers: str | None
    pictures: Pictures
    run: TrainingRun
    parts: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    projectors: dict[str, str] = field(default_factory=dict)
    adapters: dict[str, str] = field(default_factory=dict)
    heads: dict[str, RegressionHead] = field(default_factory=dict)
    validation: dict[str, dict[str, Any]] = field(default_factory=dict)
    histories: dict[str, History] = field(default_factory=dict)

    def first_stage(self) -> None:
        """Instruction tuning: projectors learn to say levels, and where one is shared, to answer questions."""
        if not self.method.levels:
            return
        dimensions = list(self.assessor.dimensions)
        if self.method.together:
            tasks = dimensions + ([QUESTIONS] if self.answers else [])
            self._levels("projector", dimensions, tasks)
        else:
            for dimension in dimensions:
                self._levels(f"projector_{dimension}", [dimension], [dimension])

    def _levels(self, part: str, dimensions: Sequence[str], tasks: Sequence[str]) -> None:
        backbone = self.assessor.backbone
        word = self.method.level_loss == "word"
        lessons = [lesson for dimension in dimensions for lesson in self.taught_levels(dimension, word)]
        if QUESTIONS in tasks:
            lessons += self.taught_answers(word)
        with using(backbone, None), using_projector(backbone, projector_tensors(backbone), trained=True):
            learner = LanguageLearner(self.assessor)

            def validate() -> float | None:
                found = [self._agreement(d, self._say_levels)["srcc"] for d in dimensions]
                return None if None in found else fmean(found)

            self._train(part, learner, lessons, self.method.first_stage(self.run.recipe), validate)
            for dimension in dimensions:
                level_srcc = self._agreement(dimension, self._say_levels)["srcc"]
                self.validation.setdefault(dimension, {})["level_srcc"] = level_srcc
            self.parts[part] = projector_tensors(backbone)
        self.projectors |= dict.fromkeys(tasks, part)

    def ratings(self, dimension: str) -> None:
        """Quality regression: LoRA on vision tower and language model, and a head, learn ratings."""
        ratings = [example.targets[dimension] for example in self.data.train]
        mean, deviation = fmean(ratings), pstdev(ratings)  # a head begins near 0, so it learns ratings in these units
        lessons = [
            partial(self._rated, example, dimension, (example.targets[dimension] - mean) / deviation)
            for example in self.data.train
        ]
        with self._adapted(dimension):
            head = RegressionHead(
                self.assessor.backbone.hidden_size,
                hidden=self.method.hidden,
                activation="relu",
                seed=self.run.recipe.seed,
            )
            learner = RatingLearner(self.assessor, head)
            self.assessor.heads = {dimension: head}
            self._train(
                dimension,
                learner,
                lessons,
                self.run.recipe,
                lambda: self._agreement(dimension, self.assessor.rate)["srcc"],
            )
            self.validation.setdefault(dimension, {}).update(self._agreement(dimension, self.assessor.rate))
        self.heads[dimension] = in_ratings(head, mean, deviation)

    def questions(self) -> None:
        """Question answering: LoRA on vision tower and language model learns yes and no."""
        with self._adapted(QUESTIONS):
            learner = LanguageLearner(self.assessor)
            asked = [
                (example, text, said)
                for example in self.data.validation
                for text, said in answered(example.sample, str(self.answers))
            ]

            def measure() -> dict[str, Any]:
                return accuracy(self.assessor, self.pictures, asked)

            validate = (lambda: measure()["accuracy"]) if asked else None
            self._train(QUESTIONS, learner, self.taught_answers(), self.run.recipe, validate)
            self.validation[QUESTIONS] = measure()

    def taught_levels(self, dimension: str, word: bool) -> list[Callable[[], Lesson]]:
        """The training samples with the level of their rating as the answer, or its word alone as what is taught."""
        low, high = self.ends(dimension)
        lessons: list[Callable[[], Lesson]] = []
        for example in self.data.train:
            text = question(dimension, example.sample.prompt or "")
            reached = level(example.targets[dimension], low, high)
            said = (answer_start(dimension), f" {LEVELS[reached - 1]}") if word else (sentence(dimension, reached),)
            lessons.append(partial(self._told, example, text, *said))
        return lessons

    def taught_answers(self, word: bool = False) -> list[Callable[[], Lesson]]:
        """The questions of the training samples with their answers."""
        words = dict(zip(ANSWERS, self.method.answer_words, strict=True))
        return [
            partial(self._told, example, yes_no_question(text), *(("", words[said]) if word else (words[said],)))
            for example in self.data.train
            for text, said in answered(example.sample, str(self.answers))
        ]

    def ends(self, dimension: str) -> tuple[float, float]:
        """The lowest and highest training rating."""
        return ends([example.targets[dimension] for example in self.data.train])

    def _told(self, example: Example, text: str, answer: str, word: str | None = None) -> Lesson:
        return Lesson(example.id, self.assessor.taught(self.pictures(example.sample), text, answer, word))

    def _rated(self, example: Example, dimension: str, rating: float) -> Lesson:
        prompt = self.assessor.scored(self.pictures(example.sample), dimension, example.sample.prompt or "")
        return Lesson(example.id, prompt, rating)

    def _adapted(self, task: str) -> Any:
        """The backbone with the task's projector and a new adapter that alone is trained."""
        backbone, method = self.assessor.backbone, self.method
        self.adapters[task] = adapter = f"fit_{task}"
        add_lora(
            backbone, adapter, parts=("vision", "language"), rank=method.rank, alpha=method.alpha,
            dropout=method.dropout, seed=self.run.recipe.seed,
        )  # fmt: skip
        trainable(backbone, adapter)
        return using_projector(backbone, self.parts.get(self.projectors.get(task, "")))

    def _agreement(self, dimension: str, read: Callable[[str, Any], Any]) -> dict[str, Any]:
        return agreement(self.assessor, self.pictures, self.data.validation, dimension, read)

    def _say_levels(self, dimension: str, prompts: Any) -> Tensor:
        return self.assessor.levels(dimension, prompts).expectation

    def _train(
        self, stage: str, learner: Any, lessons: Any, recipe: Recipe, validate: Callable[[], float | None] | None
    ) -> None:
        self.histories[stage] = train(
            learner,
            Lessons(lessons),
            self.run.stage(stage, recipe=recipe, stage=stage),
            collate=collate,
            length=lambda lesson: len(lesson.prompt),
            validate=validate,
        )


class Pictures:
    """The picture of a sample; kept for the next time, up to `MEMORY` bytes of them."""

    def __init__(self, assessor: Assessor) -> None:
        self.assessor = assessor
        self._kept: dict[int, tuple[Sample, Picture]] = {}
        self._held = 0

    def __call__(self, sample: Sample) -> Picture:
        if id(sample) in self._kept:  # training and validation data may have equal ids
            return self._kept[id(sample)][1]
        picture = self.assessor.see(eight_bits(read_image(sample.edited)))
        size = sum(tensor.nbytes for tensor in picture.pixels.values())
        if self._held + size <= MEMORY:
            self._held += size
            self._kept[id(sample)] = sample, picture
        return picture


def _digest(data: TrainingSet, answers: str | None) -> str | None:
    if answers is None:
        return None
    text = repr([answered(example.sample, answers) for example in (*data.train, *data.validation)])
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
