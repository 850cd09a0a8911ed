"""`ScaleTokens`: tiles of an image and of smaller copies as the tokens of one transformer (MUSIQ).

This module imports torch at its top; import it inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from .attention import AttentionBlock
from .layout import ViewLayout


class ScaleTokens(nn.Module):
    """The class token of a transformer over all tiles of an image: a row for each image, (N, `size`).

    token = W (features of the tile) + position(row, column) + scale. Positions are hashed: a tile of row i of H has
    that of row floor(i G / H) of a grid of G = `grid` rows, and so for columns, so that images of all sizes share them.

    Source: Ke et al., MUSIQ, ICCV 2021, arXiv:2108.05997, section 3; google-research/musiq.

    >>> body = ScaleTokens([4], cells=1, size=8, heads=2, layers=1, grid=2, scales=1)
    >>> body([torch.zeros(3, 4, 1, 1)], ViewLayout((1, 2), torch.tensor([0, 0, 3]))).shape
    torch.Size([2, 8])
    """

    tokens, joins_views = False, True

    def __init__(
        self,
        channels: Sequence[int],
        *,
        cells: int = 8,
        size: int = 384,
        heads: int = 6,
        layers: int = 14,
        hidden: int = 1152,
        grid: int = 10,
        scales: int = 3,
        **_: Any,
    ) -> None:
        super().__init__()
        self.grid = grid
        self.embedding = nn.Linear(channels[-1] * cells**2, size)
        self.positions = nn.Parameter(0.02 * torch.randn(grid**2, size))
        self.scales = nn.Parameter(0.02 * torch.randn(scales, size))
        self.whole = nn.Parameter(torch.zeros(size))
        self.blocks = nn.ModuleList(
            AttentionBlock(size, heads=heads, hidden=hidden, activation="gelu", eps=1e-6) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(size, eps=1e-6)
        self.width = size

    def forward(self, maps: Sequence[Tensor], layout: ViewLayout) -> Tensor:
        tokens = self.embedding(maps[-1].flatten(1))
        if layout.places is not None:
            places = layout.places.to(tokens.device)
            tokens = tokens + self.positions[places % self.grid**2] + self.scales[places // self.grid**2]
        parts = [torch.cat([self.whole[None], part]) for part in tokens.split(list(layout.counts))]
        lengths = torch.tensor([len(part) for part in parts], device=tokens.device)
        x = pad_sequence(parts, batch_first=True)
        padding = torch.arange(x.shape[1], device=x.device)[None] >= lengths[:, None]
        for block in self.blocks:
            x = block(x, padding=padding)
        whole: Tensor = self.norm(x[:, 0])
        return whole
