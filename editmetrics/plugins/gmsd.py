"""Gradient magnitude similarity deviation (GMSD)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ..bases.full_reference import FullReference
from ..bases.pixels import check_pair, few_at_a_time_on_cpu, luma, region_mean, root, same_block_means, within_region
from ..late_checks import require
from ..sample import Dimension, SampleError

if TYPE_CHECKING:
    from torch import Tensor

T = 170 / 255**2
"""The constant of the similarity, 170 for luma in [0, 255]."""


@few_at_a_time_on_cpu
def gmsd(source: Tensor, edited: Tensor, mask: Tensor | None = None) -> Tensor:
    """Gradient magnitude similarity deviation; lower is closer, 0 for identical images.

        the standard deviation (of a sample, over N - 1) of (2 gx gy + T) / (gx² + gy² + T),    T = 170 / 255²

    where gx and gy are the gradient magnitudes (Prewitt, divided by 3, zeros outside the image) of the luma, after
    means over blocks of 2 x 2. With a mask, these are of the mask's pixels alone (normalised convolution; see
    `prewitt_energy`), and the deviation is weighted by the share w of each block that the mask covers: over
    sum w - sum w² / sum w instead of N - 1.

    `source`, `edited`: (N, 3, H, W), or (N, 1, H, W) for luma, in [0, 1]. `mask`: (N, 1, H, W), bool or weights of at
    least 0. Returns (N,), one value per pair. Raises `SampleError` for images with a side under 3 pixels and for a mask
    in less than two blocks. Differentiable; the gradient is 0 where a gradient magnitude or the deviation is 0.

    Source: Xue, Zhang, Mou, Bovik, "Gradient magnitude similarity deviation", IEEE TIP 2014, equations 4 to 6, with the
    borders of the authors' code (conv2's "same").

    >>> import torch
    >>> gmsd(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8))
    tensor([0.])
    """
    import torch

    check_pair("gmsd", source, 3, "two blocks of 2 x 2 each way")
    weights = None if mask is None else mask.to(source.dtype)
    energies, covered = _energies(luma(source), luma(edited), weights)
    x, y = (energy.clamp_min(1e-30).sqrt() for energy in energies)  # the root is kept off 0, where it has no slope
    dissimilarity = (x - y).square() / (energies[0] + energies[1] + T)  # 1 - similarity, which deviates as much
    if covered is None:
        return torch.std(dissimilarity, (1, 2, 3))
    narrow = "the region lies in less than two blocks of 2 x 2 pixels, over which gmsd deviates"
    require((covered > 0).sum((1, 2, 3)) >= 2, lambda: SampleError(narrow, "skipped"))
    mean = region_mean(dissimilarity, covered).view(-1, 1, 1, 1)
    area = covered.sum((1, 2, 3))
    freedom = area - covered.square().sum((1, 2, 3)) / area
    variance = ((dissimilarity - mean).square() * covered).sum((1, 2, 3)) / freedom
    return root(variance)


def _energies(source: Tensor, edited: Tensor, mask: Tensor | None) -> tuple[list[Tensor], Tensor | None]:
    """The squared gradient magnitudes of blocks of 2 x 2, and the share of each block that the mask covers."""
    import torch

    if mask is None:
        return [prewitt_energy(same_block_means(images, 2)) for images in (source, edited)], None
    covered = same_block_means(mask, 2)
    least = covered.clamp_min(1e-12)
    # a block that reaches beyond the image has zeros there, which are part of it, and so of what may be covered
    whole = same_block_means(torch.ones_like(mask), 2)
    blocks = [same_block_means(images * mask, 2) / least * whole for images in (source, edited)]
    covered = covered / whole
    return [prewitt_energy(images, covered) for images in blocks], covered


def prewitt_energy(images: Tensor, covered: Tensor | None = None) -> Tensor:
    """The squared gradient magnitude of (N, 1, H, W): Prewitt filters divided by 3, zeros outside the image.

    A filter takes the differences of means of three. With `covered`, how much each position counts, the means are
    weighted by it, and a side of which nothing counts is taken to be like the middle: no difference is with, and no
    mean is of, what does not count.
    """
    import torch.nn.functional as F

    padded = F.pad(images, (1, 1, 1, 1))
    if covered is None:
        rows = padded[..., :-2, :] + padded[..., 1:-1, :] + padded[..., 2:, :]
        columns = padded[..., :-2] + padded[..., 1:-1] + padded[..., 2:]
        horizontal = rows[..., 2:] - rows[..., :-2]
        vertical = columns[..., 2:, :] - columns[..., :-2, :]
        return (horizontal.square() + vertical.square()) / 9
    weights = F.pad(covered, (1, 1, 1, 1), value=1.0)  # the zeros outside the image count
    horizontal = _difference(padded, weights)
    vertical = _difference(padded.mT, weights.mT).mT
    return horizontal.square() + vertical.square()


def _difference(padded: Tensor, weights: Tensor) -> Tensor:
    """Return right minus left of weighted means of three rows; a side without weight equals the middle."""
    import torch

    def of_three(maps: Tensor) -> Tensor:
        return maps[..., :-2, :] + maps[..., 1:-1, :] + maps[..., 2:, :]

    means, _ = within_region(of_three, weights)
    rows, covered = means(padded), of_three(weights) > 0
    middle = rows[..., 1:-1]
    left, right = (torch.where(covered[..., side], rows[..., side], middle) for side in (slice(-2), slice(2, None)))
    return right - left


class GMSD(FullReference):
    """Gradient magnitude similarity deviation of the edited image from the source, at least 0; lower is closer.

    The standard deviation over the image of (2 gx gy + T) / (gx² + gy² + T), with the Prewitt gradient magnitudes of
    the full-range luma of both images at half their size, T = 170 for luma in [0, 255]. 0 for identical images. With a
    region, blocks, gradients and deviation are of its pixels alone (normalised convolution; where a gradient would
    reach outside, that side counts as equal to the middle): no pixel of either image outside the region has a say, and
    a region that is the same in both gives exactly 0.

    Source: Xue, Zhang, Mou, Bovik, IEEE TIP 2014, equations 4 to 6, with the borders of the authors' code.

    Options:
        channels: y (luma), or y8: luma rounded to 8 bits, as MATLAB's rgb2gray has it, which is what the authors'
            code is usually given; it raises the number where images hardly differ.

    >>> import numpy as np
    >>> black = np.zeros((16, 16, 3), np.uint8)
    >>> GMSD()(black, black)
    Score(gmsd=0)
    """

    name, version = "gmsd", 2
    title = "gradient similarity deviation"
    dimensions = (Dimension("gmsd", low=0, high=1, higher_is_better=False, primary=True),)
    paper = (
        "Xue, Zhang, Mou, Bovik, Gradient magnitude similarity deviation: a highly efficient perceptual image quality "
        "index, IEEE TIP 2014, arXiv:1308.3052"
    )
    licence = "Apache-2.0"

    def __init__(self, *, channels: Literal["y", "y8"] = "y", **shared: Any) -> None:
        super().__init__(**shared)
        self.channels = channels

    def compare(self, source: Tensor, edited: Tensor, mask: Tensor | None) -> Tensor:
        return gmsd(source, edited, mask)
