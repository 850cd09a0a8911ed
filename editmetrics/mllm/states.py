"""The read-out "state": a hidden state at one token of a prompt, through a head, to a number and its spread.

A head is a linear layer or a multilayer perceptron (`heads`). Its outputs are the number itself and, where it was
trained with a likelihood, the logarithm of a standard deviation or of a variance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from ..late_checks import require
from ..sample import SampleError
from .families import BackboneError
from .readouts import require_finite
from .shared_prefix import shared_beginning
from .turns import in_turn

if TYPE_CHECKING:
    from torch import Tensor

    from .backbone import Backbone
    from .prompts import Prompt

HeadOutput = Literal["mean", "log_std", "log_variance", "ignored"]

LARGEST = 1e12
"""A bound that no rating exceeds: a head's larger number comes from damaged weights."""


class StateReadout(NamedTuple):
    """The result of `read_state`; N items, float32."""

    mean: Tensor
    """(N,): the number."""
    spread: Tensor | None
    """(N,): its standard deviation, where the head gives one."""


def require_direction(states: Tensor, name: str) -> Tensor:
    """Return `states` (..., D) if each is finite and has a direction. Raises `SampleError` (`failed`) otherwise: for a
    vector of zeros, or one so long that its squares overflow, which a norm turns into zeros. Its cosine with any other
    would be 0, and a head would give its bias.
    """
    import torch

    lengths = torch.linalg.vector_norm(require_finite(states, name).float(), dim=-1)
    problem = f"{name} is all zeros, or too large for its length (damaged weights): get the weights again"
    require((lengths > 0) & torch.isfinite(lengths), lambda: SampleError(problem))
    return states


def read_state(
    head: Callable[[Tensor], Tensor], states: Tensor, outputs: Sequence[HeadOutput] = ("mean",)
) -> StateReadout:
    """The number that a regression head makes of hidden states (N, H), on their device, and its standard deviation.

    `outputs` are what the head's numbers are, in order: the spread is exp(log_std) or exp(log_variance / 2).

    Raises `SampleError` (`failed`) for states that `require_direction` refuses, where a number is not finite or beyond
    `LARGEST` (clamped to a scale, it would look like a rating), and where a deviation is so small that it is 0.

    >>> import torch
    >>> read_state(lambda states: states, torch.tensor([[3.0, 0.0]]), ("mean", "log_std"))
    StateReadout(mean=tensor([3.]), spread=tensor([1.]))
    """
    require_direction(states, "the backbone's hidden state")
    numbers = require_finite(head(states).float(), "what the regression head gives")
    if numbers.shape[1] < len(outputs):
        raise BackboneError(f"the head gives {numbers.shape[1]} numbers; expected {len(outputs)}: {', '.join(outputs)}")
    mean = _within(numbers[:, outputs.index("mean")], "the regression head gives")
    spreads = {"log_std": 1.0, "log_variance": 0.5}
    for column, output in enumerate(outputs):
        if output in spreads:
            logarithms = spreads[output] * numbers[:, column]
            deviation = logarithms.exp()
            require(deviation > 0, lambda: _vanishing(logarithms))  # noqa: B023 - the loop ends here
            return StateReadout(mean, _within(deviation, "the regression head gives the deviation"))
    return StateReadout(mean, None)


def read_head(head: Callable[[Tensor], Tensor], states: Tensor) -> Tensor:
    """(N,), float32: the first number of a regression head, see `read_state`.

    >>> import torch
    >>> read_head(lambda states: states.sum(-1, keepdim=True), torch.tensor([[1.0, 2.0]]))
    tensor([3.])
    """
    return read_state(head, states).mean


def _vanishing(logarithms: Tensor) -> SampleError:
    least = float(logarithms.min())
    return SampleError(f"the logarithm of a deviation is {least:.3g}, and the deviation 0: its weights are damaged")


def _within(numbers: Tensor, subject: str) -> Tensor:
    def too_large() -> SampleError:
        largest = float(numbers.abs().max())
        return SampleError(f"{subject} {largest:.3g}, which cannot be a rating: its weights are damaged")

    require(numbers.abs() <= LARGEST, too_large)
    return numbers


# ---------------------------------------------------------------------- where the state is


def cut_at_token(prompt: Prompt, token: int, name: str) -> Prompt:
    """The prompt up to the only place of `token`, whose state is then its last: no later token changes it.

    Raises `SampleError` when the token stands in the prompt more than once or never: a sample's text could hold it.
    """
    places = (prompt.ids == token).nonzero().flatten().tolist()
    if len(places) != 1:
        raise SampleError(
            f"the prompt holds {name} {len(places)} times; expected once, from the question itself: remove it from the "
            "sample's text"
        )
    return replace(prompt, ids=prompt.ids[: places[0] + 1], answer_start=places[0] + 1)


@in_turn
def states_of(backbone: Backbone, questions: Sequence[Sequence[Prompt]], behind: int = 1) -> list[Tensor]:
    """(N, H) for each of several questions about N samples: the state `behind` tokens from the end of each prompt.

    `questions[k][n]` is the k-th question about sample n. A picture is looked at once for all of them; where all
    questions about each sample show the same pictures, what they begin with is computed once, too. Without gradients.
    """
    import torch

    count = len(questions[0])
    with torch.inference_mode():
        seen = backbone.look_at([prompt for prompts in questions for prompt in prompts])
        features = [seen[start : start + count] for start in range(0, len(seen), count)]
        samples = list(zip(*questions, strict=True))
        beginnings = [shared_beginning(backbone, prompts, behind) for prompts in samples]
        if len(questions) == 1 or not all(beginnings):
            return [
                backbone.forward(prompts, shown).at(-behind) for prompts, shown in zip(questions, features, strict=True)
            ]
        first = [
            replace(prompt, ids=prompt.ids[:length], answer_start=length)
            for prompt, length in zip(questions[0], beginnings, strict=True)
        ]
        rest = [
            [prompt.ids[length:].tolist() for prompt in prompts]
            for prompts, length in zip(samples, beginnings, strict=True)
        ]
        states = backbone.read(first, features[0]).states(rest, behind)
        return [torch.stack(of_question) for of_question in zip(*states, strict=True)]
