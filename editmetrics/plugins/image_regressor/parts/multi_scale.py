"""`MultiScale`: pooled maps of all stages through a transformer, beside the last map (TReS).

This module imports torch at its top; import it inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import AttentionBlock, sine_positions
from .layout import ViewLayout


def l2_pooling(maps: Tensor) -> Tensor:
    """Return sqrt(g * x^2) of maps (N, C, H, W): the local energy, g the 3 x 3 window of Hann.

    Source: Henaff & Simoncelli, ICLR 2016; in TReS, Golestaneh et al. 2022, section 3.2.

    >>> l2_pooling(torch.full((1, 1, 5, 5), 2.0))[0, 0, 2, 2]
    tensor(2.)
    """
    line = torch.hann_window(5, periodic=False, dtype=maps.dtype, device=maps.device)[1:-1]
    window = line[:, None] * line / line.sum() ** 2
    channels = maps.shape[1]
    energy = F.conv2d(maps.square(), window.expand(channels, 1, 3, 3), padding=1, groups=channels)
    return (energy + 1e-12).sqrt()


class MultiScale(nn.Module):
    """Rows of a transformer over all maps, pooled to the cells of the last one, beside the mean of the last map.

    Each map is normalised over its channels, L2-pooled and averaged to the cells of the last map; side by side they
    are the tokens of `layers` blocks with sine positions. Row: W (mean of the tokens) + b, and the last map's mean.

    `watched`: tokens and last map, which should be equal for a mirrored image (the loss `consistency`).

    Source: Golestaneh et al., TReS, WACV 2022, arXiv:2108.06858, section 3; github.com/isalirezag/TReS.

    >>> body = MultiScale([8, 16], heads=2)
    >>> body([torch.zeros(1, 8, 4, 4), torch.zeros(1, 16, 2, 2)], ViewLayout((1,))).shape
    torch.Size([1, 32])
    """

    tokens, joins_views = False, False

    def __init__(
        self,
        channels: Sequence[int],
        *,
        heads: int = 16,
        layers: int = 2,
        hidden: int = 64,
        dropout: float = 0.5,
        **_: Any,
    ) -> None:
        super().__init__()
        size = sum(channels)
        self.blocks = nn.ModuleList(
            AttentionBlock(size, heads=heads, hidden=hidden, dropout=dropout, activation="relu") for _ in range(layers)
        )
        self.norm = nn.LayerNorm(size)
        self.linear = nn.Linear(size, channels[-1])
        self.dropout = nn.Dropout2d(0.1)
        self.width = 2 * channels[-1]
        self.watched: tuple[Tensor, ...] = ()

    def forward(self, maps: Sequence[Tensor], layout: ViewLayout) -> Tensor:
        last = maps[-1]
        cells = last.shape[-2:]
        pooled = [
            F.adaptive_avg_pool2d(self.dropout(l2_pooling(F.normalize(each, dim=1))), cells)  # type: ignore[arg-type]
            for each in maps
        ]
        x = torch.cat(pooled, dim=1).flatten(2).transpose(1, 2)
        positions = sine_positions(x.shape[-1], *cells).to(x)
        for block in self.blocks:
            x = block(x, positions=positions)
        x = self.norm(x)
        self.watched = (x, last)
        return torch.cat([self.linear(x.mean(1)), last.mean((2, 3))], dim=1)
