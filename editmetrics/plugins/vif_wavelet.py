"""Visual information fidelity (VIF) in the wavelet domain, which is the paper's own."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Gt

from ..bases.full_reference import FullReference
from ..bases.pixels import check_pair, few_at_a_time_on_cpu, luma, same_outside
from ..late_checks import require
from ..sample import Dimension, SampleError
from ..transfer import to_keep

if TYPE_CHECKING:
    import torch
    from torch import Tensor

LEVELS = 4
BLOCK = 3
"""Side of the blocks of coefficients that are modelled as vectors."""

NOISE = 0.4
"""The variance of the visual system's noise, for pixels in 0 to 255 (the authors' code)."""

TINY = 1e-9

FIRST_LOW_PASS = (
    (0.00341614, -0.01551246, -0.03848215),
    (-0.01551246, 0.05586982, 0.15925570),
    (-0.03848215, 0.15925570, 0.40304148),
)
LOW_PASS = (
    (0.00085404, -0.00244917, -0.00387812, -0.00944432, -0.00962054),
    (-0.00244917, -0.00523281, -0.00661117, 0.00410600, 0.01002988),
    (-0.00387812, -0.00661117, 0.01396746, 0.03277038, 0.03981393),
    (-0.00944432, 0.00410600, 0.03277038, 0.06426333, 0.08169618),
    (-0.00962054, 0.01002988, 0.03981393, 0.08169618, 0.10096540),
)
BAND_PASS = (
    (0.00277643, -0.00986904, -0.01021852),
    (0.00496194, -0.00893064, -0.03075356),
    (0.01026699, 0.01189859, -0.08226445),
    (0.01455399, 0.02755155, -0.11732297),
)
"""One quarter of each filter of Simoncelli's steerable pyramid of order 5 (`sp5Filters` of matlabPyrTools and of
pyrtools, MIT): low passes are symmetric along both sides; of the six orientations only two count, which are transposed,
and antisymmetric from left to right."""


@few_at_a_time_on_cpu
def vif_wavelet(source: Tensor, edited: Tensor, mask: Tensor | None = None, *, noise: float = NOISE) -> Tensor:
    """Visual information fidelity in the wavelet domain, at least 0; 1 for identical images, more for more contrast.

        sum of log2(1 + g² s² λ / (σv² + σn²)) / sum of log2(1 + s² λ / σn²)

    over two orientations of four levels of a steerable pyramid of luma, blocks of 3 x 3 coefficients and the nine
    eigenvalues λ of the covariance C of the source's blocks u in a subband; s² = uᵀ C⁻¹ u / 9. The edited image is
    modelled as g times the source with noise of variance σv² added, in windows of 17, 9, 5 and 3 coefficients from the
    finest level to the coarsest; σn² is `noise`, for pixels in 0 to 255. Blocks whose window reaches across the border
    are left out.

    With a mask, a block counts by the share of it that the mask covers, and the edited image first has the source's
    pixels outside; C is that of the whole source.

    `source`, `edited`: (N, 3, H, W), or (N, 1, H, W) for luma, in [0, 1], with H and W at least 72. `mask`: (N, 1, H,
    W), bool or weights. Returns (N,). Raises `SampleError` for smaller images, and where the source holds no
    information because it is flat. Differentiable but where a variance is 0.

    Source: Sheikh, Bovik, "Image information and visual quality", IEEE TIP 2006, as in the authors' release vifvec.

    >>> import torch
    >>> image = torch.rand(1, 1, 80, 80, generator=torch.Generator().manual_seed(0))
    >>> vif_wavelet(image, image).round(decimals=4)
    tensor([1.])
    """
    import torch.nn.functional as F

    check_pair("vif_wavelet", source, 72, "its pyramid has four levels, of which the last has 9 coefficients a side")
    edited = same_outside(source, edited, mask)
    # the bands ignore the mean; float32 should not carry it
    planes = [255 * (image - image.mean((2, 3), keepdim=True)) for image in (luma(source), luma(edited))]
    kept, total = source.new_zeros(len(source)), source.new_zeros(len(source))
    for level, (x, y) in enumerate(zip(*(pyramid(plane) for plane in planes), strict=True)):
        window = 2 ** (LEVELS - level) + 1
        information, fidelity = _information(_blocks_only(x), _blocks_only(y), window, noise)
        if mask is not None:
            share = F.adaptive_avg_pool2d(mask.to(source.dtype), x.shape[-2:])
            share = _inner(F.avg_pool2d(share, BLOCK), window)
            information, fidelity = information * share, fidelity * share
        kept, total = kept + fidelity.sum((1, 2, 3)), total + information.sum((1, 2, 3))
    flat = "the source is flat where it is looked at: it holds no information to compare"
    require(total > 1e-3, lambda: SampleError(flat))
    return kept / total


def pyramid(images: Tensor) -> list[Tensor]:
    """Two orientations of the four levels of a steerable pyramid of (N, 1, H, W): (N, 2, h, w), the finest first."""
    first, low, bands = _filters(images.dtype, images.device)
    current, levels = _correlated(images, first), []
    for _ in range(LEVELS):
        levels.append(_correlated(current, bands))
        current = _correlated(current, low, stride=2)
    return levels


def _information(x: Tensor, y: Tensor, window: int, noise: float) -> tuple[Tensor, Tensor]:
    """The information, in bits, that each inner block of the source holds, and what of it the edited image keeps."""
    import torch

    gain, added = _channel(x, y, window)
    scale, eigenvalues = _mixture(x)
    gain, added, scale = (_inner(maps, window)[:, :, None] for maps in (gain, added, scale))
    signal = scale * eigenvalues[..., None, None]  # (N, orientations, 9, blocks down, blocks across)
    information = torch.log2(1 + signal / noise).sum(2)
    fidelity = torch.log2(1 + gain.square() * signal / (added + noise)).sum(2)
    return information, fidelity


def _channel(x: Tensor, y: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """The gain and the variance of the noise between subbands (N, C, H, W), in windows about the middles of blocks."""
    import torch
    import torch.nn.functional as F

    def means(maps: Tensor) -> Tensor:
        padded = F.pad(maps, (window // 2,) * 4, mode="reflect")
        return F.avg_pool2d(padded[..., BLOCK // 2 :, BLOCK // 2 :], window, stride=BLOCK)

    mean_x, mean_y = means(x), means(y)
    size = (x.shape[-2] // BLOCK, x.shape[-1] // BLOCK)
    mean_x, mean_y = mean_x[..., : size[0], : size[1]], mean_y[..., : size[0], : size[1]]
    variance_x, variance_y, covariance = (
        means(product)[..., : size[0], : size[1]] - squared
        for product, squared in ((x * x, mean_x * mean_x), (y * y, mean_y * mean_y), (x * y, mean_x * mean_y))
    )
    variance_x, variance_y = variance_x.clamp_min(0), variance_y.clamp_min(0)
    gain = covariance / (variance_x + TINY)
    added = variance_y - gain * covariance
    # as in the authors' code: nothing is kept where either is flat, and a negative gain is all noise
    none = (variance_x < TINY) | (variance_y < TINY) | (gain < 0)
    gain = torch.where(none, torch.zeros_like(gain), gain)
    added = torch.where(none, variance_y, added).clamp_min(TINY)
    return gain, added


def _mixture(x: Tensor) -> tuple[Tensor, Tensor]:
    """The scale s² of each block of subbands (N, C, H, W), and the eigenvalues (N, C, 9) of the blocks' covariance."""
    import torch

    height, width = x.shape[-2:]
    shifts = [(row, column) for row in range(BLOCK) for column in range(BLOCK)]
    inner = (height - BLOCK + 1, width - BLOCK + 1)
    overlapping = torch.stack([x[..., r : r + inner[0], c : c + inner[1]] for r, c in shifts], 3)  # (N, C, h, 9, w)
    centred = overlapping - overlapping.mean((2, 4), keepdim=True)
    # row by row: one long sum of float32 would lose the small eigenvalues
    covariance = (centred @ centred.mT).mean(2) / centred.shape[-1]
    blocks = torch.stack([x[..., r::BLOCK, c::BLOCK] for r, c in shifts], 2)
    vectors = blocks.flatten(3)
    # a flat source has no inverse, and no information
    regular = covariance + TINY * torch.eye(len(shifts), dtype=x.dtype, device=x.device)
    solved = torch.linalg.solve_ex(regular, vectors)[0]
    scale = (solved * vectors).sum(2).view(*blocks.shape[:2], *blocks.shape[3:]) / len(shifts)
    return scale.clamp_min(0), torch.linalg.eigvalsh(covariance).clamp_min(0)


