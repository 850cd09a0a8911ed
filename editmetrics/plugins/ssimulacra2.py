"""SSIMULACRA 2, the compression community's measure of visible artefacts."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

from ..bases.full_reference import FullReference
from ..bases.pixels import (
    check_pair,
    few_at_a_time_on_cpu,
    linear_light,
    region_mean,
    root,
    same_outside,
    weighted_channels,
)
from ..sample import Dimension, SampleError
from ..transfer import constant

if TYPE_CHECKING:
    from torch import Tensor

SCALES, SMALLEST = 6, 8
SIGMA = 1.5
C2 = 0.0009
"""The constant of the structure's similarity."""

OPSIN = (
    (0.30, 1 - 0.30 - 0.078, 0.078),
    (0.23, 1 - 0.23 - 0.078, 0.078),
    (0.24342268924547819, 0.20476744424496821, 1 - 0.24342268924547819 - 0.20476744424496821),
)
BIAS = 0.0037930732552754493
"""How much light of each colour the eye's receptors absorb, and what is added before the cube root (JPEG XL's XYB)."""

WEIGHTS = (
    # X: from the finest scale to the coarsest; each: dissimilarity, new edges, lost edges; means, then 4-norms
    (0, 0.0007376606707406586, 0, 0, 0.0007793481682867309, 0),
    (0, 0.0004371155730107379, 0, 1.1041726426657346, 0.00066284834129271, 0.00015231632783718752),
    (0, 0.0016406437456599754, 0, 1.8422455520539298, 11.441172603757666, 0),
    (0.0007989109436015163, 0.000176816438078653, 0, 1.8787594979546387, 10.94906990605142, 0),
    (0.0007289346991508072, 0.9677937080626833, 0, 0.00014003424285435884, 0.9981766977854967, 0.00031949755934435053),
    (0.0004550992113792063, 0, 0, 0.0013648766163243398, 0, 0),
    # Y
    (0, 0, 0, 7.466890328078848, 0, 17.445833984131262),
    (0.0006235601634041466, 0, 0, 6.683678146179332, 0.00037724407979611296, 1.027889937768264),
    (225.20515300849274, 0, 0, 19.213238186143016, 0.0011401524586618361, 0.001237755635509985),
    (176.39317598450694, 0, 0, 24.43300999870476, 0.28520802612117757, 0.0004485436923833408),
    (0, 0, 0, 34.77906344483772, 44.835625328877896, 0),
    (0, 0, 0, 0, 0, 0),
    # B - Y
    (0, 0.0008680556573291698, 0, 0, 0, 0),
    (0, 0.0005313191874358747, 0, 0.00016533814161379112, 0, 0),
    (0, 0, 0, 0.0004179171803251336, 0.0017290828234722833, 0),
    (0.0020827005846636437, 0, 0, 8.826982764996862, 23.19243343998926, 0),
    (
        95.1080498811086,
        0.9863978034400682,
        0.9834382792465353,
        0.0012286405048278493,
        171.2667255897307,
        0.9807858872435379,
    ),
    (0, 0, 0, 0.0005130064588990679, 0, 0.00010854057858411537),
)
"""The authors' weights of 108 parts, fitted to the ratings of CID22 and three other data sets (BSD-3-Clause)."""


@few_at_a_time_on_cpu
def ssimulacra2(source: Tensor, edited: Tensor, mask: Tensor | None = None) -> Tensor:
    """SSIMULACRA 2, at most 100; higher is closer, 100 for identical images, negative for strong distortions.

        100 - 10 p(sum of weights · parts)^0.6276,    p(t) = 2.3268 t - 0.0209 t² + 0.0000625 t³, t scaled by 0.9562

    The 108 parts are means and 4-norms over the pixels, at six scales and in the three channels of XYB, of

    - 1 - (1 - (mx - my)²) (2 cov + C2) / (vx + vy + C2), with means, variances and covariance under a Gaussian,
    - new edges, max(0, e - 1), and lost ones, max(0, 1 - e), e = (1 + |y - my|) / (1 + |x - mx|).

    Each scale halves the linear light of the one before; one with a side under 8 pixels ends the scales.

    With a mask, means and norms are over it, and the edited image first has the source's pixels outside.

    `source`, `edited`: (N, 3, H, W), sRGB in [0, 1]. `mask`: (N, 1, H, W), bool or weights. Returns (N,). Raises
    `SampleError` for images of one channel or with a side under 8 pixels. Differentiable; the gradient is 0 where a
    norm is.

    Source: Sneyers, https://github.com/cloudinary/ssimulacra2, version 2.1 (of 2023).

    >>> import torch
    >>> image = torch.rand(1, 3, 32, 32)
    >>> ssimulacra2(image, image)
    tensor([100.])
    """
    check_pair("ssimulacra2", source, SMALLEST, "its smallest scale")
    if source.shape[1] != 3:
        raise SampleError(f"ssimulacra2 compares colours; the images have {source.shape[1]} channels instead of 3")
    edited = same_outside(source, edited, mask)
    x, y = (linear_light(image) for image in (source, edited))
    weights = None if mask is None else mask.to(source.dtype)
    scales: list[list[Tensor]] = []
    while len(scales) < SCALES and min(x.shape[-2:]) >= SMALLEST:
        if scales:
            x, y = _halved(x), _halved(y)
            weights = None if weights is None else _halved(weights)
        scales.append(_parts(xyb(x), xyb(y), weights))
    total = source.new_zeros(len(source))
    for channel in range(3):
        for scale, parts in enumerate(scales):
            # with fewer scales the authors' weights move up, so that those of another scale or channel are taken
            rows = zip(WEIGHTS[channel * len(scales) + scale], parts[6 * channel : 6 * channel + 6], strict=True)
            for weight, part in rows:
                total = total + weight * part
    scaled = 0.9562382616834844 * total
    pooled = 2.326765642916932 * scaled - 0.020884521182843837 * scaled**2 + 6.248496625763138e-05 * scaled**3
    return 100 - 10 * root(pooled, 0.6276336467831387)


