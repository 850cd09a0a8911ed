"""CW-SSIM, structural similarity of complex wavelet coefficients."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Le

from ..bases.full_reference import FullReference
from ..bases.pixels import check_pair, few_at_a_time_on_cpu, luma, region_mean, same_outside
from ..sample import Dimension
from ..transfer import to_keep

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

LEVELS, ORIENTATIONS = 4, 8
WINDOW = 7
"""Side, in coefficients, of the windows in which coefficients are compared."""

K = 1e-8
"""What is added above and below, for luma in [0, 1]. The authors add nothing: where an image is flat, theirs is one
of rounding errors."""


@few_at_a_time_on_cpu
def cw_ssim(
    source: Tensor,
    edited: Tensor,
    mask: Tensor | None = None,
    *,
    levels: int = LEVELS,
    orientations: int = ORIENTATIONS,
) -> Tensor:
    """Complex wavelet structural similarity, in [0, 1]; 1 for identical images.

        mean over orientations of sum of w S,    S = (2 |sum of x y*| + K) / (sum of |x|² + |y|² + K)

    where x, y are the coefficients of one orientation of the last level of a complex steerable pyramid of luma, sums
    are over windows of 7 x 7 coefficients, and w is a Gaussian about the middle (deviation a quarter of the height),
    which adds up to 1. A small shift turns all phases in a window by the same angle, and changes nothing.

    With a mask, w is multiplied by the share of each window that the mask covers, and the edited image first has the
    source's pixels outside: wavelets reach across the border.

    `source`, `edited`: (N, 3, H, W), or (N, 1, H, W) for luma, in [0, 1], with sides of at least 2^(levels + 2) pixels.
    `mask`: (N, 1, H, W), bool or weights. Returns (N,). Raises `SampleError` for smaller images. Differentiable.

    Source: Sampat, Wang, Gupta, Bovik, Markey, "Complex wavelet structural similarity: a new image similarity index",
    IEEE TIP 2009, with the weights of the authors' code.

    >>> import torch
    >>> image = torch.rand(1, 1, 64, 64)
    >>> cw_ssim(image, image)
    tensor([1.])
    """
    import torch.nn.functional as F

    check_pair("cw_ssim", source, 2 ** (levels + 2), f"its pyramid has {levels} levels")
    edited = same_outside(source, edited, mask)
    x, y = (subbands(luma(image), levels, orientations) for image in (source, edited))
    product, energy = x * y.conj(), _energy(x) + _energy(y)
    real, imaginary = (_windows(part) for part in (product.real, product.imag))
    # kept off 0, where the root has no slope
    correlation = (real.square() + imaginary.square()).clamp_min(1e-30).sqrt()
    similarity = ((2 * correlation + K) / (_windows(energy) + K)).clamp_max(1)  # no more, but for rounding
    size = (energy.shape[-2], energy.shape[-1])
    weights = _gaussian(size, source.dtype, source.device)
    weights = weights.expand(len(source), 1, -1, -1)
    if mask is not None:
        weights = weights * _windows(F.adaptive_avg_pool2d(mask.to(source.dtype), size))
    return region_mean(similarity, weights)


def subbands(images: Tensor, level: int, orientations: int) -> Tensor:
    """The coefficients (N, orientations, h, w), complex, of one level of a complex steerable pyramid of (N, 1, H, W).

    Level 1 is the finest; each further one has half the size, rounded up.

    Source: Portilla, Simoncelli, "A parametric texture model based on joint statistics of complex wavelet
    coefficients", IJCV 2000; the pyramid is the Fourier domain's, with a transition of one octave.
    """
    import torch

    (top, left), filters = _filters(
        (images.shape[-2], images.shape[-1]), level, orientations, images.dtype, images.device
    )
    height, width = filters.shape[-2:]
    # the filters ignore the mean; float32 should not carry it
    spectrum = torch.fft.fftshift(torch.fft.fft2(images - images.mean((2, 3), keepdim=True)), dim=(2, 3))
    cropped = spectrum[..., top : top + height, left : left + width]
    return torch.fft.ifft2(torch.fft.ifftshift(cropped * filters, dim=(2, 3)))


@lru_cache(maxsize=8)
def _filters(
    size: tuple[int, int], level: int, orientations: int, dtype: torch.dtype, device: torch.device
) -> tuple[tuple[int, int], Tensor]:
    """Where the level's part of the centred spectrum starts, and the filters of the orientations there.

    A filter is the product of the low passes of the levels before, the level's high pass and a lobe in angle.
    """
    import numpy as np

    centre = [side // 2 for side in size]
    rows, columns = ((np.arange(side) - middle) / (side / 2) for side, middle in zip(size, centre, strict=True))
    radius = np.hypot(rows[:, None], columns)
    middle, beside = (centre[0], centre[1]), (centre[0], centre[1] - 1)
    radius[middle] = radius[beside]  # as the authors have it, so that it has a logarithm
    octaves, angle = np.log2(radius), np.arctan2(rows[:, None], columns)
    low = _low_pass(octaves)
    start = [0, 0]
    for step in range(1, level):
        sides = octaves.shape
        halves = [math.ceil((side - 0.5) / 2) for side in sides]
        first = [side // 2 - half // 2 for side, half in zip(sides, halves, strict=True)]
        part = tuple(slice(begin, begin + half) for begin, half in zip(first, halves, strict=True))
        octaves, angle, low = octaves[part], angle[part], low[part]
        start = [before + begin for before, begin in zip(start, first, strict=True)]
        low = low * _low_pass(octaves + step)
    radial = low * np.sqrt(1 - _low_pass(octaves + level) ** 2)
    order = orientations - 1
    scale = 2 * math.sqrt(4**order * math.factorial(order) ** 2 / (orientations * math.factorial(2 * order)))
    lobes = []
    for orientation in range(orientations):
        distance = np.angle(np.exp(1j * (angle - orientation * math.pi / orientations)))
        lobes.append(scale * np.cos(distance) ** order * (np.abs(distance) < math.pi / 2))
    return (start[0], start[1]), to_keep((-1j) ** order * radial * np.stack(lobes), dtype.to_complex(), device)


def _low_pass(octaves: np.ndarray) -> np.ndarray:
    """A raised cosine's root in log-frequency: 1 up to -1 octave, 0 from 0 octaves on."""
    import numpy as np

    low: np.ndarray = np.cos(np.clip(octaves + 1, 0, 1) * (math.pi / 2))
    return low


