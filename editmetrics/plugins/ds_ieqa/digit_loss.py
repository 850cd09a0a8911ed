"""The loss of answers with a number X.XX: TDRL or another loss of tokens, and terms that compare examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...mllm.losses import RatingLoss
from ...mllm.recipe import RecipeError
from ...wording import expected_one_of
from .tdrl import Reduction, Vocabulary, tdrl

if TYPE_CHECKING:
    from torch import Tensor

BASES = ("tdrl", "cross_entropy", "soft")
"""Losses of an answer's tokens: of the paper, of its ablation, and cross-entropy with soft labels for the digits."""

COMPARING = ("plcc", "rank", "margin")
"""Terms of `mllm.losses` that may be added."""


@dataclass(frozen=True)
class DigitLoss:
    """A loss of tokens, `base`, and `terms` on the expected integer digit.

    The terms take E[d_0] = sum_k k P(d_0 = k) as the prediction and the number X.XX as the rating. The later digits are
    left out: in training they are read after the true ones, so that a correlation could be had by copying those.

    >>> loss = DigitLoss.parse("tdrl+0.5*plcc")
    >>> loss.base, loss.terms.factors
    ('tdrl', {'plcc': 0.5})
    """

    base: str
    terms: RatingLoss | None = None
    vocabulary: Vocabulary = "digits"
    cross_entropy_on_digits: bool = False
    cross_entropy_over_tokens: Reduction = "mean"

    @classmethod
    def parse(cls, text: str, **of_tdrl: Any) -> DigitLoss:
        """Read "tdrl", "cross_entropy", "soft", "tdrl+0.5*plcc", "soft+rank", ... Raises `RecipeError` for others.

        `of_tdrl`: the fields that are arguments of `tdrl.tdrl`.
        """
        base, terms = RatingLoss.added_to(BASES, text)
        for name in terms.factors if terms else ():
            if name not in COMPARING:
                raise RecipeError(
                    f"loss={text!r}: {name} compares the integer digit with the whole number; "
                    f"{expected_one_of(name, COMPARING)}"
                )
        return cls(base, terms, **of_tdrl)

    def of_answers(
        self,
        logits: Tensor,
        answers: Tensor,
        digits: Sequence[int],
        soft: Tensor | None = None,
        weights: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """The loss of the tokens and its parts, means over the answers; arguments as of `tdrl.tdrl`.

        `soft` (N, digits, 10) are the digits' distributions for the base "soft"; `weights` (N,) those of the answers.
        """
        from torch.nn.functional import cross_entropy

        if self.base == "tdrl":
            parts = tdrl(
                logits, answers, digits, vocabulary=self.vocabulary, weights=weights,
                cross_entropy_on_digits=self.cross_entropy_on_digits,
                cross_entropy_over_tokens=self.cross_entropy_over_tokens,
            )  # fmt: skip
            return parts._asdict()
        if self.base == "soft" and soft is not None:
            return {"loss": soft_cross_entropy_of_answers(logits, answers, digits, soft, weights)}
        if weights is None:
            return {"loss": cross_entropy(logits.flatten(0, 1), answers.flatten())}
        each = cross_entropy(logits.float().flatten(0, 1), answers.flatten(), reduction="none").reshape(answers.shape)
        return {"loss": (each.mean(1) * weights.to(each)).mean()}


def soft_cross_entropy_of_answers(
    logits: Tensor, answers: Tensor, digits: Sequence[int], soft: Tensor, weights: Tensor | None = None
) -> Tensor:
    """Cross-entropy over the whole vocabulary, with a distribution in place of each digit; a scalar.

    mean over the answers of 1 / A sum_a H(t_a, P(y_a | context, y_<a)), t_a one-hot for words and `soft` for digits. As
    P is over the whole vocabulary, the loss keeps the probability on the digits; and its gradient, P - t, does not
    vanish for confident wrong digits, as that of TDRL's expected distance does.

    >>> import torch
    >>> answer = torch.tensor([[4, 10, 3]])  # 4.3, in a vocabulary of ten digits and the point
    >>> soft_cross_entropy_of_answers(torch.zeros(1, 3, 11), answer, range(10), torch.full((1, 2, 10), 0.1))  # log 11
    tensor(2.3979)
    """
    import torch

    ids = torch.as_tensor(list(digits), device=answers.device)
    logarithms = logits.float().log_softmax(-1)
    costs = -logarithms.gather(-1, answers[..., None])[..., 0]
    is_digit = torch.isin(answers, ids)
    at_digits = logarithms[is_digit][:, ids].reshape(soft.shape)
    costs = costs.masked_scatter(is_digit, -(soft.to(at_digits) * at_digits).sum(-1))
    each = costs.mean(1)
    return each.mean() if weights is None else (each * weights.to(each)).mean()
