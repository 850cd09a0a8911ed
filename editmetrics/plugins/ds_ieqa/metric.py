"""The metric `ds_ieqa`: options, scores, and the door to its training."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from ...learned_metric import LearnedMetric
from ...metric import pick_device
from ...mllm.metric import BackboneMetric
from ...mllm.prompts import length_class
from ...sample import Dimension, EditMetricsError, Sample, Score
from .digit_scale import DigitScale
from .prompts import START_DEFINITIONS

if TYPE_CHECKING:
    from ...mllm.checkpoint import Checkpoint
    from ...mllm.prompts import Prompt
    from ...mllm.recipe import Progress
    from .assessor import Assessor

logger = logging.getLogger(__name__)
T = TypeVar("T", bound="DSIEQA")

LABEL_SCALE = (0.0, 100.0)
"""The scale without weights: that of LMM4Edit's and EvalMi-50K's MOS."""


class DSIEQA(BackboneMetric, LearnedMetric):
    """DS-IEQA's three scores of an edit, on the scale of the ratings it learned from (0 to 100 without training).

    A vision-language model sees source, edited image and instruction, reads the definition of a dimension, and answers
    "Visual quality score: X.XX". The score is the number X.XX that greedy decoding writes, mapped to the ratings'
    scale; its uncertainty is the standard deviation of the digits' distribution. The images are computed once for all
    dimensions.

    The paper's authors published no weights. Without `weights` the raw backbone is asked with the prompts that their
    search starts from: a zero-shot score, which every score says of itself (`details["zero_shot"]`) and which has no
    agreement with people that anybody has measured. `fit` trains it on your ratings; `weights=toy` is a tiny model that
    was trained on photographs with synthetic edits, for trying out and tests, not for results.

    Where the model, trained or not, was not about to write a digit (probability under a half), that dimension has no
    number and the score is `unparseable`. `details["digit_mass"]` is the probability, the lowest of three positions.

    Options:
        weights: A folder that `fit` wrote, or "toy"; several, separated by ";" or in a list, are averaged, as the
            paper's reported result averages Qwen3-VL and InternVL3.
        read: "generated" is the number that greedy decoding writes; "expected" is sum over the three positions of
            10^-t E[d_t], which is finer and differs less between nearly equal images.

    Source: Zhang et al., 2026, arXiv:2604.12175, sections 3.1 to 3.4.

    >>> from editmetrics.testing import toys
    >>> metric = DSIEQA(weights="toy").to("cpu")
    >>> list(metric(toys.picture(0, 64, 64), toys.picture(1, 64, 64), prompt="make the square red"))
    ['visual_quality', 'editing_fidelity', 'content_preservation']
    """

    name, version = "ds_ieqa", 2
    needs = frozenset({"source", "edited", "prompt"})
    dimensions: ClassVar[tuple[Dimension, ...]] = (
        Dimension("visual_quality", low=0, high=100, primary=True, description="how good the edited image looks"),
        Dimension("editing_fidelity", low=0, high=100, description="how well the edit follows the instruction"),
        Dimension("content_preservation", low=0, high=100, description="how well the rest was left as it was"),
    )
    paper = (
        "Zhang et al., Redefining Quality Criteria and Distance-Aware Score Modeling for Image Editing Assessment, "
        "2026, arXiv:2604.12175"
    )
    licence = "this code: Apache-2.0; a backbone: its own (Qwen3-VL: Apache-2.0)"

    BACKBONE = "Qwen/Qwen3-VL-8B-Instruct"
    """The backbone without weights; the paper also uses OpenGVLab/InternVL3-8B-hf."""

    IMAGE_TOKENS = 1280
    """4 tiles and a thumbnail of InternVL, 1.3 megapixels of Qwen3-VL."""

    def __init__(
        self,
        *,
        weights: str | Sequence[str] | None = None,
        read: Literal["generated", "expected"] = "generated",
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self.weights = weights if weights is None or isinstance(weights, str) else ";".join(weights)
        self.read = read
        self._assessors: list[Assessor] = []
        self._trained = [_checkpoint(name) for name in self.weights.split(";")] if self.weights else []
        self.scale = _common_scale(self._trained) if self._trained else DigitScale(*LABEL_SCALE)
        if self._trained:  # what is scored, and on which scale, belongs to the weights
            self.dimensions = _dimensions(self._trained, self.scale)  # type: ignore[misc]

    def checkpoints(self) -> tuple[str, ...]:
        names = self.weights.split(";") if self.weights else []
        return tuple(f"{self.name}.{name}" for name in names if f"{self.name}.{name}" in _registered())

    def identity(self) -> dict[str, Any]:
        unknown = [
            {"model": self.backbone or self.BACKBONE, "revision": self.revision, "sha256": "unknown until loaded"}
        ]
        return {
            **super().identity(),
            "weights": [checkpoint.digest for checkpoint in self._trained] or "none: zero-shot",
            "backbone": [assessor.backbone.identity() for assessor in self._assessors] or unknown,
            "definitions": [dict(assessor.definitions) for assessor in self._assessors] or [START_DEFINITIONS],
            "label_scale": [self.scale.low, self.scale.high],
        }

    def load(self) -> None:
        self.device = pick_device(self.device)
        if self._assessors:
            return
        if self._trained:
            self._assessors = [self._trained_assessor(checkpoint) for checkpoint in self._trained]
        else:
            logger.warning(
                "ds_ieqa without weights is zero-shot: the raw backbone %s is asked, and how far its scores agree with "
                "people is unknown; fit it, or give weights",
                self.backbone or self.BACKBONE,
            )
            self._assessors = [self._zero_shot_assessor()]

    def prepare(self, sample: Sample) -> list[dict[str, Any]]:
        """For each backbone, the prompts of all dimensions with their pictures."""
        from ...images import eight_bits, read_image

        source, edited = (eight_bits(read_image(image)) for image in (sample.source, sample.edited))
        return [assessor.prepare(source, edited, sample.prompt or "") for assessor in self._assessors]

    def score_batch(self, batch: list[list[dict[str, Any]]]) -> list[Score]:
        read = [
            assessor.read([prepared[number] for prepared in batch]) for number, assessor in enumerate(self._assessors)
        ]
        return [self._score(read, row) for row in range(len(batch))]

    def batch_key(self, prepared: list[dict[str, Prompt]]) -> int:
        return length_class(prompt for of_backbone in prepared for prompt in of_backbone.values())

    def fit(
        self: T,
        train: Any,
        val: Any = None,
        *,
        targets: Mapping[str, str],
        label_scale: tuple[float, float] = LABEL_SCALE,
        group: str | None = "source",
        output_dir: str | os.PathLike[str],
        resume: bool = True,
        preset: Literal["default", "paper", "toy"] = "default",
        seed: int = 0,
        progress: Progress | None = None,
        **settings: Any,
    ) -> T:
        """Train on rated edits (sections 3.2 to 3.4), write a checkpoint, and return the trained metric.

        Definitions are searched first, where a chat model for it is named (`optimiser`); then each dimension of
        `targets` gets an adapter of its own, trained under TDRL, whose best weights on the validation data (SRCC) are
        kept.

        - `train`, `val`: manifests or samples with ratings, as `editmetrics.mllm.targets.read_training_set` takes them;
          without `val` a fifth of the groups is set aside.
        - `targets`: the column of each dimension's rating, `{"visual_quality": "mos_v", ...}`; at least one dimension.
        - `label_scale`: the ends of the ratings' scale. `group`: what training and validation may not share.
        - `output_dir`: becomes the checkpoint. `resume`: go on with what is there.
        - `preset`: "default" is the paper's recipe without the search for definitions; "paper" searches them with
          gpt-4o, which needs OPENAI_API_KEY; "toy" is for tiny backbones.
        - `progress`: as for `editmetrics.mllm.loop.train`.
        - `settings`: fields of `editmetrics.plugins.ds_ieqa.method.Method` and `editmetrics.mllm.recipe.Recipe`:
          `learning_rate=1e-4, optimiser="gpt-4o", epochs=5`.

        Raises `TargetError`, `RecipeError`, `TrainingError`, `BackboneError` or `CheckpointError`, each of which says
        what is wrong.
        """
        from .fit import fit

        fit(
            self, train, val, targets=targets, label_scale=label_scale, group=group, output_dir=output_dir,
            resume=resume, preset=preset, settings={**settings, "seed": seed}, progress=progress,
        )  # fmt: skip
        trained = type(self)(weights=str(output_dir), read=self.read, dtype=self.dtype, attention=self.attention)
        return trained.to(self.device)

    @classmethod
    def training_settings(cls) -> tuple[type, ...]:
        """The dataclasses whose fields are the `settings` of `fit`."""
        from ...mllm.recipe import Recipe
        from .method import Method

        return Method, Recipe

    # ------------------------------------------------------------------ inside

    def _zero_shot_assessor(self) -> Assessor:
        from .assessor import Assessor

        return Assessor(self.load_backbone(), START_DEFINITIONS, self.scale)

    def _trained_assessor(self, checkpoint: Checkpoint) -> Assessor:
        from ...mllm.trained import adapters_of, require_backbone
        from .assessor import Assessor

        said = {**checkpoint.settings, **(checkpoint.backbone or {})}
        backbone = self.load_backbone(said["backbone"], said.get("revision"), said.get("image_tokens"))
        require_backbone(checkpoint, backbone)
        adapters = adapters_of(checkpoint, backbone)
        shared = [dimension.name for dimension in self.dimensions]
        return Assessor(backbone, {name: checkpoint.prompts[name] for name in shared}, self.scale, adapters)

    def _score(self, read: Sequence[Mapping[str, Any]], row: int) -> Score:
        """What all backbones say of one sample; a dimension without a number from each of them has none."""
        from ...mllm.readouts import meant

        values, spreads, masses, problems = {}, {}, {}, []
        for dimension in self.dimensions:
            name = dimension.name
            numbers = [numbers[name].rows(slice(row, row + 1)) for numbers in read]
            masses[name] = min(float(number.mass.min()) for number in numbers)
            said = [float(number.value if self.read == "generated" else number.expectation) for number in numbers]
            ratings = [self.scale.rating(number) for number in said]
            if not meant(masses[name]):
                problems.append(f"{name}: the model was not about to write a digit (probability {masses[name]:.3f})")
            elif outside := [rating for rating in ratings if not dimension.contains(rating)]:
                problems.append(f"{name}: {outside[0]:g} is outside the scale {dimension.low:g} to {dimension.high:g}")
            else:
                values[name] = sum(ratings) / len(ratings)
                within = [self.scale.size(float(number.spread)) ** 2 for number in numbers]
                between = [(rating - values[name]) ** 2 for rating in ratings]
                spreads[name] = (sum(within) + sum(between)) ** 0.5 / len(ratings) ** 0.5
        details = {"digit_mass": masses} | ({} if self._trained else {"zero_shot": True})
        if problems:
            return Score(values, "unparseable", "; ".join(problems), uncertainty=spreads, details=details)
        return Score(values, uncertainty=spreads, details=details)


def _checkpoint(name: str) -> Checkpoint:
    from ...mllm.trained import named_checkpoint

    return named_checkpoint(DSIEQA, name)


def _registered() -> Iterable[str]:
    from ... import weights

    return weights.registered()


def _common_scale(trained: Sequence[Checkpoint]) -> DigitScale:
    scales = {tuple(checkpoint.label_scale) for checkpoint in trained}
    if len(scales) > 1:
        said = " and ".join(f"{low:g} to {high:g}" for low, high in sorted(scales))
        raise EditMetricsError(
            f"ds_ieqa: the weights were trained on other scales ({said}); only equal ones are averaged"
        )
    return DigitScale(*scales.pop())


def _dimensions(trained: Sequence[Checkpoint], scale: DigitScale) -> tuple[Dimension, ...]:
    """The dimensions that all weights have, on their scale; the first one is the primary one."""
    shared = [d for d in DSIEQA.dimensions if all(d.name in checkpoint.dimensions for checkpoint in trained)]
    if not shared:
        raise EditMetricsError("ds_ieqa: the weights have no dimension in common, so that there is nothing to average")
    return tuple(
        replace(dimension, low=scale.low, high=scale.high, primary=index == 0) for index, dimension in enumerate(shared)
    )
