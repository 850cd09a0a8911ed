"""The metric `hpe_lsa`: options, scores, and the door to its training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ...bases.assessor import AssessorMetric
from ...late_checks import read_results
from ...mllm.prompts import length_class
from ...sample import Dimension, EditMetricsError, Sample, Score, first_is_primary

if TYPE_CHECKING:
    from ...mllm.backbone import Backbone, Prompt
    from ...mllm.checkpoint import TrainedCheckpoint
    from ...mllm.fitting import FitJob
    from ...mllm.recipe import Recipe
    from .assessor import LayerAssessor
    from .method import HPELSAMethod

AUTHENTICITY = "authenticity"


class HPELSA(AssessorMetric):
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
        weights: A folder that `fit` wrote, or "toy"; several, separated by ";" or in a list, are averaged.
        dimension: One of them alone: less is computed, and authenticity needs neither source nor instruction.
        layers: "needed" loads the layers that are read and leaves the others on disk; "all" shares one backbone in
            memory with other metrics. Scores are the same.

    Source: Sun et al., 2026, sections III-B to III-D.

    >>> sorted(HPELSA().required()), sorted(HPELSA(dimension="authenticity").required())
    (['edited', 'prompt', 'source'], ['edited'])
    """

    name, version = "hpe_lsa", 1
    title = "quality, alignment, real or edited"
    needs = frozenset({"edited"})
    host_reads = 3  # for both prompts the choice of a mask by transformers; the results
    host_copies = 4
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

    zero_shot_scores = False
    IMAGE_TOKENS = 1280
    """4 tiles and a thumbnail of InternVL."""

    label_dimensions = frozenset({AUTHENTICITY})

    ablations: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "no LoRA": {"vision_lora": False, "language_lora": False, "lsa": False},
        "no LoRA, LSA": {"vision_lora": False, "language_lora": False},
        "language LoRA": {"vision_lora": False, "lsa": False},
        "vision LoRA": {"language_lora": False, "lsa": False},
        "both LoRAs, no decoders": {"decoders": False, "lsa": False},
        "both LoRAs": {"lsa": False},
        "both LoRAs, LSA": {},
        "both LoRAs, LSA, joint": {"training": "joint"},
    }
    """Table IV on one backbone: settings of `fit` for each row. Without LoRA there is no contrastive tuning."""

    def __init__(
        self,
        *,
        weights: str | Sequence[str] | None = None,
        dimension: Literal[
            "all", "perceptual_quality", "editing_alignment", "attribute_preservation", "authenticity"
        ] = "all",
        layers: Literal["all", "needed"] = "all",
        **shared: Any,
    ) -> None:
        super().__init__(weights=weights, **shared)
        self.dimension = dimension
        self.layers = layers

    def active_dimensions(self) -> tuple[Dimension, ...]:
        trained = super().active_dimensions()
        chosen = [d for d in trained if self.dimension in ("all", d.name)]
        if not chosen:
            raise EditMetricsError(
                f"hpe_lsa: the weights were not trained for {self.dimension}; they have "
                f"{', '.join(d.name for d in trained)}"
            )
        return first_is_primary(chosen)

    def on_scale(self, dimension: Dimension) -> Dimension:
        return dimension if dimension.name == AUTHENTICITY else super().on_scale(dimension)

    def required(self) -> frozenset[str]:
        return frozenset({"edited", "source", "prompt"} if self._rates else {"edited"})

    def fields(self) -> frozenset[str]:
        """The required fields: one that no option asks for changes no number."""
        return self.required()

    def identity(self) -> dict[str, Any]:
        if self.checkpoint is None:
            return {**super().identity(), "weights": None, "backbone": None}
        return {
            **super().identity(),
            "prompts": dict(self.checkpoint.prompts),
            "layer": self.checkpoint.settings["layer"],
            "pooling": self.checkpoint.settings["pooling"],
            "label_scale": list(self.label_scale),
        }

    def trained_backbone(self, checkpoint: TrainedCheckpoint | None, **loading: Any) -> Backbone:
        if checkpoint is not None and self.layers == "needed":
            loading["layers"] = int(checkpoint.settings["layer"])
        return super().trained_backbone(checkpoint, **loading)

    def assessor(
        self, backbone: Backbone, checkpoint: TrainedCheckpoint | None, adapters: Mapping[str, str]
    ) -> LayerAssessor:
        from .assessor import LayerAssessor

        adapter = next(iter(adapters.values()), None)
        if checkpoint is None:
            return LayerAssessor(backbone, adapter)
        heads = {name: head.to(backbone.device) for name, head in checkpoint.load_heads().items()}
        return LayerAssessor(
            backbone, adapter, int(checkpoint.settings["layer"]), checkpoint.settings["pooling"], heads
        )

    def prepare(self, sample: Sample) -> dict[str, Prompt]:
        """The prompt about the edited image alone, and the one about the edit, as far as they are asked for."""
        (assessor,) = self.assessors
        prompts = {}
        if self._rates:
            prompts["pair"] = assessor.pair(sample.source, sample.edited, sample.prompt or "")
        if any(dimension.name == AUTHENTICITY for dimension in self.dimensions):
            prompts["single"] = assessor.single(sample.edited)
        return prompts

    def score_batch(self, batch: list[dict[str, Prompt]]) -> list[Score]:
        import torch

        from ...mllm.states import read_head

        (assessor,) = self.assessors
        low, high = self.label_scale
        names = [dimension.name for dimension in self.dimensions]
        states = {kind: assessor.states([prompts[kind] for prompts in batch]) for kind in batch[0]}
        with torch.inference_mode():
            numbers = read_results(
                *(
                    read_head(assessor.heads[name], states["single" if name == AUTHENTICITY else "pair"])
                    for name in names
                )
            )
        columns: dict[str, list[float]] = {}
        for name, column in zip(names, numbers, strict=True):
            number = column.double()
            score = number.sigmoid() if name == AUTHENTICITY else (number * (high - low) + low).clamp(low, high)
            columns[name] = score.tolist()
        return [Score({name: values[row] for name, values in columns.items()}) for row in range(len(batch))]

    def batch_key(self, prepared: dict[str, Prompt]) -> int:
        return length_class(prepared.values())

    @classmethod
    def samples_for_folds(cls, samples: Sequence[Sample], targets: Mapping[str, str]) -> Sequence[Sample]:
        """Real images are grouped with their edits; without a column of labels, sources are added as real images."""
        from .labels import labelled_for_folds

        return labelled_for_folds(samples, targets)

    @classmethod
    def presets(cls) -> dict[str, tuple[HPELSAMethod, Recipe]]:
        from .method import PRESETS

        return PRESETS

    def train_stages(self, job: FitJob) -> None:
        """Tune LoRA by the contrastive loss, choose a layer by layer-sensitivity analysis, train decoders on it.

        The analysis is in `layers.csv` and `layers.svg` of the output folder. The column of "authenticity" holds 1 for
        real and 0 for edited images; without it all images are edits, and their sources are the real images. Without
        validation data, samples are split 4:1:1 by group into training, validation and test. Fields of `Recipe` are
        those of the contrastive tuning (sections III-B to III-D).
        """
        from .fit import train_stages

        train_stages(job, self.load_backbone())

    def options_after_fit(self, job: FitJob) -> dict[str, Any]:
        """All but `dimension`: the trained metric gives all that were trained."""
        return {name: value for name, value in super().options_after_fit(job).items() if name != "dimension"}

    @property
    def _rates(self) -> bool:
        """True if any dimension is a rating, unlike authenticity."""
        return any(dimension.name != AUTHENTICITY for dimension in self.dimensions)
