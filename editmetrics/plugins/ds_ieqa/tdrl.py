"""TDRL, the token-decoupled distance regression loss of DS-IEQA (section 3.3, equations 3 to 5).

As long as nothing is known of the answers, its distance is lowest with all probability on their median, and there the
gradient, P(k) (|k - g| - E|d - g|), vanishes: a backbone that begins with little knowledge stays there. Equation 4 as
the sum over all tokens, digits included, holds against it: P(k) is then near the share of k among the answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

Vocabulary = Literal["digits", "all"]
Reduction = Literal["mean", "sum"]


class TDRL(NamedTuple):
    """The loss and its two parts, scalars: loss = cross_entropy + score."""

    loss: Tensor
    cross_entropy: Tensor
    score: Tensor


def tdrl(
    logits: Tensor,
    answers: Tensor,
    digits: Sequence[int],
    *,
    vocabulary: Vocabulary = "digits",
    cross_entropy_on_digits: bool = False,
    cross_entropy_over_tokens: Reduction = "mean",
    weights: Tensor | None = None,
) -> TDRL:
    """The loss of answers that hold one number X.XX each: cross-entropy on the words, distance on the digits.

    L_TDRL  = L_CE + L_score
    L_CE    = -mean over the tokens y_i that are no digits of log P(y_i | context, y_<i)
    L_score = mean over the batch of sum_{t=0..2} 10^-t sum_{k=0..9} P(d_t = k | g_<t) |k - g_t|

    `logits` (N, A, vocabulary) at the positions that predict the A tokens of each answer; `answers` (N, A), their ids,
    with as many digits in each answer, from the most significant one; `digits`, the ids of "0" to "9".

    P of L_score is renormalised over the ten digit tokens. With the whole vocabulary's P (`vocabulary="all"`, the
    literal reading of equation 5) the model can lower the loss by not writing digits at all; then
    `cross_entropy_on_digits=True` (equation 4 over all tokens) keeps them. L_CE is a mean over tokens, as is usual, or
    the "sum" that equation 4 writes (`cross_entropy_over_tokens`). `weights` (N,), of a mean of 1, are the answers'.

    Raises `ValueError` when the answers hold no digit, or not equally many each.

    >>> import torch
    >>> answer = torch.tensor([[4, 10, 3, 8]])  # 4.38, in a vocabulary of ten digits and the point
    >>> sure = 50.0 * torch.nn.functional.one_hot(answer, 11).float()
    >>> [abs(round(part.item(), 3)) for part in tdrl(sure, answer, range(10))]
    [0.0, 0.0, 0.0]
    >>> off = 50.0 * torch.nn.functional.one_hot(torch.tensor([[3, 10, 3, 8]]), 11).float()
    >>> tdrl(off, answer, range(10)).score.item()
    1.0
    """
    import torch

    ids = torch.as_tensor(list(digits), device=answers.device)
    is_digit = torch.isin(answers, ids)
    counts = is_digit.sum(-1)
    if not counts.min() or counts.min() != counts.max():
        raise ValueError(f"every answer must hold the same number of digits; these hold {sorted(set(counts.tolist()))}")
    positions = int(counts[0])
    logarithms = logits.float().log_softmax(-1)
    likelihoods = logarithms.gather(-1, answers[..., None])[..., 0]
    words = torch.ones_like(is_digit) if cross_entropy_on_digits else ~is_digit
    shares = torch.ones_like(likelihoods[:, 0]) if weights is None else weights.to(likelihoods)
    each = -likelihoods * shares[:, None]
    counted = words.sum().clamp(min=1) if cross_entropy_over_tokens == "mean" else len(answers)
    cross_entropy = each[words].sum() / counted

    at_digits = logarithms[is_digit][:, ids].reshape(len(answers), positions, len(ids))
    truth = (answers[is_digit][:, None] == ids).int().argmax(-1).reshape(len(answers), positions)
    probabilities = (at_digits.log_softmax(-1) if vocabulary == "digits" else at_digits).exp()
    distances = (torch.arange(len(ids), device=truth.device) - truth[..., None]).abs()
    expected = (probabilities * distances).sum(-1)
    steps = 10.0 ** -torch.arange(positions, device=truth.device)
    # not a product of matrices, which is one of bfloat16 under autocast
    score = ((expected * steps).sum(-1) * shares).mean()
    return TDRL(cross_entropy + score, cross_entropy, score)
