"""Settings of LMM4LMM's two stages, beside the loop's `Recipe`, and the named recipes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt

from ...mllm.losses import RatingLoss
from ...mllm.recipe import Recipe


@dataclass(frozen=True)
class LMM4LMMMethod:
    """Settings of the two stages, beside the `Recipe` of the second one; every field is an option of `fit`.

    - `answers`: the column with an answer of yes or no for each of a sample's `questions`; None trains no answers.
    - `levels`: whether there is a first stage; without it, the paper's ablation.
    - `together`: one projector learns the levels of all dimensions and the questions; else each dimension has a
      projector of its own, and questions have the backbone's.
    - `level_epochs`, `level_steps`, `level_batch_size`, `level_learning_rate`: of the first stage, in place of the
      recipe's.
    - `level_loss`: of the first stage: on the whole "answer", or on its one telling "word" (the level, yes or no)
      alone, for a backbone that cannot yet write the sentence and has a projector only to learn it with; or "soft", on
      that word with a distribution over the five levels as its label, a Gaussian around the rating.
    - `soft_width`: the deviation of that Gaussian, as a share of the training ratings' range.
    - `loss`: of the second stage, a sum of terms of `mllm.losses` on ratings in units of their deviation: "l1", as in
      the paper, "l1+plcc", "l2+0.5*rank", ...; with l1 or l2 in it, since the others do not teach the unit.
    - `rater_spread`: what the columns with the raters' standard deviations are called, after the ratings' names (".sd"
      for `mos.sd` beside `mos`): weights of the second stage, widths of soft labels in the first.
    - `answer_words`: how yes and no are written in training; reading takes any spelling. A tiny backbone knows few.
    - `rank`, `alpha`, `dropout`: of LoRA in the second stage. `adapted`: the parts that get it, the paper's ablation;
      with None, heads alone learn ratings, and questions are answered by the first stage's projector.
    - `hidden`: the sizes of the regression head's inner layers.
    - `side`: pixels along a side of the square that images are resized to.
    """

    answers: str | None = None
    levels: bool = True
    together: bool = True
    level_epochs: Annotated[float, Gt(0)] = 1.0
    level_steps: Annotated[int, Ge(1)] | None = None
    level_batch_size: Annotated[int, Ge(1)] = 8
    level_learning_rate: Annotated[float, Gt(0)] = 1e-5
    level_loss: Literal["answer", "word", "soft"] = "answer"
    soft_width: Annotated[float, Ge(0)] = 0.05
    loss: str = "l1"
    rater_spread: str | None = None
    answer_words: tuple[str, str] = ("Yes", "No")
    rank: Annotated[int, Ge(1)] = 8
    alpha: Annotated[float, Gt(0)] = 16.0
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.05
    adapted: Literal["both", "vision", "language"] | None = "both"
    hidden: tuple[int, ...] = (1024, 256, 64, 16)
    side: Annotated[int, Ge(1)] = 1024

    def __post_init__(self) -> None:
        _ = self.rating_loss  # refuses what is not a loss

    @property
    def rating_loss(self) -> RatingLoss:
        """The loss of the second stage that `loss` names."""
        return RatingLoss.of_ratings(self.loss)

    @property
    def parts(self) -> set[str]:
        """The parts of the backbone that LoRA adapts."""
        if self.adapted is None:
            return set()
        return {"vision", "language"} if self.adapted == "both" else {self.adapted}

    def first_stage(self, recipe: Recipe) -> Recipe:
        """The recipe of the first stage."""
        return replace(
            recipe,
            epochs=self.level_epochs,
            steps=self.level_steps,
            batch_size=self.level_batch_size,
            learning_rate=self.level_learning_rate,
        )


PAPER = Recipe(
    epochs=5, batch_size=8, micro_batch_size=1, learning_rate=1e-5, schedule="cosine", warmup_ratio=0.0,
    gradient_checkpointing=True,
)  # fmt: skip
"""Section 5.1: Adam, betas 0.9 and 0.999, learning rate 1e-5, cosine, batch 8, 1 epoch and then 5."""

REPOSITORY = Recipe(
    epochs=50, batch_size=4, micro_batch_size=1, learning_rate=4e-5, weight_decay=0.01, schedule="cosine",
    warmup_ratio=0.03, gradient_checkpointing=True,
)  # fmt: skip
"""The scripts of the authors' repository: learning rate 4e-5, weight decay 0.01, 50 epochs of each stage."""

PRESETS: dict[str, tuple[LMM4LMMMethod, Recipe]] = {
    "paper": (LMM4LMMMethod(), PAPER),
    "repository": (LMM4LMMMethod(together=False, level_epochs=50.0, level_learning_rate=4e-5), REPOSITORY),
    "toy": (
        LMM4LMMMethod(
            level_steps=300,
            level_batch_size=32,
            level_learning_rate=2e-3,
            level_loss="word",
            answer_words=(" yes", " no"),
            dropout=0.0,
            hidden=(64,),
            side=64,
        ),
        Recipe(steps=300, batch_size=32, learning_rate=2e-3, schedule="cosine", warmup_ratio=0.05),
    ),
}
