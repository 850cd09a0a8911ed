"""One dimension of DS-IEQA in training: lessons in, loss out; and how far its scores agree with people.

This module imports torch at its top, and is itself only imported inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ...images import eight_bits, read_image
from ...mllm.features import FeatureStore
from ...mllm.lessons import Lesson, predicted
from ...mllm.lora import trainable, using
from ...mllm.targets import Example
from ...mllm.validation import agreement
from ...sample import Sample
from .assessor import DigitAssessor
from .method import DSIEQAMethod
from .tdrl import tdrl

if TYPE_CHECKING:
    from ...mllm.backbone import Picture, Prompt


class DigitLearner(nn.Module):
    """The backbone with one dimension's adapter at work, as the training loop takes it: lessons in, loss out."""

    def __init__(
        self, assessor: DigitAssessor, dimension: str, method: DSIEQAMethod, store: FeatureStore | None
    ) -> None:
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

        def predict(batch: Sequence[Example]) -> list[float]:
            number = self.assessor.read([self._prepared(pairs, example) for example in batch])[self.dimension]
            scores: list[float] = (number.value if read == "generated" else number.expectation).tolist()
            return scores

        return agreement(predicted(examples, predict), [example.targets[self.dimension] for example in examples])

    def lesson(self, pairs: Pairs, example: Example) -> Lesson:
        """The example with its rating as the answer."""
        sample = example.sample
        rating = example.targets[self.dimension]
        return Lesson(example.id, self.assessor.taught(pairs(sample), sample.prompt or "", self.dimension, rating))

    def _prepared(self, pairs: Pairs, example: Example) -> dict[str, Prompt]:
        sample = example.sample
        return {self.dimension: self.assessor.prompt(pairs(sample), sample.prompt or "", self.dimension)}


class Pairs:
    """The two pictures of a sample; those whose features a store keeps are seen once, and held without their pixels."""

    def __init__(self, assessor: DigitAssessor, store: FeatureStore | None) -> None:
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
