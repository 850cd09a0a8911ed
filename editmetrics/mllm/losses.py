"""Losses of learned metrics: errors, correlation and ranks of predicted ratings; soft labels for read-outs of tokens.

Pure functions of tensors. Each is computed in float32, also under autocast, and is differentiable; gradients are those
of autograd. Weights, where given, are those of the examples, with a mean of 1 in the training data (`raters.weights`).

A loss of single examples (l1, l2, soft cross-entropy) is a mean, so micro-batches and processes do not change it. A
loss of a group of examples (plcc, rank, margin) is computed over the examples that all processes hold at one time,
`micro_batch_size` times the number of processes; an update averages the losses of its groups. It therefore depends on
the micro-batch, and with too few examples it says little: `RatingLoss.check` refuses fewer than the loss requires.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from ..wording import expected_one_of, plural
from .processes import gathered
from .recipe import RecipeError

if TYPE_CHECKING:
    from torch import Tensor

    from .recipe import Recipe


def l1_loss(predicted: Tensor, ratings: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the mean absolute error, sum_i w_i |p_i - r_i| / N; a scalar in [0, inf).

    `predicted` and `ratings` are (N,), in one unit.

    >>> import torch
    >>> l1_loss(torch.tensor([1.0, 4.0]), torch.tensor([2.0, 2.0]))
    tensor(1.5000)
    """
    return _mean((predicted.float() - ratings.float()).abs(), weights)


