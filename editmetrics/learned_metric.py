"""The contract of metrics that are trained: `LearnedMetric`."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from .metric import Metric
from .sample import Sample, Score

M = TypeVar("M", bound="LearnedMetric")


class LearnedMetric(Metric):
    """A metric that is trained on human ratings.

    `fit` trains it and returns it. Its `output_dir` is a checkpoint that `create_metric(name, weights=DIR)` reads.

    Optional:

    - `group_by`: what training and validation may not share, unless `fit` is told: a column, or a field of `Sample`.
    - `ablations`: the settings of `fit` for each row of an ablation study of the method (`fit --ablations`), by name.
    - `label_dimensions`: the dimensions whose rating is a label, 0 or 1, and whose score is its probability: `fit
      --folds` measures them by AUC and balanced accuracy.
    - `convertible_parts`: the parts of published weights that `convert` turns into checkpoints (`weights convert`).
    - `learns_explanations`: whether it is trained on explanations, so that it has `annotator` and `explanation_judge`
      (`annotate`, `explanations`).
    """

    group_by: ClassVar[str | None] = "source"
    ablations: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    label_dimensions: ClassVar[frozenset[str]] = frozenset()
    convertible_parts: ClassVar[tuple[str, ...]] = ()
    learns_explanations: ClassVar[bool] = False

    @abstractmethod
    def fit(
        self: M,
        train: Any,
        val: Any = None,
        *,
        targets: Mapping[str, str],
        label_scale: tuple[float, float] = (0.0, 100.0),
        group: str | None = "source",
        output_dir: str | os.PathLike[str],
        resume: bool = True,
        progress: Any = None,
        **settings: Any,
    ) -> M:
        """Train on samples with ratings, write a checkpoint folder, return the trained metric.

        - `train`, `val`: a manifest, or samples with the ratings in their `meta`. Without `val`, a part is set aside.
        - `targets`: from a dimension to the column that rates it. `label_scale`: the ends of the ratings' scale.
        - `group`: what training and validation may not share: a column, or a field of `Sample`.
        - `output_dir`: becomes the checkpoint. `resume`: continue an unfinished run of the same training.
        - `progress`: called with step, steps, loss, its parts, and the last validation, or None.
        - `settings`: what this metric's training takes beside: a recipe's learning rate, epochs, seed, ...
        """

    @classmethod
    def training_settings(cls) -> tuple[type, ...]:
        """The dataclasses whose fields are the `settings` of `fit`; empty for those of `editmetrics.mllm` `Recipe`."""
        return ()

    @classmethod
    def effective_settings(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """All settings that `fit(**settings)` trains with, defaults included, as far as they are known."""
        return dict(settings)

    @classmethod
    def samples_for_folds(cls, samples: Sequence[Sample], targets: Mapping[str, str]) -> Sequence[Sample]:
        """The samples of a manifest as a cross-validation divides, trains on and scores them; by default unchanged.

        `targets`: from a dimension to the column that rates it.
        """
        return samples

    @classmethod
    def extra_measures(
        cls, samples: Sequence[Sample], scores: Sequence[Score], settings: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """Agreement with people beyond the dimensions, for each fold of a cross-validation; none by default.

        `settings` are those of `fit`. A row has `dimension`, `measure`, `value`, `n`, `excluded` and `note`.
        """
        return []

    @classmethod
    def annotator(cls, judges: Mapping[str, Any], samples: Sequence[Sample], **options: Any) -> Any:
        """Chat models that write and check the explanations that this metric is trained on."""
        raise NotImplementedError(f"{cls.name} is not trained on explanations")

    @classmethod
    def explanation_judge(cls, judge: Any) -> Any:
        """A chat model that compares explanations with reference answers by this metric's criteria."""
        raise NotImplementedError(f"{cls.name} is not trained on explanations")

    @classmethod
    def convert(
        cls, folder: str | os.PathLike[str], output: str | os.PathLike[str], *, part: str, processor: str | None = None
    ) -> None:
        """Convert one of `convertible_parts`, as its authors published it in `folder`, to a checkpoint in `output`."""
        raise NotImplementedError(f"{cls.name} has no weights to convert")
