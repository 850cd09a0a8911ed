"""The blocks of transformers that bodies share: self-attention and attention to another sequence, norms first.

This module imports torch at its top; import it inside functions.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU}


class AttentionBlock(nn.Module):
    """x + A(n(x)), then x + F(n(x)): a block of a transformer whose norms come first.

    - `heads`: of the attention. `hidden`: of the two linear layers behind it. `activation`: relu or gelu.
    - `to_other`: keys and values are another sequence, which has a norm of its own (a decoder's block).

    Called with (N, T, width); `positions` are added to queries and keys, not to values; `padding` (N, T) is true for
    tokens that nobody looks at. Source: Vaswani et al. 2017, arXiv:1706.03762; norms first: Xiong et al. 2020.
    """

    def __init__(
        self,
        width: int,
        *,
        heads: int,
        hidden: int,
        dropout: float = 0.0,
        inner_dropout: float | None = None,
        activation: str = "gelu",
        to_other: bool = False,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=eps) for _ in range(3 if to_other else 2))
        self.inner = nn.Sequential(
            nn.Linear(width, hidden), ACTIVATIONS[activation](), nn.Dropout(dropout), nn.Linear(hidden, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, other: Tensor | None = None, positions: Tensor | None = None, padding: Tensor | None = None
    ) -> Tensor:
        query = self.norms[0](x)
        values = query if other is None else self.norms[2](other)
        keys = values
        if positions is not None:
            query, keys = query + positions, keys + positions
        attended, _ = self.attention(query, keys, values, key_padding_mask=padding, need_weights=False)
        x = x + self.dropout(attended)
        result: Tensor = x + self.dropout(self.inner(self.norms[1](x)))
        return result


def sine_positions(width: int, height: int, across: int) -> Tensor:
    """Return sine positions of a grid's cells, (height across, width): rows in the first half, columns in the other.

    sin and cos of 2 pi (i / n) / 10000^(2k / (width / 2)), i from 1 to n, of each frequency side by side.

    Source: Carion et al., DETR, ECCV 2020, arXiv:2005.12872, as TReS uses it (normalised).

    >>> sine_positions(8, 1, 2).shape
    torch.Size([2, 8])
    """
    half = width // 2
    rates = 10000.0 ** (2 * torch.div(torch.arange(half), 2, rounding_mode="floor") / half)

    def along(count: int) -> Tensor:
        angles = (torch.arange(1, count + 1) / (count + 1e-6) * 2 * math.pi)[:, None] / rates
        return torch.stack([angles[:, 0::2].sin(), angles[:, 1::2].cos()], dim=2).flatten(1)

    rows, columns = along(height), along(across)
    grid = torch.cat([rows[:, None].expand(-1, across, -1), columns[None].expand(height, -1, -1)], dim=2)
    return grid.flatten(0, 1)
