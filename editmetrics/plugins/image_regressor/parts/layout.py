"""How many views each image has, and what is computed over the views of an image.

This module imports torch at its top; import it inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class ViewLayout:
    """The views of a batch: `counts` of each image's, which lie one after the other; `places`: of MUSIQ's tiles.

    >>> layout = ViewLayout((1, 2))
    >>> layout.mean(torch.tensor([[1.0], [2.0], [4.0]]))
    tensor([[1.],
            [3.]])
    """

    counts: tuple[int, ...]
    places: Tensor | None = None

    def mean(self, rows: Tensor) -> Tensor:
        """Return the mean row of each image's views: (views, ...) -> (images, ...)."""
        if all(count == 1 for count in self.counts):
            return rows
        return torch.stack([part.mean(0) for part in rows.split(list(self.counts))])

    def weighted_mean(self, rows: Tensor, weights: Tensor) -> Tensor:
        """Return sum_v w_v y_v / sum_v w_v over each image's views; both (views, ...), weights above 0.

        >>> ViewLayout((2,)).weighted_mean(torch.tensor([[1.0], [5.0]]), torch.tensor([[3.0], [1.0]]))
        tensor([[2.]])
        """
        parts = zip(rows.split(list(self.counts)), weights.split(list(self.counts)), strict=True)
        return torch.stack([(part * share).sum(0) / share.sum(0) for part, share in parts])


def joined(layouts: Sequence[ViewLayout]) -> ViewLayout:
    """Join the layouts of several batches."""
    places = [layout.places for layout in layouts if layout.places is not None]
    return ViewLayout(tuple(count for one in layouts for count in one.counts), torch.cat(places) if places else None)
