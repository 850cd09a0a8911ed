"""From a language model's logits to a number: the digits that it is about to write.

`levels` reads words, `states` hidden states.

Every read-out of tokens says, beside its number, how much of the model's probability lay on the tokens that it looked
at (`mass`): a model that was about to write something else has a mass near 0, and its number means nothing. `meant`
is the one test for it. No read-out gives a number for logits that are not finite: `require_finite` refuses
them, and what was read from them is `failed`, never a score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Protocol

from ..late_checks import read_results, require
from ..sample import SampleError
from ..transfer import constant

if TYPE_CHECKING:
    from torch import Tensor

LEAST_MASS = 0.5
"""The least share of the probability that a read-out's tokens must have: with less, the model more likely than not
writes something else there. `docs/reproducibility.md` has what the shipped weights give, on edits like those that they
were trained on and on others."""


def meant(mass: float) -> bool:
    """Return whether a model was about to write one of the tokens that were read, given their `mass`; False for NaN.

    >>> meant(0.93), meant(0.004), meant(float("nan"))
    (True, False, False)
    """
    return mass >= LEAST_MASS


def require_finite(values: Tensor, name: str = "the backbone's output") -> Tensor:
    """Return `values` if all of them are finite. Raises `SampleError` (`failed`) if one is NaN or infinite.

    `name` is that of the values in the message. The engine scores the samples of a refused batch one by one, so that
    only the affected row fails.

    >>> import torch
    >>> require_finite(torch.tensor([[1.0, float("nan")]]))
    Traceback (most recent call last):
    editmetrics.sample.SampleError: the backbone's output is not finite (overflow in float16, or damaged weights): use \
dtype=bfloat16 or float32, and if that does not help, get the weights again
    """
    import torch

    problem = (
        f"{name} is not finite (overflow in float16, or damaged weights): use dtype=bfloat16 or float32, and if "
        "that does not help, get the weights again"
    )
    require(torch.isfinite(values), lambda: SampleError(problem))
    return values


@dataclass(frozen=True)
class NumberReadout:
    """The result of `read_number`; N items, K digit positions from the most significant one."""

    value: Tensor
    """(N,): the number that greedy decoding writes."""
    expectation: Tensor
    """(N,): sum over positions of 10^-t E[d_t], each given the greedy digits before it."""
    spread: Tensor
    """(N,): standard deviation of that sum, the positions taken as independent."""
    probabilities: Tensor
    """(N, K, 10), over the ten digits alone."""
    mass: Tensor
    """(N, K), in [0, 1]: the digits' share of the whole vocabulary's probability."""

    def rows(self, chosen: slice) -> NumberReadout:
        """A copy of some of the items."""
        return NumberReadout(*(getattr(self, field.name)[chosen] for field in fields(self)))


class Positions(Protocol):
    """Where digits are read: a `PrefixCache`, or what a server has read (`editmetrics.served.reading`)."""

    @property
    def logits(self) -> Tensor:
        """(N, vocabulary) of the next token."""

    def extend(self, tokens: Sequence[Sequence[int]]) -> None:
        """Read the next position behind more tokens, some for each item."""


def read_number(cache: Positions, digits: Sequence[int], point: int, decimals: int = 2) -> NumberReadout:
    """The number D.DD that a model is about to write, in [0, 10), read from its logits: one step a digit.

    At each position only the ten digits compete; the likeliest one is taken, the point is put after the first, and the
    next position is read with them in the text. That is greedy decoding of the pattern, without the sampling loop.

    `cache` ends where the first digit comes next, and is extended by all digits but the last; `digits` are the ids of
    "0" to "9", `point` that of ".". `mass` tells whether the model meant to write a number at all.
    Raises `SampleError` (`failed`) where logits are not finite.
    """
    import torch

    steps: list[Tensor] = []
    masses: list[Tensor] = []
    ids = constant(digits, cache.logits)
    for position in range(decimals + 1):
        logits = require_finite(cache.logits.float())
        chosen = logits[:, ids]
        steps.append(chosen.softmax(-1))
        masses.append(mass_of(chosen, logits))
        if position < decimals:
            best = [digits[int(index)] for index in read_results(steps[-1].argmax(-1))[0].tolist()]
            cache.extend([[token, point] if position == 0 else [token] for token in best])
    probabilities, mass = read_results(torch.stack(steps, 1), torch.stack(masses, 1))
    probabilities = probabilities.double()  # float64, so that 4.38 is 4.38
    weights = 10.0 ** -torch.arange(decimals + 1, dtype=torch.float64)
    digit = torch.arange(10, dtype=torch.float64)
    mean = probabilities @ digit
    variance = (probabilities * (digit - mean[..., None]) ** 2).sum(-1)
    return NumberReadout(
        value=(probabilities.argmax(-1).double() @ weights).round(decimals=decimals),
        expectation=mean @ weights,
        spread=(variance @ weights**2).sqrt(),
        probabilities=probabilities,
        mass=mass,
    )


def mass_of(chosen: Tensor, logits: Tensor) -> Tensor:
    """The share of the probability that lies on the chosen logits, which may be sums over several tokens already."""
    mass: Tensor = (chosen.logsumexp(-1) - logits.logsumexp(-1)).exp().clamp(max=1.0)
    return mass
