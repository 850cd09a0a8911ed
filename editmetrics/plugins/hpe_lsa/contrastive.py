"""Contrastive tuning (section III-B): real images together, edited ones away from them.

This module imports torch at its top, and is itself only imported inside functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ...images import eight_bits, read_image
from ...mllm.features import picture_key
from ...mllm.gradients import reached
from ...mllm.lora import trainable, using
from ...mllm.processes import gathered, shared
from .assessor import LayerAssessor
from .labels import Part
from .method import HPELSAMethod, Positive

if TYPE_CHECKING:
    from ...mllm.backbone import Prompt


def contrastive_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, temperature: float = 0.07, *, in_batch: bool = False
) -> Tensor:
    """The contrastive loss of each triplet, in nats, 0 or more.

    -log exp(sim(a, p) / T) / (exp(sim(a, p) / T) + exp(sim(a, n) / T)), with the cosine similarity.

    `anchor`, `positive` and `negative` are (N, H), or (N, layers, H); returns (N,) or (N, layers). Differentiable.
    `in_batch`: all of `negative`, which may then be more, stand in the denominator of each. Source: equation 1.

    >>> one = torch.tensor([[1.0, 0.0]])
    >>> contrastive_loss(one, one, one)  # no telling apart: log 2
    tensor([0.6931])
    """
    near = nn.functional.cosine_similarity(anchor, positive, dim=-1)
    if in_batch:
        others = nn.functional.cosine_similarity(anchor[:, None], negative[None], dim=-1)
        return nn.functional.softplus((others / temperature).logsumexp(1) - near / temperature)
    far = nn.functional.cosine_similarity(anchor, negative, dim=-1)
    return nn.functional.softplus((far - near) / temperature)


class Triplet(NamedTuple):
    """Prompts of a real image, of another real image and of an edited one."""

    id: str
    anchor: Prompt
    positive: Prompt
    negative: Prompt


class Triplets(Sequence[Triplet]):
    """A triplet for each edited image: its source, a real image of another source, and itself.

    The positive is drawn by the seed and the edit's place alone. An edit without a source gets a drawn anchor, too.
    Without another source, or with `positive="view"`, the positive is another view of the anchor.
    """

    def __init__(self, assessor: LayerAssessor, part: Part, seed: int, positive: Positive = "other") -> None:
        self.assessor, self.edited, self.real, self.seed = assessor, part.edited(), part.real(), seed
        self.positive = positive

    def __len__(self) -> int:
        return len(self.edited)

    def __getitem__(self, index: Any) -> Any:
        edit = self.edited[index]
        random = np.random.default_rng([self.seed, index])
        order = random.permutation(len(self.real)).tolist()
        image = edit.source if edit.source is not None else self.real[order.pop()].edited
        anchor, negative = self.assessor.single(image), self.assessor.single(edit.edited)
        for position in order if self.positive == "other" else ():
            positive = self.assessor.single(self.real[position].edited)
            if picture_key(positive.pictures[0]) != picture_key(anchor.pictures[0]):
                return Triplet(edit.id, anchor, positive, negative)
        once = replace(self.assessor, pictures=None)  # a view does not come again as the same object
        return Triplet(edit.id, anchor, once.single(another_view(image, random)), negative)


def another_view(image: Any, random: np.random.Generator) -> np.ndarray:
    """A crop of 80 to 100 % of each side of an image, mirrored every other time; (h, w, 3) of uint8."""
    pixels = eight_bits(read_image(image))
    (top, height), (left, width) = (_part(side, random) for side in pixels.shape[:2])
    crop = pixels[top : top + height, left : left + width]
    return np.ascontiguousarray(crop[:, ::-1] if random.random() < 0.5 else crop)


def _part(side: int, random: np.random.Generator) -> tuple[int, int]:
    length = max(1, round(side * random.uniform(0.8, 1.0)))
    return int(random.integers(0, side - length + 1)), length


def longest(triplet: Triplet) -> int:
    """The tokens of its longest prompt, to which the others are padded."""
    return max(len(prompt) for prompt in triplet[1:])


def collate(triplets: Sequence[Triplet]) -> dict[str, Any]:
    """Triplets as the arguments of `Contrast`: all anchors, then all positives, then all negatives."""
    return {"prompts": [triplet[role] for role in (1, 2, 3) for triplet in triplets]}


def train_only_what_is_read(assessor: LayerAssessor, read: Callable[[Sequence[Prompt]], Iterable[Tensor]]) -> None:
    """Freeze the parameters of the adapter that `read` does not depend on: those of layers above the ones it reads."""
    blank = assessor.single(np.zeros((32, 32, 3), np.uint8))
    parameters = trainable(assessor.backbone, str(assessor.adapter))
    with torch.enable_grad(), using(assessor.backbone, assessor.adapter):
        used = reached(read([blank]))
    for parameter in parameters:
        parameter.requires_grad_(id(parameter) in used)


class Contrast(nn.Module):
    """The backbone with its adapter at work, as the training loop takes it: prompts in, equation 1 out."""

    def __init__(self, assessor: LayerAssessor, method: HPELSAMethod, validation_batch_size: int = 16) -> None:
        super().__init__()
        self.at_a_time = validation_batch_size
        self.model = assessor.backbone.model
        self.assessor, self.temperature = assessor, method.temperature
        self.feature, self.layers, self.in_batch = method.feature, method.contrast_layers, method.batch_negatives
        trainable(assessor.backbone, str(assessor.adapter))
        if self.layers:
            train_only_what_is_read(assessor, lambda prompts: [assessor.embed(prompts, self.feature, self.layers)])

    def forward(self, prompts: Sequence[Prompt]) -> dict[str, Tensor]:
        anchor, positive, negative = self._embedded(prompts)
        if self.in_batch:
            negative = gathered(negative)
        loss = contrastive_loss(anchor, positive, negative, self.temperature, in_batch=self.in_batch)
        return {"loss": loss.mean()}

    def chance(self, triplets: Triplets) -> float:
        """The mean probability in equation 1 that the positive is the real one: 0.5 knows nothing, 1 is sure."""
        return self._mean(triplets, lambda a, p, n: (-contrastive_loss(a, p, n, self.temperature)).exp())

    def margin(self, triplets: Triplets) -> float:
        """Margin of real over edited images: the mean of sim(a, p) - sim(a, n)."""
        similarity = nn.functional.cosine_similarity
        return self._mean(triplets, lambda anchor, near, far: similarity(anchor, near) - similarity(anchor, far))

    def _mean(self, triplets: Triplets, measure: Callable[[Tensor, Tensor, Tensor], Tensor]) -> float:
        """The mean of `measure` over triplets; an image that is in several of them is read once."""

        def predict(indices: Sequence[int]) -> list[float]:
            read: dict[str, Tensor] = {}
            waiting: dict[str, Prompt] = {}
            rows = []
            for index in indices:
                prompts = triplets[index][1:]
                rows.append([picture_key(prompt.pictures[0]) for prompt in prompts])
                waiting |= {key: prompt for key, prompt in zip(rows[-1], prompts, strict=True) if key not in read}
                if len(waiting) >= self.at_a_time:
                    read |= self._read(waiting)
                    waiting = {}
            read |= self._read(waiting)
            values = [measure(*(read[key][None] for key in row)) for row in rows]  # of several layers, the mean
            return [float(value.mean()) for value in values]

        with torch.no_grad():
            values = shared(range(len(triplets)), predict)
        return sum(values) / len(values)

    def _read(self, prompts: Mapping[str, Prompt]) -> dict[str, Tensor]:
        """f of each prompt, by its key."""
        if not prompts:
            return {}
        with using(self.assessor.backbone, self.assessor.adapter):
            states = self.assessor.embed(list(prompts.values()), self.feature, self.layers)
        return dict(zip(prompts, states.unbind(), strict=True))

    def _embedded(self, prompts: Sequence[Prompt]) -> tuple[Tensor, Tensor, Tensor]:
        with using(self.assessor.backbone, self.assessor.adapter):
            anchor, positive, negative = self.assessor.embed(prompts, self.feature, self.layers).chunk(3)
        return anchor, positive, negative
