"""`TopDown`: high-level features ask low-level ones, from coarse to fine (TOPIQ's CFANet).

This module imports torch at its top; import it inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import AttentionBlock
from .layout import ViewLayout

GRID = 32
"""Side of the learned positions, which are scaled to the cells of the last map."""


class Gate(nn.Module):
    """Gated local pooling: GELU(x_1) times a weight for each cell, which three convolutions read from x_2.

    (x_1, x_2) is a 1 x 1 convolution of the map; where maps join two images (`compared`), x_1 is the map as it is, and
    x_2 its last third, their difference.
    """

    def __init__(self, channels: int, compared: bool) -> None:
        super().__init__()
        inputs = channels // 3 if compared else channels
        self.split = None if compared else nn.Conv2d(channels, 2 * channels, 1)
        self.weight = nn.Sequential(
            nn.Conv2d(inputs, 64, 1), nn.GELU(), nn.Conv2d(64, 64, 3, padding=1), nn.GELU(),
            nn.Conv2d(64, 1, 3, padding=1), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        if self.split is None:
            gated: Tensor = x * self.weight(x[:, -(x.shape[1] // 3) :])
            return gated
        content, gate = self.split(x).chunk(2, dim=1)
        weighted: Tensor = F.gelu(content) * self.weight(gate)
        return weighted


class TopDown(nn.Module):
    """Tokens of the last map that looked at each earlier one in turn, averaged: (N, `size`).

    Each map is gated, averaged to the cells of the last one, narrowed to `size` channels with learned positions, and
    goes through a block of self-attention; then q <- block(q, map_i) from the last map to the first, and a last block.

    Source: Chen et al., TOPIQ, IEEE TIP 2024, arXiv:2308.03060, section III; pyiqa, archs/topiq_arch.py.

    >>> body = TopDown([8, 16], size=8, heads=2)
    >>> body([torch.zeros(1, 8, 4, 4), torch.zeros(1, 16, 2, 2)], ViewLayout((1,))).shape
    torch.Size([1, 8])
    """

    tokens, joins_views = False, False

    def __init__(
        self,
        channels: Sequence[int],
        *,
        compared: bool = False,
        size: int = 256,
        heads: int = 4,
        dropout: float = 0.1,
        **_: Any,
    ) -> None:
        super().__init__()

        def block(to_other: bool = False) -> AttentionBlock:
            return AttentionBlock(
                size, heads=heads, hidden=min(4 * size, 2048), dropout=dropout, activation="gelu", to_other=to_other
            )

        self.gates = nn.ModuleList(Gate(each, compared) for each in channels)
        self.narrow = nn.ModuleList(nn.Conv2d(each, size, 1) for each in channels)
        self.within = nn.ModuleList(block() for _ in channels)
        self.across = nn.ModuleList(block(to_other=True) for _ in channels[1:])
        self.last = block()
        self.rows = nn.Parameter(torch.empty(1, size // 2, GRID, 1))
        self.columns = nn.Parameter(torch.empty(1, size // 2, 1, GRID))
        for positions in (self.rows, self.columns):
            nn.init.trunc_normal_(positions, std=0.02)
        self.width = size

    def forward(self, maps: Sequence[Tensor], layout: ViewLayout) -> Tensor:
        height, across = maps[-1].shape[-2:]
        grid = torch.cat([self.rows.expand(-1, -1, -1, GRID), self.columns.expand(-1, -1, GRID, -1)], dim=1)
        levels = []
        for each, gate, narrow, within in zip(maps, self.gates, self.narrow, self.within, strict=True):
            x = gate(each)
            if x.shape[-2] > height and x.shape[-1] > across:
                x = F.adaptive_avg_pool2d(x, (height, across))
            x = F.gelu(narrow(x))
            x = x + F.interpolate(grid, x.shape[-2:], mode="bicubic", align_corners=False)
            levels.append(within(x.flatten(2).transpose(1, 2)))
        asking = levels[-1]
        for block, level in zip(self.across, reversed(levels[:-1]), strict=True):
            asking = block(asking, level)
        pooled: Tensor = self.last(asking).mean(1)
        return pooled
