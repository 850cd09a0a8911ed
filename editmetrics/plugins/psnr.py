"""Mean squared error between the source and the edited image, and its logarithm, the peak signal-to-noise ratio."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Gt, Le

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


def psnr(
    source: Tensor, edited: Tensor, mask: Tensor | None = None, *, data_range: float = 1.0, eps: float = 0.0
) -> Tensor:
    """Peak signal-to-noise ratio, in dB; higher is closer.

    10 log10(data_range² / (MSE + eps)), with one mean squared error over all channels and pixels of a pair; with a
    mask, over the mask's pixels alone. Identical images give +inf, or 10 log10(data_range² / eps) with an `eps`.

    `source`, `edited`: (N, C, H, W), in [0, data_range]. `mask`: (N, 1, H, W), bool or weights of at least 0. Returns
    (N,), one value per pair. Raises `SampleError` when a mask is empty. As a loss give an `eps`: at identical images
    the gradient is not finite without it.

    >>> import torch
    >>> psnr(torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.5))
    tensor([6.0206])
    """
    return 20 * math.log10(data_range) - 10 * (mse(source, edited, mask) + eps).log10()


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
    title = "mean squared error"
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


class PSNR(FullReference):
    """Peak signal-to-noise ratio of the edited image against the source, in dB; higher is closer.

    10 log10(data_range² / MSE), with one mean squared error over all channels and pixels. Identical images give +inf,
    which is a score like any other (see `eps`). With a region, the mean squared error is that of its pixels, so that
    the same noise gives the same number whatever the size of the mask.

    Options:
        channels: What is compared: rgb, y (luma), y8 (luma rounded to 8 bits) or y_bt601 (studio-swing luma, as in
            super-resolution papers).
        data_range: The largest difference there can be; images are read to [0, 1].
        eps: Added to the mean squared error; 1e-8 caps identical images at 80 dB, as piq and pyiqa do.
        variant: none, or pie-bench: PIE-Bench's script, which paints what lies outside a region black and takes the
            mean over all pixels, so that the number depends on the mask's size; it also counts the outermost pixels to
            the edited region.

    >>> import numpy as np
    >>> black, grey = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 51, np.uint8)
    >>> PSNR()(black, grey)
    Score(psnr=13.9794)
    >>> PSNR()(black, black)
    Score(psnr=inf)
    """

    name, version = "psnr", 1
    title = "peak signal-to-noise ratio"
    dimensions = (Dimension("psnr", unit="dB", low=0, high=math.inf, primary=True),)

    paper = (
        "a definition; on its use: Huynh-Thu, Ghanbari, Scope of validity of PSNR in image/video quality assessment, "
        "Electronics Letters 2008, doi:10.1049/el:20080522"
    )
    licence = "Apache-2.0"

    def __init__(
        self,
        *,
        channels: Channels = "rgb",
        data_range: Annotated[float, Gt(0), Le(1)] = 1.0,
        eps: Annotated[float, Ge(0)] = 0.0,
        variant: Literal["none", "pie-bench"] = "none",
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self.channels, self.data_range, self.eps, self.variant = channels, data_range, eps, variant
        with_variant(self, {"pie-bench": {"channels": "rgb", "data_range": 1.0, "eps": 0.0}})
        self.black_outside = variant == "pie-bench"

    def active_dimensions(self) -> tuple[Dimension, ...]:
        """Return the range: black against white is below 0 dB where `data_range` is below 1."""
        return (replace(type(self).dimensions[0], low=min(0.0, 20 * math.log10(self.data_range))),)

    def compare(self, source: Tensor, edited: Tensor, mask: Tensor | None) -> Tensor:
        return psnr(source, edited, mask, data_range=self.data_range, eps=self.eps)
