"""Log-probabilities that a server returned, in the place of logits that the read-outs of `editmetrics.mllm` take.

A read-out asks for the logits of some tokens, and how much of the whole probability these have. Both are known from
log-probabilities over the whole vocabulary: the tokens that are read, and one more that stands for all others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from .questions import ReadStep

NOTHING = -100.0
"""The log-probability of all others where the tokens that are read have all of it: 0 to any precision, and finite."""


def logits_of(step: ReadStep, logprobs: Mapping[str, float]) -> Tensor:
    """Return (1, K + 1): the K tokens of a step in their order, and all others.

    >>> from editmetrics.served.questions import ReadStep
    >>> logits_of(ReadStep((7, 9), ("yes", "no")), {"7": math.log(0.5), "9": math.log(0.25)}).softmax(-1)
    tensor([[0.5000, 0.2500, 0.2500]], dtype=torch.float64)
    """
    import torch

    values = [max(logprobs[str(token)], NOTHING) for token in step.tokens]
    rest = 1.0 - sum(map(math.exp, values))
    return torch.tensor([[*values, math.log(rest) if rest > math.exp(NOTHING) else NOTHING]], dtype=torch.float64)


class ReadPositions:
    """Positions of an answer that was read, as `editmetrics.mllm.readouts.read_number` takes a `PrefixCache`.

    Its ten digits are the numbers 0 to 9 here, and the point is 10.
    """

    def __init__(self, steps: Sequence[ReadStep], logprobs: Sequence[Mapping[str, float]]) -> None:
        self._digits = [logits_of(step, row) for step, row in zip(steps, logprobs, strict=True) if len(step.tokens) > 1]

    @property
    def logits(self) -> Tensor:
        """(1, 12) of the next digit: the ten digits, the point, which is not read, and all others."""
        import torch

        row = self._digits[0]
        return torch.cat([row[:, :10], torch.full((1, 1), NOTHING, dtype=row.dtype), row[:, 10:]], -1)

    def extend(self, tokens: Sequence[Sequence[Any]]) -> None:
        """Go to the next digit; the server has read it behind the likeliest one, which is the one that comes here."""
        del self._digits[0]
