"""One stage of EPAIQA's training: lessons in, loss out; and how far what it has learned is right.

This module imports torch at its top, and is itself only imported inside functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from ...images import eight_bits, read_image
from ...mllm.lora import trainable, using
from ...mllm.recipe import shuffled
from ...mllm.validation import agreement, predictions
from ...sample import Sample
from .assessor import Assessor, Prepared
from .box import Box
from .method import Stage

if TYPE_CHECKING:
    import numpy as np

    from ...mllm.prompts import Prompt

BATCH = 16
"""Samples that are validated together."""

KEPT = 1 << 30
"""Bytes of pixels that lessons keep in memory, so that they are prepared once; the others, as often as they are due."""


class Learner(nn.Module):
    """A backbone that learns in one stage: what is trained of it has gradients, all else has none.

    Stage 1 trains all but the language model (its layers, embeddings and output head); the others train everything.
    With an adapter on the backbone, the same of the adapter.
    """

    def __init__(self, assessor: Assessor, stage: Stage) -> None:
        super().__init__()
        self.model, self.assessor, self.stage = assessor.backbone.model, assessor, stage
        backbone = assessor.backbone
        chosen = list(self.model.parameters()) if assessor.adapter is None else trainable(backbone, assessor.adapter)
        language = {id(p) for module in _language(assessor) for p in module.parameters()}
        for parameter in chosen:
            parameter.requires_grad_(not (stage == "grounding" and id(parameter) in language))

    def forward(self, prompts: Sequence[Prompt]) -> dict[str, Tensor]:
        """The language loss: each answer's mean cross-entropy over its tokens, and the mean over the answers, so that
        a level word in a short answer weighs no less beside long ones."""
        backbone = self.assessor.backbone
        with nullcontext() if self.assessor.adapter is None else using(backbone, self.assessor.adapter):
            hidden = backbone.forward(prompts).hidden
        states = torch.cat([row[p.answer_start - 1 : len(p) - 1] for row, p in zip(hidden, prompts, strict=True)])
        said = torch.cat([prompt.ids[prompt.answer_start :] for prompt in prompts]).to(hidden.device)
        losses = nn.functional.cross_entropy(backbone.logits(states), said, reduction="none")
        answers = losses.split([len(prompt) - prompt.answer_start for prompt in prompts])
        return {"loss": torch.stack([answer.mean() for answer in answers]).mean()}


def _language(assessor: Assessor) -> list[nn.Module]:
    """The language model: its layers, its embeddings, and the head that gives its words."""
    model = assessor.backbone.model
    return [assessor.backbone.language, model.get_input_embeddings(), model.get_output_embeddings()]


class Lesson(NamedTuple):
    """One question and its answer, as the learner takes it."""

    id: str
    prompt: Prompt


@dataclass(frozen=True)
class Task:
    """What is to be asked of a sample, and the truth: a box, a level word, or a whole answer."""

    kind: str
    sample: Sample
    region: Box | None = None
    word: str = ""
    answer: str = ""

    def lesson(self, assessor: Assessor) -> Lesson:
        edited = _pixels(self.sample.edited)
        if self.kind == "harmony":
            prompt = assessor.harmony(edited, self.word)
        elif self.kind == "local_naturalness":
            prompt = assessor.naturalness(edited, _required(self.region), self.word)
        else:
            source = _pixels(self.sample.source)
            if self.kind == "grounding":
                prompt = assessor.grounded(source, edited, _required(self.region))
            else:
                prompt = assessor.explained(source, edited, self.sample.prompt or "", self.answer)
        return Lesson(f"{self.sample.id} ({self.kind})", prompt)


class Lessons(Sequence[Lesson]):
    """The tasks of a stage as lessons, made when they are asked for."""

    def __init__(self, assessor: Assessor, tasks: Sequence[Task]) -> None:
        self.assessor, self.tasks = assessor, tasks
        self._kept: dict[int, Lesson] = {}
        self._room = KEPT

    def some(self, indices: Sequence[int]) -> Lessons:
        """Those of `indices`, with what is kept of them."""
        chosen = Lessons(self.assessor, [self.tasks[index] for index in indices])
        chosen._kept = {new: self._kept[old] for new, old in enumerate(indices) if old in self._kept}
        chosen._room = self._room
        return chosen

    def __len__(self) -> int:
        return len(self.tasks)

    def __getitem__(self, index: Any) -> Any:
        if index in self._kept:
            return self._kept[index]
        lesson = self.tasks[index].lesson(self.assessor)
        size = sum(tensor.nbytes for picture in lesson.prompt.pictures for tensor in picture.pixels.values())
        if size <= self._room:
            self._room -= size
            self._kept[index] = lesson
        return lesson


class Mixed(Sequence[Lesson]):
    """The lessons of a stage, and so many of earlier ones that they are the share `rehearsal` of all."""

    def __init__(self, lessons: Lessons, earlier: Sequence[Lessons], rehearsal: float, seed: int) -> None:
        before = [(each, index) for each in earlier for index in range(len(each))]
        count = round(len(lessons) * rehearsal / (1 - rehearsal)) if before else 0
        drawn = shuffled(len(before), count, seed).tolist() if count else []
        self._places = [*((lessons, index) for index in range(len(lessons))), *(before[index] for index in drawn)]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: Any) -> Any:
        lessons, place = self._places[index]
        return lessons[place]


def collate(lessons: Sequence[Lesson]) -> dict[str, Any]:
    """Lessons as the learner's arguments."""
    return {"prompts": [lesson.prompt for lesson in lessons]}


