"""The metric `hpe_lsa`: options, scores, and the door to its training."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from ...learned_metric import LearnedMetric
from ...metric import pick_device
from ...mllm.metric import BackboneMetric
from ...mllm.prompts import length_class
from ...sample import Dimension, EditMetricsError, Sample, Score

if TYPE_CHECKING:
    from ...mllm.backbone import Prompt
    from ...mllm.checkpoint import Checkpoint
    from ...mllm.recipe import Progress
    from .assessor import Assessor

T = TypeVar("T", bound="HPELSA")

LABEL_SCALE = (0.0, 100.0)
"""The paper's tables of human ratings are z-scores brought to 0 to 100."""

AUTHENTICITY = "authenticity"


class NoWeightsError(EditMetricsError):
    """The metric was asked to score, and has not been trained."""


class HPELSA(BackboneMetric, LearnedMetric):
    """HPE-LSA's three scores of an edit, on the scale of the ratings it learned from, and its probability, from 0 to 1,
    that an image is authentic, which means unedited.

    A vision-language model whose LoRA adapters were tuned to part real from edited images reads the images; decoders
    turn the hidden state of one of its layers into the scores. Layer-sensitivity analysis has chosen that layer, and
    the layers above it do not run. Authenticity is read from the edited image alone, quality from source, edited image
    and instruction.

    The paper's authors published no weights, so there is none to start with: `fit` trains it on your ratings, and
    without `weights` it does not score. `weights=toy` is a tiny model that was trained on photographs with synthetic
    edits, for trying out and tests, not for results.

    A decoder's rating beyond the scale's end is put on that end.

    Options:
        weights: A folder that `fit` wrote, or "toy".
        dimension: One of them alone: less is computed, and authenticity needs neither source nor instruction.
        layers: "needed" loads the layers that are read and leaves the others on disk; "all" shares one backbone in
            memory with other metrics. Scores are the same.

    Source: Sun et al., 2026, sections III-B to III-D.

    >>> sorted(HPELSA().required()), sorted(HPELSA(dimension="authenticity").required())
    (['edited', 'prompt', 'source'], ['edited'])
    """

    name, version = "hpe_lsa", 1
    needs = frozenset({"edited"})
    uses = frozenset({"source", "prompt"})
    dimensions: ClassVar[tuple[Dimension, ...]] = (
        Dimension("perceptual_quality", low=0, high=100, primary=True, description="how good the edited image looks"),
        Dimension("editing_alignment", low=0, high=100, description="how well the edit follows the instruction"),
        Dimension("attribute_preservation", low=0, high=100, description="how well the rest was left as it was"),
        Dimension(AUTHENTICITY, low=0, high=1, description="probability that the image is unedited"),
    )
    paper = "Sun et al., Fine-Grained Human Pose Editing Assessment via Layer-Selective MLLMs, 2026"
    licence = "this code: Apache-2.0; a backbone: its own (InternVL3.5: Apache-2.0)"

    BACKBONE = "OpenGVLab/InternVL3_5-8B-HF"
    """The backbone of the paper's reported result; its ablations also use InternVL3 and Qwen3-VL."""

    IMAGE_TOKENS = 1280
    """4 tiles and a thumbnail of InternVL."""

    ablations: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "language LoRA": {"vision_lora": False, "lsa": False},
        "vision LoRA": {"language_lora": False, "lsa": False},
        "both LoRAs, no decoders": {"decoders": False, "lsa": False},
        "both LoRAs": {"lsa": False},
        "both LoRAs, LSA": {},
    }
    """Table IV on one backbone: settings of `fit` for each row."""

    def __init__(
        self,
        *,
        weights: str | None = None,
        dimension: Literal[
            "all", "perceptual_quality", "editing_alignment", "attribute_preservation", "authenticity"
        ] = "all",
        layers: Literal["all", "needed"] = "all",
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self.weights = weights
        self.dimension = dimension
        self.layers = layers
        self._assessor: Assessor | None = None
        self._heads: dict[str, Any] = {}
        self._checkpoint = _checkpoint(weights) if weights else None
        self.dimensions = _dimensions(self._checkpoint, dimension)  # type: ignore[misc]

    def required(self) -> frozenset[str]:
        return frozenset({"edited", "source", "prompt"} if self._quality else {"edited"})

    def fields(self) -> frozenset[str]:
        """Those that it requires: a field that no option asks for changes no number."""
        return self.required()

    def checkpoints(self) -> tuple[str, ...]:
        from ... import weights

        name = f"{self.name}.{self.weights}"
        return (name,) if self.weights and name in weights.registered() else ()

    def identity(self) -> dict[str, Any]:
        said = {**super().identity(), "weights": None, "backbone": None}
        if self._checkpoint is None:
            return said
        unknown = {"model": self.backbone or self._checkpoint.settings["backbone"], "sha256": "unknown until loaded"}
        return {
            **said,
            "weights": self._checkpoint.digest,
            "backbone": self._assessor.backbone.identity() if self._assessor else unknown,
            "prompts": dict(self._checkpoint.prompts),
            "layer": self._checkpoint.settings["layer"],
            "pooling": self._checkpoint.settings["pooling"],
            "label_scale": list(self._checkpoint.label_scale),
        }

    def load(self) -> None:
        self.device = pick_device(self.device)
        if self._assessor is not None:
            return
        if self._checkpoint is None:
            raise NoWeightsError(
                "hpe_lsa has no published weights: train it on your ratings ('editmetrics fit hpe_lsa RATINGS.csv -o "
                "DIR', docs/metrics/hpe_lsa.md) and give weights=DIR, or try it with weights=toy"
            )
        self._assessor = self._trained_assessor(self._checkpoint)
        self._heads = {
            name: head.to(self._assessor.backbone.device) for name, head in self._checkpoint.load_heads().items()
        }

    def prepare(self, sample: Sample) -> dict[str, Prompt]:
        """The prompt about the edited image alone, and the one about the edit, as far as they are asked for."""
        assessor = self._loaded()
        prompts = {}
        if self._quality:
            prompts["pair"] = assessor.pair(sample.source, sample.edited, sample.prompt or "")
        if AUTHENTICITY in self._names:
            prompts["single"] = assessor.single(sample.edited)
        return prompts

    def score_batch(self, batch: list[dict[str, Prompt]]) -> list[Score]:
        import torch

        from ...mllm.readouts import read_head

        assessor = self._loaded()
        low, high = self._checkpoint.label_scale if self._checkpoint else LABEL_SCALE
        columns: dict[str, list[float]] = {}
        states = {kind: assessor.states([prompts[kind] for prompts in batch]) for kind in batch[0]}
        with torch.inference_mode():
            for name in self._names:
                number = read_head(self._heads[name], states["single" if name == AUTHENTICITY else "pair"])
                found = number.sigmoid() if name == AUTHENTICITY else (number * (high - low) + low).clamp(low, high)
                columns[name] = found.tolist()
        return [Score({name: values[row] for name, values in columns.items()}) for row in range(len(batch))]

    def batch_key(self, prepared: dict[str, Prompt]) -> int:
        return length_class(prepared.values())

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
        preset: Literal["paper", "toy"] = "paper",
        seed: int = 0,
        progress: Progress | None = None,
        **settings: Any,
    ) -> T:
        """Train on rated edits and real images (sections III-B to III-D), write a checkpoint, return the metric.

        LoRA is tuned by the contrastive loss, then frozen; layer-sensitivity analysis chooses a layer on the training
        images (`layers.csv` and `layers.svg` in `output_dir`); then the decoders learn on its states.

        - `train`, `val`: manifests or samples with ratings, as `editmetrics.mllm.targets.read_training_set` takes them;
          without `val` they are split 4:1:1 by group into training, validation and test.
        - `targets`: the column of each dimension's rating; that of "authenticity" holds 1 for real and 0 for edited
          images. Without such a column, all images are edits, and their sources are the real images.
        - `label_scale`: the ends of the ratings' scale. `group`: what training and validation may not share.
        - `output_dir`: becomes the checkpoint. `resume`: go on with what is there.
        - `preset`: "paper"; "toy" is for tiny backbones. `progress`: as for `editmetrics.mllm.loop.train`.
        - `settings`: fields of `editmetrics.plugins.hpe_lsa.method.Method` and, for the contrastive tuning, of
          `editmetrics.mllm.recipe.Recipe`, such as `vision_lora=False, learning_rate=2e-4`.

        Raises `TargetError`, `RecipeError`, `TrainingError`, `LSAError`, `BackboneError` or `CheckpointError`, each of
        which says what is wrong.
        """
        from .fit import fit

        fit(
            self, train, val, targets=targets, label_scale=label_scale, group=group, output_dir=output_dir,
            resume=resume, preset=preset, settings={**settings, "seed": seed}, progress=progress,
        )  # fmt: skip
        trained = type(self)(
            weights=str(output_dir), layers=self.layers, dtype=self.dtype, attention=self.attention,
        )  # fmt: skip
        return trained.to(self.device)

    @classmethod
    def training_settings(cls) -> tuple[type, ...]:
        """The dataclasses whose fields are the `settings` of `fit`."""
        from ...mllm.recipe import Recipe
        from .method import Method

        return Method, Recipe

    # ------------------------------------------------------------------ inside

    @property
    def _names(self) -> list[str]:
        return [dimension.name for dimension in self.dimensions]

    @property
    def _quality(self) -> bool:
        return any(name != AUTHENTICITY for name in self._names)

    def _loaded(self) -> Assessor:
        if self._assessor is None:
            raise NoWeightsError("hpe_lsa is not loaded; call load() first")
        return self._assessor

    def _trained_assessor(self, checkpoint: Checkpoint) -> Assessor:
        from ...mllm.trained import adapters_of, require_backbone
        from .assessor import Assessor

        said = {**checkpoint.settings, **(checkpoint.backbone or {})}
        layer = int(checkpoint.settings["layer"])
        backbone = self.load_backbone(
            checkpoint.settings["backbone"], said.get("revision"), said.get("image_tokens"),
            layer if self.layers == "needed" else None,
        )  # fmt: skip
        require_backbone(checkpoint, backbone)
        adapter = next(iter(adapters_of(checkpoint, backbone).values()), None)
        return Assessor(backbone, adapter, layer, checkpoint.settings["pooling"])


def _checkpoint(name: str) -> Checkpoint:
    from ...mllm.trained import named_checkpoint

    return named_checkpoint(HPELSA, name)


def _dimensions(checkpoint: Checkpoint | None, wanted: str) -> tuple[Dimension, ...]:
    """The dimensions that are scored: those of the weights, on their scale, or the one that is wanted."""
    there = [d for d in HPELSA.dimensions if checkpoint is None or d.name in checkpoint.dimensions]
    chosen = [d for d in there if wanted in ("all", d.name)]
    if not chosen:
        raise EditMetricsError(
            f"hpe_lsa: the weights were not trained for {wanted}; they have {', '.join(d.name for d in there)}"
        )
    low, high = checkpoint.label_scale if checkpoint else LABEL_SCALE
    scaled = [d if d.name == AUTHENTICITY else replace(d, low=low, high=high) for d in chosen]
    return tuple(replace(d, primary=index == 0) for index, d in enumerate(scaled))
