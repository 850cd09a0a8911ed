"""MAD, the most apparent distortion."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from ..bases.full_reference import FullReference
from ..bases.pixels import check_pair, few_at_a_time_on_cpu, luma, mirrored, region_mean, root, same_outside
from ..sample import Dimension
from ..transfer import constant, to_keep

if TYPE_CHECKING:
    import torch
    from torch import Tensor

BLOCK, STEP = 16, 4
"""Side of the blocks whose statistics are compared, and the pixels between them."""

LIGHT = 0.02874
"""Perceived luminance is this times the level of 0 to 255, to the power of 2.2 / 3, as a display shows it."""

DARKEST, CONTRAST = 0.5, -5.0
"""Mean luminance under which nothing is seen, and the log-contrast from which on distortions are."""

SCALES, ORIENTATIONS = 5, 4
SCALE_WEIGHTS = tuple(weight / 13.25 for weight in (0.5, 0.75, 1, 5, 6))
RADIAL_SIGMA, ANGULAR_SIGMA = 0.55, math.pi / ORIENTATIONS / 1.5
FIRST, SECOND = 2.55, 3.35
"""The thresholds of the blend of both strategies."""


@few_at_a_time_on_cpu
def mad(source: Tensor, edited: Tensor, mask: Tensor | None = None) -> Tensor:
    """Most apparent distortion, at least 0; lower is closer, 0 for identical images.

        detection^a appearance^(1 - a),    a = 1 / (1 + exp(-2.55 / 3.35) detection^(1 / (ln 10 · 3.35)))

    - detection, of distortions that are hardly seen: 200 times the root mean square, over blocks, of the mean squared
      error times how much the log-contrast of the error exceeds that of the source, both as a display shows them and
      as the eye's sensitivity to contrast filters them.
    - appearance, of those that are plain: the root mean square, over blocks, of the weighted sum over 20 log-Gabor
      filters of |difference of deviations| + 2 |of skewness| + |of kurtosis|.

    Blocks have 16 x 16 pixels, 4 apart; 16 pixels at the border are left out. Where no error is above the threshold of
    detection the number is 0, whatever the appearance: so it is for images that only differ in brightness.

    With a mask, both means are over it, and the edited image first has the source's pixels outside.

    `source`, `edited`: (N, 3, H, W), or (N, 1, H, W) for luma, in [0, 1], of at least 36 x 36 pixels. `mask`: (N, 1, H,
    W), bool or weights. Returns (N,). Raises `SampleError` for smaller images. Differentiable, but for the threshold.

    Source: Larson, Chandler, "Most apparent distortion: full-reference image quality assessment and the role of
    strategy", Journal of Electronic Imaging 2010, as in the authors' release of 2011.

    >>> import torch
    >>> image = torch.rand(1, 1, 40, 40)
    >>> mad(image, image)
    tensor([0.])
    """
    import torch

    check_pair("mad", source, 36, "blocks of 16 pixels, and a border of 16 that is left out")
    edited = same_outside(source, edited, mask)
    x, y = (255 * luma(image) for image in (source, edited))
    weights = None if mask is None else _inner(mask.to(x.dtype))
    hidden, plain = 200 * _root_mean(_inner(_detection(x, y)), weights), _root_mean(_inner(_appearance(x, y)), weights)
    none = hidden <= 0
    safe = torch.where(none, 1.0, hidden)
    share = 1 / (1 + math.exp(-FIRST / SECOND) * safe ** (1 / (math.log(10) * SECOND)))
    return torch.where(none, 0.0, safe**share * plain.clamp_min(1e-12) ** (1 - share))


def _detection(x: Tensor, y: Tensor) -> Tensor:
    """Visible squared error of (N, 1, H, W), where blocks' contrasts are repeated over the pixels of their step."""
    import torch
    import torch.nn.functional as F

    error = F.avg_pool2d(mirrored((x - y).square(), BLOCK // 2 - 1, BLOCK // 2), BLOCK, stride=1)
    seen, other = (_as_seen(image) for image in (x, y))
    mean = _central_sums(seen, BLOCK)[0]
    deviation = _deviation(other - seen)
    own = _least(_deviation(seen, BLOCK // 2), x.shape[-2:])
    tiny = 1e-12
    of_error, of_source = ((part.clamp_min(tiny) / mean.clamp_min(tiny)).log() for part in (deviation, own))
    excess = (of_error - torch.maximum(of_source, torch.full_like(of_source, CONTRAST))).clamp_min(0)
    visible = torch.where((mean < DARKEST) | (deviation <= tiny), torch.zeros_like(excess), excess)
    return _spread(visible, x.shape[-2:]) * error


def _as_seen(images: Tensor) -> Tensor:
    """Levels in 0 to 255 as luminance that is perceived, filtered by the eye's sensitivity to contrast."""
    import torch

    luminance = LIGHT * images.clamp_min(1e-6) ** (2.2 / 3)
    sensitivity = _sensitivity((images.shape[-2], images.shape[-1]), images.dtype, images.device)
    mean = luminance.mean((2, 3), keepdim=True)  # passes unfiltered; float32 should not carry it
    return torch.fft.ifft2(torch.fft.fft2(luminance - mean) * sensitivity).real + mean * sensitivity[..., :1, :1]


@lru_cache(maxsize=8)
def _sensitivity(size: tuple[int, int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """The eye's sensitivity to contrast at 32 cycles per degree a side, in the Fourier domain.

    Frequencies lie half a step beside those of the transform, and are divided by the width, as in the authors' code.
    """
    import numpy as np

    rows, columns = (np.arange(side) - (side - 1) / 2 for side in size)
    plane = (columns + 1j * rows[:, None]) * 64 / size[1]
    frequency = np.abs(plane) / (0.15 * np.cos(4 * np.angle(plane)) + 0.85)
    curve = 2.6 * (0.0192 + 0.114 * frequency) * np.exp(-((0.114 * frequency) ** 1.1))
    curve[frequency < 7.8909] = 0.9809
    return to_keep(np.fft.ifftshift(curve), dtype, device)


def _appearance(x: Tensor, y: Tensor) -> Tensor:
    """Weighted differences of blocks' statistics of log-Gabor amplitudes, repeated over the pixels of their step."""
    import torch

    filters = _log_gabor((x.shape[-2], x.shape[-1]), x.dtype, x.device)
    spectra = [torch.fft.fft2(image - image.mean((2, 3), keepdim=True)) for image in (x, y)]  # filters ignore means
    weights = constant(SCALE_WEIGHTS, x)[:, None, None]
    parts = []
    for orientation in range(ORIENTATIONS):
        # the scales of an orientation at once, as items of a batch
        responses = [torch.fft.ifft2(spectrum * filters[orientation]).flatten(0, 1)[:, None] for spectrum in spectra]
        statistics = zip(*(_statistics(each) for each in responses), strict=True)
        spread, skew, tails = ((first - second).abs() for first, second in statistics)
        difference = spread + 2 * skew + tails
        by_scale = difference.view(len(x), SCALES, *difference.shape[-2:])
        parts.append((weights * by_scale).sum(1, keepdim=True))
    return _spread(sum(parts[1:], parts[0]), x.shape[-2:])


def _statistics(responses: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Deviation, skewness and kurtosis of the amplitudes in each block; the last two are 0 where all are equal."""
    import torch

    amplitude = (responses.real.square() + responses.imag.square() + 1e-12).sqrt()
    _, *sums = _central_sums(amplitude, BLOCK)
    count = BLOCK**2
    variance, third, fourth = (total / count for total in sums)
    flat = variance < 1e-12  # rounding errors of levels up to 255
    own = torch.where(flat, 1.0, variance).sqrt()
    deviation = torch.where(flat, 0.0, own) * math.sqrt(count / (count - 1))
    return deviation, torch.where(flat, 0.0, third / own**3), torch.where(flat, 0.0, fourth / own**4)


@lru_cache(maxsize=8)
def _log_gabor(size: tuple[int, int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """The filters in the Fourier domain, (orientations, scales, H, W), with half steps for odd sides."""
    import numpy as np

    rows, columns = ((np.arange(side) - side / 2) / (side / 2) for side in size)
    middle = tuple((side + 1) // 2 for side in size)
    radius, angle = np.hypot(rows[:, None], columns), np.arctan2(-rows[:, None], columns)
    radius[middle] = 1
    radial = []
    for scale in range(SCALES):
        component = np.exp(-(np.log(radius * 3 ** (scale + 1) / 2) ** 2) / (2 * math.log(RADIAL_SIGMA) ** 2))
        component[middle] = 0
        radial.append(component)
    banks = []
    for orientation in range(ORIENTATIONS):
        distance = np.angle(np.exp(1j * (angle - orientation * math.pi / ORIENTATIONS)))
        banks.append(np.stack(radial) * np.exp(-(distance**2) / (2 * ANGULAR_SIGMA**2)))
    return to_keep(np.fft.fftshift(np.stack(banks), axes=(-2, -1)), dtype, device)


def _central_sums(maps: Tensor, side: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Mean of each block, and sums of the second to fourth powers of what it deviates by: (N, 1, down, across) each.

    Blocks of `side` pixels lie at the corners of those of 16, which are 4 apart. Their sums are put together from those
    of tiles of 4 x 4 pixels about the tiles' means, which is exact and a sixteenth of the work.
    """
    import torch.nn.functional as F

    down, across = (length // STEP for length in maps.shape[-2:])
    cut = maps[:, 0, : down * STEP, : across * STEP]
    pixels = cut.reshape(-1, down, STEP, across, STEP).permute(0, 2, 4, 1, 3).reshape(-1, STEP**2, down, across)
    mean = pixels.mean(1, keepdim=True)
    squares = (pixels - mean).square()
    sums = [part.sum(1, keepdim=True) for part in (squares, squares * (pixels - mean), squares.square())]
    tiles, less = side // STEP, BLOCK // STEP - 1
    size = (down - less, across - less)

    def windows(maps: Tensor) -> Tensor:
        cut = maps[..., : size[0] + tiles - 1, : size[1] + tiles - 1]
        return F.unfold(cut, tiles).view(-1, tiles**2, *size)

    means, second, third, fourth = (windows(part) for part in (mean, *sums))
    middle = means.mean(1, keepdim=True)
    away = means - middle
    count = STEP**2
    return (
        middle,
        (second + count * away**2).sum(1, keepdim=True),
        (third + 3 * away * second + count * away**3).sum(1, keepdim=True),
        (fourth + 4 * away * third + 6 * away**2 * second + count * away**4).sum(1, keepdim=True),
    )


def _deviation(maps: Tensor, side: int = BLOCK) -> Tensor:
    """The deviation of a sample, in each block."""
    return (_central_sums(maps, side)[1] / (side**2 - 1) + 1e-16).sqrt()


def _least(maps: Tensor, size: tuple[int, ...]) -> Tensor:
    """The least of each block and its neighbours to the right and below, in an image of `size`.

    A block that ends where the image ends is nobody's neighbour, as in the authors' code.
    """
    import torch
    import torch.nn.functional as F

    last = [(side - BLOCK) % STEP == 0 for side in size]
    height, width = (length - end for length, end in zip(maps.shape[-2:], last, strict=True))
    neighbours = F.pad(maps[..., :height, :width], (0, last[1] + 1, 0, last[0] + 1), value=math.inf)
    down, right, both = neighbours[..., 1:, :-1], neighbours[..., :-1, 1:], neighbours[..., 1:, 1:]
    return torch.minimum(torch.minimum(maps, both), torch.minimum(down, right))


def _spread(blocks: Tensor, size: tuple[int, ...]) -> Tensor:
    """Repeat each block's value over the 4 x 4 pixels of its step: (N, 1, H, W), zeros at the end."""
    import torch.nn.functional as F

    pixels = blocks.repeat_interleave(STEP, -1).repeat_interleave(STEP, -2)[..., : size[0], : size[1]]
    return F.pad(pixels, (0, size[1] - pixels.shape[-1], 0, size[0] - pixels.shape[-2]))


def _inner(maps: Tensor) -> Tensor:
    return maps[..., BLOCK : -BLOCK - 1, BLOCK : -BLOCK - 1]


def _root_mean(maps: Tensor, weights: Tensor | None) -> Tensor:
    return root(region_mean(maps.square(), weights))


class MAD(FullReference):
    """Most apparent distortion of the edited image, at least 0; lower is closer.

    Two strategies: looking for an error that is hardly visible, and judging the appearance of a plain one by the
    statistics of local frequencies; their blend depends on how visible the error is. Of luma. Identical images have 0,
    and so have images whose difference is nowhere above the threshold of detection. With a region, both means are over
    its pixels; blocks and filters reach across its border, where both images have the source's pixels.

    pyiqa's and IQA_pytorch's `mad` are other numbers, by more than a half: their blocks, borders and statistics differ.

    Source: Larson, Chandler, Journal of Electronic Imaging 2010; the authors' release of 2011.

    Options:
        channels: y (luma), or y8: luma rounded to 8 bits, as MATLAB's rgb2gray has it.

    >>> import numpy as np
    >>> black = np.zeros((36, 36, 3), np.uint8)
    >>> MAD()(black, black)
    Score(mad=0)
    """

    name, version = "mad", 1
    title = "most apparent distortion"
    dimensions = (Dimension("mad", low=0, higher_is_better=False, primary=True),)
    paper = (
        "Larson, Chandler, Most apparent distortion: full-reference image quality assessment and the role of strategy, "
        "Journal of Electronic Imaging 2010, doi:10.1117/1.3267105"
    )
    licence = "Apache-2.0"

    def __init__(self, *, channels: Literal["y", "y8"] = "y", **shared: Any) -> None:
        super().__init__(**shared)
        self.channels = channels

    def compare(self, source: Tensor, edited: Tensor, mask: Tensor | None) -> Tensor:
        return mad(source, edited, mask)
