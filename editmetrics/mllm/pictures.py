"""An image on its way into a backbone: `Picture` before the vision tower, `Features` after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Picture:
    """One image as its family's image processor makes it: on the CPU, picklable, a pure function of the pixels.

    - `pixels`: what the vision tower takes, float32, e.g. {"pixel_values": (tiles, 3, 448, 448)}.
    - `tokens`: how many image tokens stand for it in the text.
    - `size`: height and width of the image it was made from.
    - `among`: how many images the chat has that it was made for.
    """

    pixels: Mapping[str, Tensor]
    tokens: int
    size: tuple[int, int]
    among: int = 1


@dataclass(frozen=True, eq=False)
class Features:
    """What the language model takes of one picture, from the vision tower and the projector.

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
        """The same on `device` and in `dtype`."""
        return self._each(lambda tensor: tensor.to(device=device, dtype=dtype))

    def detach(self) -> Features:
        """The same without the graph that made them."""
        return self._each(lambda tensor: tensor.detach())

    def tensors(self) -> dict[str, Tensor]:
        """Named tensors, as a safetensors file holds them; `from_tensors` is the way back."""
        return {"tokens": self.tokens} | {f"deepstack.{level}": tensor for level, tensor in enumerate(self.deepstack)}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> Features:
        """What `tensors()` gave."""
        return cls(tensors["tokens"], tuple(tensors[f"deepstack.{level}"] for level in range(len(tensors) - 1)))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Features:
        return replace(self, tokens=change(self.tokens), deepstack=tuple(map(change, self.deepstack)))
