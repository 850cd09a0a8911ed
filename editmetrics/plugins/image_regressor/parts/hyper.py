"""`HyperNetwork`: the content of an image makes the weights of the network that rates it (HyperIQA).

This module imports torch at its top; import it inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layout import ViewLayout

TARGET = (224, 112, 56, 28, 14)
"""The sizes of the layers of the network that rates."""

CONTENT, SIDE = 112, 7
"""Channels and side of the map that the weights are made of."""


class HyperNetwork(nn.Module):
    """Rate local features of all maps by a network whose weights are a function of the last map.

    y = W_5 s(W_4 s(... s(W_1 v + b_1) ...) + b_4) + b_5, s the sigmoid; v (224) are the local features of all maps;
    W_k are convolutions of the content, a map of 112 channels and 7 x 7 cells, b_k linear in its mean.

    - `local`: local features of each map but the last, which has the rest of the 224.

    Maps of other sides than the authors' (views of 224 pixels) are averaged to their cells. With several `outputs`,
    the last layer has so many rows.

    Source: Su et al., HyperIQA, CVPR 2020, section 3; github.com/SSL92/hyperIQA, models.py.

    >>> body = HyperNetwork([16, 32], outputs=1)
    >>> body([torch.zeros(2, 16, 8, 8), torch.zeros(2, 32, 7, 7)], ViewLayout((1, 1))).shape
    torch.Size([2, 1])
    """

    tokens, joins_views = False, False

    def __init__(self, channels: Sequence[int], *, outputs: int = 1, local: int = 16, **_: Any) -> None:
        super().__init__()
        *before, last = channels
        self.width = self.outputs = outputs
        self.cells = [2 ** (len(before) - row) for row in range(len(before))] + [1]
        widths = [max(size // 16, 1) for size in before]
        self.narrow = nn.ModuleList(nn.Conv2d(size, to, 1, bias=False) for size, to in zip(before, widths, strict=True))
        self.local = nn.ModuleList(
            nn.Linear(to * side**2, local) for to, side in zip(widths, self.cells[:-1], strict=True)
        )
        self.last = nn.Linear(last, TARGET[0] - local * len(before))
        halves = [last, last // 2, last // 4, CONTENT]
        self.content = nn.Sequential(
            *(layer for pair in pairwise(halves) for layer in (nn.Conv2d(*pair, 1), nn.ReLU(inplace=True)))
        )
        self.weights = nn.ModuleList(
            nn.Conv2d(CONTENT, inputs * to // SIDE**2, 3, padding=1) for inputs, to in pairwise(TARGET)
        )
        self.last_weights = nn.Linear(CONTENT, TARGET[-1] * outputs)
        self.biases = nn.ModuleList(nn.Linear(CONTENT, to) for to in (*TARGET[1:], outputs))

    def forward(self, maps: Sequence[Tensor], layout: ViewLayout) -> Tensor:
        *before, last = maps
        rows = [
            linear(F.adaptive_avg_pool2d(narrow(each), side).flatten(1))
            for each, narrow, linear, side in zip(before, self.narrow, self.local, self.cells, strict=False)
        ]
        rated = torch.cat([*rows, self.last(last.mean((2, 3)))], dim=1)
        content = F.adaptive_avg_pool2d(self.content(last), SIDE)
        mean = content.mean((2, 3))
        for (inputs, to), weights, bias in zip(pairwise(TARGET), self.weights, self.biases, strict=False):
            matrix = weights(content).reshape(len(rated), to, inputs)
            rated = (torch.einsum("noi,ni->no", matrix, rated) + bias(mean)).sigmoid()
        matrix = self.last_weights(mean).reshape(len(rated), self.outputs, TARGET[-1])
        rating: Tensor = torch.einsum("noi,ni->no", matrix, rated) + self.biases[-1](mean)
        return rating
