"""The module that is trained, its examples, and how well it agrees with people.

This module imports torch at its top; import it inside functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...agreement.labels import auc, balanced_accuracy
from ...agreement.measure import defined
from ...mllm.lessons import predicted
from ...mllm.losses import soft_bins
from ...mllm.validation import agreement, mean_or_none, merit
from .heads import Rated
from .losses import emd_loss
from .method import RegressorMethod
from .network import RegressorNetwork
from .parts.layout import ViewLayout
from .views import drawn_views, scoring_views

if TYPE_CHECKING:
    from ...mllm.recipe import Select
    from .store import KeptFeatures


class ImageLesson(NamedTuple):
    """One rated image: its scaled pixels and those of its source, or the key of its features; parts of the scale."""

    id: str
    targets: tuple[float, ...]
    images: tuple[Tensor, ...] = ()
    key: str = ""
    instruction: Tensor | None = None
    spreads: tuple[float, ...] = ()


class ImageLessons(Sequence[ImageLesson]):
    """Lessons whose images are read when they are asked for; `targets` of all of them are known before."""

    def __init__(self, makers: Sequence[Callable[[], ImageLesson]], targets: Sequence[tuple[float, ...]]) -> None:
        self.makers, self.targets = makers, targets

    def __len__(self) -> int:
        return len(self.makers)

    def __getitem__(self, index: Any) -> Any:
        return self.makers[index]()


@dataclass(frozen=True)
class Targets:
    """The dimensions that are trained, in order; those of `labels` are labels, 0 or 1."""

    names: tuple[str, ...]
    labels: frozenset[str]

    @property
    def is_label(self) -> list[bool]:
        return [name in self.labels for name in self.names]


class RegressorLearner(nn.Module):
    """The loss of a batch of lessons.

    Of ratings the loss that the method names, the mean over the dimensions; of labels the binary cross-entropy of the
    log-odds; and the method's `consistency` times what changes when images are mirrored.
    """

    def __init__(
        self, network: RegressorNetwork, targets: Targets, method: RegressorMethod, kept: KeptFeatures | None
    ) -> None:
        super().__init__()
        self.network, self.targets, self.method, self.kept = network, targets, method, kept
        self.learning_rate_factors = {"network.backbones.": method.backbone_rate}
        head = network.recipe.head
        self.levels = float(_texts(network) - 1) if head.kind == "levels" else 1.0

    def collate(self, lessons: Sequence[ImageLesson]) -> dict[str, Any]:
        """Put lessons together as the arguments of `forward`."""
        batch: dict[str, Any] = {"ratings": torch.tensor([lesson.targets for lesson in lessons], dtype=torch.float32)}
        if self.kept is not None:
            batch["features"] = [torch.from_numpy(rows.copy()) for rows in self.kept.get([one.key for one in lessons])]
        else:
            batch["images"] = [lesson.images for lesson in lessons]
        if lessons[0].instruction is not None:
            batch["instructions"] = torch.stack([lesson.instruction for lesson in lessons])  # type: ignore[misc]
        if self.method.loss == "emd":
            bins = self.network.recipe.head.bins
            batch["shares"] = torch.tensor([shares_of(lesson, bins) for lesson in lessons])
        return batch

    def forward(
        self,
        ratings: Tensor,
        features: Sequence[Tensor] = (),
        images: Sequence[tuple[Tensor, ...]] = (),
        instructions: Tensor | None = None,
        shares: Tensor | None = None,
    ) -> dict[str, Tensor]:
        rated = self.rated(features, images, instructions, drawn=True)
        losses = self._losses(rated, ratings, shares)
        if self.method.consistency and images:
            losses["consistency"] = self._consistency(rated, images, instructions)
            losses["loss"] = losses["loss"] + self.method.consistency * losses["consistency"]
        return losses

    def rated(
        self,
        features: Sequence[Tensor],
        images: Sequence[tuple[Tensor, ...]],
        instructions: Tensor | None,
        *,
        drawn: bool,
    ) -> Rated:
        """Rate kept features, or images by views that are drawn at random or fixed."""
        network = self.network
        if self.kept is not None:
            layout = ViewLayout(tuple(len(rows) for rows in features))
            return network.rate(self.kept.seen(features, layout), instructions)
        rule = network.recipe.images
        cut = [drawn_views(pair, rule) if drawn else [scoring_views(image, rule) for image in pair] for pair in images]
        edited, *source = zip(*cut, strict=True)
        self._views = cut
        return network.rate(network.rows(network.maps(edited, source[0] if source else ())), instructions)

    def agreement(self, lessons: ImageLessons, size: int) -> dict[str, dict[str, Any]]:
        """Measure each dimension of lessons: SRCC and PLCC of ratings, AUC and balanced accuracy of labels."""

        def predict(rows: Sequence[int]) -> list[list[float]]:
            batch = self.collate([lessons[row] for row in rows])
            with torch.inference_mode():
                rated = self.rated(
                    batch.get("features", ()), batch.get("images", ()), batch.get("instructions"), drawn=False
                )
            return rated.numbers.float().cpu().tolist()

        numbers = np.array(predicted(range(len(lessons)), predict, size))
        ratings = np.array(lessons.targets)
        measured = {}
        for column, (name, label) in enumerate(zip(self.targets.names, self.targets.is_label, strict=True)):
            mine, theirs = numbers[:, column], ratings[:, column]
            measured[name] = _of_label(mine, theirs) if label else agreement(mine.tolist(), theirs.tolist())
        return measured

    # ------------------------------------------------------------------ inside

    def _losses(self, rated: Rated, ratings: Tensor, shares: Tensor | None) -> dict[str, Tensor]:
        each: list[dict[str, Tensor]] = []
        ratings = ratings.repeat_interleave(len(rated.numbers) // len(ratings), dim=0)  # of each view, where asked for
        for column, label in enumerate(self.targets.is_label):
            mine, theirs = rated.numbers[:, column].float(), ratings[:, column].to(rated.numbers.device)
            if label:
                each.append({"loss": F.binary_cross_entropy_with_logits(mine, theirs)})
            elif shares is not None and rated.shares is not None:
                each.append({"loss": emd_loss(rated.shares[:, column], shares[:, column].to(mine.device))})
            elif (loss := self.method.rating_loss) is not None:
                each.append(loss(self.levels * mine, self.levels * theirs))
        names = [name for name in each[0] if all(name in one for one in each)]
        return {name: torch.stack([one[name] for one in each]).mean() for name in names}

    def _consistency(self, rated: Rated, images: Sequence[tuple[Tensor, ...]], instructions: Tensor | None) -> Tensor:
        """Return the mean difference of ratings, and of the body's watched features, to those of mirrored views."""
        network = self.network
        watched = getattr(network.body, "watched", ())
        cut = [[views._replace(pixels=views.pixels.flip(-1)) for views in pair] for pair in self._views]
        edited, *source = zip(*cut, strict=True)
        mirrored = network.rate(network.rows(network.maps(edited, source[0] if source else ())), instructions)
        also = getattr(network.body, "watched", ())
        terms = [F.l1_loss(mirrored.numbers, rated.numbers)]
        terms += [F.l1_loss(one, other.detach()) for one, other in zip(watched, also, strict=True)]
        return torch.stack(terms).sum()


def shares_of(lesson: ImageLesson, bins: int) -> list[list[float]]:
    """Return the shares of `bins` equal parts of the scale under a Gaussian around the rating, for each dimension."""
    edges = [index / bins for index in range(bins + 1)]
    return [soft_bins(target, spread, edges) for target, spread in zip(lesson.targets, lesson.spreads, strict=True)]


def select_by(measured: Mapping[str, Mapping[str, Any]], select: Select) -> float | None:
    """Return the number that chooses weights: the mean over the dimensions of SRCC (or as `select`), of labels AUC."""
    return mean_or_none(each["auc"] if "auc" in each else merit(each, select) for each in measured.values())


def _of_label(log_odds: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    positive = (log_odds >= 0).astype(float)
    return {
        "auc": defined(auc, log_odds, labels),
        balanced_accuracy.name: defined(balanced_accuracy, positive, labels),
        "n": len(labels),
    }


def _texts(network: RegressorNetwork) -> int:
    return int(network.body.width)
