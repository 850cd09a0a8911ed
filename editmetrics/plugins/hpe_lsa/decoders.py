"""The two decoders (section III-D) on the states of the chosen layer: real or edited, and three ratings.

This module imports torch at its top, and is itself only imported inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ...agreement.correlation import krcc, plcc, srcc
from ...agreement.labels import auc, balanced_accuracy, f1, f1_positive, recall, specificity
from ...agreement.measure import defined
from ...mllm import validation
from ...mllm.heads import RegressionHead
from ...mllm.lessons import in_batches
from ...mllm.losses import RatingLoss
from ...mllm.processes import shared
from ...mllm.recipe import Select
from ...mllm.targets import Example
from .assessor import BATCH, LayerAssessor
from .labels import AUTHENTICITY, Part
from .method import HPELSAMethod


class DecoderLesson(NamedTuple):
    """One image as the decoders learn from it: its label, and if it is a rated edit, its ratings in [0, 1]."""

    id: str
    single: Tensor | None
    label: float | None
    pair: Tensor | None
    ratings: Tensor | None


def states(assessor: LayerAssessor, part: Part, dimensions: Sequence[str]) -> tuple[list[Tensor], list[Tensor]]:
    """Inputs of the decoders of `dimensions`: the state of each image of `part`, and of each rated edit, on the CPU."""
    images, rated = part.learned(dimensions)
    return (
        _states(assessor, [lambda s=e.sample: assessor.single(s.edited) for e in images]),
        _states(assessor, [lambda s=e.sample: assessor.pair(s.source, s.edited, s.prompt) for e in rated]),
    )


def _states(assessor: LayerAssessor, makers: Sequence[Any]) -> list[Tensor]:
    """The state of each prompt; a prompt is made when its turn comes. Processes that train together share the work."""

    def read(own: Sequence[Any]) -> list[Tensor]:
        states: list[Tensor] = []
        for some in in_batches(own, BATCH):
            states += assessor.states([make() for make in some]).cpu().clone().unbind()
        return states

    return shared(makers, read)


def lessons(
    part: Part,
    singles: Sequence[Tensor],
    pairs: Sequence[Tensor],
    dimensions: Sequence[str],
    label_scale: tuple[float, float],
) -> list[DecoderLesson]:
    """The `states` of all images of `part`, with labels and ratings, for those of `dimensions` that are learned."""
    images, rated = part.learned(dimensions)
    by_id = {e.id: (pair, ratings_of(e, dimensions, label_scale)) for e, pair in zip(rated, pairs, strict=True)}
    lessons = [
        DecoderLesson(e.id, single, e.targets[AUTHENTICITY], *by_id.pop(e.id, (None, None)))
        for e, single in zip(images, singles, strict=True)
    ]
    return lessons + [DecoderLesson(name, None, None, *of_pair) for name, of_pair in by_id.items()]


def ratings_of(example: Example, dimensions: Sequence[str], label_scale: tuple[float, float]) -> Tensor:
    """The ratings of those of `dimensions` that are rated, in [0, 1]."""
    low, high = label_scale
    return torch.tensor([(example.targets[name] - low) / (high - low) for name in dimensions if name != AUTHENTICITY])


def collate(some: Sequence[DecoderLesson]) -> dict[str, Any]:
    """Lessons as the arguments of `Decoders`; a kind that none of them has is None."""
    singles = [lesson for lesson in some if lesson.single is not None]
    pairs = [lesson for lesson in some if lesson.pair is not None]
    return {
        "single": torch.stack([x.single for x in singles]) if singles else None,  # type: ignore[misc]
        "labels": torch.tensor([x.label for x in singles]) if singles else None,
        "pair": torch.stack([x.pair for x in pairs]) if pairs else None,  # type: ignore[misc]
        "ratings": torch.stack([x.ratings for x in pairs]) if pairs else None,  # type: ignore[misc]
        "counts": {"single": len(singles), "pair": len(pairs)},
    }


class Decoders(nn.Module):
    """A head for each dimension on standardised states; the loss is L_det + L_qual, each by its weight of `method`.

    L_det is the binary cross-entropy, in which real and edited images weigh the same, however many there are of each,
    unless `method` says otherwise; L_qual is equation 5: squared errors of ratings in [0, 1], summed over the
    dimensions, the mean over the edits. Each mean is over the whole batch of an update, however it is divided into
    micro-batches and among processes, some of which may have no edit or no labelled image (`counts`, see `train`).
    """

    def __init__(
        self,
        heads: Mapping[str, RegressionHead],
        learned: Sequence[DecoderLesson],
        device: torch.device | str,
        method: HPELSAMethod,
    ) -> None:
        super().__init__()
        self.method = method
        self.heads = nn.ModuleDict(heads)
        self.quality = [name for name in heads if name != AUTHENTICITY]
        for kind in ("single", "pair"):
            states = [state for lesson in learned if (state := getattr(lesson, kind)) is not None]
            mean, deviation = _standard(torch.stack(states)) if states else (torch.zeros(1), torch.ones(1))
            self.register_buffer(f"{kind}_mean", mean, persistent=False)
            self.register_buffer(f"{kind}_deviation", deviation, persistent=False)
        labels = [lesson.label for lesson in learned if lesson.label is not None]
        real = sum(labels) / len(labels) if labels and method.balanced else 0.5
        self.weights = 0.5 / max(1 - real, 1e-12), 0.5 / max(real, 1e-12)  # of an edited image, and of a real one
        self.to(device)

    def forward(
        self,
        single: Tensor | None,
        labels: Tensor | None,
        pair: Tensor | None,
        ratings: Tensor | None,
        counts: Mapping[str, float],
    ) -> dict[str, Tensor]:
        parts: dict[str, Tensor] = {}
        if AUTHENTICITY in self.heads:
            logits = self.heads[AUTHENTICITY](self._standardised("single", single))[:, 0]
            labels = logits.new_zeros(0) if labels is None else labels.to(logits)
            weight = torch.where(labels == 1, self.weights[1], self.weights[0])
            losses = nn.functional.binary_cross_entropy_with_logits(logits, labels, weight, reduction="none")
            parts["detection"] = losses.sum() / (counts["single"] or 1.0)
        if self.quality:
            predicted = self._ratings(pair)
            ratings = predicted.detach() if ratings is None else ratings.to(predicted)
            parts["quality"] = self._rating_loss(predicted, ratings, counts["pair"] or 1.0)
        weights = {"detection": self.method.detection_weight, "quality": self.method.quality_weight}
        return {"loss": torch.stack([weights[name] * loss for name, loss in parts.items()]).sum(), **parts}

    def agreement(self, held_out: Sequence[DecoderLesson]) -> dict[str, dict[str, Any]]:
        """Agreement of the decoders with labels and ratings, by dimension; None where a measure is undefined.

        Of authenticity, edited is the positive class, and an image is taken for edited below a probability of 0.5.
        """
        batch = collate(held_out)
        agreement: dict[str, dict[str, Any]] = {}
        with torch.no_grad():
            if batch["pair"] is not None:
                predicted = self._ratings(batch["pair"]).cpu()
                for column, name in enumerate(self.quality):
                    pair = predicted[:, column].tolist(), batch["ratings"][:, column].tolist()
                    agreement[name] = {m.name: defined(m, *pair) for m in (srcc, plcc, krcc)} | {"n": len(predicted)}
            if batch["single"] is not None:
                logits = self.heads[AUTHENTICITY](self._standardised("single", batch["single"]))[:, 0].cpu()
                edited = (1 - batch["labels"]).tolist()
                measures: dict[str, Any] = {"auc": defined(auc, (-logits).tolist(), edited)}
                taken = (logits < 0).float().tolist()
                for measure in (balanced_accuracy, recall, specificity, f1, f1_positive):
                    measures[measure.name] = defined(measure, taken, edited)
                agreement[AUTHENTICITY] = measures | {"n": len(edited)}
        return agreement

    def start_from(self, raw: Mapping[str, RegressionHead]) -> None:
        """Give the heads the weights of heads for raw states: the way back of `folded`, with these states' units."""
        for name, head in self.heads.items():
            kind = "single" if name == AUTHENTICITY else "pair"
            mean, deviation = (getattr(self, f"{kind}_{part}").cpu().double() for part in ("mean", "deviation"))
            weights = {key: value.detach().cpu().clone() for key, value in raw[name].state_dict().items()}
            first = weights["layers.0.weight"].double()
            weights["layers.0.bias"] = (weights["layers.0.bias"].double() + first @ mean).float()
            weights["layers.0.weight"] = (first * deviation).float()
            head.load_state_dict(weights)

    def folded(self) -> dict[str, RegressionHead]:
        """The heads for raw states: W (x - m) / s + b is W' x + b' with W' = W / s and b' = b - W' m."""
        folded = {}
        for name, head in self.heads.items():
            kind = "single" if name == AUTHENTICITY else "pair"
            mean, deviation = (
                getattr(self, f"{kind}_{statistic}").cpu().double() for statistic in ("mean", "deviation")
            )
            raw = RegressionHead(**head.settings)  # type: ignore[arg-type]
            raw.load_state_dict({key: value.cpu() for key, value in head.state_dict().items()})
            first: Any = raw.layers[0]
            weight = first.weight.data.double() / deviation
            first.bias.data.copy_(first.bias.data.double() - weight @ mean)
            first.weight.data.copy_(weight)
            folded[name] = raw.eval()
        return folded

    def _rating_loss(self, predicted: Tensor, ratings: Tensor, count: float) -> Tensor:
        """The loss of ratings (N, dimensions), summed over the dimensions.

        Errors are means over the `count` edits of the batch; terms that compare edits, over those in memory.
        """
        loss = self.method.rating_loss
        error = predicted - ratings
        errors = {"l1": error.abs().sum() / count, "l2": error.square().sum() / count}
        terms = [loss.factors[name] * value for name, value in errors.items() if name in loss.factors]
        if comparing := {name: factor for name, factor in loss.factors.items() if name not in errors}:
            edits = torch.zeros(len(ratings), dtype=torch.long)  # one group: too few edits then add nothing
            terms += [
                RatingLoss(comparing)(own, rated, groups=edits)["loss"]
                for own, rated in zip(predicted.unbind(1), ratings.unbind(1), strict=True)
            ]
        return torch.stack(terms).sum()

    def _ratings(self, pair: Tensor | None) -> Tensor:
        states = self._standardised("pair", pair)
        return torch.cat([self.heads[name](states) for name in self.quality], 1)

    def _standardised(self, kind: str, states: Tensor | None) -> Tensor:
        """States in units of their deviation; no rows for no states, so that all heads take part in every batch."""
        mean, deviation = getattr(self, f"{kind}_mean"), getattr(self, f"{kind}_deviation")
        return (mean.new_zeros(0, len(mean)) if states is None else states.to(mean) - mean) / deviation


def merit(agreement: Mapping[str, Mapping[str, Any]], select: Select = "srcc") -> float | None:
    """Measure that selects the decoders' weights: the mean of the dimensions' merit and the detection's AUC."""
    return validation.mean_or_none(
        measured["auc"] if "auc" in measured else validation.merit(measured, select) for measured in agreement.values()
    )


def _standard(states: Tensor) -> tuple[Tensor, Tensor]:
    deviation = states.std(0, unbiased=False)
    return states.mean(0), torch.where(deviation > 1e-6, deviation, 1.0)
