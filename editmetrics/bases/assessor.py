"""`AssessorMetric`: a vision-language model that learns from human ratings how to score images."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from ..metric import pick_device
from ..sample import EditMetricsError, Score
from .backbone_metric import BackboneMetric, on_the_hub
from .trained import TrainedMetric

if TYPE_CHECKING:
    from ..mllm.backbone import Backbone
    from ..mllm.checkpoint import TrainedCheckpoint
    from ..mllm.prompt_writer import PromptWriter

logger = logging.getLogger(__name__)


class NoWeightsError(EditMetricsError):
    """A metric that only scores after training has no weights."""


class AssessorMetric(TrainedMetric, BackboneMetric):
    """A metric that trains a vision-language model on human ratings. The base takes care of everything around that.

    Beside what `TrainedMetric` asks for, an author writes:

    - `assessor(backbone, checkpoint, adapters)`: what makes prompts and reads answers, with a `backbone` attribute.
      Without weights (`checkpoint` is None) it is zero-shot, if `zero_shot_scores` allows it.
    - `prepare` and `score_batch`, which use `self.assessors`.

    The base reads and verifies the checkpoints that `weights` names when they are first needed, loads their backbones
    and adapters, and puts checksums, backbone and dimensions into the identity.
    """

    zero_shot_scores: ClassVar[bool] = True
    _assessors: Sequence[Any] = ()

    # ------------------------------------------------------------------ what an author writes

    @abstractmethod
    def assessor(self, backbone: Backbone, checkpoint: TrainedCheckpoint | None, adapters: Mapping[str, str]) -> Any:
        """Return what makes prompts and reads answers; `adapters` maps the checkpoint's names to `backbone`'s."""

    # ------------------------------------------------------------------ weights

    def checkpoints_to_load(self) -> list[TrainedCheckpoint]:
        """Checkpoints that `load` loads: `trained`, unless a subclass converts published weights only then."""
        return self.trained

    @property
    def zero_shot(self) -> bool:
        """True if the model scores without training."""
        return not self.trained

    def hub_model(self) -> str | None:
        if not self.weight_names:
            return super().hub_model()
        models = (
            on_the_hub(self.backbone or {**one.settings, **(one.backbone or {})}["backbone"])
            for one in self.trained
            if one.backbone_folder is None
        )
        return next(filter(None, models), None)

    def identity(self) -> dict[str, Any]:
        """Identity of any metric, with the digests of the weights and the identity of each backbone."""
        digests: list[Any] = [checkpoint.digest for checkpoint in self.trained]
        unloaded = {"model": self.backbone or self.BACKBONE, "revision": self.revision}
        backbones = [assessor.backbone.identity() for assessor in self._assessors]
        backbones = backbones or [{**unloaded, "sha256": "unknown until loaded"}]
        several = self.several_weights or self.members
        return {
            **super().identity(),
            "weights": (digests if several else digests[0]) if digests else "none: zero-shot",
            "backbone": backbones if several else backbones[0],
            **({"members": [member.identity() for member in self.members]} if self.members else {}),
        }

    # ------------------------------------------------------------------ loading

    def load(self) -> None:
        self.device = pick_device(self.device)
        if self.members:
            for member in self.members:
                member.to(self.device).load()
            self._assessors = [assessor for member in self.members for assessor in member._assessors]
            return
        if self._assessors:
            return
        if not self.weight_names:
            self.require_zero_shot()
        checkpoints: list[TrainedCheckpoint | None] = [*self.checkpoints_to_load()]
        self._assessors = [self._with_backbone(checkpoint) for checkpoint in checkpoints or [None]]

    def unload(self) -> None:
        self._assessors = []

    @property
    def assessors(self) -> Sequence[Any]:
        """One for each checkpoint, in the order of `weights`; loaded on first use."""
        if not self._assessors:
            self.load()
        return self._assessors

    def trained_backbone(self, checkpoint: TrainedCheckpoint | None, **loading: Any) -> Backbone:
        """The backbone that `checkpoint` was trained on, or the raw one; `loading` as for `load_backbone`.

        Raises `CheckpointError` for another backbone, whose adapters would mean nothing.
        """
        backbone = self.load_backbone(*_trained_on(checkpoint), **loading)
        if checkpoint is not None:
            self.check_backbone(checkpoint, backbone)
        return backbone

    def trained_writer(self, checkpoint: TrainedCheckpoint | None) -> PromptWriter:
        """The writer of that backbone's prompts, without its weights.

        Raises `CheckpointError` for another processor than that of the training.
        """
        from ..mllm.checkpoint import require_processor

        writer = self.prompt_writer(*_trained_on(checkpoint))
        if checkpoint is not None:
            require_processor(checkpoint, writer)
        return writer

    def check_backbone(self, checkpoint: TrainedCheckpoint, backbone: Backbone) -> None:
        """Raise `CheckpointError` if `backbone` is not the one that `checkpoint` was trained on."""
        from ..mllm.checkpoint import require_backbone

        require_backbone(checkpoint, backbone)

    def _with_backbone(self, checkpoint: TrainedCheckpoint | None) -> Any:
        from ..mllm.checkpoint import adapters_of

        backbone = self.trained_backbone(checkpoint)
        return self.assessor(backbone, checkpoint, adapters_of(checkpoint, backbone) if checkpoint else {})

    def require_zero_shot(self) -> None:
        """Warn that the raw backbone is asked. Raises `NoWeightsError` for a metric that only scores after training."""
        if not self.zero_shot_scores:
            raise NoWeightsError(
                f"{self.name} has no published weights: train it on your ratings ('editmetrics fit {self.name} "
                f"RATINGS.csv -o DIR', docs/metrics/{self.name}.md) and give weights=DIR, or try it with weights=toy"
            )
        logger.warning(
            "%s without weights is zero-shot: the raw backbone %s is asked, and how far its scores agree with people "
            "is unknown; fit it, or give weights",
            self.name,
            self.backbone or self.BACKBONE,
        )


def _trained_on(checkpoint: TrainedCheckpoint | None) -> tuple[str | None, str | None, int | None]:
    """Return the name, the revision and the most tokens of an image of the backbone of a checkpoint."""
    if checkpoint is None:
        return None, None, None
    facts = {**checkpoint.settings, **(checkpoint.backbone or {})}
    if (inside := checkpoint.backbone_folder) is not None:
        return str(inside), None, facts.get("image_tokens")
    return facts["backbone"], facts.get("revision"), facts.get("image_tokens")


@dataclass
class DimensionReadings:
    """Numbers read from one sample, by dimension, with their spreads, and the reasons for missing ones."""

    values: dict[str, float] = field(default_factory=dict)
    spreads: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def means(self, name: str, mass: float, answer: str) -> bool:
        """Return whether the model was about to `answer`, by the probability `mass`; note a problem if not."""
        from ..mllm.readouts import meant

        if not meant(mass):
            self.problems.append(f"{name}: the model was not about to {answer} (probability {mass:.3f})")
        return meant(mass)

    def score(self, details: Mapping[str, Any], explanation: str | None = None) -> Score:
        """The score, `unparseable` where a dimension has no number."""
        return Score(
            self.values,
            "unparseable" if self.problems else "ok",
            "; ".join(self.problems) or None,
            explanation=explanation,
            uncertainty=self.spreads,
            details=details,
        )