def _blocks_only(maps: Tensor) -> Tensor:
    """Without the rows and columns at the end that fill no block."""
    height, width = (side // BLOCK * BLOCK for side in maps.shape[-2:])
    return maps[..., :height, :width]


def _inner(maps: Tensor, window: int) -> Tensor:
    """Without blocks at the border."""
    border = math.ceil(window // 2 / BLOCK)
    return maps[..., border:-border, border:-border]


def _correlated(images: Tensor, filters: Tensor, stride: int = 1) -> Tensor:
    """Filter (N, 1, H, W), the border mirrored about its outermost pixels."""
    import torch.nn.functional as F

    return F.conv2d(F.pad(images, (filters.shape[-1] // 2,) * 4, mode="reflect"), filters, stride=stride)


@lru_cache(maxsize=8)
def _filters(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """The first low pass, that between levels, and the two orientations, as weights of a convolution."""
    import numpy as np

    quarters = (np.array(part) for part in (FIRST_LOW_PASS, LOW_PASS))
    first, low = (np.pad(quarter, (0, len(quarter) - 1), mode="reflect") for quarter in quarters)
    band = np.pad(np.array(BAND_PASS), ((0, 3), (0, 0)), mode="reflect")
    band = np.hstack([band, np.zeros((7, 1)), -band[:, ::-1]])
    bands = np.stack([band, band.T])[:, None]
    return (
        to_keep(first[None, None], dtype, device),
        to_keep(2 * low[None, None], dtype, device),
        to_keep(bands, dtype, device),
    )


class VIFWavelet(FullReference):
    """Visual information fidelity of the edited image to the source, wavelet domain, at least 0; 1 is the same.

    The share of the information in the source that can still be read in the edited image, in subbands of a steerable
    pyramid of luma whose blocks are mixtures of Gaussians. Enhanced contrast gives more than 1. A flat source holds no
    information, and has no score. This is the paper's own metric; `vif` is the later one, in the pixel domain, and
    gives other numbers. With a region, a block counts by the share of it that lies in the region; filters reach across
    its border, where both images have the source's pixels.

    Options:
        channels: y (luma), or y8: luma rounded to 8 bits, as MATLAB's rgb2gray has it.
        noise: The variance of the visual system's noise, for pixels in 0 to 255.

    Source: Sheikh, Bovik, IEEE TIP 2006; the authors' release vifvec.

    >>> import numpy as np
    >>> image = np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    >>> round(float(VIFWavelet()(image, image)), 4)
    1.0
    """

    name, version = "vif_wavelet", 1
    title = "information fidelity of wavelets"
    dimensions = (
        Dimension("vif_wavelet", low=0, high=math.inf, primary=True, description="share of information kept"),
    )
    paper = "Sheikh, Bovik, Image information and visual quality, IEEE TIP 2006, doi:10.1109/TIP.2005.859378"
    licence = "Apache-2.0"

    def __init__(
        self, *, channels: Literal["y", "y8"] = "y", noise: Annotated[float, Gt(0)] = NOISE, **shared: Any
    ) -> None:
        super().__init__(**shared)
        self.channels, self.noise = channels, noise

    def compare(self, source: Tensor, edited: Tensor, mask: Tensor | None) -> Tensor:
        return vif_wavelet(source, edited, mask, noise=self.noise)
