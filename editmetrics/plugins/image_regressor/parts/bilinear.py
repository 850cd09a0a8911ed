"""`Bilinear`: the outer product of two networks' features (DBCNN).

This module imports torch at its top; import it inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn, where

from .layout import ViewLayout

LEAST = 1e-8
"""Added below the root, whose slope at 0 is infinite."""


def bilinear_pooling(one: Tensor, other: Tensor) -> Tensor:
    """Return the bilinear features of two maps of one size, (N, A, H, W) and (N, B, H, W): (N, A B), of unit length.

    B = sum over the cells of x_1 x_2^T / (H W), then sign(B) sqrt(|B|), then B / |B|.

    Source: Zhang et al., DBCNN, IEEE TCSVT 2020, arXiv:1907.02665, section III-C; Lin et al., Bilinear CNN, ICCV 2015.
    The authors' code takes the root without the sign, since their maps are not negative.

    >>> import torch
    >>> bilinear_pooling(torch.ones(1, 2, 2, 2), torch.ones(1, 2, 2, 2))
    tensor([[0.5000, 0.5000, 0.5000, 0.5000]])
    """
    cells = one.shape[-2] * one.shape[-1]
    product = (one.flatten(2) @ other.flatten(2).transpose(1, 2) / cells).flatten(1)
    root = (product.abs() + LEAST).sqrt()
    return F.normalize(where(product < 0, -root, root), dim=1)


class Bilinear(nn.Module):
    """`bilinear_pooling` of the first map and the last one, which is scaled to its size; of one map with itself."""

    tokens, joins_views = False, False

    def __init__(self, channels: Sequence[int], **_: Any) -> None:
        super().__init__()
        self.width = channels[0] * channels[-1]

    def forward(self, maps: Sequence[Tensor], layout: ViewLayout) -> Tensor:
        one, other = maps[0], maps[-1]
        if other.shape[-2:] != one.shape[-2:]:
            other = F.interpolate(other, one.shape[-2:], mode="bilinear", align_corners=True)
        return bilinear_pooling(one, other)
