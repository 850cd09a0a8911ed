"""The tensors that go into a backbone and come out: `Picture`, `Features`, `Batch`, `Output`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Picture:
    """One image as its family's image processor makes it: on the CPU, picklable, a pure function of the pixels.

    - `pixels`: the input of the vision tower, float32, e.g. {"pixel_values": (tiles, 3, 448, 448)}.
    - `tokens`: the number of image tokens that represent it in the text.
    - `size`: height and width of the image it was made from.
    - `among`: the number of images in the chat that it was made for.
    """

    pixels: Mapping[str, Tensor]
    tokens: int
    size: tuple[int, int]
    among: int = 1


@dataclass(frozen=True, eq=False)
class Features:
    """The input of the language model for one picture, made by the vision tower and the projector.

    - `tokens`: (picture.tokens, hidden).
    - `deepstack`: of Qwen3-VL, one more (picture.tokens, hidden) for each of its first language layers; else empty.

    >>> import torch
    >>> features = Features(torch.ones(4, 8), (torch.zeros(4, 8),))
    >>> Features.from_tensors(features.tensors()).deepstack[0].shape
    torch.Size([4, 8])
    """

    tokens: Tensor
    deepstack: tuple[Tensor, ...] = ()

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> Features:
        """A copy on `device` and in `dtype`."""
        return self._each(lambda tensor: tensor.to(device=device, dtype=dtype))

    def detach(self) -> Features:
        """A copy without the graph that computed them."""
        return self._each(lambda tensor: tensor.detach())

    def tensors(self) -> dict[str, Tensor]:
        """Named tensors, as a safetensors file holds them; `from_tensors` is the way back."""
        return {"tokens": self.tokens} | {f"deepstack.{level}": tensor for level, tensor in enumerate(self.deepstack)}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> Features:
        """Build features from the result of `tensors()`."""
        return cls(tensors["tokens"], tuple(tensors[f"deepstack.{level}"] for level in range(len(tensors) - 1)))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Features:
        return replace(self, tokens=change(self.tokens), deepstack=tuple(map(change, self.deepstack)))


@dataclass(frozen=True, eq=False)
class Batch:
    """Prompts as the language model takes them, padded on the right.

    - `inputs`: its arguments by name. `ids`: (B, T). `mask`: (B, T), 1 at a prompt's tokens, 0 at padding.
    - `lengths`: (B,), the tokens of each prompt. `following`: (B,), the position of the token after each prompt.
    """

    inputs: dict[str, Any]
    ids: Tensor
    mask: Tensor
    lengths: Tensor
    following: Tensor


@dataclass(frozen=True, eq=False)
class Output:
    """The result of `Backbone.forward`, on the backbone's device.

    - `hidden`: (B, T, H), the hidden state at each token; undefined at padding.
    - `lengths`: (B,), the tokens of each prompt. `ids`: (B, T), the tokens, padded on the right.
    """

    hidden: Tensor
    lengths: Tensor
    ids: Tensor

    def at(self, position: int) -> Tensor:
        """(B, H): the state at one token of each prompt, counted from its end: -1 is the last."""
        import torch

        return self.hidden[torch.arange(len(self.hidden), device=self.hidden.device), self.lengths + position]
