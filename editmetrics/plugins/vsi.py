"""VSI, the visual saliency-induced index."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from ..bases.full_reference import FullReference
from ..bases.pixels import (
    check_pair,
    few_at_a_time_on_cpu,
    linear_light,
    region_mean,
    same_block_means,
    same_outside,
    weighted_channels,
)
from ..sample import Dimension, SampleError
from ..transfer import to_keep
from .fsim import scharr_energy
from .matlab import resize_taps, triangle

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Convention = Literal["authors", "piq"]

C1, C2, C3 = 1.27, 386 / 255**2, 130 / 255**2
"""The constants of the similarities of saliency, gradients and chromaticity, the paper's for images in [0, 255]."""

ALPHA, BETA = 0.4, 0.02
OPPONENT = ((0.06, 0.63, 0.27), (0.30, 0.04, -0.35), (0.34, -0.60, 0.17))
"""Weights of R, G and B in luminance L and in the chromaticities M and N."""

SIDE = 256
"""Side of the square at which saliency is computed."""

CENTRE_FREQUENCY, BANDWIDTH = 0.021, 1.34  # of the log-Gabor filter, in cycles per pixel and as a logarithm
CENTRE_WIDTH, COLOUR_WIDTH = 145, 0.001

XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
"""Weights of linear R, G and B in X, Y and Z."""

WHITE: dict[Convention, tuple[float, float, float]] = {
    "authors": (0.9642, 1.0, 0.8251),
    "piq": (0.9642119944211994, 1.0, 0.8251882845188288),
}
"""The white point D50, to the digits that each has."""


@few_at_a_time_on_cpu
def vsi(source: Tensor, edited: Tensor, mask: Tensor | None = None, *, convention: Convention = "authors") -> Tensor:
    """Visual saliency-induced index, in [0, 1]; 1 for identical images.

        sum of S_V S_G^0.4 Re((S_M S_N)^0.02) V / sum of V,    S = (2 x y + C) / (x² + y² + C),    V = max(Vx, Vy)

    over the pixels, with the saliency V (see `saliency`; C = 1.27), the gradient magnitude G of luminance (Scharr,
    zeros outside the image; C = 386 for [0, 255]) and the chromaticities M and N (C = 130). All are first scaled down
    by means over blocks of F = round(min(H, W) / 256) pixels. Where neither image is salient, all pixels weigh alike.

    With a mask, both sums are over it, and the edited image first has the source's pixels outside: saliency is a
    matter of the whole image.

    `convention`: `authors`, or `piq`, which scales images to the square at which saliency is computed without
    antialiasing and back with the corners aligned, and blocks start half a block outside a border that is repeated.

    `source`, `edited`: (N, 3, H, W) in [0, 1]. `mask`: (N, 1, H, W), bool or weights. Returns (N,). Raises
    `SampleError` for images of one channel or with a side under 3 pixels. Differentiable.

    Source: Zhang, Shen, Li, "VSI: A visual saliency-induced index for perceptual image quality assessment", IEEE TIP
    2014, equations 8 to 13, with the constants and borders of the authors' code.

    >>> import torch
    >>> image = torch.rand(1, 3, 32, 32)
    >>> vsi(image, image).round(decimals=5)
    tensor([1.])
    """
    import torch

    check_pair("vsi", source, 3, "its gradient filters are 3 pixels wide")
    if source.shape[1] != 3:
        raise SampleError(f"vsi compares colours; the images have {source.shape[1]} channels instead of 3")
    edited = same_outside(source, edited, mask)
    salient = saliency(torch.cat([source, edited]), convention)
    colours = [torch.cat([weighted_channels(image, row) for image in (source, edited)]) for row in OPPONENT]
    (v1, v2), (l1, l2), (m1, m2), (n1, n2) = (_scaled_down(maps, convention).chunk(2) for maps in (salient, *colours))
    energies = [scharr_energy(plane) for plane in (l1, l2)]
    product = (energies[0] * energies[1]).clamp_min(1e-30).sqrt()  # kept off 0, where the root has no slope
    gradients = _similarity(product, energies[0] + energies[1], C2)
    chroma = _similarity(m1 * m2, m1.square() + m2.square(), C3) * _similarity(n1 * n2, n1.square() + n2.square(), C3)
    # the real part of a negative number to the power of 0.02 is its magnitude's power times cos(0.02 pi)
    colour = torch.where(chroma < 0, math.cos(BETA * math.pi), 1.0) * chroma.abs().clamp_min(1e-12) ** BETA
    similarity = _similarity(v1 * v2, v1.square() + v2.square(), C1) * gradients**ALPHA * colour
    weights = torch.maximum(v1, v2) + 1e-8  # so that a pair without saliency has weights
    if mask is not None:
        weights = weights * _scaled_down(mask.to(source.dtype), convention)
    return region_mean(similarity, weights)


