"""One stage of EPAIQA's training: lessons in, loss out; and how far what it has learned is right.

This module imports torch at its top, and is itself only imported inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ...mllm.gradients import reached
from ...mllm.lessons import Lesson, in_batches, predicted
from ...mllm.lora import trainable, using
from ...mllm.losses import soft_cross_entropy_of
from ...mllm.processes import shared
from ...mllm.validation import agreement
from .assessor import ExplainingAssessor, PreparedEdit
from .lessons import StageTask, pixels_of, required
from .method import Stage

if TYPE_CHECKING:
    from ...mllm.losses import RatingLoss
    from ...mllm.prompts import Prompt


class StageLearner(nn.Module):
    """A backbone that learns in one stage: what is trained of it has gradients, all else has none.

    Stage 1 trains all but the language model (its layers, embeddings and output head); the others train everything.
    With an adapter on the backbone, the same of the adapter. Parts of the vision tower that image features do not
    depend on, such as a norm after the layer that is read, stay as they are.
    """

    def __init__(
        self,
        assessor: ExplainingAssessor,
        stage: Stage,
        read_weight: float = 1.0,
        terms: RatingLoss | None = None,
    ) -> None:
        super().__init__()
        self.read_weight, self.terms = read_weight, terms
        self.model, self.assessor, self.stage = assessor.backbone.model, assessor, stage
        backbone = assessor.backbone
        chosen = list(self.model.parameters()) if assessor.adapter is None else trainable(backbone, assessor.adapter)
        language = {id(p) for module in _language(assessor) for p in module.parameters()}
        for parameter in chosen:
            parameter.requires_grad_(True)
        used = _used_in_features(assessor)
        for parameter in chosen:
            parameter.requires_grad_(stage != "grounding" if id(parameter) in language else id(parameter) in used)

    def forward(
        self,
        prompts: Sequence[Prompt],
        soft: Sequence[Sequence[float]],
        ratings: Tensor | None = None,
        groups: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """The language loss: each answer's mean cross-entropy over its tokens, and the mean over the answers, so that
        a level word in a short answer weighs no less beside long ones; in an answer's mean, the words that scores are
        read from weigh `read_weight` times as much as the others. A distribution in `soft` stands in for the level
        word of its answer; () for none.

        With `terms`, they are added: of the expected levels (N,) with `ratings`, compared within each of `groups`, the
        dimensions of stage 2; other answers have the group -1 and no rating."""
        backbone = self.assessor.backbone
        with nullcontext() if self.assessor.adapter is None else using(backbone, self.assessor.adapter):
            hidden = backbone.forward(prompts).hidden
        states = torch.cat([row[p.answer_start - 1 : len(p) - 1] for row, p in zip(hidden, prompts, strict=True)])
        written = [prompt.ids[prompt.answer_start :] for prompt in prompts]
        lengths = [len(words) for words in written]
        logits, words = backbone.logits(states).split(lengths), torch.cat(written).to(hidden.device).split(lengths)
        answers, expected = [], []
        for own, answer, ids, levels in zip(logits, words, written, soft, strict=True):
            losses = nn.functional.cross_entropy(own, answer, reduction="none")
            completion, level = self._read_of(ids)  # where it was written, so that a GPU is not waited for
            if levels:
                losses = self._with_soft_level(losses, own, level, levels)
            weights = torch.ones_like(losses)
            weights[[*completion, *level]] = self.read_weight
            answers.append((weights * losses).sum() / weights.sum())
            if self.terms is not None:
                expected.append(self._expected(own, level))
        loss = torch.stack(answers).mean()
        if self.terms is None or ratings is None:
            return {"loss": loss}
        compared = self.terms(torch.stack(expected), ratings, groups=groups)["loss"]
        return {"loss": loss + compared, "comparing": compared}

    def _with_soft_level(self, losses: Tensor, logits: Tensor, level: Sequence[int], levels: Sequence[float]) -> Tensor:
        """`losses` with the cross-entropy of a distribution at the level word of the answer."""
        ids, at = torch.tensor(self.assessor.levels, device=logits.device), level[0]
        cost = soft_cross_entropy_of(logits[at], ids, torch.tensor(levels, device=logits.device))
        return losses.index_copy(0, torch.tensor([at], device=losses.device), cost.to(losses.dtype)[None])

    def _expected(self, logits: Tensor, level: Sequence[int]) -> Tensor:
        """sum_k k P(w_k) over the levels, 1 to 5, at the level word of an answer; 0, compared with none, without."""
        if not level:
            return logits.new_zeros((), dtype=torch.float32)
        chosen = logits[level[0], torch.tensor(self.assessor.levels, device=logits.device)].float().softmax(-1)
        return (chosen * torch.arange(1, 6, device=chosen.device)).sum()

    def _read_of(self, words: Tensor) -> tuple[list[int], list[int]]:
        """Positions in an answer that scores are read from: its first completion and its last level word, each in a
        list that is empty where it has none."""
        completions, levels = (
            torch.isin(words, torch.tensor(ids, device=words.device)).nonzero().flatten().tolist()
            for ids in (self.assessor.completions, self.assessor.levels)
        )
        return completions[:1], levels[-1:]


def collate(lessons: Sequence[Lesson]) -> dict[str, Any]:
    """Lessons as the arguments of `StageLearner`."""
    return {
        "prompts": [lesson.prompt for lesson in lessons],
        "soft": [lesson.soft[0] if lesson.soft else () for lesson in lessons],
        "ratings": torch.tensor([math.nan if lesson.rating is None else lesson.rating for lesson in lessons]),
        "groups": torch.tensor([lesson.group for lesson in lessons]),
    }


def _used_in_features(assessor: ExplainingAssessor) -> set[int]:
    """The `id` of each trained parameter that the features of an image depend on."""
    backbone = assessor.backbone
    with torch.enable_grad(), assessor.at_work():
        features = backbone.look([backbone.see(np.zeros((32, 32, 3), np.uint8), among=2)])
    return reached(tensor for of_image in features for tensor in of_image.tensors().values())


def _language(assessor: ExplainingAssessor) -> list[nn.Module]:
    """The language model: its layers, its embeddings, and the head that gives its words."""
    model = assessor.backbone.model
    return [assessor.backbone.language, model.get_input_embeddings(), model.get_output_embeddings()]


# ---------------------------------------------------------------------- validation


def mean_iou(assessor: ExplainingAssessor, tasks: Sequence[StageTask], batch_size: int) -> dict[str, Any]:
    """The mean intersection over union of the model's regions with the true ones, how many answers held no box, and of
    how many; no box counts as 0."""

    def predict(batch: Sequence[StageTask]) -> list[float]:
        boxes = assessor.ground([_prepared(assessor, task).grounding for task in batch]).boxes
        return [-1.0 if box is None else box.iou(required(task.region)) for box, task in zip(boxes, batch, strict=True)]

    with assessor.at_work():
        overlaps = predicted(tasks, predict, batch_size)
    without = sum(overlap < 0 for overlap in overlaps)
    return {"n": len(tasks), "mean_iou": sum(max(o, 0.0) for o in overlaps) / len(tasks), "without_box": without}


def level_agreement(
    assessor: ExplainingAssessor, kind: str, tasks: Sequence[StageTask], ratings: Sequence[float], batch_size: int
) -> dict[str, Any]:
    """SRCC and PLCC of harmony or local naturalness with the ratings."""
    return agreement(expected_levels(assessor, kind, tasks, batch_size), ratings)


def expected_levels(
    assessor: ExplainingAssessor, kind: str, tasks: Sequence[StageTask], batch_size: int
) -> list[float]:
    """Harmony or local naturalness, 1 to 5, of edits; naturalness of those whose region is known."""

    def prompt(task: StageTask) -> Prompt:
        prepared = _prepared(assessor, task)
        return prepared.harmony if kind == "harmony" else required(prepared.naturalness)

    def predict(batch: Sequence[StageTask]) -> list[float]:
        expected: list[float] = assessor.read_level([prompt(task) for task in batch]).expectation.tolist()
        return expected

    with assessor.at_work():
        return predicted(tasks, predict, batch_size)


def overall_agreement(
    assessor: ExplainingAssessor,
    tasks: Sequence[StageTask],
    overall: Sequence[float],
    completions: Sequence[float],
    explain: bool,
    batch_size: int,
) -> dict[str, dict[str, Any]]:
    """SRCC and PLCC of overall quality and prompt completion with the ratings, from one and the same answers."""

    read: dict[int, tuple[float, float]] = {}

    def predict(some: Sequence[StageTask]) -> list[float]:
        for batch in in_batches(some, batch_size):
            answers = assessor.explain([_prepared(assessor, task).explained for task in batch], generate=explain)
            for task, answer in zip(batch, answers, strict=True):
                read[id(task)] = float(answer.overall.expectation), float(answer.completion.expectation)
        return [read[id(task)][0] for task in some]

    with assessor.at_work():
        qualities = shared(tasks, predict)
        completed = shared(tasks, lambda some: [read[id(task)][1] for task in some])
    return {
        "overall_quality": agreement(qualities, overall),
        "prompt_completion": agreement(completed, completions),
    }


def _prepared(assessor: ExplainingAssessor, task: StageTask) -> PreparedEdit:
    sample = task.sample
    return assessor.prepare(pixels_of(sample.source), pixels_of(sample.edited), sample.prompt or "", task.region)
