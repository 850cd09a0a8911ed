"""Settings of EPAIQA's method, and the named recipes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt

from ...mllm.losses import RatingLoss
from ...mllm.recipe import Recipe

Stage = Literal["grounding", "quantitative", "explained"]
STAGES: tuple[Stage, ...] = ("grounding", "quantitative", "explained")
"""Sections 4.1, 4.2 and 4.3, in their order."""


@dataclass(frozen=True)
class EPAIQAMethod:
    """Settings that the paper leaves open, beside the `Recipe` of the training loop; every field is an option of `fit`.

    - `stages`: those to train, in their order: `[quantitative,explained]` leaves out the grounding, as in Tables 6 and
      7. A training that starts from other weights continues from what they have learned.
    - `cot`: the column of the chains of thought that stage 3 learns to write; None trains on the overall level alone,
      as in Table 5.
    - `level_labels`: of stage 2: the "word" of a rating's level, as in the paper, or "soft", a Gaussian around the
      rating over the five level words, whose deviation is `soft_width` as a share of the label scale, or that of the
      raters where columns have it: `rater_spread` is what these are called after the ratings' names (".sd" for
      `harmony.sd` beside `harmony`).
    - `tuning`: "full" trains all weights in stages 2 and 3, as the paper does; "lora" an adapter on vision tower and
      language model, which fits one GPU. Stage 1 leaves the language model as it is either way.
    - `rank`, `alpha`, `dropout`: of LoRA.
    - `grounding_steps`, `quantitative_steps`, `explained_steps`: updates of a stage, in place of the recipe's.
    - `grounding_learning_rate`: in stage 1, in place of the recipe's.
    - `rehearsal`: the share of a stage's questions that are repeated from earlier stages, against forgetting.
      The paper repeats none, and scores harmony and naturalness with the model as it was after stage 2.
    - `read_weight`: how many times as much as another word the words that scores are read from (prompt completion and
      level) weigh in the loss of an answer. In a chain of thought they are two of some forty; the paper tells of none.
    - `loss`: "cross_entropy" of the answers, as in the paper. In stage 2, terms on the expected levels of
      harmony and naturalness (1 to 5) may be added: "cross_entropy+plcc", "cross_entropy+0.5*rank"; see `mllm.losses`.
      Stage 3 has none: its overall level is read after the true completion and reasons, and could copy from them.
    - `max_tokens`: the longest answer that is generated in validation.
    - `saved`: the dtype of the backbone in the checkpoint, where all of it was trained.
    """

    stages: tuple[Stage, ...] = STAGES
    cot: str | None = "explanation"
    level_labels: Literal["word", "soft"] = "word"
    soft_width: Annotated[float, Ge(0)] = 0.05
    rater_spread: str | None = None
    tuning: Literal["full", "lora"] = "full"
    rank: Annotated[int, Ge(1)] = 64
    alpha: Annotated[float, Gt(0)] = 128.0
    dropout: Annotated[float, Ge(0)] = 0.05
    grounding_steps: Annotated[int, Ge(1)] | None = None
    quantitative_steps: Annotated[int, Ge(1)] | None = None
    explained_steps: Annotated[int, Ge(1)] | None = None
    grounding_learning_rate: Annotated[float, Gt(0)] | None = None
    rehearsal: Annotated[float, Ge(0), Lt(1)] = 0.0
    read_weight: Annotated[float, Gt(0)] = 1.0
    loss: str = "cross_entropy"
    max_tokens: Annotated[int, Ge(1)] = 256
    saved: Literal["bfloat16", "float32"] = "bfloat16"

    def __post_init__(self) -> None:
        _ = self.rating_loss  # refuses what is not a loss

    @property
    def rating_loss(self) -> RatingLoss | None:
        """The terms that `loss` adds to the cross-entropy; None without any."""
        return RatingLoss.added_to(["cross_entropy"], self.loss)[1]

    def recipe_of(self, stage: Stage, recipe: Recipe) -> Recipe:
        """The recipe of one stage."""
        rate = self.grounding_learning_rate if stage == "grounding" else None
        return replace(
            recipe,
            steps=getattr(self, f"{stage}_steps") or recipe.steps,
            learning_rate=rate or recipe.learning_rate,
        )


PAPER = Recipe(
    epochs=1, batch_size=128, micro_batch_size=1, learning_rate=1e-5, schedule="cosine", warmup_ratio=0.03,
    gradient_checkpointing=True,
)  # fmt: skip
"""The paper gives no hyper-parameters: these are LLaVA-OneVision's own for its last stage (arXiv:2408.03326)."""

PRESETS: dict[str, tuple[EPAIQAMethod, Recipe]] = {
    "default": (EPAIQAMethod(), PAPER),
    "paper": (EPAIQAMethod(), PAPER),
    "lora": (EPAIQAMethod(tuning="lora"), replace(PAPER, learning_rate=1e-4, epochs=3)),
    "toy": (
        EPAIQAMethod(grounding_steps=150, quantitative_steps=1500, explained_steps=2000, rehearsal=0.4, max_tokens=64),
        Recipe(batch_size=16, learning_rate=1e-3, warmup_ratio=0.05, weight_decay=0.01, evaluate_every=250),
    ),
}
"""`default` is the paper's training, as far as it is told; `lora` is for one GPU, `toy` for tiny backbones."""
