"""NLPD, the normalised Laplacian pyramid distance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ..bases.full_reference import FullReference
from ..bases.pixels import check_pair, few_at_a_time_on_cpu, luma, mirrored, region_mean, root, same_outside
from ..sample import Dimension
from ..transfer import constant

if TYPE_CHECKING:
    from torch import Tensor

Convention = Literal["authors", "pyiqa"]

LOW_PASS = (0.05, 0.25, 0.4, 0.25, 0.05)
"""The filter of the Laplacian pyramid (Burt, Adelson 1983), along each side."""

NEIGHBOURS = (
    (0.1011, 0.1493, 0.1460, 0.1015),
    (0.0757, 0.1986, 0.1846, 0.0837),
    (0.0477, 0.2138, 0.2243, 0.0467),
    (0.0, 0.2503, 0.2616, 0.0),
    (0.0, 0.2598, 0.2552, 0.0),
    (0.0, 0.2215, 0.0717, 0.0),
)
"""Weights of the four neighbours in the normalisation of each of the six levels, the finest first, in the order of a
matrix that is convolved: what stands above in it weighs the neighbour below. Fitted by the authors to photographs."""

SECOND_NEIGHBOUR = 0.0072
"""Weight of the pixel two to the left at the finest level, which the authors' code has and others leave out."""

SIGMA = (0.0248, 0.0185, 0.0179, 0.0191, 0.0220, 0.2782)
"""What is added to the neighbours' weighted amplitudes."""


@few_at_a_time_on_cpu
def nlpd(source: Tensor, edited: Tensor, mask: Tensor | None = None, *, convention: Convention = "authors") -> Tensor:
    """Normalised Laplacian pyramid distance, at least 0; lower is closer, 0 for identical images.

        mean over levels k of sqrt(mean of (fk(x) - fk(y))²),    f = z / (sigma + sum over neighbours of p |z|)

    of the luma's Laplacian pyramid z: five levels of differences from the next, smaller one, and the sixth, which is
    what remains. Local contrast is what counts, as it is to the retina.

    With a mask, the mean over each level is weighted by the mask, reduced as the images are, and the edited image first
    has the source's pixels outside.

    `convention`: `authors`, or `pyiqa`, which leaves a fifth, faint neighbour out at the finest level.

    `source`, `edited`: (N, 3, H, W), or (N, 1, H, W) for luma, in [0, 1]. `mask`: (N, 1, H, W), bool or weights.
    Returns (N,). Raises `SampleError` for images with a side under 16 pixels. Differentiable; the gradient is 0 where a
    level's distance is.

    Source: Laparra, Ballé, Berardino, Simoncelli, "Perceptual image quality assessment using a normalized Laplacian
    pyramid", Electronic Imaging 2016, with the borders of the authors' code.

    >>> import torch
    >>> image = torch.rand(1, 1, 32, 32)
    >>> nlpd(image, image)
    tensor([0.])
    """
    check_pair("nlpd", source, 16, "its pyramid halves the size five times")
    edited = same_outside(source, edited, mask)
    pyramids = zip(*(normalised_pyramid(luma(image), convention) for image in (source, edited)), strict=True)
    weights = None if mask is None else mask.to(source.dtype)
    total = source.new_zeros(len(source))
    for x, y in pyramids:
        total = total + root(region_mean((x - y).square(), weights))
        weights = None if weights is None else reduced(weights)
    return total / len(SIGMA)


def normalised_pyramid(images: Tensor, convention: Convention) -> list[Tensor]:
    """The six levels of images (N, 1, H, W), the finest first, each normalised by its neighbours' amplitudes."""
    import torch.nn.functional as F

    levels, current = [], images
    for _ in SIGMA[:-1]:
        smaller = reduced(current)
        levels.append(current - expanded(smaller, current.shape[-2:]))
        current = smaller
    levels.append(current)
    amplitudes = [_neighbours(level.abs(), weights) for level, weights in zip(levels, NEIGHBOURS, strict=True)]
    if convention == "authors":
        amplitudes[0] = amplitudes[0] + SECOND_NEIGHBOUR * F.pad(levels[0].abs(), (2, -2))
    return [level / (sigma + amplitude) for level, amplitude, sigma in zip(levels, amplitudes, SIGMA, strict=True)]


