"""`TrainedMetric`: a metric that learns from human ratings, and scores with the checkpoints that its `fit` writes."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import EllipsisType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from ..learned_metric import LearnedMetric
from ..sample import Dimension, EditMetricsError, first_is_primary
from .ensemble import ENSEMBLED, over_members

if TYPE_CHECKING:
    from ..mllm.checkpoint import TrainedCheckpoint
    from ..mllm.fitting import FitJob
    from ..mllm.recipe import Progress, Recipe

T = TypeVar("T", bound="TrainedMetric")

LOADED_FROM_WEIGHTS = ("weights", "backbone", "revision", "image_tokens")
"""Options that a trained metric takes from its checkpoint."""


class TrainedMetric(LearnedMetric):
    """A metric that is trained on human ratings. The base takes care of checkpoints, ensembles and `fit`.

    An author writes:

    - `presets`: named settings of the training, the default first.
    - `train_stages(job)`: the training stages, from the rated samples to `job.write(...)`.
    - `load`, `prepare` and `score_batch`, which read `trained`, the checkpoints.

    `fit` checks the settings, resumes, and returns the metric with its new weights.

    `weights` may name several checkpoints, separated by ";", or the folder of a cross-validation: then each is a metric
    of its own (`members`), and the mean of their scores counts (`editmetrics.bases.ensemble`).

    - `several_weights`: whether one metric may itself have several checkpoints, for different dimensions.
    - `LABEL_SCALE`: the scale of the ratings, unless `fit` is given another.
    """

    several_weights: ClassVar[bool] = False
    LABEL_SCALE: ClassVar[tuple[float, float]] = (0.0, 100.0)

    def __init__(self, *, weights: str | Sequence[str] | None = None, **shared: Any) -> None:
        super().__init__(**shared)
        self.weights = weights if weights is None or isinstance(weights, str) else ";".join(weights)

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
    def members(self: T) -> list[T]:
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

    @property
    def checkpoint(self) -> TrainedCheckpoint | None:
        """The only checkpoint, or the first of several, or None."""
        return self.trained[0] if self.trained else None

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
        self: T,
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
    ) -> T:
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
