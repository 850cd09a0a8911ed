"""One dimension of DS-IEQA in training: lessons in, loss out; and how far its scores agree with people.

This module imports torch at its top, and is itself only imported inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from ...images import eight_bits, read_image
from ...mllm.features import FeatureStore
from ...mllm.lora import trainable, using
from ...mllm.targets import Example
from ...mllm.validation import agreement, predictions
from ...sample import Sample
from .assessor import Assessor
from .method import Method
from .tdrl import tdrl

if TYPE_CHECKING:
    from ...mllm.backbone import Picture, Prompt

BATCH = 16
"""Samples that are validated together."""


class Learner(nn.Module):
    """The backbone with one dimension's adapter at work, as the training loop takes it: lessons in, loss out."""

    def __init__(self, assessor: Assessor, dimension: str, method: Method, store: FeatureStore | None) -> None:
        super().__init__()
        self.model = assessor.backbone.model
        self.assessor, self.dimension, self.method, self.store = assessor, dimension, method, store
        self.adapter = assessor.adapters[dimension]
        trainable(assessor.backbone, self.adapter)

    def forward(self, prompts: Sequence[Prompt]) -> dict[str, Tensor]:
        """The loss of taught prompts, and its parts; all answers have the same number of tokens."""
        backbone = self.assessor.backbone
        features = None if self.store is None else [self.store.get(prompt.pictures) for prompt in prompts]
        with using(backbone, self.adapter):
            hidden = backbone.forward(prompts, features).hidden
        answers = torch.stack([prompt.ids[prompt.answer_start :] for prompt in prompts]).to(hidden.device)
        before = torch.tensor([prompt.answer_start - 1 for prompt in prompts], device=hidden.device)
        places = before[:, None] + torch.arange(answers.shape[1], device=hidden.device)
        predicting = hidden[torch.arange(len(prompts), device=hidden.device)[:, None], places]
        logits = backbone.logits(predicting)
        if self.method.loss == "cross_entropy":
            return {"loss": nn.functional.cross_entropy(logits.flatten(0, 1), answers.flatten())}
        loss = tdrl(
            logits,
            answers,
            self.assessor.digits,
            vocabulary=self.method.vocabulary,
            cross_entropy_on_digits=self.method.cross_entropy_on_digits,
        )
        return loss._asdict()

    def agreement(self, pairs: Pairs, examples: Sequence[Example], read: str) -> dict[str, Any]:
        """SRCC and PLCC of the scores with the ratings, None where they are undefined, and of how many."""

        def predict(some: Sequence[Example]) -> list[float]:
            scores: list[float] = []
            for start in range(0, len(some), BATCH):
                batch = [self._prepared(pairs, example) for example in some[start : start + BATCH]]
                number = self.assessor.read(batch)[self.dimension]
                scores += (number.value if read == "generated" else number.expectation).tolist()
            return scores

        scores = predictions(examples, predict)
        ratings = [example.targets[self.dimension] for example in examples]
        return agreement(scores, ratings)

    def _prepared(self, pairs: Pairs, example: Example) -> dict[str, Prompt]:
        sample = example.sample
        return {self.dimension: self.assessor.prompt(pairs(sample), sample.prompt or "", self.dimension)}


class Lesson(NamedTuple):
    """One example as the learner takes it."""

    id: str
    prompt: Prompt


class Lessons(Sequence[Lesson]):
    """The training examples of one dimension, made when they are asked for."""

    def __init__(self, pairs: Pairs, examples: Sequence[Example], learner: Learner) -> None:
        self.pairs, self.examples, self.learner = pairs, examples, learner

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: Any) -> Any:
        example = self.examples[index]
        taught = self.learner.assessor.taught(
            self.pairs(example.sample),
            example.sample.prompt or "",
            self.learner.dimension,
            example.targets[self.learner.dimension],
        )
        return Lesson(example.id, taught)


def collate(lessons: Sequence[Lesson]) -> dict[str, Any]:
    """Lessons as the learner's arguments."""
    return {"prompts": [lesson.prompt for lesson in lessons]}


class Pairs:
    """The two pictures of a sample; those whose features a store keeps are seen once, and held without their pixels."""

    def __init__(self, assessor: Assessor, store: FeatureStore | None) -> None:
        self.assessor, self.store = assessor, store
        self._kept: dict[int, tuple[Picture, Picture]] = {}  # by id(sample): names may repeat in the validation data

    def __call__(self, sample: Sample) -> tuple[Picture, Picture]:
        if id(sample) in self._kept:
            return self._kept[id(sample)]
        source, edited = (eight_bits(read_image(image)) for image in (sample.source, sample.edited))
        pair = self.assessor.see(source, edited)
        if self.store is None:
            return pair
        self._kept[id(sample)] = self.store.keep(pair[0]), self.store.keep(pair[1])
        return self._kept[id(sample)]
