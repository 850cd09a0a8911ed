"""The read-out "levels": probabilities of words where an answer begins, each with a weight, to a number.

The words are levels of quality with the weights 1 to 5, yes and no with 1 and 0, or any others that are one token each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..transfer import constant
from .readouts import mass_of, require_finite

if TYPE_CHECKING:
    from torch import Tensor

LEVELS = ("bad", "poor", "fair", "good", "excellent")
"""The five levels of ITU-R BT.500's quality scale, from 1 to 5."""


class LevelReadout(NamedTuple):
    """The result of `read_levels`; N items, K words."""

    probabilities: Tensor
    """(N, K), over the words alone."""
    expectation: Tensor
    """(N,), from the least to the largest weight; in [1, 5] for five levels."""
    spread: Tensor
    """(N,), standard deviation of the weight; in [0, 2] for five levels."""
    mass: Tensor
    """(N,), in [0, 1]: the words' share of the whole vocabulary's probability."""


def read_levels(
    logits: Tensor, words: Sequence[int | Sequence[int]], weights: Sequence[float] | None = None
) -> LevelReadout:
    """The level that a model gives where its next word is one: by default from 1 (bad) to 5 (excellent).

    p_i = softmax over the words' logits, expectation = sum_i w_i p_i, spread^2 = sum_i w_i^2 p_i - expectation^2, with
    the weights w_i = i by default.

    `logits` is (N, vocabulary) at the position that predicts the word, `words` the ids of bad, poor, fair, good and
    excellent in this order, in the form that follows in the text (" excellent" is another token than "excellent"). A
    word of several forms is a list of ids, whose probabilities are summed. Differentiable. Raises `SampleError`
    (`failed`) for logits that are not finite. Source: Wu et al., Q-Align, ICML 2024, equation 2; weights 1 to 5.

    >>> import torch
    >>> logits = torch.tensor([[0.0, 0.0, 0.0, 0.0, 0.0, 0.0]])
    >>> read_levels(logits, [1, 2, 3, 4, 5]).expectation
    tensor([3.])
    """
    import torch

    logits = require_finite(logits.float())
    ids = [word for word in words if isinstance(word, int)]
    if len(ids) == len(words):
        chosen = logits[:, constant(ids, logits)]
    else:
        forms = [[word] if isinstance(word, int) else word for word in words]
        chosen = torch.stack([logits[:, constant(each, logits)].logsumexp(-1) for each in forms], -1)
    probabilities = chosen.softmax(-1)
    values = torch.arange(1.0, len(words) + 1, device=logits.device)
    if weights is not None:
        values = constant(weights, logits).to(probabilities.dtype)
    expectation = probabilities @ values
    spread = (probabilities * (values - expectation[:, None]) ** 2).sum(-1).sqrt()
    return LevelReadout(probabilities, expectation, spread, mass_of(chosen, logits))


class YesNoReadout(NamedTuple):
    """The result of `read_yes_no`; N items."""

    yes: Tensor
    """(N,), in [0, 1]: the probability of yes against no."""
    mass: Tensor
    """(N,), in [0, 1]: their share of the whole vocabulary's probability."""


def read_yes_no(logits: Tensor, yes: Sequence[int], no: Sequence[int]) -> YesNoReadout:
    """The probability, from 0 to 1, of yes against no, where a model's next word is one of them.

    P(yes) / (P(yes) + P(no)), each summed over its forms ("Yes", "yes", " Yes", ...): `read_levels` of two words.

    `logits` is (N, vocabulary) at the position that predicts the word, `yes` and `no` the ids of the forms.
    Raises `SampleError` (`failed`) for logits that are not finite.

    >>> import torch
    >>> read_yes_no(torch.tensor([[0.0, 0.0, 9.0]]), [0], [1]).yes
    tensor([0.5000])
    """
    read = read_levels(logits, [yes, no])
    return YesNoReadout(read.probabilities[:, 0], read.mass)
