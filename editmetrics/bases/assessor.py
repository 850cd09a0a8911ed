"""`AssessorMetric`: a vision-language model that learns from human ratings how to score images."""

from __future__ import annotations

import logging
import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import EllipsisType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from ..learned_metric import LearnedMetric
from ..metric import pick_device
from ..sample import Dimension, EditMetricsError, Score, first_is_primary
from .backbone_metric import BackboneMetric, on_the_hub
from .ensemble import ENSEMBLED, over_members

if TYPE_CHECKING:
    from ..mllm.backbone import Backbone
    from ..mllm.checkpoint import TrainedCheckpoint
    from ..mllm.fitting import FitJob
    from ..mllm.recipe import Progress, Recipe

logger = logging.getLogger(__name__)
A = TypeVar("A", bound="AssessorMetric")

LOADED_FROM_WEIGHTS = ("weights", "backbone", "revision", "image_tokens")
"""Options that a trained metric takes from its checkpoint."""


class NoWeightsError(EditMetricsError):
    """A metric that only scores after training has no weights."""


class AssessorMetric(BackboneMetric, LearnedMetric):
    """A metric that trains a vision-language model on human ratings. The base takes care of everything around that.

    An author writes:

    - `presets`: named settings of the training, the default first.
    - `train_stages(job)`: the training stages, from the rated samples to `job.write(...)`.
    - `assessor(backbone, checkpoint, adapters)`: what makes prompts and reads answers, with a `backbone` attribute.
      Without weights (`checkpoint` is None) it is zero-shot, if `zero_shot_scores` allows it.
    - `prepare` and `score_batch`, which use `self.assessors`.

    The base reads and verifies the checkpoints that `weights` names when they are first needed, loads their backbones
    and adapters, and puts checksums, backbone and dimensions into the identity. `fit` checks the settings, resumes,
    and returns the metric with its new weights.

    `weights` may name several checkpoints, separated by ";", or the folder of a cross-validation: then each is a metric
    of its own (`members`), and the mean of their scores counts (`editmetrics.bases.ensemble`).

    - `several_weights`: whether one metric may itself have several checkpoints, for different dimensions.
    - `LABEL_SCALE`: the scale of the ratings, unless `fit` is given another.
    """

    several_weights: ClassVar[bool] = False
    zero_shot_scores: ClassVar[bool] = True
    LABEL_SCALE: ClassVar[tuple[float, float]] = (0.0, 100.0)

    def __init__(self, *, weights: str | Sequence[str] | None = None, **shared: Any) -> None:
        super().__init__(**shared)
        self.weights = weights if weights is None or isinstance(weights, str) else ";".join(weights)
        self._assessors: list[Any] = []

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Let a metric of several weights leave to its members what an author writes for one."""
        super().__init_subclass__(**keywords)
        for name in ENSEMBLED.keys() & cls.__dict__.keys():
            setattr(cls, name, over_members(cls.__dict__[name], ENSEMBLED[name]))

    # ------------------------------------------------------------------ what an author writes

    @classmethod
    @abstractmethod
    def presets(cls) -> Mapping[str, tuple[Any, Recipe]]:
        """By name, a method (a dataclass of the metric's own settings) and a recipe; the default first."""

    @abstractmethod
    def train_stages(self, job: FitJob) -> None:
        """Train every stage, and write the checkpoint."""

    @abstractmethod
    def assessor(self, backbone: Backbone, checkpoint: TrainedCheckpoint | None, adapters: Mapping[str, str]) -> Any:
        """Return what makes prompts and reads answers; `adapters` maps the checkpoint's names to `backbone`'s."""

    def on_scale(self, dimension: Dimension) -> Dimension:
        """A trained dimension with the range of its scores: the ratings' scale, unless overridden."""
        low, high = self.label_scale
        return replace(dimension, low=low, high=high)

    def options_after_fit(self, job: FitJob) -> dict[str, Any]:
        """The options that the trained metric keeps from this one."""
        return {name: value for name, value in self.options.items() if name not in LOADED_FROM_WEIGHTS}

    # ------------------------------------------------------------------ weights

    @property
    def weight_names(self) -> list[str]:
        """The folders or registry names in `weights`; the folder of a cross-validation stands for its folds."""
        from ..mllm.folds import fold_checkpoints

        return [one for name in self.weights.split(";") for one in fold_checkpoints(name)] if self.weights else []

    def weights_of_members(self) -> list[str]:
        """The `weights` of each member of an ensemble: each checkpoint by itself, unless overridden."""
        return [";".join(self.weight_names)] if self.several_weights else self.weight_names

    @cached_property
    def members(self: A) -> list[A]:
        """A metric for each of several weights, whose scores are averaged; empty if this metric scores by itself."""
        weights = self.weights_of_members()
        if len(weights) < 2:
            return []
        members = [type(self)(**{**self.options, "weights": each}) for each in weights]
        if not self.several_weights:
            for member, checkpoint in zip(members, self.trained, strict=True):
                member.__dict__["trained"] = [checkpoint]  # read and verified once
        return members

    @cached_property
    def trained(self) -> list[TrainedCheckpoint]:
        """The checkpoints that `weights` names, read and verified on first use; empty without weights."""
        from ..mllm.checkpoint import named_checkpoint

        return [named_checkpoint(type(self), name) for name in self.weight_names]

    def checkpoints_to_load(self) -> list[TrainedCheckpoint]:
        """Checkpoints that `load` loads: `trained`, unless a subclass converts published weights only then."""
        return self.trained

    @property
    def checkpoint(self) -> TrainedCheckpoint | None:
        """The only checkpoint, or the first of several, or None."""
        return self.trained[0] if self.trained else None

    @property
    def zero_shot(self) -> bool:
        """True if the model scores without training."""
        return not self.trained

    @property
    def label_scale(self) -> tuple[float, float]:
        """The ends of the scale of the ratings that the weights learned from."""
        scales = {checkpoint.label_scale for checkpoint in self.trained} or {self.LABEL_SCALE}
        if len(scales) > 1:
            described = " and ".join(f"{low:g} to {high:g}" for low, high in sorted(scales))
            raise EditMetricsError(
                f"{self.name}: the weights were trained on different scales ({described}); only equal ones are averaged"
            )
        return scales.pop()

    def active_dimensions(self) -> tuple[Dimension, ...]:
        """The dimensions that all weights have, on their scale; the first one is primary."""
        declared = type(self).dimensions
        if not self.trained:
            return declared
        shared = [d for d in declared if all(d.name in checkpoint.dimensions for checkpoint in self.trained)]
        if not shared:
            raise EditMetricsError(f"{self.name}: the weights {self.weights} have no dimension in common")
        return first_is_primary([self.on_scale(dimension) for dimension in shared])

    def checkpoints(self) -> tuple[str, ...]:
        from ..checkpoints import is_registered

        return tuple(entry for name in self.weight_names if is_registered(entry := f"{self.name}.{name}"))

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
            self._require_zero_shot()
        checkpoints: list[TrainedCheckpoint | None] = [*self.checkpoints_to_load()]
        self._assessors = [self._with_backbone(checkpoint) for checkpoint in checkpoints or [None]]

    def unload(self) -> None:
        self._assessors = []

    @property
    def assessors(self) -> list[Any]:
        """One for each checkpoint, in the order of `weights`; loaded on first use."""
        if not self._assessors:
            self.load()
        return self._assessors

    def trained_backbone(self, checkpoint: TrainedCheckpoint | None, **loading: Any) -> Backbone:
        """The backbone that `checkpoint` was trained on, or the raw one; `loading` as for `load_backbone`.

        Raises `CheckpointError` for another backbone, whose adapters would mean nothing.
        """
        if checkpoint is None:
            return self.load_backbone(**loading)
        facts = {**checkpoint.settings, **(checkpoint.backbone or {})}
        inside = checkpoint.backbone_folder
        backbone = self.load_backbone(
            facts["backbone"] if inside is None else str(inside),
            facts.get("revision") if inside is None else None,
            facts.get("image_tokens"),
            **loading,
        )
        self.check_backbone(checkpoint, backbone)
        return backbone

    def check_backbone(self, checkpoint: TrainedCheckpoint, backbone: Backbone) -> None:
        """Raise `CheckpointError` if `backbone` is not the one that `checkpoint` was trained on."""
        from ..mllm.checkpoint import require_backbone

        require_backbone(checkpoint, backbone)

    def _with_backbone(self, checkpoint: TrainedCheckpoint | None) -> Any:
        from ..mllm.checkpoint import adapters_of

        backbone = self.trained_backbone(checkpoint)
        return self.assessor(backbone, checkpoint, adapters_of(checkpoint, backbone) if checkpoint else {})

    def _require_zero_shot(self) -> None:
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

    # ------------------------------------------------------------------ training

    @classmethod
    def training_settings(cls) -> tuple[type, ...]:
        method, recipe = next(iter(cls.presets().values()))
        return type(method), type(recipe)

    @classmethod
    def effective_settings(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        from ..mllm.fitting import settings_of

        presets = cls.presets()
        preset = settings.get("preset") or next(iter(presets))
        own = {name: value for name, value in settings.items() if name not in ("preset", "group")}
        method, recipe = settings_of(cls.name, presets, preset, own)
        return {**vars(method), **vars(recipe)}

    def fit(
        self: A,
        train: Any,
        val: Any = None,
        *,
        targets: Mapping[str, str],
        label_scale: tuple[float, float] | None = None,
        group: str | EllipsisType | None = ...,
        output_dir: str | os.PathLike[str],
        resume: bool = True,
        preset: str | None = None,
        seed: int = 0,
        baseline: bool = True,
        start_from: str | None = None,
        progress: Progress | None = None,
        **settings: Any,
    ) -> A:
        """Train on rated samples, write a checkpoint, and return the trained metric.

        - `train`, `val`: manifests or samples with ratings, as `editmetrics.mllm.targets.read_training_set` takes them;
          without `val` a part of the groups is set aside.
        - `targets`: the column of each dimension's rating, `{"visual_quality": "mos_v", ...}`; at least one dimension.
        - `label_scale`: the ends of the ratings' scale, by default the metric's `LABEL_SCALE`.
        - `group`: what training and validation may not share; `...` stands for the metric's `group_by`.
        - `output_dir`: becomes the checkpoint. `resume`: continue what is there.
        - `preset`: one of `presets()`, by default the first. `progress`: see `editmetrics.mllm.recipe.Progress`.
        - `start_from`: a checkpoint of this metric, by folder or name, whose adapters, heads and other trained parts
          the training starts from; it must have the backbone, rank and alpha of this training.
        - `baseline`: also measure what a ridge regression on image statistics predicts (`editmetrics.mllm.baseline`),
          and whether the size or format of the images tells their ratings (`editmetrics.mllm.confounds`).
        - `settings`: fields of the preset's method and of its `Recipe`: `learning_rate=1e-4, epochs=5`.

        Raises `TargetError`, `RecipeError`, `TrainingError`, `BackboneError` or `CheckpointError`, each of which says
        what is wrong.
        """
        from ..mllm.checkpoint import named_checkpoint
        from ..mllm.fitting import FitJob, settings_of
        from ..mllm.processes import process_group, training_device

        presets = self.presets()
        method, recipe = settings_of(self.name, presets, preset or next(iter(presets)), {**settings, "seed": seed})
        self.device = training_device(self.device)
        job = FitJob(
            type(self), train, val, targets, label_scale or self.LABEL_SCALE,
            self.group_by if isinstance(group, EllipsisType) else group,
            Path(output_dir), resume, progress, method, recipe, baseline=baseline,
            start=None if start_from is None else named_checkpoint(type(self), str(start_from)),
        )  # fmt: skip
        try:
            with process_group(self.device):
                self.train_stages(job)
        finally:
            job.remove_adapters()
        return type(self)(**{**self.options_after_fit(job), "weights": str(output_dir)}).to(self.device)


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
