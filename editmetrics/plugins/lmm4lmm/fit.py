"""The training of LMM4LMM (section 4.2): levels and questions first, then ratings, and answers.

This module imports modules that import torch, and is itself only imported inside functions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Any

import numpy as np

from ...images import eight_bits, read_image
from ...mllm import raters
from ...mllm.heads import RegressionHead
from ...mllm.lessons import Lesson, Lessons, without_unusable
from ...mllm.levels import LEVELS
from ...mllm.lora import trainable, using
from ...mllm.losses import soft_levels
from ...mllm.processes import rank_and_count
from ...mllm.projector import projector_tensors, using_projector
from ...mllm.recipe import Recipe, RecipeError
from ...mllm.targets import Example, TrainingSet
from ...mllm.validation import mean_merit, merit
from ...sample import Sample
from .assessor import TaskAssessor
from .learner import LanguageLearner, RatingLearner, accuracy, agreement, collate, in_ratings
from .prompts import ANSWERS, QUESTIONS, answer_start, level, question, sentence, yes_no_question
from .questions import answered, require_answers

if TYPE_CHECKING:
    from torch import Tensor

    from ...mllm.backbone import Backbone, Picture
    from ...mllm.fitting import FitJob

MEMORY = 1 << 30
"""Bytes of prepared pictures that are kept from one epoch to the next."""


def train_stages(job: FitJob, load_backbone: Callable[[], Backbone]) -> None:
    """Train both stages, and write the checkpoint; see `LMM4LMM.train_stages`. A killed run resumes."""
    method, answers = job.method, job.method.answers
    data = job.training_set(frozenset({"edited", "prompt"} if "correspondence" in job.dimensions else {"edited"}))
    if answers is not None:
        require_answers((example.sample for example in data.train), answers)
    more = {}
    if method.rater_spread is not None:
        targets = {dimension: job.targets[dimension] for dimension in job.dimensions}
        more["spreads"] = raters.digest(raters.rater_spreads(data.train, targets, method.rater_spread), data.train)
    if job.finished(load_backbone(), data.digest(), answers=_digest(data, answers), **more):
        return
    method.rating_loss.check(job.recipe, rank_and_count()[1])
    assessor = TaskAssessor(job.backbone, method.side, job.dimensions)
    blank = assessor.see(np.zeros((method.side, method.side, 3), np.uint8))  # all images become as large as this

    def ask(example: Example) -> None:
        for dimension in job.dimensions:
            assessor.scored(blank, dimension, example.sample.prompt or "")
        for text, _ in answered(example.sample, answers) if answers else ():
            assessor.asked(blank, text)

    data = without_unusable(data, ask)
    job.survey(data.parts)
    stages = TaskStages(job, assessor, data, Pictures(assessor))
    stages.first_stage()
    for dimension in job.dimensions:
        stages.ratings(dimension)
    if answers is not None:
        stages.questions()
    job.write(
        data=data.counts() | ({"questions": len(stages.taught_answers())} if answers else {}),
        heads=stages.heads,
        parts=stages.parts,
        prompts={dimension: question(dimension, "...") for dimension in job.dimensions},
        settings={
            "side": method.side,
            "projectors": stages.projectors,
            "level_ends": {dimension: list(stages.ends(dimension)) for dimension in job.dimensions},
        },
    )


@dataclass
class TaskStages:
    """The stages of a training, and the parts of the model that they have made so far."""

    job: FitJob
    assessor: TaskAssessor
    data: TrainingSet
    pictures: Pictures
    parts: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    projectors: dict[str, str] = field(default_factory=dict)
    heads: dict[str, RegressionHead] = field(default_factory=dict)

    def first_stage(self) -> None:
        """Instruction tuning: projectors learn to say levels, and where one is shared, to answer questions."""
        if not self.job.method.levels:
            if self.job.start is not None and self.job.start.parts:
                raise RecipeError(f"{self.job.start.folder} has a projector, which levels=false would start without")
            return
        dimensions = list(self.assessor.dimensions)
        if self.job.method.together:
            tasks = dimensions + ([QUESTIONS] if self.job.method.answers else [])
            self._levels("projector", dimensions, tasks)
        else:
            for dimension in dimensions:
                self._levels(f"projector_{dimension}", [dimension], [dimension])

    def _levels(self, part: str, dimensions: Sequence[str], tasks: Sequence[str]) -> None:
        backbone = self.assessor.backbone
        word = self.job.method.level_loss != "answer"
        lessons = [lesson for dimension in dimensions for lesson in self.taught_levels(dimension, word)]
        if QUESTIONS in tasks:
            lessons += self.taught_answers(word)
        tensors = self.job.part(part) or projector_tensors(backbone)
        with using(backbone, None), using_projector(backbone, tensors, trained=True):
            learner = LanguageLearner(self.assessor)

            def validate() -> float | None:
                return mean_merit((self._agreement(d, self._say_levels) for d in dimensions), self.job.recipe.select)

            self._train(part, learner, lessons, self.job.method.first_stage(self.job.recipe), validate)
            for dimension in dimensions:
                level_srcc = self._agreement(dimension, self._say_levels)["srcc"]
                self.job.validation.setdefault(dimension, {})["level_srcc"] = level_srcc
            self.parts[part] = projector_tensors(backbone)
        self.projectors |= dict.fromkeys(tasks, part)

    def ratings(self, dimension: str) -> None:
        """Quality regression: LoRA on vision tower and language model, and a head, learn ratings."""
        ratings = [example.targets[dimension] for example in self.data.train]
        mean, deviation = fmean(ratings), pstdev(ratings)  # a head begins near 0, so it learns ratings in these units
        spreads = self._spreads(dimension)
        shares: list[Any] = [None] * len(ratings) if spreads is None else raters.weights(spreads)
        lessons = [
            partial(self._rated, example, dimension, (example.targets[dimension] - mean) / deviation, share)
            for example, share in zip(self.data.train, shares, strict=True)
        ]
        with self._adapted(dimension):
            head = self._head(dimension, mean, deviation)
            learner = RatingLearner(self.assessor, head, self.job.method.rating_loss)
            self.assessor.heads = {dimension: head}
            self._train(
                dimension,
                learner,
                lessons,
                self.job.recipe,
                lambda: merit(self._agreement(dimension, self.assessor.rate), self.job.recipe.select),
            )
            self.job.validation.setdefault(dimension, {}).update(self._agreement(dimension, self.assessor.rate))
        self.heads[dimension] = in_ratings(head, mean, deviation)

    def _head(self, dimension: str, mean: float, deviation: float) -> RegressionHead:
        """A new head, or that of the checkpoint that the training starts from, for ratings in units of `deviation`.

        Ratings on another label scale are taken as at the same part of it: r on l..h is l' + (r - l)(h' - l')/(h - l).
        """
        head = self.job.head(
            dimension, self.assessor.backbone.hidden_size, self.job.method.hidden, activation="relu",
            seed=self.job.recipe.seed,
        )  # fmt: skip
        if self.job.start is None:
            return head
        (low, high), (before_low, before_high) = self.job.label_scale, self.job.start.label_scale
        factor = (high - low) / (before_high - before_low)
        return in_ratings(head, (low - factor * before_low - mean) / deviation, factor / deviation).train()

    def questions(self) -> None:
        """Question answering: LoRA on vision tower and language model learns yes and no, or is left out."""
        with self._adapted(QUESTIONS):
            learner = LanguageLearner(self.assessor)
            questions = [
                (example, text, answer)
                for example in self.data.validation
                for text, answer in answered(example.sample, str(self.job.method.answers))
            ]

            def measure() -> dict[str, Any]:
                return accuracy(self.assessor, self.pictures, questions, self.job.recipe.validation_batch_size)

            validate = (lambda: measure()["accuracy"]) if questions else None
            if self.job.method.parts:
                self._train(QUESTIONS, learner, self.taught_answers(), self.job.recipe, validate)
            self.job.validation[QUESTIONS] = measure()

    def taught_levels(self, dimension: str, word: bool) -> list[Callable[[], Lesson]]:
        """The training samples with the level of their rating as the answer, or its word alone as what is taught."""
        low, high = self.ends(dimension)
        method, soft = self.job.method, list[Any]([()] * len(self.data.train))
        if method.level_loss == "soft":
            spreads = self._spreads(dimension) or [method.soft_width * (high - low)] * len(soft)
            ratings = [example.targets[dimension] for example in self.data.train]
            soft = [(soft_levels(r, s, low, high),) for r, s in zip(ratings, spreads, strict=True)]
        lessons: list[Callable[[], Lesson]] = []
        for example, labels in zip(self.data.train, soft, strict=True):
            text = question(dimension, example.sample.prompt or "")
            reached = level(example.targets[dimension], low, high)
            answer = (answer_start(dimension), f" {LEVELS[reached - 1]}") if word else (sentence(dimension, reached),)
            lessons.append(partial(self._told, example, text, *answer, soft=labels))
        return lessons

    def _spreads(self, dimension: str) -> list[float] | None:
        """The standard deviation of the raters of each training sample, where there is a column of them."""
        if (suffix := self.job.method.rater_spread) is None:
            return None
        column = {dimension: self.job.targets[dimension]}
        spreads = raters.rater_spreads(self.data.train, column, suffix)[dimension]
        return [spreads[id(example.sample)] for example in self.data.train]

    def taught_answers(self, word: bool = False) -> list[Callable[[], Lesson]]:
        """The questions of the training samples with their answers."""
        words = dict(zip(ANSWERS, self.job.method.answer_words, strict=True))
        return [
            partial(self._told, example, yes_no_question(text), *(("", words[answer]) if word else (words[answer],)))
            for example in self.data.train
            for text, answer in answered(example.sample, str(self.job.method.answers))
        ]

    def ends(self, dimension: str) -> tuple[float, float]:
        """The lowest and highest training rating, between which the intervals of equation 2 lie."""
        ratings = [example.targets[dimension] for example in self.data.train]
        return min(ratings), max(ratings)

    def _told(self, example: Example, text: str, answer: str, word: str | None = None, *, soft: Any = ()) -> Lesson:
        return Lesson(example.id, self.assessor.taught(self.pictures(example.sample), text, answer, word), soft=soft)

    def _rated(self, example: Example, dimension: str, rating: float, weight: float | None) -> Lesson:
        prompt = self.assessor.scored(self.pictures(example.sample), dimension, example.sample.prompt or "")
        return Lesson(example.id, prompt, rating, weight)

    def _adapted(self, task: str) -> Any:
        """The backbone with the task's projector and an adapter that alone is trained, if any part is adapted."""
        backbone = self.assessor.backbone
        if self.job.method.parts:
            trainable(backbone, self.job.adapter(task, self.job.method.parts))
        else:
            backbone.model.requires_grad_(False)
        return using_projector(backbone, self.parts.get(self.projectors.get(task, "")))

    def _agreement(self, dimension: str, read: Callable[[str, Any], Any]) -> dict[str, Any]:
        size = self.job.recipe.validation_batch_size
        return agreement(self.assessor, self.pictures, self.data.validation, dimension, read, size)

    def _say_levels(self, dimension: str, prompts: Any) -> Tensor:
        return self.assessor.levels(dimension, prompts).expectation

    def _train(
        self, stage: str, learner: Any, lessons: Any, recipe: Recipe, validate: Callable[[], float | None] | None
    ) -> None:
        self.job.stage(stage, learner, Lessons(lessons), collate=collate, recipe=recipe, validate=validate, stage=stage)


class Pictures:
    """The picture of a sample; kept for the next time, up to `MEMORY` bytes of them."""

    def __init__(self, assessor: TaskAssessor) -> None:
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
