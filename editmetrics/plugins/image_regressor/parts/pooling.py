"""`Pooled`: global statistics of feature maps, without a parameter.

This module imports torch at its top; import it inside functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .layout import ViewLayout

STATISTICS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda cells: cells.mean(-1),
    "deviation": lambda cells: cells.std(-1, unbiased=False),
    "max": lambda cells: cells.amax(-1),
    "min": lambda cells: cells.amin(-1),
}


class Pooled(nn.Module):
    """Statistics of each channel over the cells of its map, those of all maps side by side.

    - `statistics`: some of mean, deviation (of the population), max and min, one block of channels after the other.

    Max and min are CNNIQA's (Kang et al., CVPR 2014, section 3.3), the mean is that of most networks, mean and
    deviation describe texture (style).

    >>> body = Pooled([1], statistics=("max", "min"))
    >>> body([torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])], ViewLayout((1,)))
    tensor([[4., 1.]])
    """

    tokens, joins_views = False, False

    def __init__(self, channels: Sequence[int], *, statistics: Sequence[str] = ("mean",), **_: Any) -> None:
        super().__init__()
        self.statistics = tuple(statistics)
        self.width = sum(channels) * len(self.statistics)

    def forward(self, maps: Sequence[Tensor], layout: ViewLayout) -> Tensor:
        cells = [each.flatten(2) for each in maps]
        return torch.cat([STATISTICS[name](each) for each in cells for name in self.statistics], dim=1)
