"""`Stairs`: features of every stage are carried down to the last one, step by step (StairIQA).

This module imports torch at its top; import it inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from .layout import ViewLayout


class Stairs(nn.Module):
    """Add to the last map what each earlier one becomes on its way there: (N, C of the last map), averaged.

    Stream j starts at map j and is x_{i+1} = d_ij(x_i + m_i), x_j = 0; d_ij are three convolutions (1 x 1 to a
    quarter, 3 x 3, 1 x 1) without biases or activations. The sum of the last map and the ends of all streams counts.

    - `strides`: of each step. `pooled_stem`: the first map is the stem's before its 3 x 3 maximum of stride 2.

    Source: Sun et al., StairIQA, IEEE JSTSP 2023, arXiv:2105.14550, section III-A;
    github.com/sunwei925/StairIQA, models/ResNet_staircase.py.

    >>> import torch
    >>> body = Stairs([4, 8], strides=[2])
    >>> body([torch.zeros(1, 4, 8, 8), torch.ones(1, 8, 4, 4)], ViewLayout((1,))).detach()
    tensor([[1., 1., 1., 1., 1., 1., 1., 1.]])
    """

    tokens, joins_views = False, False

    def __init__(self, channels: Sequence[int], *, strides: Sequence[int], pooled_stem: bool = False, **_: Any) -> None:
        super().__init__()
        steps = list(zip(pairwise(channels), strides, strict=True))
        self.streams = nn.ModuleList(
            nn.ModuleList(_step(*pair, stride) for pair, stride in steps[start:]) for start in range(len(steps))
        )
        self.pooled_stem = pooled_stem
        self.width = channels[-1]

    def forward(self, maps: Sequence[Tensor], layout: ViewLayout) -> Tensor:
        first, *others = maps
        levels = [F.max_pool2d(first, 3, 2, 1) if self.pooled_stem else first, *others]
        total = levels[-1]
        for start, stream in enumerate(self.streams):
            carried = stream[0](levels[start])  # type: ignore[index]
            for level, step in zip(levels[start + 1 :], stream[1:], strict=False):  # type: ignore[index]
                carried = step(carried + level)
            total = total + carried
        return total.mean((2, 3))


def _step(inputs: int, outputs: int, stride: int) -> nn.Module:
    narrow = max(inputs // 4, 1)
    return nn.Sequential(
        nn.Conv2d(inputs, narrow, 1, bias=False),
        nn.Conv2d(narrow, narrow, 3, stride=stride, padding=1, bias=False),
        nn.Conv2d(narrow, outputs, 1, bias=False),
    )
