"""Joint training: equation 1, detection and equation 5 at once, so that LoRA learns from the ratings, too.

This module imports torch at its top, and is itself only imported inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ...mllm.lora import trainable, using
from ...mllm.processes import gathered
from .assessor import LayerAssessor
from .contrastive import Triplet, Triplets, contrastive_loss, train_only_what_is_read
from .decoders import Decoders, ratings_of
from .labels import Part
from .method import HPELSAMethod

if TYPE_CHECKING:
    from ...mllm.backbone import Prompt


class JointLesson(NamedTuple):
    """An edit to learn from: its triplet and, if it is rated, the prompt about the edit and its ratings in [0, 1]."""

    id: str
    triplet: Triplet | None
    pair: Prompt | None
    ratings: Tensor | None


class JointLessons(Sequence[JointLesson]):
    """A lesson for each triplet, made when it is asked for; of rated edits, only `share` have their triplet."""

    def __init__(
        self,
        triplets: Triplets,
        part: Part,
        dimensions: Sequence[str],
        label_scale: tuple[float, float],
        share: float = 1.0,
    ) -> None:
        self.triplets, self.dimensions, self.label_scale = triplets, dimensions, label_scale
        self.rated = {example.id: example for example in part.learned(dimensions).rated}
        # not the permutation of an epoch, in which those with a triplet would then come first
        order = np.random.default_rng([triplets.seed, 0, 1]).permutation(len(triplets)).tolist()
        self.without = set(order[round(share * len(triplets)) :])

    def __len__(self) -> int:
        return len(self.triplets)

    def __getitem__(self, index: Any) -> Any:
        example = self.rated.get(self.triplets.edited[index].id)
        if example is None:
            triplet = self.triplets[index]
            return JointLesson(triplet.id, triplet, None, None)
        sample = example.sample
        pair = self.triplets.assessor.pair(sample.source, sample.edited, sample.prompt or "")
        triplet = None if index in self.without else self.triplets[index]
        return JointLesson(example.id, triplet, pair, ratings_of(example, self.dimensions, self.label_scale))


def longest(lesson: JointLesson) -> int:
    """The tokens of its longest prompt."""
    prompts = [lesson.pair, *(() if lesson.triplet is None else lesson.triplet[1:])]
    return max(len(prompt) for prompt in prompts if prompt is not None)


def collate(lessons: Sequence[JointLesson]) -> dict[str, Any]:
    """Lessons as the arguments of `Joint`: all anchors, all positives, all negatives; and the rated edits."""
    ratings = [lesson.ratings for lesson in lessons if lesson.ratings is not None]
    triplets = [lesson.triplet for lesson in lessons if lesson.triplet is not None]
    return {
        "prompts": [triplet[role] for role in (1, 2, 3) for triplet in triplets],
        "pairs": [lesson.pair for lesson in lessons if lesson.pair is not None],
        "ratings": torch.stack(ratings) if ratings else None,
        "counts": {"single": 3 * len(triplets), "pair": len(ratings)},
    }


class Joint(nn.Module):
    """The backbone with its adapter, and the decoders of one layer's states: the sum of all three losses.

    Of a triplet, the anchor and the positive are real images to the detection, and the negative is an edited one. The
    decoders standardise states by `decoders`, which is made of those before this training. LoRA has the recipe's
    learning rate, and the decoders have `method.decoder_learning_rate`.
    """

    def __init__(self, assessor: LayerAssessor, decoders: Decoders, method: HPELSAMethod, learning_rate: float) -> None:
        super().__init__()
        self.model = assessor.backbone.model
        self.assessor, self.decoders, self.method = assessor, decoders, method
        self.learning_rate_factors: Mapping[str, float] = {"decoders.": method.decoder_learning_rate / learning_rate}
        trainable(assessor.backbone, str(assessor.adapter))
        if method.contrast_layers:
            train_only_what_is_read(
                assessor, lambda prompts: assessor.embed_and_read(prompts, method.feature, method.contrast_layers)
            )
        decoders.requires_grad_(True)
        if method.balanced:
            decoders.weights = 1.5, 0.75  # an edited image is one of three

    def forward(
        self, prompts: Sequence[Prompt], pairs: Sequence[Prompt], ratings: Tensor | None, counts: Mapping[str, float]
    ) -> dict[str, Tensor]:
        method, assessor = self.method, self.assessor
        labels = states = None
        contrast = self._nothing()
        with using(assessor.backbone, assessor.adapter):
            if prompts:  # of few triplets, a batch may have none
                features, states = assessor.embed_and_read(prompts, method.feature, method.contrast_layers)
                contrast = self._contrast(features) / counts["single"]
                labels = torch.ones(len(prompts), device=states.device)
                labels[len(prompts) // 3 * 2 :] = 0.0
            of_pairs = assessor.read(pairs) if pairs else None
        decoded = self.decoders(states, labels, of_pairs, ratings, counts)
        loss = method.contrastive_weight * contrast + decoded.pop("loss")
        return {"loss": loss, "contrastive": contrast, **decoded}

    def _nothing(self) -> Tensor:
        """Zero, of which every trained parameter is a part, as several processes require it."""
        return 0.0 * torch.stack([p.sum() for p in self.parameters() if p.requires_grad]).sum()

    def _contrast(self, features: Tensor) -> Tensor:
        """The sum of equation 1 over the images of triplets, whose mean is that over the triplets."""
        method = self.method
        anchor, positive, negative = features.chunk(3)
        others = gathered(negative) if method.batch_negatives else negative
        losses = contrastive_loss(anchor, positive, others, method.temperature, in_batch=method.batch_negatives)
        return losses.mean() * len(features)
