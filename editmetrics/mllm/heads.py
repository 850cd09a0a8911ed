"""Regression heads: small networks from a hidden state to numbers, always in float32.

This module imports torch at its top; import it inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..sample import EditMetricsError
from .turns import seeded

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "gelu": nn.GELU, "identity": nn.Identity, "relu": nn.ReLU, "silu": nn.SiLU, "tanh": nn.Tanh
}  # fmt: skip

LARGEST = 1 << 20
"""The largest layer of a head: hidden states of backbones have some thousand numbers."""


class HeadError(EditMetricsError, ValueError):
    """A head cannot be built or read; the message names it and the reason."""


class RegressionHead(nn.Module):
    """A multilayer perceptron: `y = W_n f(... f(W_1 x + b_1) ...) + b_n`.

    - `inputs`: size of a hidden state. `hidden`: sizes of the layers between; () is linear regression.
    - `outputs`: numbers that it gives. `activation`: gelu, identity, relu, silu or tanh. `dropout`: before each layer
      but the first. `last_activation`: whether y, too, goes through f.
    - `seed`: of the initial weights (torch's default initialisation), drawn apart from the global random state.

    Takes (N, inputs) of any floating dtype, returns (N, outputs) in float32: a rating has more digits than bfloat16,
    so autocast is off inside.

    >>> RegressionHead(8, hidden=(4,))(torch.zeros(2, 8, dtype=torch.bfloat16)).dtype
    torch.float32
    """

    def __init__(
        self,
        inputs: int,
        *,
        hidden: Sequence[int] = (),
        outputs: int = 1,
        activation: str = "gelu",
        dropout: float = 0.0,
        last_activation: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise HeadError(f"a head's activation is {activation!r}; expected one of {', '.join(ACTIVATIONS)}")
        sizes = [inputs, *hidden, outputs]
        if not all(isinstance(size, int) and 1 <= size <= LARGEST for size in sizes):
            raise HeadError(f"a head's sizes are {inputs}, {list(hidden)}, {outputs}; each is from 1 to {LARGEST}")
        if not 0 <= dropout < 1:
            raise HeadError(f"a head's dropout is {dropout:g}; expected 0 or more and less than 1")
        self.settings: dict[str, Any] = {
            "inputs": inputs, "hidden": list(hidden), "outputs": outputs, "activation": activation, "dropout": dropout,
            "last_activation": last_activation,
        }  # fmt: skip
        layers: list[nn.Module] = []
        with seeded(seed):
            for index, (size, following) in enumerate(pairwise(sizes)):
                if index:
                    layers += [ACTIVATIONS[activation](), nn.Dropout(dropout)]
                layers.append(nn.Linear(size, following, device="cpu", dtype=torch.float32))
        if last_activation:
            layers.append(ACTIVATIONS[activation]())
        self.layers = nn.Sequential(*layers)

    def forward(self, hidden: Tensor) -> Tensor:
        with torch.autocast(hidden.device.type, enabled=False):
            result: Tensor = self.layers(hidden.float())
            return result


def save_heads(heads: Mapping[str, RegressionHead], file: str | Path) -> dict[str, Any]:
    """Write the weights of named heads into one safetensors file; returns their settings for `load_heads`."""
    from safetensors.torch import save_file

    tensors = {
        f"{name}.{key}": value.detach().cpu().contiguous()
        for name, head in heads.items()
        for key, value in head.state_dict().items()
    }
    save_file(tensors, str(file))
    return {name: head.settings for name, head in heads.items()}


def load_heads(file: str | Path, settings: Mapping[str, Mapping[str, Any]]) -> dict[str, RegressionHead]:
    """Load the heads of a file that `save_heads` wrote, by name, ready for scoring.

    Raises `HeadError` when the file is damaged or its tensors are not those of `settings`.
    """
    from ..weights import WeightsError, load_state_dict

    try:
        tensors = load_state_dict(file)
    except WeightsError as error:
        raise HeadError(f"{error}; copy the checkpoint again") from error
    heads = {}
    for name, values in settings.items():
        try:
            head = RegressionHead(**{**values, "hidden": tuple(values.get("hidden", ()))})
            own = {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}
            head.load_state_dict(own)
        except (TypeError, ValueError, RuntimeError, MemoryError) as error:
            raise HeadError(f"{file} does not hold the head {name!r} of settings {dict(values)}: {error}") from error
        heads[name] = head.eval()
    return heads


def published_head(
    tensors: Mapping[str, Tensor],
    layers: Mapping[str, int],
    *,
    inputs: int,
    origin: str | Path,
    activation: str = "relu",
    bias: bool = True,
) -> RegressionHead:
    """A head from the tensors that other authors published, ready for scoring and without gradients.

    `layers` are the names of its linear layers in order, each with its number of outputs; `inputs` is the size of a
    hidden state. `bias` is whether the layers have one.

    Raises `HeadError` naming `origin` and the tensor that is missing, too many or of another shape.

    >>> tensors = {"0.weight": torch.ones(2, 3), "0.bias": torch.zeros(2)}
    >>> published_head(tensors, {"0": 2}, inputs=3, origin="head.pth")(torch.ones(1, 3))
    tensor([[3., 3.]])
    """
    *hidden, outputs = layers.values()
    head = RegressionHead(inputs, hidden=hidden, outputs=outputs, activation=activation)
    own = head.state_dict()
    linear = dict.fromkeys(name.rpartition(".")[0] for name in own)
    kinds = ("weight", "bias") if bias else ("weight",)
    wanted = {f"{name}.{kind}": f"{mine}.{kind}" for name, mine in zip(layers, linear, strict=True) for kind in kinds}
    if different := sorted(wanted.keys() ^ tensors.keys()):
        raise HeadError(f"{origin} {'lacks' if different[0] in wanted else 'has'} {different[0]}")
    for published, mine in wanted.items():
        if tensors[published].shape != own[mine].shape:
            raise HeadError(
                f"{origin}: {published} is {tuple(tensors[published].shape)}, expected {tuple(own[mine].shape)}"
            )
    zeros = {name: torch.zeros_like(value) for name, value in own.items() if name.endswith("bias")}
    head.load_state_dict(zeros | {mine: tensors[name].float() for name, mine in wanted.items()})
    return head.requires_grad_(False).eval()


class ConditionedHead(nn.Module):
    """A head that reads states after feature-wise linear modulation by a guess about each of them.

    c = sigmoid(guess(h)); (s, t) = modulation(encoder((c, iteration))); y = head(h * (1 + s) + t).

    Takes (N, inputs) of any floating dtype, returns what `head` does, in float32. Source: Liu et al., HPSv3++, 2026,
    arXiv:2606.14657, where c is how capable the generator of an image was.

    >>> guess, encoder = RegressionHead(4), RegressionHead(2, outputs=3)
    >>> head = ConditionedHead(guess, encoder, RegressionHead(3, outputs=8), RegressionHead(4, outputs=2), 0.0)
    >>> head(torch.zeros(5, 4)).shape
    torch.Size([5, 2])
    """

    def __init__(
        self, guess: nn.Module, encoder: nn.Module, modulation: nn.Module, head: nn.Module, iteration: float
    ) -> None:
        super().__init__()
        self.guess, self.encoder, self.modulation, self.head = guess, encoder, modulation, head
        self.iteration = iteration

    def forward(self, hidden: Tensor) -> Tensor:
        guessed = self.guess(hidden).sigmoid()
        condition = torch.cat([guessed, torch.full_like(guessed, self.iteration)], dim=1)
        scale, shift = self.modulation(self.encoder(condition)).chunk(2, dim=1)
        result: Tensor = self.head(hidden.float() * (1 + scale) + shift)
        return result
