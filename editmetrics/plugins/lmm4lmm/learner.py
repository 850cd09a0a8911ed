"""The two kinds of training: language loss on answers, and L1 loss on ratings.

This module imports torch at its top, and is itself only imported inside functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from ...mllm.heads import RegressionHead
from .assessor import Assessor

if TYPE_CHECKING:
    from ...mllm.backbone import Prompt


class Lesson(NamedTuple):
    """One example as a learner takes it; `rating` is its target in units of the head, for regression."""

    id: str
    prompt: Prompt
    rating: float | None = None


class Lessons(Sequence[Lesson]):
    """Lessons made when they are asked for."""

    def __init__(self, makers: Sequence[Callable[[], Lesson]]) -> None:
        self.makers = makers

    def __len__(self) -> int:
        return len(self.makers)

    def __getitem__(self, index: Any) -> Any:
        return self.makers[index]()


class LanguageLearner(nn.Module):
    """Cross-entropy of the answers' tokens: the mean over a batch's examples of the mean over each one's tokens."""

    def __init__(self, assessor: Assessor) -> None:
        super().__init__()
        self.assessor, self.model = assessor, assessor.backbone.model

    def forward(self, prompts: Sequence[Prompt], ratings: Sequence[float | None]) -> dict[str, Tensor]:
        backbone = self.assessor.backbone
        hidden = backbone.forward(prompts).hidden
        losses = []
        for row, prompt in zip(hidden, prompts, strict=True):
            logits = backbone.logits(row[prompt.answer_start - 1 : len(prompt) - 1])
            losses.append(nn.functional.cross_entropy(logits, prompt.ids[prompt.answer_start :].to(logits.device)))
        return {"loss": torch.stack(losses).mean()}


class RatingLearner(nn.Module):
    """L1 loss of the head on the hidden state of each example's own last token, with ratings in units of the head."""

    def __init__(self, assessor: Assessor, head: RegressionHead) -> None:
        super().__init__()
        self.assessor, self.model = assessor, assessor.backbone.model
        self.head = head.to(assessor.backbone.device)

    def forward(self, prompts: Sequence[Prompt], ratings: Sequence[float]) -> dict[str, Tensor]:
        rated = self.head(self.assessor.hidden(prompts))[:, 0]
        wanted = torch.tensor(ratings, dtype=rated.dtype, device=rated.device)
        return {"loss": nn.functional.l1_loss(rated, wanted)}


def collate(lessons: Sequence[Lesson]) -> dict[str, Any]:
    """Lessons as a learner's arguments."""
    return {"prompts": [lesson.prompt for lesson in lessons], "ratings": [lesson.rating for lesson in lessons]}


def in_ratings(head: RegressionHead, mean: float, deviation: float) -> RegressionHead:
    """The head that gives `mean + deviation * head(x)`: the same with its last layer rescaled."""
    from copy import deepcopy

    rescaled = deepcopy(head)
    last = rescaled.layers[-1]
    with torch.no_grad():
        last.weight.mul_(deviation)  # type: ignore[operator]
        last.bias.mul_(deviation).add_(mean)  # type: ignore[operator]
    return rescaled.eval()
