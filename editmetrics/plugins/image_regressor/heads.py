"""The heads of image regressors: from the rows of a body to a number for each dimension.

This module imports torch at its top; import it inside functions.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...mllm.recipe import RecipeError
from .parts.layout import ViewLayout
from .schema import OutputRule

LEAST_WEIGHT = 1e-6
"""Added to the weights of views, all of which might be 0."""

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "none": nn.Identity}
ENDS: dict[str, type[nn.Module]] = {"none": nn.Identity, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}


class Rated(NamedTuple):
    """Numbers of each image and dimension, (N, D); `shares`: of the parts of the scale, (N, D, bins)."""

    numbers: Tensor
    shares: Tensor | None = None


def perceptron(inputs: int, outputs: int, rule: OutputRule) -> nn.Sequential:
    """Build the layers of a head: a norm if wanted, linear, activation, dropout, and a linear one at the end."""
    layers: list[nn.Module] = []
    for size, following in pairwise([inputs, *rule.hidden]):
        layers += [nn.LayerNorm(size)] if rule.norm else []
        layers += [nn.Linear(size, following), ACTIVATIONS[rule.activation](), nn.Dropout(rule.dropout)]
    if not rule.hidden:
        layers.append(nn.Dropout(rule.dropout))
    return nn.Sequential(*layers, nn.Linear([inputs, *rule.hidden][-1], outputs))


class RatingHead(nn.Module):
    """From rows (views, inputs), or tokens (views, T, inputs), to `Rated`; see `OutputRule`.

    `joins_views`: the body has joined the views, so that there is a row for each image.

    >>> head = RatingHead(OutputRule("levels"), inputs=5, outputs=1, joins_views=False)
    >>> head(torch.tensor([[0.0, 0.0, 0.0, 0.0, 99.0]]), ViewLayout((1,))).numbers  # surely the last of five levels
    tensor([[1.]])
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, rule: OutputRule, *, inputs: int, outputs: int, joins_views: bool) -> None:
        super().__init__()
        self.rule, self.outputs, self.joins_views = rule, outputs, joins_views
        if rule.kind in ("value", "weighted", "distribution"):
            self.value = perceptron(inputs, outputs * (rule.bins if rule.kind == "distribution" else 1), rule)
        if rule.kind == "weighted":
            self.value.append(ENDS[rule.value_end]())
            self.weight = perceptron(inputs, outputs, rule).append(ENDS[rule.weight_end]())
        if rule.kind == "levels" and outputs != 1:
            raise RecipeError(f"a head of levels rates one dimension, not {outputs}; train a metric for each")
        if rule.standardise:
            self.register_buffer("mean", torch.zeros(inputs))
            self.register_buffer("deviation", torch.ones(inputs))

    def forward(self, rows: Tensor, layout: ViewLayout) -> Rated:
        if self.rule.standardise:
            rows = (rows - self.mean) / self.deviation
        layout = ViewLayout((1,) * len(rows)) if self.joins_views else layout
        kind = self.rule.kind
        if kind == "weighted":
            return Rated(self._weighted(rows, layout))
        if kind == "body":
            return Rated(layout.mean(rows))
        if kind == "value":
            values = self.value(rows)
            return Rated(values if self.training and self.rule.each_view else layout.mean(values))
        if kind == "levels":
            shares = layout.mean(rows).softmax(-1)[:, None]
            parts = torch.linspace(0, 1, shares.shape[-1], device=rows.device)
        else:
            shares = layout.mean(self.value(rows).unflatten(-1, (self.outputs, self.rule.bins)).softmax(-1))
            parts = (torch.arange(self.rule.bins, device=rows.device) + 0.5) / self.rule.bins
        return Rated((shares * parts).sum(-1), shares)

    def _weighted(self, rows: Tensor, layout: ViewLayout) -> Tensor:
        values, weights = self.value(rows), self.weight(rows) + LEAST_WEIGHT
        if self.rule.over == "views":
            return layout.weighted_mean(values, weights)
        return layout.mean((values * weights).sum(1) / weights.sum(1))


def body_head(kind: str) -> bool:
    """Return whether a head's numbers are free of bounds, so that they may be in units of the ratings' deviation."""
    return kind in ("value", "body")
