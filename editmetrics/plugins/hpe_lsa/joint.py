"""Joint training: equation 1, detection and equation 5 at once, so that LoRA learns from the ratings, too.

This module imports torch at its top, and is itself only imported inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

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
    triplet: Triplet
    pair: Prompt | None
    ratings: Tensor | None


class JointLessons(Sequence[JointLesson]):
    """A lesson for each triplet, made when it is asked for."""

    def __init__(
        self, triplets: Triplets, part: Part, dimensions: Sequence[str], label_scale: tuple[float, float]
    ) -> None:
        self.triplets, self.dimensions, self.label_scale = triplets, dimensions, label_scale
        self.rated = {example.id: example for example in part.learned(dimensions).rated}

    def __len__(self) -> int:
        return len(self.triplets)

    def __getitem__(self, index: Any) -> Any:
        triplet = self.triplets[index]
        if triplet.id not in self.rated:
            return JointLesson(triplet.id, triplet, None, None)
        example = self.rated[triplet.id]
        sample = example.sample
        pair = self.triplets.assessor.pair(sample.source, sample.edited, sample.prompt or "")
        return JointLesson(triplet.id, triplet, pair, ratings_of(example, self.dimensions, self.label_scale))


def longest(lesson: JointLesson) -> int:
    """The tokens of its longest prompt."""
    return max(len(prompt) for prompt in (*lesson.triplet[1:], lesson.pair) if prompt is not None)


def collate(lessons: Sequence[JointLesson]) -> dict[str, Any]:
    """Lessons as the arguments of `Joint`: all anchors, all positives, all negatives; and the rated edits."""
    ratings = [lesson.ratings for lesson in lessons if lesson.ratings is not None]
    return {
        "prompts": [lesson.triplet[role] for role in (1, 2, 3) for lesson in lessons],
        "pairs": [lesson.pair for lesson in lessons if lesson.pair is not None],
        "ratings": torch.stack(ratings) if ratings else None,
        "counts": {"single": 3 * len(lessons), "pair": len(ratings)},
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
        with using(assessor.backbone, assessor.adapter):
            features, states = assessor.embed_and_read(prompts, method.feature, method.contrast_layers)
            of_pairs = assessor.read(pairs) if pairs else None
        anchor, positive, negative = features.chunk(3)
        others = gathered(negative) if method.batch_negatives else negative
        contrast = contrastive_loss(
            anchor, positive, others, method.temperature, in_batch=method.batch_negatives
        ).mean()
        labels = torch.ones(len(prompts), device=states.device)
        labels[len(prompts) // 3 * 2 :] = 0.0
        decoded = self.decoders(states, labels, of_pairs, ratings, counts)
        loss = method.contrastive_weight * contrast + decoded.pop("loss")
        return {"loss": loss, "contrastive": contrast, **decoded}
