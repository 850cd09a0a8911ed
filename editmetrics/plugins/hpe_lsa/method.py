"""Settings of HPE-LSA's method, and the named recipes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

from ...mllm.layers import Pooling
from ...mllm.losses import RatingLoss
from ...mllm.recipe import Recipe
from .assessor import Feature
from .criterion import Criterion, Divergence

Positive = Literal["other", "view"]


@dataclass(frozen=True)
class HPELSAMethod:
    """Settings that the paper leaves open, beside the `Recipe` of the tuning; every field is an option of `fit`.

    - `vision_lora`, `language_lora`, `lsa`, `decoders`: the switches of Table IV. Without both LoRAs there is no
      contrastive tuning; without `lsa` the last layer is read; without `decoders` linear maps are in their place.
    - `training`: "staged" tunes LoRA by equation 1 and then trains the decoders with LoRA frozen; "joint" trains both
      by the sum of L_con, L_det and L_qual, and then the decoders on, unless `decoder_steps` is 0.
      `contrastive_weight`: of L_con in that sum; 0 leaves it out. `triplet_share`: the share of the rated edits that
      L_con and L_det learn from, too; a triplet costs three passes beside the one of L_qual. `standardised_by`: so
      many images, and so many edits, give the mean and deviation of the states that the decoders are trained on
      jointly; None reads all of them for it.
    - `analysed_backbone`: LSA looks at the backbone that equation 1 has "tuned", or at the "untuned" one.
    - `layer`: this layer is read, whatever LSA finds.
    - `pooling`: what stands for an image or an edit in the analysis and for the decoders: the state at the prompt's
      last token, or the mean over its image tokens.
    - `rank`, `alpha`, `dropout`: of LoRA. `temperature`: tau of equation 1.
    - `feature`: f of equation 1, see `LayerAssessor.embed`. `positive`: a real image of another source, or another
      view of the anchor. `batch_negatives`: all edits of the batch stand in the denominator. `contrast_layers`:
      equation 1 on the states of these layers, and the mean of it; the last one if empty.
    - `divergence`, `symmetric`, `bins`, `entropy_bins`, `smoothing`, `epsilon`, `resamples`: see
      `criterion.Criterion`. `analysed`: on which part of the data. `probe`: also measure linear probes of all
      layers, which choose nothing.
    - `hidden`: the layers of each decoder. `decoder_learning_rate`, `decoder_epochs` (or `decoder_steps`),
      `decoder_batch_size`, `decoder_weight_decay`: the recipe of the decoders, where it is not that of the tuning.
    - `picture_cache_gb`: the most gigabytes of prepared images that stay in memory, in each process that prepares
      them.
    - `loss`: of the ratings, a sum of terms of `mllm.losses` on ratings from 0 to 1: "l2", as in equation 5,
      "l2+0.5*plcc", ...; the terms that compare edits do so in each dimension.
    - `balanced`: real and edited images weigh the same in the cross-entropy, however many there are of each.
      `detection_weight`, `quality_weight`: of the two losses in their sum.
    """

    vision_lora: bool = True
    language_lora: bool = True
    lsa: bool = True
    training: Literal["staged", "joint"] = "staged"
    analysed_backbone: Literal["tuned", "untuned"] = "tuned"
    decoders: bool = True
    layer: Annotated[int, Ge(1)] | None = None
    pooling: Pooling = "last"
    rank: Annotated[int, Ge(1)] = 8
    alpha: Annotated[float, Gt(0)] = 16.0
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.05
    temperature: Annotated[float, Gt(0)] = 0.07
    feature: Feature = "last"
    positive: Positive = "other"
    batch_negatives: bool = False
    contrast_layers: tuple[Annotated[int, Ge(1)], ...] = ()
    contrastive_weight: Annotated[float, Ge(0)] = 1.0
    triplet_share: Annotated[float, Gt(0), Le(1)] = 1.0
    standardised_by: Annotated[int, Ge(2)] | None = None
    divergence: Divergence = "debiased"
    symmetric: bool = False
    bins: Annotated[int, Ge(2)] = 32
    entropy_bins: Annotated[int, Ge(2)] = 10
    smoothing: Annotated[float, Gt(0)] = 1e-6
    epsilon: Annotated[float, Gt(0)] = 1e-6
    resamples: Annotated[int, Ge(0)] = 100
    probe: bool = True
    analysed: Literal["train", "validation"] = "train"
    hidden: tuple[int, ...] = (2048, 128)
    decoder_learning_rate: Annotated[float, Gt(0)] = 5e-5
    decoder_epochs: Annotated[float, Gt(0)] = 30.0
    decoder_steps: Annotated[int, Ge(0)] | None = None
    decoder_batch_size: Annotated[int, Ge(1)] = 32
    decoder_weight_decay: Annotated[float, Ge(0)] = 0.0
    picture_cache_gb: Annotated[float, Ge(0)] = 4.0
    loss: str = "l2"
    balanced: bool = True
    detection_weight: Annotated[float, Gt(0)] = 1.0
    quality_weight: Annotated[float, Gt(0)] = 1.0

    def __post_init__(self) -> None:
        _ = self.rating_loss  # refuses what is not a loss

    @property
    def rating_loss(self) -> RatingLoss:
        """The loss of the ratings that `loss` names."""
        return RatingLoss.of_ratings(self.loss)

    @property
    def chooses_layer(self) -> bool:
        """True if layer-sensitivity analysis decides which layer is read."""
        return self.lsa and self.layer is None

    @property
    def tunes_first(self) -> bool:
        """True if there is a tuning by equation 1 alone: joint training needs it where LSA looks at its result."""
        return self.training == "staged" or (self.chooses_layer and self.analysed_backbone == "tuned")

    @property
    def trains_decoders(self) -> bool:
        """False if the decoders stay as joint training has made them."""
        return self.training == "staged" or self.decoder_steps != 0

    @property
    def parts(self) -> set[str]:
        """The parts of the backbone that LoRA tunes."""
        return {part for part in ("vision", "language") if getattr(self, f"{part}_lora")}

    @property
    def criterion(self) -> Criterion:
        """How the analysis judges a layer."""
        return Criterion.of(self)

    def of_decoders(self, recipe: Recipe) -> Recipe:
        """The recipe of the decoders: `recipe` but for what the decoders have of their own."""
        return replace(
            recipe, learning_rate=self.decoder_learning_rate, epochs=self.decoder_epochs, steps=self.decoder_steps,
            batch_size=self.decoder_batch_size, weight_decay=self.decoder_weight_decay, micro_batch_size=None,
            evaluate_every=None, gradient_checkpointing=False,
        )  # fmt: skip


PAPER = Recipe(
    epochs=3, batch_size=16, micro_batch_size=2, learning_rate=1e-4, schedule="cosine", gradient_checkpointing=True
)
"""Section IV-A: AdamW, cosine annealing, 1e-4 for LoRA and 5e-5 for decoders. Epochs and batches are not stated."""

PRESETS: dict[str, tuple[HPELSAMethod, Recipe]] = {
    "paper": (HPELSAMethod(), PAPER),
    "toy": (
        HPELSAMethod(pooling="image", feature="image", dropout=0.0, hidden=(64,), decoder_learning_rate=3e-3,
               decoder_steps=1500, decoder_batch_size=64, decoder_weight_decay=0.01),
        Recipe(steps=40, batch_size=16, learning_rate=1e-3, schedule="cosine"),
    ),
}  # fmt: skip
