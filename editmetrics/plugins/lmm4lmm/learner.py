"""The two kinds of training, language loss on answers and a loss of ratings; and agreement on validation samples.

This module imports torch at its top, and is itself only imported inside functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ...mllm.heads import RegressionHead
from ...mllm.lessons import Lesson, predicted
from ...mllm.losses import RatingLoss, soft_cross_entropy_of
from ...mllm.targets import Example
from ...mllm.validation import agreement as agreement_with
from ...sample import Sample
from .assessor import TaskAssessor

if TYPE_CHECKING:
    from ...mllm.backbone import Picture, Prompt


class LanguageLearner(nn.Module):
    """Cross-entropy of the answers' tokens: the mean over a batch's examples of the mean over each one's tokens.

    An example with soft labels (`Lesson.soft`) ends with its level word, which alone counts, by its distribution.
    """

    def __init__(self, assessor: TaskAssessor) -> None:
        super().__init__()
        self.assessor, self.model = assessor, assessor.backbone.model

    def forward(self, prompts: Sequence[Prompt], soft: Sequence[Sequence[float]], **_: Any) -> dict[str, Tensor]:
        backbone = self.assessor.backbone
        hidden = backbone.forward(prompts).hidden
        losses = []
        for row, prompt, levels in zip(hidden, prompts, soft, strict=True):
            logits = backbone.logits(row[prompt.answer_start - 1 : len(prompt) - 1])
            if levels:
                ids = torch.tensor(self.assessor.level_ids, device=logits.device)
                losses.append(soft_cross_entropy_of(logits[0], ids, torch.tensor(levels, device=logits.device)))
                continue
            losses.append(nn.functional.cross_entropy(logits, prompt.ids[prompt.answer_start :].to(logits.device)))
        return {"loss": torch.stack(losses).mean()}


class RatingLearner(nn.Module):
    """Loss of the head on the hidden state of each example's own last token, with ratings in units of the head."""

    def __init__(self, assessor: TaskAssessor, head: RegressionHead, loss: RatingLoss) -> None:
        super().__init__()
        self.assessor, self.model, self.loss = assessor, assessor.backbone.model, loss
        self.head = head.to(assessor.backbone.device)

    def forward(
        self, prompts: Sequence[Prompt], ratings: Sequence[float], weights: Sequence[float | None], **_: Any
    ) -> dict[str, Tensor]:
        rated = self.head(self.assessor.hidden(prompts))[:, 0]
        wanted = torch.tensor(ratings, dtype=rated.dtype, device=rated.device)
        return self.loss(rated, wanted, None if None in weights else torch.tensor(weights))


def collate(lessons: Sequence[Lesson]) -> dict[str, Any]:
    """Lessons as a learner's arguments."""
    return {
        "prompts": [lesson.prompt for lesson in lessons],
        "ratings": [lesson.rating for lesson in lessons],
        "weights": [lesson.weight for lesson in lessons],
        "soft": [lesson.soft[0] if lesson.soft else () for lesson in lessons],
    }


def in_ratings(head: RegressionHead, mean: float, deviation: float) -> RegressionHead:
    """The head that gives `mean + deviation * head(x)`: the same with its last layer rescaled."""
    from copy import deepcopy

    rescaled = deepcopy(head)
    last = rescaled.layers[-1]
    with torch.no_grad():
        last.weight.mul_(deviation)  # type: ignore[operator]
        last.bias.mul_(deviation).add_(mean)  # type: ignore[operator]
    return rescaled.eval()


# ---------------------------------------------------------------------- validation

Pictures = Callable[[Sample], "Picture"]


def agreement(
    assessor: TaskAssessor,
    pictures: Pictures,
    examples: Sequence[Example],
    dimension: str,
    read: Callable[[str, Any], Tensor],
    batch_size: int,
) -> dict[str, Any]:
    """SRCC and PLCC of what `read(dimension, prompts)` gives with the ratings, None where undefined; of how many."""

    def predict(batch: Sequence[Example]) -> list[float]:
        samples = [example.sample for example in batch]
        prompts = [assessor.scored(pictures(s), dimension, s.prompt or "") for s in samples]
        numbers: list[float] = read(dimension, prompts).tolist()
        return numbers

    with torch.no_grad():
        numbers = predicted(examples, predict, batch_size)
    return agreement_with(numbers, [example.targets[dimension] for example in examples])


def accuracy(
    assessor: TaskAssessor, pictures: Pictures, questions: Sequence[tuple[Example, str, str]], batch_size: int
) -> dict[str, Any]:
    """The share of questions, each with its example and answer, that are answered right, and of how many."""

    def predict(batch: Sequence[tuple[Example, str, str]]) -> list[float]:
        prompts = [[assessor.asked(pictures(example.sample), text)] for example, text, _ in batch]
        return [
            float((float(answer.yes[0]) > 0.5) == (known == "yes"))
            for answer, (_, _, known) in zip(assessor.answer(prompts), batch, strict=True)
        ]

    right = predicted(questions, predict, batch_size)
    return {"n": len(questions), "accuracy": sum(right) / len(right) if right else None}
