"""Multi-scale structural similarity (MS-SSIM)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Gt, Le

from ..bases.full_reference import FullReference
from ..bases.pixels import Channels, block_means, check_pair, few_at_a_time_on_cpu, within_region
from ..sample import Dimension
from ..transfer import constant
from .ssim import Padding, mean_similarity, planes

if TYPE_CHECKING:
    from torch import Tensor

Convention = Literal["authors", "piq", "torchmetrics"]
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""The exponent of each scale, from the finest to the coarsest (section 3.2 of the paper)."""


def ms_ssim(
    source: Tensor,
    edited: Tensor,
    mask: Tensor | None = None,
    *,
    data_range: float = 1.0,
    convention: Convention = "authors",
) -> Tensor:
    """Multi-scale structural similarity, in [0, 1]; 1 for identical images.

        SSIM_5^w5 · CS_4^w4 · CS_3^w3 · CS_2^w2 · CS_1^w1

    where CS_j is the mean of the contrast and structure term of SSIM at scale j, SSIM_5 the mean of the whole at the
    coarsest, each scale the 2 x 2 means of the one before, w = 0.0448, 0.2856, 0.3001, 0.2363, 0.1333. A mean below 0
    counts as 0. With a mask, the windows and the 2 x 2 means of each scale are of the mask's pixels alone (normalised
    convolution), and a window counts by the share of it that the mask, pooled like the images, covers.

    `convention` says what the paper leaves open:

    - `authors`: at odd sizes the last row and column are repeated; the mean over channels is taken last.
    - `piq`: at odd sizes the first row and column are repeated (both, when either side is odd); channels last.
    - `torchmetrics`: at odd sizes the last row and column are dropped; the mean over channels is taken before the
      product, and the coarsest scale has windows at the padded border too.

    `source`, `edited`: (N, C, H, W), in [0, data_range]. `mask`: (N, 1, H, W), bool or weights of at least 0. Returns
    (N,), one value per pair. Raises `SampleError` for images with a side under 161 pixels (torchmetrics: 176), and for
    an empty mask. Differentiable; where a mean is not above 0, the value and the gradient are 0.

    Source: Wang, Simoncelli, Bovik, "Multi-scale structural similarity for image quality assessment", Asilomar 2003,
    equation 7.

    >>> import torch
    >>> ms_ssim(torch.zeros(1, 3, 176, 176), torch.zeros(1, 3, 176, 176))
    tensor([1.])
    """
    smallest = 176 if convention == "torchmetrics" else 161
    check_pair("ms_ssim", source, smallest, "its window is 11 pixels wide on a sixteenth of the size")
    channels = source.shape[1]
    mask = None if mask is None else mask.to(source.dtype).repeat_interleave(channels, 0)
    scales = _similarity_at_each_scale(
        planes(source), planes(edited), mask, data_range=data_range, convention=convention
    )
    scales = scales.view(-1, channels, len(WEIGHTS))
    if convention == "torchmetrics":
        return _product(scales.mean(1))
    return _product(scales).mean(1)


@few_at_a_time_on_cpu
def _similarity_at_each_scale(
    source: Tensor, edited: Tensor, mask: Tensor | None, *, data_range: float, convention: Convention
) -> Tensor:
    """The mean similarity of planes (N, 1, H, W) at each scale: (N, 5)."""
    import torch

    values = []
    for scale in range(len(WEIGHTS)):
        if scale > 0:
            halved, mask = within_region(lambda images: _halved(images, convention), mask)
            source, edited = halved(source), halved(edited)
        coarsest = scale == len(WEIGHTS) - 1
        padding: Padding = "reflect" if coarsest and convention == "torchmetrics" else "valid"
        values.append(mean_similarity(source, edited, mask, data_range=data_range, padding=padding, luminance=coarsest))
    return torch.stack(values, 1)


def _halved(images: Tensor, convention: Convention) -> Tensor:
    import torch.nn.functional as F

    odd_height, odd_width = images.shape[-2] % 2, images.shape[-1] % 2
    if convention == "authors" and (odd_height or odd_width):
        images = F.pad(images, (0, odd_width, 0, odd_height), mode="replicate")
    if convention == "piq" and (odd_height or odd_width):
        images = F.pad(images, (1, 0, 1, 0), mode="replicate")
    return block_means(images, 2)


def _product(scales: Tensor) -> Tensor:
    """The product over the last axis of each scale's value to the power of its weight; 0 where one is not above 0."""
    import torch

    floored = scales <= 0  # NaN is not, and stays NaN
    # x^w has no finite slope at 0: such values are replaced before the power, so that they pass no gradient.
    powers = torch.where(floored, 1.0, scales) ** constant(WEIGHTS, scales)
    return torch.where(floored, 0.0, powers).prod(-1)


class MSSSIM(FullReference):
    """Multi-scale structural similarity of the edited image to the source, in [0, 1]; 1 for identical images.

    The product over five scales of the mean contrast and structure term of SSIM, each to the power of the scale's
    weight, with the luminance term at the coarsest. Needs images of at least 161 x 161 pixels. With a region, windows
    and scales are made of its pixels alone (normalised convolution), and a window counts by the share of it that lies
    in the region: no pixel of either image outside it has a say, and a region that is the same in both gives exactly 1.

    Source: Wang, Simoncelli, Bovik, Asilomar 2003, equation 7.

    Options:
        channels: What is compared: y (luma), y8 (luma rounded to 8 bits, as MATLAB's rgb2gray and pyiqa have it), rgb
            (the mean over channels) or y_bt601 (studio-swing luma).
        convention: What the paper leaves open (odd sizes, the coarsest border, where channels are averaged): as in the
            authors' code, or as piq or torchmetrics do.
        data_range: The largest difference there can be; images are read to [0, 1].

    >>> import numpy as np
    >>> black = np.zeros((176, 176, 3), np.uint8)
    >>> MSSSIM()(black, black)
    Score(ms_ssim=1)
    """

    name, version = "ms_ssim", 2
    title = "multi-scale structural similarity"
    dimensions = (Dimension("ms_ssim", low=0, high=1, primary=True),)
    paper = (
        "Wang, Simoncelli, Bovik, Multi-scale structural similarity for image quality assessment, "
        "Asilomar 2003, doi:10.1109/ACSSC.2003.1292216"
    )
    licence = "Apache-2.0"

    def __init__(
        self,
        *,
        channels: Channels = "y",
        convention: Convention = "authors",
        data_range: Annotated[float, Gt(0), Le(1)] = 1.0,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self.channels, self.convention, self.data_range = channels, convention, data_range

    def compare(self, source: Tensor, edited: Tensor, mask: Tensor | None) -> Tensor:
        return ms_ssim(source, edited, mask, data_range=self.data_range, convention=self.convention)
