"""Settings of DS-IEQA's method, and the named recipes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt

from ...mllm.recipe import Recipe
from .digit_loss import DigitLoss
from .tdrl import Reduction, Vocabulary


@dataclass(frozen=True)
class DSIEQAMethod:
    """Settings that the paper leaves open, beside the `Recipe` of the training loop; every field is an option of `fit`.

    - `optimiser`: the chat model that proposes definitions ("gpt-4o" in the paper); None leaves the start definitions.
      `optimiser_endpoint`: the address of a server of one's own that serves it. Only definitions and their values are
      sent, never an image. "backbone" asks the backbone itself.
    - `trials`: definitions that are proposed. `pairs`: a fixed subset of the training data on which V_d is measured.
    - `definition_margin`: how many standard errors of the paired difference a definition must be better than the best
      one so far, to take its place; 0 takes the highest value, as the paper does, noise included.
    - `definition_vocabulary`: P of V_d is over "all" tokens, or renormalised over the ten "digits".
      `definition_batch_size`: pairs that are read together for it. `definition_cache_gb`: the most gigabytes of
      key-value caches of their images that are kept from one definition to the next; None is half of what is free.
      The images of other pairs are read again for each definition. Numbers do not depend on it.
    - `rank`, `alpha`, `dropout`, `adapted`: of LoRA, and the parts that get it.
    - `feature_store`: keep the features of all images on disk, in the output folder, if `adapted` leaves the vision
      tower as it is; else every step runs the tower. `feature_store_gb`: the most gigabytes that it may take.
      `feature_batch_size`: images that go through the tower together for it.
    - `picture_cache_gb`: without a store, the most gigabytes of prepared images that stay in memory, in each process
      that prepares them.
    - `loss`: "tdrl"; "cross_entropy" on all tokens, the paper's ablation; or "soft", the same with a Gaussian around
      the rating as the digits' labels. Terms that compare examples may be added: "tdrl+0.5*plcc", "soft+rank"; see
      `digit_loss` and `mllm.losses`. `vocabulary`, `cross_entropy_on_digits`,
      `cross_entropy_over_tokens`: of TDRL, see `tdrl`.
    - `rater_spread`: what the columns with the raters' standard deviations are called, after the ratings' names: ".sd"
      for `mos_v.sd` beside `mos_v`. With "soft" the spread is the width of the label, else it becomes a weight.
    - `soft_width`: the width of soft labels without such columns, as a share of the label scale.
    - `together`: one adapter learns all dimensions, so that the language model reads a sample once, not three times.
    """

    optimiser: str | None = None
    optimiser_endpoint: str | None = None
    trials: Annotated[int, Ge(0)] = 20
    pairs: Annotated[int, Ge(1)] = 128
    definition_margin: Annotated[float, Ge(0)] = 2.0
    definition_vocabulary: Vocabulary = "all"
    definition_batch_size: Annotated[int, Ge(1)] = 8
    definition_cache_gb: Annotated[float, Ge(0)] | None = None
    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.05
    adapted: Literal["language", "vision", "both"] = "language"
    feature_store: bool = True
    feature_store_gb: Annotated[float, Gt(0)] = 250.0
    feature_batch_size: Annotated[int, Ge(1)] = 8
    picture_cache_gb: Annotated[float, Ge(0)] = 4.0
    loss: str = "tdrl"
    vocabulary: Vocabulary = "digits"
    cross_entropy_on_digits: bool = False
    cross_entropy_over_tokens: Reduction = "mean"
    rater_spread: str | None = None
    soft_width: Annotated[float, Ge(0)] = 0.05
    together: bool = False

    def __post_init__(self) -> None:
        _ = self.digit_loss  # refuses what is not a loss

    @property
    def digit_loss(self) -> DigitLoss:
        """The loss that `loss` names."""
        return DigitLoss.parse(
            self.loss, vocabulary=self.vocabulary, cross_entropy_on_digits=self.cross_entropy_on_digits,
            cross_entropy_over_tokens=self.cross_entropy_over_tokens,
        )  # fmt: skip

    @property
    def parts(self) -> set[str]:
        """The parts of the backbone that LoRA adapts."""
        return {"language", "vision"} if self.adapted == "both" else {self.adapted}


TOGETHER = "together"
"""The name of the adapter of all dimensions."""

PAPER = Recipe(
    epochs=3, batch_size=128, micro_batch_size=4, learning_rate=1e-4, schedule="cosine", warmup_ratio=0.03,
    gradient_checkpointing=True,
)  # fmt: skip
"""Section 4.2: AdamW, learning rate 1e-4, cosine, warm-up 0.03, batch 128. The paper does not say how many epochs."""

PRESETS: dict[str, tuple[DSIEQAMethod, Recipe]] = {
    "default": (DSIEQAMethod(), PAPER),
    "paper": (DSIEQAMethod(optimiser="gpt-4o"), PAPER),
    "toy": (
        DSIEQAMethod(adapted="both", dropout=0.0, cross_entropy_on_digits=True, cross_entropy_over_tokens="sum"),
        Recipe(steps=1000, batch_size=32, learning_rate=2e-3, warmup_ratio=0.05, evaluate_every=50, patience=3),
    ),
}
"""`default` is the paper's recipe without the search for definitions, which needs a chat model."""
