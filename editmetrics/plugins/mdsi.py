"""MDSI, the mean deviation similarity index."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..bases.full_reference import FullReference
from ..bases.pixels import (
    check_pair,
    few_at_a_time_on_cpu,
    region_mean,
    root,
    same_block_means,
    same_outside,
    weighted_channels,
)
from ..sample import Dimension, SampleError
from .gmsd import prewitt_energy

if TYPE_CHECKING:
    from torch import Tensor

C1, C2, C3 = 140 / 255**2, 55 / 255**2, 550 / 255**2
"""The constants of the similarities, the paper's for images in [0, 255]."""

ALPHA = 0.6
LUMINANCE, CHROMA = (0.2989, 0.5870, 0.1140), ((0.30, 0.04, -0.35), (0.34, -0.60, 0.17))
"""Weights of R, G and B in the authors' luminance L and in their chromaticity channels H and M."""


@few_at_a_time_on_cpu
def mdsi(source: Tensor, edited: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean deviation similarity index, at least 0; lower is closer, 0 for identical images.

        (mean of |q - mean of q|)^(1/4),    q = (0.6 GS + 0.4 CS)^(1/4)

    with the similarity GS of gradient magnitudes (Prewitt) of L, to each other and to those of the mean of both
    images, and CS of the chromaticities H and M. A negative similarity has a complex root. Images are first scaled down
    by means over blocks of round(min(H, W) / 256) pixels.

    With a mask, both means are over it, and the edited image first has the source's pixels outside.

    `source`, `edited`: (N, 3, H, W) in [0, 1]. `mask`: (N, 1, H, W), bool or weights. Returns (N,). Raises
    `SampleError` for images of one channel or with a side under 3 pixels. Differentiable; the gradient is 0 where the
    deviation is.

    Source: Nafchi, Shahkolaei, Hedjam, Cheriet, "Mean deviation similarity index", IEEE Access 2016, equations 2 to 13,
    with the borders of the authors' code.

    >>> import torch
    >>> image = torch.rand(1, 3, 32, 32)
    >>> mdsi(image, image)
    tensor([0.])
    """
    import torch

    check_pair("mdsi", source, 3, "its gradient filters are 3 pixels wide")
    if source.shape[1] != 3:
        raise SampleError(f"mdsi compares colours; the images have {source.shape[1]} channels instead of 3")
    edited = same_outside(source, edited, mask)
    factor = max(1, math.floor(min(source.shape[-2:]) / 256 + 0.5))
    x, y = (same_block_means(image, factor) if factor > 1 else image for image in (source, edited))
    # every similarity is 1 - d, and the differences are exactly 0 for identical images
    different = ALPHA * _gradient_difference(x, y) + (1 - ALPHA) * _chroma_difference(x, y)
    similarity = 1 - different
    fourth = similarity.abs().clamp_min(1e-12) ** 0.25
    negative = similarity < 0
    real = torch.where(negative, math.cos(math.pi / 4) * fourth, fourth) - 1
    imaginary = torch.where(negative, math.sin(math.pi / 4) * fourth, 0.0)
    weights = None if mask is None else same_block_means(mask.to(source.dtype), factor) if factor > 1 else mask
    means = [region_mean(part, weights).view(-1, 1, 1, 1) for part in (real, imaginary)]
    squares = (real - means[0]).square() + (imaginary - means[1]).square()
    return root(region_mean(root(squares), weights), 0.25)


def _gradient_difference(x: Tensor, y: Tensor) -> Tensor:
    """1 - GS: of the two gradients to each other, and of each to those of the mean image, with opposite signs."""
    first, second = (weighted_channels(image, LUMINANCE) for image in (x, y))
    energies = [prewitt_energy(image) for image in (first, second, (first + second) / 2)]
    magnitudes = [energy.clamp_min(1e-30).sqrt() for energy in energies]

    def difference(one: int, other: int, constant: float) -> Tensor:
        return (magnitudes[one] - magnitudes[other]).square() / (energies[one] + energies[other] + constant)

    return difference(0, 1, C1) + (difference(0, 2, C2) - difference(1, 2, C2))


def _chroma_difference(x: Tensor, y: Tensor) -> Tensor:
    """1 - CS, of both chromaticity channels together."""
    (h1, h2), (m1, m2) = ([weighted_channels(image, weights) for image in (x, y)] for weights in CHROMA)
    apart = (h1 - h2).square() + (m1 - m2).square()
    squares = (h1.square() + h2.square()) + (m1.square() + m2.square())
    return apart / (squares + C3)


class MDSI(FullReference):
    """Mean deviation similarity index of the edited image from the source, at least 0; lower is closer.

    The fourth root of the mean deviation of the fourth root of 0.6 GS + 0.4 CS, similarities of gradients and of
    chromaticity; 0 for identical images. With a region, both means are over its pixels, and both images have the
    source's outside it.

    Source: Nafchi, Shahkolaei, Hedjam, Cheriet, IEEE Access 2016, equations 2 to 13.

    >>> import numpy as np
    >>> black = np.zeros((16, 16, 3), np.uint8)
    >>> MDSI()(black, black)
    Score(mdsi=0)
    """

    name, version = "mdsi", 1
    title = "deviation of gradient and chroma"
    dimensions = (Dimension("mdsi", low=0, higher_is_better=False, primary=True),)
    paper = (
        "Nafchi, Shahkolaei, Hedjam, Cheriet, Mean deviation similarity index: efficient and reliable full-reference "
        "image quality evaluator, IEEE Access 2016, arXiv:1608.07433"
    )
    licence = "Apache-2.0"

    def compare(self, source: Tensor, edited: Tensor, mask: Tensor | None) -> Tensor:
        return mdsi(source, edited, mask)
