"""Mean squared error between the source and the edited image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ..bases.full_reference import FullReference
from ..bases.pixels import Channels, mean_of_map
from ..options import with_variant
from ..sample import Dimension

if TYPE_CHECKING:
    from torch import Tensor


def mse(source: Tensor, edited: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean squared error, in squared intensity on [0, 1]; lower is closer.

    mean over channels and pixels of (source - edited)²; with a mask, over the mask's pixels alone.

    `source`, `edited`: (N, C, H, W), in [0, 1]. `mask`: (N, 1, H, W), bool or weights of at least 0. Returns (N,), one
    value per pair. Raises `SampleError` when a mask is empty. Differentiable everywhere.

    >>> import torch
    >>> mse(torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.5))
    tensor([0.2500])
    """
    import torch.nn.functional as F

    return mean_of_map(lambda x, y, region: (F.mse_loss(x, y, reduction="none"), region), source, edited, mask)


class MSE(FullReference):
    """Mean squared error of the edited image against the source, in squared intensity on [0, 1]; lower is closer.

    The mean of (source - edited)² over channels and pixels; 0 for identical images, at most 1. With a region, the mean
    is over its pixels, so that the size of the mask does not matter.

    Options:
        channels: What is compared: rgb, y (luma), y8 (luma rounded to 8 bits) or y_bt601 (studio-swing luma, as in
            super-resolution papers).
        variant: none, or pie-bench: PIE-Bench's script, which paints what lies outside a region black and takes the
            mean over all pixels, so that the number depends on the mask's size; it also counts the outermost pixels to
            the edited region.

    >>> import numpy as np
    >>> black, grey = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 51, np.uint8)
    >>> MSE()(black, grey)
    Score(mse=0.04)
    """

    name, version = "mse", 1
    dimensions = (Dimension("mse", unit="squared intensity", low=0, high=1, higher_is_better=False, primary=True),)
    paper = "a definition: the mean of the squared differences"
    licence = "Apache-2.0"

    def __init__(
        self, *, channels: Channels = "rgb", variant: Literal["none", "pie-bench"] = "none", **shared: Any
    ) -> None:
        super().__init__(**shared)
        self.channels, self.variant = channels, variant
        with_variant(self, {"pie-bench": {"channels": "rgb"}})
        self.black_outside = variant == "pie-bench"

    def compare(self, source: Tensor, edited: Tensor, mask: Tensor | None) -> Tensor:
        return mse(source, edited, mask)
