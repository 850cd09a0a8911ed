"""Mean absolute error between the source and the edited image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..bases.full_reference import FullReference
from ..bases.pixels import Channels, mean_of_map
from ..sample import Dimension

if TYPE_CHECKING:
    from torch import Tensor


def mae(source: Tensor, edited: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean absolute error (L1), in intensity on [0, 1]; lower is closer.

    mean over channels and pixels of |source - edited|; with a mask, over the mask's pixels alone.

    `source`, `edited`: (N, C, H, W), in [0, 1]. `mask`: (N, 1, H, W), bool or weights of at least 0. Returns (N,), one
    value per pair. Raises `SampleError` when a mask is empty. Differentiable; where the two are equal the gradient is
    0.

    >>> import torch
    >>> mae(torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.5))
    tensor([0.5000])
    """
    return mean_of_map(lambda x, y, region: ((x - y).abs(), region), source, edited, mask)


class MAE(FullReference):
    """Mean absolute error of the edited image against the source, in intensity on [0, 1]; lower is closer.

    The mean of |source - edited| over channels and pixels (also called L1); 0 for identical images, at most 1. With a
    region, the mean is over its pixels, so that the size of the mask does not matter.

    Options:
        channels: What is compared: rgb, y (luma), y8 (luma rounded to 8 bits) or y_bt601 (studio-swing luma, as in
            super-resolution papers).

    >>> import numpy as np
    >>> black, grey = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 51, np.uint8)
    >>> MAE()(black, grey)
    Score(mae=0.2)
    """

    name, version = "mae", 1
    title = "mean absolute error"
    dimensions = (Dimension("mae", unit="intensity", low=0, high=1, higher_is_better=False, primary=True),)
    paper = "a definition: the mean of the absolute differences"
    licence = "Apache-2.0"

    def __init__(self, *, channels: Channels = "rgb", **shared: Any) -> None:
        super().__init__(**shared)
        self.channels = channels

    def compare(self, source: Tensor, edited: Tensor, mask: Tensor | None) -> Tensor:
        return mae(source, edited, mask)
