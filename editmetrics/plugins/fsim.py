"""Feature similarity (FSIM), and its colour version (FSIMc)."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from ..bases.full_reference import FullReference
from ..bases.pixels import (
    block_means,
    check_pair,
    few_at_a_time_on_cpu,
    luma,
    region_mean,
    same_block_means,
    same_outside,
    weighted_channels,
)
from ..sample import Dimension, SampleError
from ..transfer import to_keep

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Convention = Literal["authors", "piq"]
T1, T2, T3, T4 = 0.85, 160 / 255**2, 200 / 255**2, 200 / 255**2
"""The constants of the similarities of phase congruency, gradient magnitude, I and Q; the paper's are for [0, 255]."""

CHROMA: dict[Convention, tuple[tuple[float, float, float], ...]] = {
    "authors": ((0.596, -0.274, -0.322), (0.211, -0.523, 0.312)),
    "piq": ((0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)),
}
"""Weights of R, G and B in YIQ's I and Q."""

ORIENTATIONS, SCALES = 4, 4
SHORTEST_WAVELENGTH, SCALE_STEP = 6, 2
RADIAL_SIGMA = 0.55  # of the log-Gabor filters, over their centre frequency
ANGULAR_SIGMA = math.pi / ORIENTATIONS / 1.2
NOISE_DEVIATIONS, NOISE_REDUCTION = 2.0, 1.7


@few_at_a_time_on_cpu
def fsim(
    source: Tensor,
    edited: Tensor,
    mask: Tensor | None = None,
    *,
    chromatic: bool = False,
    convention: Convention = "authors",
) -> Tensor:
    """Feature similarity, in [0, 1]; 1 for identical images.

        sum of S_PC S_G PC_m / sum of PC_m,    S_PC = (2 PCx PCy + T1) / (PCx² + PCy² + T1),    PC_m = max(PCx, PCy)
                                               S_G = (2 Gx Gy + T2) / (Gx² + Gy² + T2)

    over the pixels, with the phase congruency PC and the gradient magnitude G (Scharr, zeros outside the image) of the
    luma, T1 = 0.85, T2 = 160 for luma in [0, 255]. `chromatic` multiplies by the real part of (S_I S_Q)^0.03 of YIQ's I
    and Q (FSIMc). Where neither image has any structure, all pixels weigh the same.

    With a mask, both sums are over the mask. The log-Gabor filters of phase congruency reach across the whole image, so
    neither normalised convolution nor whole windows are to be had: the edited image first gets the source's pixels
    outside the mask, which are then the surroundings of both (see `pixels.same_outside`).

    The images are first scaled down by means over blocks of F = round(min(H, W) / 256) pixels. `convention`:

    - `authors`: the blocks are centred as those of the authors' code (see `same_block_means`), half is rounded up.
    - `piq`: blocks start at the border, incomplete ones are dropped, half is rounded to even; FSIMc takes the magnitude
      of S_I S_Q, not the real part of its power (a factor of 0.996 where it is negative, between opposite colours), and
      YIQ has a fourth digit.

    `source`, `edited`: (N, 3, H, W), or (N, 1, H, W) for luma, in [0, 1]. `mask`: (N, 1, H, W), bool or weights of at
    least 0. Returns (N,), one value per pair. Raises `SampleError` for images with a side under 3 pixels and for an
    empty mask. Differentiable; the gradient is 0 where a gradient magnitude is 0.

    Source: Zhang, Zhang, Mou, Zhang, "FSIM: a feature similarity index for image quality assessment", IEEE TIP 2011,
    equations 5 to 10; phase congruency after Kovesi.

    >>> import torch
    >>> image = torch.linspace(0, 1, 1024).view(1, 1, 32, 32)
    >>> fsim(image, image)
    tensor([1.])
    """
    import torch

    check_pair("fsim", source, 3, "its gradient filters are 3 pixels wide")
    if chromatic and source.shape[1] != 3:
        raise SampleError(f"FSIMc compares colours; the images have {source.shape[1]} channels instead of 3")
    edited = same_outside(source, edited, mask)
    pair = [_downsampled(luma(image), convention) for image in (source, edited)]
    congruency = phase_congruency(torch.cat(pair)).chunk(2)
    energies = [scharr_energy(image) for image in pair]
    similarity = _similarity(congruency[0] * congruency[1], congruency[0].square() + congruency[1].square(), T1)
    # One square root gives the product of the two magnitudes; it is kept off 0, where it has no slope.
    product = (energies[0] * energies[1]).clamp_min(1e-30).sqrt()
    similarity = similarity * _similarity(product, energies[0] + energies[1], T2)
    if chromatic:
        similarity = similarity * _chromatic_similarity(source, edited, convention)
    weights = torch.maximum(*congruency) + 1e-8  # so that a pair without structure has weights
    if mask is not None:
        weights = weights * _downsampled(mask.to(source.dtype), convention)
    return region_mean(similarity, weights)


