"""Visual information fidelity (VIF), in the pixel domain."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Gt

from ..bases.full_reference import FullReference
from ..bases.pixels import check_pair, check_shapes, few_at_a_time_on_cpu, region_mean, within_region
from ..late_checks import require
from ..sample import Dimension, SampleError

if TYPE_CHECKING:
    from torch import Tensor

SCALES = 4
NOISE = 2.0
"""The variance of the visual system's noise, for pixels in 0 to 255 (the authors' code)."""

EPS = 1e-8


@few_at_a_time_on_cpu
def vif(source: Tensor, edited: Tensor, mask: Tensor | None = None, *, noise: float = NOISE) -> Tensor:
    """Visual information fidelity in the pixel domain, at least 0; 1 for identical images, more for enhanced contrast.

    sum log2(1 + g² σx² / (σv² + σn²)) / sum log2(1 + σx² / σn²)

    over windows and four scales, where the edited image is modelled as g times the source with noise of variance σv²
    added: g = σxy / σx², σv² = σy² - g σxy; σn² is `noise`, for pixels in 0 to 255. Scale k of 1 to 4 has Gaussian
    windows of 2^(5-k) + 1 pixels, deviation a fifth of it, inside the image; each scale is filtered by its window and
    takes each second pixel of the one before. With a mask, all filtering is of the mask's pixels alone (normalised
    convolution), and in both sums a window counts by the share of it that the mask, filtered and thinned like the
    images, covers.

    `source`, `edited`: (N, C, H, W), in [0, 1], with H and W at least 41. `mask`: (N, 1, H, W), bool or weights of at
    least 0. Returns (N,), the mean over channels. Raises `SampleError` for smaller images, for an empty mask, and where
    the source holds no information because it is flat. Differentiable but where a variance is 0.

    Source: Sheikh, Bovik, Image information and visual quality, IEEE TIP 2006, in the pixel domain as in the
    authors' release vifp_mscale.

    >>> import torch
    >>> images = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    >>> vif(images, images)
    tensor([1., 1.])
    """
    check_shapes(source, edited, mask)
    check_pair("vif", source, 41, "its windows are 17 pixels wide, and again 3 on an eighth of the size")
    items, channels = source.shape[:2]
    planes = (255 * images.reshape(items * channels, 1, *images.shape[2:]) for images in (source, edited))
    # centred before squaring: the variance of a bright, nearly flat image is a small difference of large numbers
    region = None if mask is None else mask.to(source.dtype).repeat_interleave(channels, 0)
    x, y = (images - _mean(images, region) for images in planes)
    kept, total = x.new_zeros(len(x)), x.new_zeros(len(x))
    for scale in range(1, SCALES + 1):
        size = 2 ** (SCALES - scale + 1) + 1
        if scale > 1:
            blur, covered = within_region(partial(blurred, size=size), region)
            x, y = (blur(images)[..., ::2, ::2] for images in (x, y))
            region = None if covered is None else covered[..., ::2, ::2]
        blur, covered = within_region(partial(blurred, size=size), region)
        information, fidelity = _information(x, y, blur, noise)
        if covered is not None:
            information, fidelity = information * covered, fidelity * covered
        kept, total = kept + fidelity.sum((1, 2, 3)), total + information.sum((1, 2, 3))
    flat = "the source is flat where it is looked at: it holds no information to compare"
    require(total > 1e-3, lambda: SampleError(flat))
    return (kept / total).view(items, channels).mean(1)


def _mean(images: Tensor, region: Tensor | None) -> Tensor:
    if region is None:
        return images.mean((2, 3), keepdim=True)
    return region_mean(images, region).view(-1, 1, 1, 1)


def _information(x: Tensor, y: Tensor, blur: Callable[[Tensor], Tensor], noise: float) -> tuple[Tensor, Tensor]:
    """The information, in bits, that each window of the source holds, and how much of it the edited image keeps."""
    import torch

    mean_x, mean_y = blur(x), blur(y)
    variance_x = (blur(x * x) - mean_x.square()).clamp(min=0)
    variance_y = (blur(y * y) - mean_y.square()).clamp(min=0)
    covariance = blur(x * y) - mean_x * mean_y
    gain = covariance / (variance_x + EPS)
    added = variance_y - gain * covariance
    # as in the authors' code: nothing is kept where either is flat, and a negative gain is all noise
    gain = torch.where((variance_x < EPS) | (variance_y < EPS) | (gain < 0), torch.zeros_like(gain), gain)
    added = torch.where((variance_x < EPS) | (gain == 0), variance_y, added)
    added = torch.where(variance_y < EPS, torch.zeros_like(added), added).clamp(min=EPS)
    variance_x = torch.where(variance_x < EPS, torch.zeros_like(variance_x), variance_x)
    return torch.log2(1 + variance_x / noise), torch.log2(1 + gain.square() * variance_x / (added + noise))


def blurred(images: Tensor, size: int) -> Tensor:
    """The means of (N, 1, H, W) under a Gaussian window of `size` pixels and a fifth of that as deviation, inside."""
    import torch
    import torch.nn.functional as F

    positions = torch.arange(size, dtype=images.dtype, device=images.device) - size // 2
    row = (-positions.square() / (2 * (size / 5) ** 2)).exp()
    row = (row / row.sum()).view(1, 1, 1, size)
    return F.conv2d(F.conv2d(images, row), row.mT)


class VIF(FullReference):
    """Visual information fidelity of the edited image to the source, pixel domain, at least 0; 1 is the same.

    The share of the information in the source that can still be read in the edited image, in windows of four scales, of
    luma: each window of the edited image is modelled as the source's times a gain, with noise added. Enhanced contrast
    gives more than 1. A flat source holds no information, and has no score.

    This is the variant in the pixel domain (VIFp), which is the usual one. The paper's own is in the wavelet domain and
    gives other numbers (`vif_wavelet`, pyiqa's `vif`). With a region, windows and scales are made of its pixels alone
    (normalised convolution), and a window counts by the share of it that lies in the region: the size of the mask does
    not matter, no pixel of either image outside it has a say, and a region that is the same in both gives 1 to 1e-6.

    Options:
        channels: What is compared: y (luma), y8 (luma rounded to 8 bits) or rgb (the mean over channels).
        noise: The variance of the visual system's noise, for pixels in 0 to 255.

    Source: Sheikh, Bovik, IEEE TIP 2006; the authors' release vifp_mscale.

    >>> import numpy as np
    >>> image = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    >>> VIF()(image, image)
    Score(vif=1)
    """

    name, version = "vif", 2
    title = "visual information fidelity"
    dimensions = (Dimension("vif", low=0, high=math.inf, primary=True, description="share of information kept"),)
    paper = "Sheikh, Bovik, Image information and visual quality, IEEE TIP 2006, doi:10.1109/TIP.2005.859378"
    licence = "Apache-2.0"

    def __init__(
        self, *, channels: Literal["y", "y8", "rgb"] = "y", noise: Annotated[float, Gt(0)] = NOISE, **shared: Any
    ) -> None:
        super().__init__(**shared)
        self.channels, self.noise = channels, noise

    def compare(self, source: Tensor, edited: Tensor, mask: Tensor | None) -> Tensor:
        return vif(source, edited, mask, noise=self.noise)