@lru_cache(maxsize=8)
def _gaussian(size: tuple[int, int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """The weights of windows in a subband of `size`: a Gaussian about the middle, deviation a quarter of the height."""
    import numpy as np

    rows, columns = (np.arange(side - WINDOW + 1) - (side - WINDOW) / 2 for side in size)
    weights = np.exp(-(rows[:, None] ** 2 + columns**2) / (2 * (size[0] / 4) ** 2))
    return to_keep(weights / weights.sum(), dtype, device)


def _energy(coefficients: Tensor) -> Tensor:
    return coefficients.real.square() + coefficients.imag.square()


def _windows(maps: Tensor) -> Tensor:
    """The means of (N, C, H, W) under windows of 7 x 7, inside."""
    import torch.nn.functional as F

    return F.avg_pool2d(maps, WINDOW, stride=1)


class CWSSIM(FullReference):
    """Complex wavelet structural similarity of the edited image to the source, in [0, 1]; 1 for identical images.

    The local correlation of coefficients of a complex steerable pyramid of luma, averaged over the orientations of its
    last, coarsest level. Moving, scaling or turning things by little turns the coefficients' phases alike and hardly
    changes it, nor does a change of brightness. With a region, the weighted mean is over windows by the share of
    them that the mask covers; wavelets reach across its border, where both images have the source's pixels.

    Source: Sampat, Wang, Gupta, Bovik, Markey, IEEE TIP 2009.

    Options:
        levels: Levels of the pyramid, of which the last counts; images have sides of at least 2^(levels + 2) pixels.
            The usual number is 4; the paper's experiments have 6, of images of 256 pixels and more.
        orientations: Orientations of the pyramid. The usual number is 8; the paper's experiments have 16.
        channels: y (luma), or y8: luma rounded to 8 bits, as MATLAB's rgb2gray has it.

    >>> import numpy as np
    >>> image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    >>> CWSSIM()(image, image)
    Score(cw_ssim=1)
    """

    name, version = "cw_ssim", 1
    title = "similarity of complex wavelets"
    dimensions = (Dimension("cw_ssim", low=0, high=1, primary=True),)
    paper = (
        "Sampat, Wang, Gupta, Bovik, Markey, Complex wavelet structural similarity: a new image similarity index, IEEE "
        "TIP 2009, doi:10.1109/TIP.2009.2025923"
    )
    licence = "Apache-2.0"

    def __init__(
        self,
        *,
        levels: Annotated[int, Ge(1), Le(8)] = LEVELS,
        orientations: Annotated[int, Ge(2), Le(16)] = ORIENTATIONS,
        channels: Literal["y", "y8"] = "y",
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self.levels, self.orientations, self.channels = levels, orientations, channels

    def compare(self, source: Tensor, edited: Tensor, mask: Tensor | None) -> Tensor:
        return cw_ssim(source, edited, mask, levels=self.levels, orientations=self.orientations)
