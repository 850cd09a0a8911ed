"""`ChannelAttention`: attention between channels, then between neighbouring cells, twice (MANIQA).

This module imports torch at its top; import it inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layout import ViewLayout


class TransposedAttention(nn.Module):
    """Attention whose tokens are channels: x + (softmax(q k^T / sqrt(N)) v)^T, of (B, C, N) with N cells.

    q, k, v are linear over the cells. The product is read column by column into (C, N), as in the authors' code.

    Source: Yang et al., MANIQA, CVPR Workshops 2022, arXiv:2204.08958, section 3.2; github.com/IIGROUP/MANIQA.
    """

    def __init__(self, cells: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(cells, cells) for _ in range(3))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        attention = (self.query(x) @ self.key(x).transpose(1, 2) / x.shape[-1] ** 0.5).softmax(-1)
        mixed = (attention @ self.value(x)).transpose(1, 2).reshape(x.shape)
        result: Tensor = x + self.dropout(mixed)
        return result


class ScaledSwin(nn.Module):
    """Layers of two Swin blocks and a 3 x 3 convolution, each x + `scale` relu(conv(blocks(x))), of (B, C, H, W)."""

    def __init__(
        self, channels: int, side: int, *, hidden: int, layers: int, heads: int, window: int, scale: float
    ) -> None:
        from timm.models.swin_transformer import SwinTransformerBlock

        super().__init__()
        drops = [0.1 * step / max(2 * layers - 1, 1) for step in range(2 * layers)]
        self.blocks = nn.ModuleList(
            nn.Sequential(
                *(
                    SwinTransformerBlock(
                        channels, (side, side), num_heads=heads, window_size=window,
                        shift_size=window // 2 if index % 2 else 0, mlp_ratio=hidden / channels,
                        drop_path=drops[2 * layer + index],
                    )
                    for index in range(2)
                )
            )
            for layer in range(layers)
        )  # fmt: skip
        self.convolutions = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(layers))
        self.scale = scale
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout(x)
        for blocks, convolution in zip(self.blocks, self.convolutions, strict=True):
            mixed = blocks(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
            x = x + self.scale * F.relu(convolution(mixed))
        return x


class ChannelAttention(nn.Module):
    """Tokens (N, side^2, `size` / 2) of maps of one size, which are joined, attended and narrowed in two stages.

    - `side`: cells along a side; maps of another size are averaged or stretched to it. `size`: channels of the first
      stage. `attentions`: transposed ones in each stage. `layers`, `heads`, `window`, `scale`: of the Swin layers.

    Source: as `TransposedAttention`.
    """

    tokens, joins_views = True, False

    def __init__(
        self,
        channels: Sequence[int],
        *,
        side: int = 28,
        size: int = 768,
        attentions: int = 2,
        layers: int = 2,
        heads: int = 4,
        window: int = 4,
        scale: float = 0.13,
        **_: Any,
    ) -> None:
        super().__init__()
        self.side, self.width = side, size // 2
        swin: dict[str, Any] = {"hidden": size, "layers": layers, "heads": heads, "window": window, "scale": scale}
        self.stages = nn.ModuleList()
        for inputs, outputs in ((sum(channels), size), (size, size // 2)):
            attention = nn.Sequential(*(TransposedAttention(side**2) for _ in range(attentions)))
            stage = nn.ModuleList([attention, nn.Conv2d(inputs, outputs, 1), ScaledSwin(outputs, side, **swin)])
            self.stages.append(stage)

    def forward(self, maps: Sequence[Tensor], layout: ViewLayout) -> Tensor:
        cells = (self.side, self.side)
        fitted = [each if each.shape[-2:] == cells else F.adaptive_avg_pool2d(each, cells) for each in maps]
        x = torch.cat(fitted, dim=1)
        for stage in self.stages:
            attention, narrow, swin = stage.children()
            x = swin(narrow(attention(x.flatten(2)).unflatten(2, cells)))
        return x.flatten(2).transpose(1, 2)
