"""HaarPSI, the Haar wavelet-based perceptual similarity index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..bases.full_reference import FullReference
from ..bases.pixels import check_pair, few_at_a_time_on_cpu, luma, same_block_means, same_outside, weighted_channels
from ..sample import Dimension

if TYPE_CHECKING:
    from torch import Tensor

ALPHA, C = 4.2, 30 / 255**2
"""The paper's constants; C is 30 for images in [0, 255]."""

CHROMA = ((0.596, -0.274, -0.322), (0.211, -0.523, 0.312))
"""Weights of R, G and B in YIQ's I and Q."""


@few_at_a_time_on_cpu
def haarpsi(source: Tensor, edited: Tensor, mask: Tensor | None = None) -> Tensor:
    """Haar wavelet-based perceptual similarity, in [0, 1]; 1 for identical images.

        (logit(sum of l(s) w / sum of w) / alpha)²,    l(s) = 1 / (1 + exp(-alpha s)),    alpha = 4.2

    over positions and orientations: s is the mean similarity (2 x y + C) / (x² + y² + C), C = 30 for [0, 255], of the
    magnitudes of the two finest Haar wavelets, horizontal or vertical, w the larger magnitude of the third one; and for
    colours s is that of means of I and Q, w the mean of the others. Images are first halved by means of 2 x 2.

    With a mask, both sums are over it, and the edited image first has the source's pixels outside (see
    `pixels.same_outside`), since wavelets reach across its border.

    `source`, `edited`: (N, 3, H, W), or (N, 1, H, W) for luma alone, in [0, 1]. `mask`: (N, 1, H, W), bool or weights.
    Returns (N,). Raises `SampleError` for images with a side under 16 pixels. Differentiable.

    Source: Reisenhofer, Bosse, Kutyniok, Wiegand, "A Haar wavelet-based perceptual similarity index for image quality
    assessment", Signal Processing: Image Communication 2018, equations 9 to 12, with the borders of the authors' code.

    >>> import torch
    >>> image = torch.rand(1, 3, 32, 32)
    >>> haarpsi(image, image).round(decimals=4)
    tensor([1.])
    """
    import torch

    check_pair("haarpsi", source, 16, "three Haar wavelets at half the size")
    edited = same_outside(source, edited, mask)
    wavelets = [_wavelets(same_block_means(luma(image), 2)) for image in (source, edited)]
    fine = _similarity(*(pair[:, :4] for pair in wavelets))
    maps = [(fine[:, :2] + fine[:, 2:]) / 2]
    weights = [torch.maximum(*(pair[:, 4:] for pair in wavelets))]
    if source.shape[1] == 3:
        chroma = _similarity(*(_chroma(image) for image in (source, edited)))
        maps.append(chroma.mean(1, keepdim=True))
        weights.append(weights[0].mean(1, keepdim=True))
    similarity, weight = torch.cat(maps, 1), torch.cat(weights, 1) + 1e-8  # a pair without structure has weights, too
    if mask is not None:
        weight = weight * same_block_means(mask.to(source.dtype), 2)
    mean = ((ALPHA * similarity).sigmoid() * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3))
    return (mean.logit() / ALPHA).square()


def _wavelets(images: Tensor) -> Tensor:
    """Magnitudes of Haar wavelets of 2, 4 and 8 pixels, each of both orientations: (N, 1, H, W) -> (N, 6, H, W).

    Zeros stand outside the image, and windows lie as those of MATLAB's conv2 with "same".
    """
    import torch
    import torch.nn.functional as F

    magnitudes = []
    for scale in (1, 2, 3):
        width = 2**scale
        step = torch.ones(width, width, dtype=images.dtype, device=images.device) / width
        step[: width // 2] *= -1
        before, after = width // 2 - 1, width // 2
        padded = F.pad(images, (before, after, before, after))
        magnitudes.append(F.conv2d(padded, torch.stack([step, step.T])[:, None]).abs())
    return torch.cat(magnitudes, 1)


def _chroma(images: Tensor) -> Tensor:
    """Magnitudes of means of 2 x 2 of I and Q at half the size, (N, 2, H, W)."""
    import torch
    import torch.nn.functional as F

    halved = torch.cat([same_block_means(weighted_channels(images, weights), 2) for weights in CHROMA], 1)
    return F.avg_pool2d(F.pad(halved, (0, 1, 0, 1)), 2, stride=1).abs()


def _similarity(x: Tensor, y: Tensor) -> Tensor:
    return (2 * x * y + C) / (x.square() + y.square() + C)


class HaarPSI(FullReference):
    """Haar wavelet-based perceptual similarity of the edited image to the source, in [0, 1]; 1 for identical images.

    Similarities of the two finest Haar wavelets and of chroma, weighted by the third wavelet, squashed by a logistic
    function: among the closed-form metrics one of the closest to people's ratings of distortions, and quick. With a
    region, the weighted mean is over its pixels, and both images have the source's outside it.

    Source: Reisenhofer, Bosse, Kutyniok, Wiegand, Signal Processing: Image Communication 2018, equations 9 to 12.

    >>> import numpy as np
    >>> black = np.zeros((16, 16, 3), np.uint8)
    >>> round(float(HaarPSI()(black, black)), 4)
    1.0
    """

    name, version = "haarpsi", 1
    title = "Haar wavelet similarity"
    dimensions = (Dimension("haarpsi", low=0, high=1, primary=True),)
    paper = (
        "Reisenhofer, Bosse, Kutyniok, Wiegand, A Haar wavelet-based perceptual similarity index for image quality "
        "assessment, 2018, arXiv:1607.06140"
    )
    licence = "Apache-2.0"

    def compare(self, source: Tensor, edited: Tensor, mask: Tensor | None) -> Tensor:
        return haarpsi(source, edited, mask)