def xyb(linear: Tensor) -> Tensor:
    """Convert linear RGB (N, 3, H, W) to JPEG XL's XYB, B less Y, moved to about [0, 1]."""
    import torch

    absorbed = [(weighted_channels(linear, row) + BIAS).clamp_min(1e-9) ** (1 / 3) - BIAS ** (1 / 3) for row in OPSIN]
    long, medium, short = absorbed
    luminance = (long + medium) / 2
    return torch.cat([7 * (long - medium) + 0.42, luminance + 0.01, short - luminance + 0.55], 1)


def _parts(x: Tensor, y: Tensor, weights: Tensor | None) -> list[Tensor]:
    """Six numbers (N,) of each channel: means of three maps, then their 4-norms."""
    mean_x, mean_y = blurred(x), blurred(y)
    variances = (blurred(x * x) - mean_x * mean_x) + (blurred(y * y) - mean_y * mean_y)
    covariance = blurred(x * y) - mean_x * mean_y
    luminance = 1 - (mean_x - mean_y).square()
    dissimilar = (1 - luminance * (2 * covariance + C2) / (variances + C2)).clamp_min(0)
    edges = (1 + (y - mean_y).abs()) / (1 + (x - mean_x).abs()) - 1
    maps = (dissimilar, edges.clamp_min(0), (-edges).clamp_min(0))
    parts = []
    for channel in range(3):
        planes = [each[:, channel : channel + 1] for each in maps]
        parts += [region_mean(plane, weights) for plane in planes]
        parts += [root(root(region_mean(plane.square().square(), weights))) for plane in planes]
    return parts


def blurred(images: Tensor) -> Tensor:
    """Filter (N, C, H, W) by a Gaussian of deviation 1.5 as JPEG XL approximates it; zeros outside the image."""
    import torch.nn.functional as F

    taps = constant(_taps(), images)
    planes = images.flatten(0, 1)[:, None]
    reach = len(taps) // 2
    across = F.conv2d(planes, taps.view(1, 1, 1, -1), padding=(0, reach))
    return F.conv2d(across, taps.view(1, 1, -1, 1), padding=(reach, 0)).view_as(images)


@lru_cache(maxsize=1)
def _taps() -> tuple[float, ...]:
    """The impulse response of JPEG XL's recursive Gaussian: three cosines, cut off at its radius of 5 pixels.

    Source: Charalampidis, "Recursive implementation of the Gaussian filter using truncated cosine functions", IEEE TSP
    2016, equations 37 to 57.
    """
    import numpy as np

    radius = round(3.2795 * SIGMA + 0.2546)
    omega = np.array([1, 3, 5]) * math.pi / (2 * radius)
    p = np.array([1, -1, 1]) / np.tan(omega / 2)
    r = np.array([1, -1, 1]) * p**2 / np.sin(omega)
    rho = np.exp(-(SIGMA**2) * omega**2 / 2) / radius
    d13, d35, d51 = (p[i] * r[j] - r[i] * p[j] for i, j in ((0, 1), (1, 2), (2, 0)))
    zeta = np.array([d35 / d13, d51 / d13, 1.0])
    beta = np.linalg.solve(np.stack([p, r, zeta]), np.array([1, radius**2 - SIGMA**2, float(zeta @ rho)]))
    taps = np.cos(np.outer(np.arange(1 - radius, radius), omega)) @ beta
    return tuple(taps.tolist())


def _halved(maps: Tensor) -> Tensor:
    """Means over blocks of 2 x 2; an odd side's last row or column counts twice."""
    import torch.nn.functional as F

    height, width = maps.shape[-2:]
    return F.avg_pool2d(F.pad(maps, (0, width % 2, 0, height % 2), mode="replicate"), 2)


class SSIMULACRA2(FullReference):
    """SSIMULACRA 2 of the edited image to the source, at most 100; higher is closer, 100 for identical images.

    Structure, new edges and lost edges in the colours of JPEG XL, at six scales, weighted by people's ratings of
    compressed images: 90 is visually lossless, 70 high, 50 medium and 30 low quality; strong distortions have negative
    numbers. With a region, means and norms are over its pixels; windows reach across its border, where both images have
    the source's pixels.

    Source: Sneyers, Cloudinary, https://github.com/cloudinary/ssimulacra2, version 2.1.

    >>> import numpy as np
    >>> black = np.zeros((16, 16, 3), np.uint8)
    >>> SSIMULACRA2()(black, black)
    Score(ssimulacra2=100)
    """

    name, version = "ssimulacra2", 1
    title = "visible artefacts of compression"
    dimensions = (Dimension("ssimulacra2", high=100, primary=True),)
    paper = "Sneyers, SSIMULACRA 2, Cloudinary 2023, https://github.com/cloudinary/ssimulacra2"
    licence = "Apache-2.0; the authors' weights: BSD-3-Clause"

    def compare(self, source: Tensor, edited: Tensor, mask: Tensor | None) -> Tensor:
        return ssimulacra2(source, edited, mask)