# ---------------------------------------------------------------------- validation


def mean_iou(assessor: Assessor, tasks: Sequence[Task]) -> dict[str, Any]:
    """The mean intersection over union of the model's regions with the true ones, how many answers held no box, and of
    how many; no box counts as 0."""

    def predict(some: Sequence[Task]) -> list[float]:
        found: list[float] = []
        for batch in _batches(some):
            prompts = [_prepared(assessor, task).grounding for task in batch]
            boxes = assessor.ground(prompts).boxes
            found += [
                -1.0 if box is None else box.iou(_required(task.region)) for box, task in zip(boxes, batch, strict=True)
            ]
        return found

    with assessor.at_work():
        overlaps = predictions(tasks, predict)
    without = sum(overlap < 0 for overlap in overlaps)
    return {"n": len(tasks), "mean_iou": sum(max(o, 0.0) for o in overlaps) / len(tasks), "without_box": without}


def level_agreement(assessor: Assessor, kind: str, tasks: Sequence[Task], ratings: Sequence[float]) -> dict[str, Any]:
    """SRCC and PLCC of harmony or local naturalness with the ratings."""

    def prompt(task: Task) -> Prompt:
        prepared = _prepared(assessor, task)
        return prepared.harmony if kind == "harmony" else _required(prepared.naturalness)

    return _agreement(assessor, tasks, ratings, lambda some: assessor.read_level([prompt(t) for t in some]).expectation)


def overall_agreement(
    assessor: Assessor, tasks: Sequence[Task], overall: Sequence[float], completions: Sequence[float], explain: bool
) -> dict[str, dict[str, Any]]:
    """SRCC and PLCC of overall quality and prompt completion with the ratings, from one and the same answers."""

    read: dict[int, tuple[float, float]] = {}

    def predict(some: Sequence[Task]) -> list[float]:
        for batch in _batches(some):
            answers = assessor.explain([_prepared(assessor, task).explained for task in batch], generate=explain)
            for task, answer in zip(batch, answers, strict=True):
                read[id(task)] = float(answer.overall.expectation), float(answer.completion.expectation)
        return [read[id(task)][0] for task in some]

    with assessor.at_work():
        qualities = predictions(tasks, predict)
        completed = predictions(tasks, lambda some: [read[id(task)][1] for task in some])
    return {
        "overall_quality": agreement(qualities, overall),
        "prompt_completion": agreement(completed, completions),
    }


def _agreement(
    assessor: Assessor, tasks: Sequence[Task], ratings: Sequence[float], read: Callable[[Sequence[Task]], Tensor]
) -> dict[str, Any]:
    def predict(some: Sequence[Task]) -> list[float]:
        return [score for batch in _batches(some) for score in read(batch).tolist()]

    with assessor.at_work():
        return agreement(predictions(tasks, predict), ratings)


def _prepared(assessor: Assessor, task: Task) -> Prepared:
    sample = task.sample
    return assessor.prepare(_pixels(sample.source), _pixels(sample.edited), sample.prompt or "", task.region)


def _batches(tasks: Sequence[Task]) -> list[Sequence[Task]]:
    return [tasks[start : start + BATCH] for start in range(0, len(tasks), BATCH)]


def _pixels(image: Any) -> np.ndarray:
    return eight_bits(read_image(image))


def _required(value: Any) -> Any:
    if value is None:
        raise ValueError("a task of this kind has a region")
    return value