def l2_loss(predicted: Tensor, ratings: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the mean squared error, sum_i w_i (p_i - r_i)^2 / N; a scalar in [0, inf).

    `predicted` and `ratings` are (N,), in one unit.

    >>> import torch
    >>> l2_loss(torch.tensor([1.0, 4.0]), torch.tensor([2.0, 2.0]))
    tensor(2.5000)
    """
    return _mean((predicted.float() - ratings.float()).square(), weights)


def plcc_loss(predicted: Tensor, ratings: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return 1 - Pearson's correlation of predictions and ratings; a scalar in [0, 2].

    1 - sum_i w_i (p_i - p)(r_i - r) / sqrt(sum_i w_i (p_i - p)^2 sum_i w_i (r_i - r)^2), p and r the weighted means

    `predicted` and `ratings` are (N,). The loss is invariant to scale (above 0) and shift of either, so it alone does
    not teach the unit of the ratings: add `l1` or `l2` where scores are to be ratings. Where all predictions or all
    ratings are alike, the correlation is undefined: the loss is 1, without a gradient.

    Source: Li et al., Norm-in-Norm loss, ACM MM 2020, arXiv:2008.03889, section 3 (its special case p = q = 2).

    >>> import torch
    >>> plcc_loss(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([10.0, 30.0, 50.0])).abs() < 1e-6
    tensor(True)
    """
    import torch

    predicted, ratings = predicted.float(), ratings.float().to(predicted.device)
    share = torch.ones_like(predicted) if weights is None else weights.float().to(predicted.device)
    share = share / share.sum()
    deviations = [values - (share * values).sum() for values in (predicted, ratings)]
    squares = [(share * deviation.square()).sum() for deviation in deviations]
    rounding = torch.finfo(torch.float32).eps
    varied = torch.stack([
        square.sqrt() > 4 * rounding * values.abs().max()
        for square, values in zip(squares, (predicted, ratings), strict=True)
    ]).all()  # fmt: skip
    safe = [torch.where(varied, square, 1.0) for square in squares]
    covariance = (share * deviations[0] * deviations[1]).sum()
    correlation = torch.where(varied, covariance, covariance * 0.0) / (safe[0].sqrt() * safe[1].sqrt())
    loss: Tensor = 1.0 - correlation.clamp(-1.0, 1.0)
    return loss


def rank_loss(predicted: Tensor, ratings: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the logistic loss of pairs in the wrong order; a scalar in [0, inf).

    mean over the pairs with r_i > r_j of log(1 + exp(p_j - p_i)): the negative log-likelihood of the Bradley-Terry
    model, in which i beats j with the probability 1 / (1 + exp(p_j - p_i)).

    `predicted` and `ratings` are (N,); a pair weighs w_i w_j, and pairs of equal ratings do not count. Without a pair
    the loss is 0. It is invariant to shift, not to scale: differences of predictions are in units of log-odds.

    Source: Bradley & Terry, Biometrika 1952; Burges et al., RankNet, ICML 2005, equation 3 with certain targets.

    >>> import torch
    >>> rank_loss(torch.tensor([0.0, 0.0]), torch.tensor([1.0, 2.0]))  # log 2
    tensor(0.6931)
    """
    from torch.nn.functional import softplus

    return _over_pairs(predicted, ratings, weights, lambda higher_by, _: softplus(-higher_by))


def margin_loss(predicted: Tensor, ratings: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the hinge loss of pairs that are not as far apart as their ratings; a scalar in [0, inf).

    mean over the pairs with r_i > r_j of max(0, (r_i - r_j) - (p_i - p_j))

    `predicted` and `ratings` are (N,), in one unit; a pair weighs w_i w_j, and pairs of equal ratings do not count.
    Without a pair the loss is 0. It is invariant to shift.

    Source: Golestaneh et al., TReS, WACV 2022, arXiv:2108.06858, equation 7 (the margin is the ratings' difference),
    here over all pairs.

    >>> import torch
    >>> margin_loss(torch.tensor([0.0, 0.5]), torch.tensor([1.0, 3.0]))
    tensor(1.5000)
    """
    from torch.nn.functional import relu

    return _over_pairs(predicted, ratings, weights, lambda higher_by, rated_by: relu(rated_by - higher_by))


def fidelity_loss(predicted: Tensor, ratings: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the fidelity loss of pairs under Thurstone's model; a scalar in [0, 1].

    mean over the pairs with r_i > r_j of 1 - sqrt(F((p_i - p_j) / sqrt 2)), F the distribution function of N(0, 1):
    the probability that i is preferred, which should be 1.

    `predicted` and `ratings` are (N,); a pair weighs w_i w_j, and pairs of equal ratings do not count. Without a pair
    the loss is 0. It is invariant to shift; predictions are in units of the raters' deviation.

    Source: Tsai et al., FRank, SIGIR 2007; Zhang et al., LIQE, CVPR 2023, arXiv:2303.14968, equation 6.

    >>> import torch
    >>> fidelity_loss(torch.tensor([0.0, 0.0]), torch.tensor([1.0, 2.0]))  # 1 - sqrt(1/2)
    tensor(0.2929)
    """
    import torch

    def loss(higher_by: Tensor, _: Tensor) -> Tensor:
        return 1 - (torch.special.ndtr(higher_by / 2**0.5) + 1e-8).sqrt()

    return _over_pairs(predicted, ratings, weights, loss)


TERMS: dict[str, tuple[Callable[..., Tensor], int]] = {
    "l1": (l1_loss, 1),
    "l2": (l2_loss, 1),
    "plcc": (plcc_loss, 3),
    "rank": (rank_loss, 2),
    "margin": (margin_loss, 2),
    "fidelity": (fidelity_loss, 2),
}
"""The terms of a `RatingLoss`, each with the least number of examples that it says anything about."""


@dataclass(frozen=True)
class RatingLoss:
    """A sum of loss terms for predicted ratings, by name: `factors[name] * TERMS[name]`.

    >>> import torch
    >>> loss = RatingLoss.parse("l1+0.5*plcc")
    >>> loss.factors
    {'l1': 1.0, 'plcc': 0.5}
    >>> loss(torch.tensor([2.0, 1.0, 4.0]), torch.tensor([2.0, 2.0, 2.0]))["loss"]  # no correlation with equal ratings
    tensor(1.5000)
    """

    factors: dict[str, float]

    @classmethod
    def parse(cls, text: str) -> RatingLoss:
        """Read "l1", "plcc+rank", "l1+0.5*plcc", ... Raises `RecipeError` for another text."""
        factors: dict[str, float] = {}
        for term in text.replace(" ", "").split("+"):
            factor, star, name = term.rpartition("*")
            try:
                value = float(factor) if star else 1.0
            except ValueError:
                value = 0.0
            if name not in TERMS or not 0 < value < float("inf") or name in factors:
                raise RecipeError(
                    f"loss={text!r} is not a sum of different terms, each with a factor above 0 if any "
                    f"(l1+0.5*plcc); {expected_one_of(name, TERMS)}"
                )
            factors[name] = value
        return cls(factors)

    @classmethod
    def of_ratings(cls, text: str) -> RatingLoss:
        """Read a loss that teaches the unit of ratings, too; raises `RecipeError` for one without `l1` and `l2`."""
        loss = cls.parse(text)
        if not {"l1", "l2"} & loss.factors.keys():
            raise RecipeError(f"loss={text!r} does not teach the unit of the ratings; add l1 or l2: l1+{text}")
        return loss

    @classmethod
    def added_to(cls, bases: Collection[str], text: str) -> tuple[str, RatingLoss | None]:
        """Read one of `bases`, and the terms that are added to it: "cross_entropy+0.5*plcc"; None for no terms.

        Raises `RecipeError` for another base and what `parse` refuses.
        """
        base, plus, terms = text.replace(" ", "").partition("+")
        if base not in bases:
            raise RecipeError(f"loss={text!r} begins with {base!r}; {expected_one_of(base, bases)}")
        return base, cls.parse(terms) if plus else None

    @property
    def least(self) -> int:
        """The least number of examples that the loss is computed over."""
        return max(TERMS[name][1] for name in self.factors)

    def check(self, recipe: Recipe, processes: int) -> None:
        """Raise `RecipeError` where the processes hold fewer examples at a time than the loss requires."""
        examples = recipe.accumulation(processes)[0] * processes
        if examples < self.least:
            raise RecipeError(
                f"the loss {'+'.join(self.factors)} compares {plural(self.least, 'example')} or more, and only "
                f"{examples} are in memory at a time; raise micro_batch_size (or batch_size)"
            )

    def __call__(
        self, predicted: Tensor, ratings: Tensor, weights: Tensor | None = None, groups: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return `loss` and, where there are several, its terms by name, without their factors.

        Terms that compare examples get those of all processes (`processes.gathered`). With `groups`, (N,) integers, the
        examples of each group are compared among themselves, and the loss is the mean over the examples; a group with
        fewer than `least` adds nothing, nor do examples of the group -1, which have no rating.
        """
        import torch

        predicted = predicted.float()
        ratings = ratings.to(predicted)
        weights = None if weights is None else weights.to(predicted)
        groups = torch.zeros(len(ratings), dtype=torch.long) if groups is None else groups
        groups = groups.to(predicted.device)
        if self.least > 1:
            predicted, ratings, groups = gathered(predicted), gathered(ratings), gathered(groups)
            weights = None if weights is None else gathered(weights)
        terms = dict.fromkeys(self.factors, predicted.sum() * 0.0)
        for group in groups.unique().tolist():
            rows = groups == group
            if group >= 0 and (count := int(rows.sum())) >= self.least:
                chosen = predicted[rows], ratings[rows], None if weights is None else weights[rows]
                for name in terms:
                    terms[name] = terms[name] + count / len(groups) * TERMS[name][0](*chosen)
        loss = torch.stack([factor * terms[name] for name, factor in self.factors.items()]).sum()
        return {"loss": loss, **(terms if len(terms) > 1 else {})}


# ---------------------------------------------------------------------- soft labels


def soft_bins(centre: float, spread: float, edges: Sequence[float]) -> list[float]:
    """Return the probability of each interval between `edges` under a Gaussian around `centre`, normalised.

    p_k = [F(e_{k+1}) - F(e_k)] / [F(e_K) - F(e_0)], F the distribution function of N(centre, spread^2). With a spread
    of 0, or where all intervals are so far away that their probabilities vanish, the nearest interval has all. `edges`
    ascend; an edge belongs to the interval above it.

    Source: You et al., DeQA-Score, CVPR 2025, arXiv:2501.11599, section 3.2, without its last linear adjustment.

    >>> [round(p, 3) for p in soft_bins(1.5, 1.0, [0, 1, 2, 3])]
    [0.279, 0.442, 0.279]
    """
    if spread > 0:
        scale = spread * 2**0.5
        masses = [_between((low - centre) / scale, (high - centre) / scale)
                  for low, high in pairwise(edges)]  # fmt: skip
        if (total := sum(masses)) > 1e-300:
            return [mass / total for mass in masses]
    inner = edges[1:-1]
    nearest = sum(edge <= centre for edge in inner)
    return [float(index == nearest) for index in range(len(edges) - 1)]


def soft_digits(number: float, spread: float, decimals: int = 2) -> list[list[float]]:
    """Return the distribution of each digit of a number in [0, 10) that is known up to a Gaussian `spread`.

    The t-th digit's is that of the noisy number, given that its earlier digits are those of `number`, as a language
    model that is taught the true answer predicts it: the product over the digits is the Gaussian on steps of
    10^-decimals. Ten probabilities for each of 1 + `decimals` positions.

    >>> [digits.index(max(digits)) for digits in soft_digits(4.38, 0.002)]
    [4, 3, 8]
    """
    step, start = 1.0, 0.0
    number = round(number, decimals)
    distributions = []
    for _ in range(decimals + 1):
        # a written number stands for the interval of half a last step around it
        edges = [start + step * digit - 0.5 * 10.0**-decimals for digit in range(11)]
        distributions.append(soft_bins(number, spread, edges))
        start += step * min(int((number - edges[0]) / step), 9)
        step /= 10.0
    return distributions


def soft_levels(rating: float, spread: float, low: float, high: float, levels: int = 5) -> list[float]:
    """Return the distribution over `levels` equal parts of the scale `low` to `high` of a rating with a `spread`.

    >>> [round(p, 3) for p in soft_levels(3.0, 0.4, 1.0, 5.0)]
    [0.001, 0.157, 0.683, 0.157, 0.001]
    """
    return soft_bins(rating, spread, [low + (high - low) * k / levels for k in range(levels + 1)])


def soft_cross_entropy_of(logits: Tensor, ids: Tensor, target: Tensor) -> Tensor:
    """Return the cross-entropy over the whole vocabulary of a distribution over some tokens; a scalar.

    -sum_k t_k log P(ids_k), P the softmax of `logits` (vocabulary,); `target` (K,), t, sums to 1. As P is over all
    tokens, the loss also keeps the probability on those of `ids`.

    >>> import torch
    >>> soft_cross_entropy_of(torch.zeros(8), torch.tensor([1, 2]), torch.tensor([0.5, 0.5]))  # log 8
    tensor(2.0794)
    """
    return -(target.float() * logits.float().log_softmax(-1)[ids]).sum()


# ---------------------------------------------------------------------- parts


def _mean(losses: Tensor, weights: Tensor | None) -> Tensor:
    if weights is None:
        return losses.mean()
    return (weights.float().to(losses.device) * losses).mean()


def _over_pairs(
    predicted: Tensor, ratings: Tensor, weights: Tensor | None, loss: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Return the mean of `loss(p_i - p_j, r_i - r_j)` over the pairs with r_i > r_j."""
    predicted, ratings = predicted.float(), ratings.float().to(predicted.device)
    rated_by = ratings[:, None] - ratings[None, :]
    first, second = (rated_by > 0).nonzero(as_tuple=True)
    if not len(first):
        return predicted.sum() * 0.0
    each = loss(predicted[first] - predicted[second], rated_by[first, second])
    if weights is None:
        return each.mean()
    weights = weights.float().to(predicted.device)
    share = weights[first] * weights[second]
    return (share * each).sum() / share.sum()


def _between(low: float, high: float) -> float:
    """Return (erf(high) - erf(low)) / 2 without cancellation in the tails."""
    from math import erf, erfc

    if low > 0:
        return (erfc(low) - erfc(high)) / 2
    if high < 0:
        return (erfc(-high) - erfc(-low)) / 2
    return (erf(high) - erf(low)) / 2