def reduced(images: Tensor) -> Tensor:
    """Low-pass images (N, 1, H, W) and take each second pixel; the border is mirrored with its outermost pixel."""
    import torch.nn.functional as F

    row = constant(LOW_PASS, images).view(1, 1, 1, 5)
    return F.conv2d(F.conv2d(mirrored(images, 2, 2), row, stride=(1, 2)), row.mT, stride=(2, 1))


def expanded(images: Tensor, size: tuple[int, ...]) -> Tensor:
    """Scale images up to `size`, twice theirs or one less: zeros between pixels, low-pass; the border repeated."""
    import torch.nn.functional as F

    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    height, width = padded.shape[-2:]
    spread = padded.new_zeros(len(images), 1, 2 * height, 2 * width)
    spread[..., ::2, ::2] = 4 * padded
    row = constant(LOW_PASS, images).view(1, 1, 1, 5)
    smooth = F.conv2d(F.conv2d(spread, row, padding=(0, 2)), row.mT, padding=(2, 0))
    return smooth[..., 2 : 2 + size[0], 2 : 2 + size[1]]


def _neighbours(levels: Tensor, weights: tuple[float, ...]) -> Tensor:
    """The weighted sum of the four neighbours of each pixel of (N, 1, H, W); zeros outside."""
    import torch.nn.functional as F

    padded = F.pad(levels, (1, 1, 1, 1))
    above, left, right, below = weights
    rows, columns = padded[..., 1:-1], padded[..., 1:-1, :]
    vertical = above * rows[..., 2:, :] + below * rows[..., :-2, :]
    return vertical + left * columns[..., 2:] + right * columns[..., :-2]


class NLPD(FullReference):
    """Normalised Laplacian pyramid distance of the edited image from the source, at least 0; lower is closer.

    The root mean squared difference of local contrast, averaged over six scales of luma: each scale of the Laplacian
    pyramid is divided by the amplitudes around each pixel, as the early visual system does. 0 for identical images.
    With a region, the mean at each scale is weighted by the mask at that scale; filters reach across its border, where
    both images have the source's pixels.

    Source: Laparra, Ballé, Berardino, Simoncelli, Electronic Imaging 2016.

    Options:
        channels: y (luma), or y8: luma rounded to 8 bits, as MATLAB's rgb2gray has it, which is what the authors' code
            is usually given; it moves the number where images hardly differ.
        convention: Weights of neighbours as in the authors' code, or without the fifth, as pyiqa has them.

    >>> import numpy as np
    >>> black = np.zeros((16, 16, 3), np.uint8)
    >>> NLPD()(black, black)
    Score(nlpd=0)
    """

    name, version = "nlpd", 1
    title = "distance of local contrast"
    dimensions = (Dimension("nlpd", low=0, higher_is_better=False, primary=True),)
    paper = (
        "Laparra, Ballé, Berardino, Simoncelli, Perceptual image quality assessment using a normalized Laplacian "
        "pyramid, Electronic Imaging 2016, doi:10.2352/ISSN.2470-1173.2016.16.HVEI-103"
    )
    licence = "Apache-2.0"

    def __init__(
        self, *, channels: Literal["y", "y8"] = "y", convention: Convention = "authors", **shared: Any
    ) -> None:
        super().__init__(**shared)
        self.channels, self.convention = channels, convention

    def compare(self, source: Tensor, edited: Tensor, mask: Tensor | None) -> Tensor:
        return nlpd(source, edited, mask, convention=self.convention)