def phase_congruency(images: Tensor) -> Tensor:
    """Phase congruency of (N, 1, H, W), in [0, 1]: where the Fourier components are in phase, an edge or a line.

    PC = sum over orientations of max(0, E_o - T_o) / sum over orientations and scales of A_os, where A_os is the
    amplitude of the log-Gabor response at a scale and an orientation, E_o the sum over scales of A_os (cos d - |sin d|)
    with d the angle between a response and their sum, and T_o the noise that is expected at that orientation.

    Source: Kovesi, "Image features from phase congruency", Videre 1999, with the parameters of the FSIM paper.
    """
    import torch

    filters, noise_gain = log_gabor_filters(tuple(images.shape[-2:]), images.dtype, images.device)
    images = images - images.mean((2, 3), keepdim=True)  # the filters ignore the mean; float32 should not carry it
    spectrum = torch.fft.fft2(images)
    tiny = 1e-16  # square roots are kept off 0, where they have no slope
    energies: list[Tensor] = []
    amplitudes: list[Tensor] = []
    for orientation in range(ORIENTATIONS):
        responses = torch.view_as_real(torch.fft.ifft2(spectrum * filters[orientation]))  # (N, scales, H, W, 2)
        even, odd = responses[..., 0].contiguous(), responses[..., 1].contiguous()
        amplitude = even.square().add_(tiny).addcmul_(odd, odd).sqrt_()
        even_sum, odd_sum = even.sum(1, keepdim=True), odd.sum(1, keepdim=True)
        length = even_sum.square().add_(tiny).addcmul_(odd_sum, odd_sum).sqrt_()
        # Over the scales, A cos d adds up to the length of the responses' sum, and A sin d is the part across it.
        across = (odd * (even_sum / length)).addcmul_(even, odd_sum / length, value=-1)
        noise = amplitude[:, :1].flatten(2).median(-1, keepdim=True).values.unsqueeze(-1) * noise_gain[orientation]
        energies.append((length - across.abs().sum(1, keepdim=True) - noise).clamp_min(0))
        amplitudes.append(amplitude.sum(1, keepdim=True))
    return sum(energies[1:], energies[0]) / sum(amplitudes[1:], amplitudes[0])


