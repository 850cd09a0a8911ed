"""Gradient magnitude similarity deviation (GMSD)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ..sample import Dimension, SampleError
from .full_reference import FullReference
from .pixels import check_pair, few_at_a_time_on_cpu, luma, same_block_means

if TYPE_CHECKING:
    from torch import Tensor

T = 170 / 255**2
"""The constant of the similarity, 170 for luma in [0, 255]."""


@few_at_a_time_on_cpu
def gmsd(source: Tensor, edited: Tensor, mask: Tensor | None = None) -> Tensor:
    """Gradient magnitude similarity deviation; lower is closer, 0 for identical images.

        the standard deviation (of a sample, over N - 1) of (2 gx gy + T) / (gx² + gy² + T),    T = 170 / 255²

    where gx and gy are the gradient magnitudes (Prewitt, divided by 3, zeros outside the image) of the luma, after
    means over blocks of 2 x 2. With a mask, the deviation is that over the blocks of which at least half lies in it.

    `source`, `edited`: (N, 3, H, W), or (N, 1, H, W) for luma, in [0, 1]. `mask`: (N, 1, H, W), bool or weights in
    [0, 1]. Returns (N,), one value per pair. Raises `SampleError` for images with a side under 3 pixels and for a mask
    of less than two blocks. Differentiable; the gradient is 0 where a gradient magnitude or the deviation is 0.

    Source: Xue, Zhang, Mou, Bovik, "Gradient magnitude similarity deviation", IEEE TIP 2014, equations 4 to 6, with the
    borders of the authors' code (conv2's "same").

    >>> import torch
    >>> gmsd(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8))
    tensor([0.])
    """
    import torch

    check_pair("gmsd", source, 3, "two blocks of 2 x 2 each way")
    energies = [prewitt_energy(same_block_means(luma(image), 2)) for image in (source, edited)]
    x, y = (energy.clamp_min(1e-30).sqrt() for energy in energies)  # the root is kept off 0, where it has no slope
    dissimilarity = (x - y).square() / (energies[0] + energies[1] + T)  # 1 - similarity, which deviates as much
    if mask is None:
        return torch.std(dissimilarity, (1, 2, 3))
    weights = mask.to(source.dtype)
    inside = (same_block_means(weights, 2) >= 0.5 * same_block_means(torch.ones_like(weights), 2)).to(source.dtype)
    count = inside.sum((1, 2, 3), keepdim=True)
    if not bool((count >= 2).all()):
        raise SampleError("the region holds less than two blocks of 2 x 2 pixels, over which gmsd deviates", "skipped")
    mean = (dissimilarity * inside).sum((1, 2, 3), keepdim=True) / count
    variance = ((dissimilarity - mean) * inside).square().sum((1, 2, 3)) / (count.flatten() - 1)
    return torch.where(variance > 0, variance, 1.0).sqrt() * (variance > 0)


def prewitt_energy(images: Tensor) -> Tensor:
    """The squared gradient magnitude of (N, 1, H, W): Prewitt filters divided by 3, zeros outside the image."""
    import torch.nn.functional as F

    padded = F.pad(images, (1, 1, 1, 1))
    rows = padded[..., :-2, :] + padded[..., 1:-1, :] + padded[..., 2:, :]
    columns = padded[..., :-2] + padded[..., 1:-1] + padded[..., 2:]
    horizontal = rows[..., 2:] - rows[..., :-2]
    vertical = columns[..., 2:, :] - columns[..., :-2, :]
    return (horizontal.square() + vertical.square()) / 9


class GMSD(FullReference):
    """Gradient magnitude similarity deviation of the edited image from the source, at least 0; lower is closer.

    The standard deviation over the image of (2 gx gy + T) / (gx² + gy² + T), with the Prewitt gradient magnitudes of
    the full-range luma of both images at half their size, T = 170 for luma in [0, 255]. 0 for identical images. With a
    region, the deviation is that over the 2 x 2 blocks of which at least half lies in it.

    Source: Xue, Zhang, Mou, Bovik, IEEE TIP 2014, equations 4 to 6, with the borders of the authors' code.

    Options:
        channels: y (luma), or y8: luma rounded to 8 bits, as MATLAB's rgb2gray has it, which is what the authors'
            code is usually given; it raises the number where images hardly differ.

    >>> import numpy as np
    >>> black = np.zeros((16, 16, 3), np.uint8)
    >>> GMSD()(black, black)
    Score(gmsd=0)
    """

    name, version = "gmsd", 1
    dimensions = (Dimension("gmsd", low=0, high=1, higher_is_better=False, primary=True),)
    paper = (
        "Xue, Zhang, Mou, Bovik, Gradient magnitude similarity deviation: a highly efficient perceptual image quality "
        "index, IEEE TIP 2014, arXiv:1308.3052"
    )
    licence = "Apache-2.0"

    def __init__(
        self,
        *,
        channels: Literal["y", "y8"] = "y",
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self.channels = channels

    def compare(self, source: Tensor, edited: Tensor, mask: Tensor | None) -> Tensor:
        return gmsd(source, edited, mask)