def saliency(images: Tensor, convention: Convention = "authors") -> Tensor:
    """Saliency by simple priors (SDSP) of RGB images (N, 3, H, W) in [0, 1]: (N, 1, H, W), from 0 to 1 in each.

    The magnitude of CIELAB under a log-Gabor filter, times a Gaussian about the centre (deviation 145 pixels), times
    1 - exp(-(a² + b²) / 0.001²) with a and b stretched to [0, 1]; all at 256 x 256 pixels.

    Source: Zhang, Gu, Li, "SDSP: a novel saliency detection method by combining simple priors", ICIP 2013.

    >>> import torch
    >>> saliency(torch.rand(1, 3, 32, 40)).aminmax()
    torch.return_types.aminmax(
    min=tensor(0.),
    max=tensor(1.))
    """
    import torch
    import torch.nn.functional as F

    square, size = (SIDE, SIDE), (images.shape[-2], images.shape[-1])
    authors = convention == "authors"
    scaled = resized(images, square) if authors else F.interpolate(images, square, mode="bilinear")
    lab = cielab(scaled, WHITE[convention])
    gabor, centre = _priors(images.dtype, images.device)
    spectrum = torch.fft.fft2(lab - lab.mean((2, 3), keepdim=True))  # the filter ignores the mean
    filtered = torch.fft.ifft2(spectrum * gabor).real
    frequency = (filtered.square().sum(1, keepdim=True) + 1e-16).sqrt()  # kept off 0, where the root has no slope
    colours = _stretched(lab[:, 1:]).square().sum(1, keepdim=True)
    salient = frequency * centre * (1 - (-colours / COLOUR_WIDTH**2).exp())
    if authors:
        return _stretched(resized(salient, size))
    return _stretched(F.interpolate(salient, size, mode="bilinear", align_corners=True))


def cielab(images: Tensor, white: tuple[float, float, float]) -> Tensor:
    """Convert sRGB images (N, 3, H, W) in [0, 1] to CIELAB with the white point `white`."""
    import torch

    linear = linear_light(images)
    ratios = torch.cat([weighted_channels(linear, row) / unit for row, unit in zip(XYZ, white, strict=True)], 1)
    roots = torch.where(ratios > 0.008856, ratios.clamp_min(0.008856) ** (1 / 3), (903.3 * ratios + 16) / 116)
    x, y, z = roots.split(1, 1)
    return torch.cat([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def resized(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Scale images (N, C, H, W) as MATLAB's imresize does with "bilinear": antialiased, the border mirrored."""
    rows, columns = (
        _imresize_weights(before, after, images.dtype, images.device)
        for before, after in zip(images.shape[-2:], size, strict=True)
    )
    return rows @ images @ columns.T


@lru_cache(maxsize=16)
def _imresize_weights(before: int, after: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The weights (after, before) of imresize along one side."""
    import numpy as np

    positions, weights = resize_taps(before, after, after / before, triangle, 1)
    matrix = np.zeros((after, before))
    np.add.at(matrix, (np.arange(after), positions), weights)
    return to_keep(matrix, dtype, device)


@lru_cache(maxsize=8)
def _priors(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """The log-Gabor filter in the Fourier domain, and the preference for the centre, both (256, 256)."""
    import numpy as np

    steps = np.arange(-(SIDE // 2), SIDE // 2)
    radius = np.hypot(steps[:, None], steps) / SIDE
    radius = np.fft.ifftshift(np.where(radius > 0.5, 0, radius))  # what is beyond counts as the mean, which is 0
    radius[radius == 0] = np.finfo(float).tiny
    gabor = np.exp(-(np.log(radius / CENTRE_FREQUENCY) ** 2) / (2 * BANDWIDTH**2))
    distance = steps + 1  # pixels count from 1, and the centre is at 128
    centre = np.exp(-(distance[:, None] ** 2 + distance**2) / CENTRE_WIDTH**2)
    return to_keep(gabor, dtype, device), to_keep(centre, dtype, device)


def _stretched(maps: Tensor) -> Tensor:
    """Stretch each plane of (N, C, H, W) to [0, 1]; one that is flat, to rounding, stays near 0."""
    low, high = maps.amin((2, 3), keepdim=True), maps.amax((2, 3), keepdim=True)
    return (maps - low) / (high - low).clamp_min(1e-4)


def _similarity(product: Tensor, squares: Tensor, constant: float) -> Tensor:
    return (2 * product + constant) / (squares + constant)


def _scaled_down(maps: Tensor, convention: Convention) -> Tensor:
    ratio = min(maps.shape[-2:]) / SIDE
    factor = max(1, math.floor(ratio + 0.5) if convention == "authors" else round(ratio))
    if factor == 1:
        return maps
    if convention == "authors":
        return same_block_means(maps, factor)
    import torch.nn.functional as F

    before, after = factor // 2, (factor - 1) // 2
    return F.avg_pool2d(F.pad(maps, (before, after, before, after), mode="replicate"), factor)


class VSI(FullReference):
    """Visual saliency-induced index of the edited image to the source, in [0, 1]; 1 for identical images.

    The mean of the similarities of saliency, gradients and chromaticity, weighted by the larger saliency: what draws
    the eye counts most, and a change of what draws it counts, too. With a region, the weighted mean is over its pixels;
    saliency is that of the whole images, which have the source's pixels outside it.

    Source: Zhang, Shen, Li, IEEE TIP 2014, equations 8 to 13.

    Options:
        convention: How images are scaled before and after saliency and for the rest: as in the authors' code, or as
            piq and pyiqa do.

    >>> import numpy as np
    >>> image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    >>> round(float(VSI()(image, image)), 5)
    1.0
    """

    name, version = "vsi", 1
    title = "saliency-induced similarity"
    dimensions = (Dimension("vsi", low=0, high=1, primary=True),)
    paper = (
        "Zhang, Shen, Li, VSI: A visual saliency-induced index for perceptual image quality assessment, IEEE TIP 2014, "
        "doi:10.1109/TIP.2014.2346028"
    )
    licence = "Apache-2.0"

    def __init__(self, *, convention: Convention = "authors", **shared: Any) -> None:
        super().__init__(**shared)
        self.convention = convention

    def compare(self, source: Tensor, edited: Tensor, mask: Tensor | None) -> Tensor:
        return vsi(source, edited, mask, convention=self.convention)