@lru_cache(maxsize=8)
def log_gabor_filters(size: tuple[int, int], dtype: torch.dtype, device: torch.device) -> tuple[Tensor, list[float]]:
    """The filters in the Fourier domain, (orientations, scales, H, W), complex, and each orientation's noise threshold.

    The threshold is per unit of the median amplitude of the finest scale, which measures the noise: Rayleigh's mean and
    two standard deviations of the energy that this noise has after all of the scales' filters, over 1.7.
    """
    import numpy as np

    # Frequencies in cycles per pixel; an odd side of n pixels is divided by n - 1, as in Kovesi's code.
    rows, columns = (np.fft.ifftshift(np.arange(-(n // 2), n - n // 2) / (n - n % 2)) for n in size)
    x, y = columns[None, :], rows[:, None]
    radius, angle = np.hypot(x, y), np.arctan2(-y, x)
    low_pass = 1 / (1 + (radius / 0.45) ** 30)
    radius[0, 0] = 1
    wavelengths = [SHORTEST_WAVELENGTH * SCALE_STEP**scale for scale in range(SCALES)]
    radial = [np.exp(-(np.log(radius * w) ** 2) / (2 * math.log(RADIAL_SIGMA) ** 2)) * low_pass for w in wavelengths]
    for component in radial:
        component[0, 0] = 0
    filters, noise_gain = [], []
    for orientation in range(ORIENTATIONS):
        distance = np.angle(np.exp(1j * (angle - orientation * math.pi / ORIENTATIONS)))
        spread = np.exp(-(distance**2) / (2 * ANGULAR_SIGMA**2))
        bank = np.stack([component * spread for component in radial])
        filters.append(bank)
        # Parseval: the energy of the real part of the summed filters is that of their even part in the Fourier domain.
        summed = bank.sum(0)
        even = (summed + np.roll(summed[::-1, ::-1], (1, 1), (0, 1))) / 2
        noise_energy = 2 * (even**2).sum() / (math.log(2) * (bank[0] ** 2).sum())
        rayleigh = math.sqrt(math.pi / 2) + NOISE_DEVIATIONS * math.sqrt(2 - math.pi / 2)
        noise_gain.append(math.sqrt(noise_energy / 2) * rayleigh / NOISE_REDUCTION)
    return to_keep(np.stack(filters), dtype.to_complex(), device), noise_gain


def scharr_energy(images: Tensor) -> Tensor:
    """The squared gradient magnitude of (N, 1, H, W): Scharr filters divided by 16, zeros outside the image."""
    import torch.nn.functional as F

    padded = F.pad(images, (1, 1, 1, 1))
    rows = 3 * (padded[..., :-2, :] + padded[..., 2:, :]) + 10 * padded[..., 1:-1, :]
    columns = 3 * (padded[..., :-2] + padded[..., 2:]) + 10 * padded[..., 1:-1]
    horizontal = rows[..., 2:] - rows[..., :-2]
    vertical = columns[..., 2:, :] - columns[..., :-2, :]
    return (horizontal.square() + vertical.square()) / 16**2


def _chromatic_similarity(source: Tensor, edited: Tensor, convention: Convention) -> Tensor:
    import torch

    similarities = []
    for weights, constant in zip(CHROMA[convention], (T3, T4), strict=True):
        x, y = (_downsampled(weighted_channels(image, weights), convention) for image in (source, edited))
        similarities.append(_similarity(x * y, x.square() + y.square(), constant))
    product = similarities[0] * similarities[1]
    magnitude = product.abs() ** 0.03
    # The real part of a negative number to the power of 0.03 is its magnitude's power times cos(0.03 pi).
    return magnitude if convention == "piq" else torch.where(product < 0, math.cos(0.03 * math.pi), 1.0) * magnitude


def _similarity(product: Tensor, squares: Tensor, constant: float) -> Tensor:
    return (2 * product + constant) / (squares + constant)


def _downsampled(images: Tensor, convention: Convention) -> Tensor:
    ratio = min(images.shape[-2:]) / 256
    factor = max(1, math.floor(ratio + 0.5) if convention == "authors" else round(ratio))
    if factor == 1:
        return images
    return same_block_means(images, factor) if convention == "authors" else block_means(images, factor)


class FSIM(FullReference):
    """Feature similarity of the edited image to the source, in [0, 1]; 1 for identical images.

    The mean of the similarities of phase congruency and of gradient magnitude, weighted by the larger phase congruency:
    it looks at edges and lines, and not at brightness. FSIMc (`chromatic`) multiplies the similarity of the chroma I
    and Q to the power of 0.03. With a region, the weighted mean is that over its pixels. The filters reach across the
    whole image: outside the region both images have the source's pixels, so that nothing of the edited image there has
    a say, a region that is the same in both gives 1 to 1e-6, and filters at its border see some of the same pixels.

    Source: Zhang, Zhang, Mou, Zhang, IEEE TIP 2011, equations 5 to 10.

    Options:
        chromatic: FSIMc instead of FSIM, as piq's and pyiqa's default.
        convention: How images are scaled down to about 256 pixels, and the sign of opposite chroma in FSIMc: as in
            the authors' code, or as piq and pyiqa do.

    >>> import numpy as np
    >>> black = np.zeros((16, 16, 3), np.uint8)
    >>> FSIM()(black, black)
    Score(fsim=1)
    """

    name, version = "fsim", 2
    title = "feature similarity"
    dimensions = (Dimension("fsim", low=0, high=1, primary=True),)
    paper = (
        "Zhang, Zhang, Mou, Zhang, FSIM: a feature similarity index for image quality assessment, "
        "IEEE TIP 2011, doi:10.1109/TIP.2011.2109730"
    )
    licence = "Apache-2.0"

    def __init__(self, *, chromatic: bool = False, convention: Convention = "authors", **shared: Any) -> None:
        super().__init__(**shared)
        self.chromatic, self.convention = chromatic, convention

    def compare(self, source: Tensor, edited: Tensor, mask: Tensor | None) -> Tensor:
        return fsim(source, edited, mask, chromatic=self.chromatic, convention=self.convention)
