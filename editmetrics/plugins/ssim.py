"""Structural similarity (SSIM)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Gt, Le

from ..bases.full_reference import FullReference
from ..bases.pixels import Channels, block_means, check_pair, mean_of_map, within_region
from ..options import with_variant
from ..sample import Dimension
from ..transfer import constant

if TYPE_CHECKING:
    from torch import Tensor

Window = Literal["gaussian", "uniform"]
Padding = Literal["valid", "reflect"]
PIE_BENCH = {"channels": "rgb", "window": "gaussian", "padding": "reflect", "downsample": "none", "data_range": 1.0}
"""The options of PIE-Bench's script, which computes torchmetrics' SSIM."""

SIZES = {"gaussian": 11, "uniform": 7}
"""The width of each window, in pixels."""


def ssim(
    source: Tensor,
    edited: Tensor,
    mask: Tensor | None = None,
    *,
    data_range: float = 1.0,
    window: Window = "gaussian",
    padding: Padding = "valid",
    downsample: Literal["none", "blocks"] = "none",
) -> Tensor:
    """Mean structural similarity, in [-1, 1]; 1 for identical images.

    The mean over channels and windows of

        (2 μx μy + C1) (2 σxy + C2) / ((μx² + μy² + C1) (σx² + σy² + C2)),    C1 = (0.01 L)², C2 = (0.03 L)²

    with L = data_range, and means, variances and covariance under the window (see `window_moments`). With a mask, those
    of each window are of its pixels in the mask alone (normalised convolution), and a window counts by the share of it
    that the mask covers, so that each pixel of the mask counts alike and no other does. `downsample="blocks"` first
    takes means over blocks of round(min(H, W) / 256) pixels, of the mask's pixels.

    `source`, `edited`: (N, C, H, W), in [0, data_range]. `mask`: (N, 1, H, W), bool or weights of at least 0. Returns
    (N,), one value per pair. Raises `SampleError` for images smaller than the window and for an empty mask.
    Differentiable everywhere.

    Source: Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to structural similarity",
    IEEE TIP 2004, equation 13.

    >>> import torch
    >>> black, grey = torch.zeros(1, 1, 16, 16), torch.full((1, 1, 16, 16), 0.1)
    >>> ssim(black, grey)  # (0 + C1) / (0.01 + C1)
    tensor([0.0099])
    """
    factor = max(1, round(min(source.shape[-2:]) / 256)) if downsample == "blocks" else 1
    mask = None if mask is None else mask.to(source.dtype)
    if factor > 1:
        blocks, mask = within_region(lambda images: block_means(images, factor), mask)
        source, edited = blocks(source), blocks(edited)
    check_pair("ssim", source, SIZES[window], f"its {window} window is {SIZES[window]} pixels wide")
    channels = source.shape[1]
    mask = None if mask is None else mask.repeat_interleave(channels, 0)
    values = mean_similarity(
        planes(source), planes(edited), mask, data_range=data_range, window=window, padding=padding
    )
    return values.view(-1, channels).mean(1)


def mean_similarity(
    source: Tensor,
    edited: Tensor,
    mask: Tensor | None,
    *,
    data_range: float,
    window: Window = "gaussian",
    padding: Padding = "valid",
    luminance: bool = True,
) -> Tensor:
    """The mean of SSIM, or without `luminance` of its second factor, over the windows of planes (N, 1, H, W): (N,).

    `padding`: "valid" takes the windows that lie in the image; "reflect" pads the images so that there is a window at
    each pixel, as torchmetrics does. A mask (N, 1, H, W) of the images' type is padded alike; see `ssim`.
    """
    import torch.nn.functional as F

    def similarity(x: Tensor, y: Tensor, region: Tensor | None) -> tuple[Tensor, Tensor | None]:
        means, variances, covered = window_moments(x, y, window, region)
        structure = _structure(variances, data_range)
        return structure * _luminance(means, data_range) if luminance else structure, covered

    margin = SIZES[window] // 2
    if padding == "reflect":
        source, edited = (F.pad(image, (margin,) * 4, mode="reflect") for image in (source, edited))
        mask = None if mask is None else F.pad(mask, (margin,) * 4, mode="reflect")
    return mean_of_map(similarity, source, edited, mask, margin)


def window_moments(
    source: Tensor, edited: Tensor, window: Window, mask: Tensor | None = None
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor], Tensor | None]:
    """The means, and the variances, of the sum and the difference of planes (N, 1, H, W) at each window.

    `window`: "gaussian" is the paper's, 11 x 11 with standard deviation 1.5; "uniform" is 7 x 7 with sample covariance,
    as scikit-image's default.

    With a mask (N, 1, H, W), those of each window's pixels in it, and the share of each window that it covers.

    Sum s = x + y and difference d = x - y tell all that SSIM needs, since 2 (μx² + μy²) = μs² + μd² and
    4 μx μy = μs² - μd², and the same with variances and the covariance. That needs four filtered maps instead of five,
    gives exactly 1 for identical images, and loses no digits where the images are nearly equal.
    """
    import torch

    # Centred before squaring: the variance of a bright, nearly flat image is a small difference of large numbers. Any
    # number near the mean does.
    total, difference = source + edited, source - edited
    total_mean, difference_mean = (_near_mean(maps, mask) for maps in (total, difference))
    total, difference = total - total_mean, difference - difference_mean
    means_of, covered = within_region(lambda maps: window_means(maps, window), mask)
    maps = means_of(torch.cat([total, difference, total.square(), difference.square()], 1))
    local_total, local_difference, total_squared, difference_squared = maps.split(1, 1)
    total_variance = torch.addcmul(total_squared, local_total, local_total, value=-1)
    difference_variance = torch.addcmul(difference_squared, local_difference, local_difference, value=-1)
    if window == "uniform":
        sample = _of_sample(window, mask, covered)
        total_variance, difference_variance = total_variance * sample, difference_variance * sample
    means = (local_total + total_mean, local_difference + difference_mean)
    return means, (total_variance, difference_variance), covered


def _near_mean(maps: Tensor, mask: Tensor | None) -> Tensor:
    """Return a number near the mean of each plane (N, 1, H, W), or of its region; 0 for an empty one."""
    if mask is None:
        return maps[..., ::8, :].mean((2, 3), keepdim=True)
    return (maps * mask).sum((2, 3), keepdim=True) / mask.sum((2, 3), keepdim=True).clamp_min(1e-12)


def _of_sample(window: Window, mask: Tensor | None, covered: Tensor | None) -> Tensor | float:
    """Return the factor from the variance of a uniform window to that of a sample: n / (n - 1) for n pixels.

    With weights, 1 / (1 - sum of their squares, where they add up to 1); a single pixel has no variance, and keeps 1.
    """
    import torch

    pixels = SIZES[window] ** 2
    if mask is None or covered is None:
        return pixels / (pixels - 1)
    squares = window_means(mask.square(), window) / (pixels * covered.clamp_min(1e-12).square())
    several = squares < 0.99
    return torch.where(several, 1 / (1 - torch.where(several, squares, 0.0)), 1.0)


def _luminance(means: tuple[Tensor, Tensor], data_range: float) -> Tensor:
    return _similarity(means[0].square(), means[1].square(), 0.01 * data_range)


def _structure(variances: tuple[Tensor, Tensor], data_range: float) -> Tensor:
    return _similarity(*variances, 0.03 * data_range)


def _similarity(of_sum: Tensor, of_difference: Tensor, root: float) -> Tensor:
    """A factor of SSIM, with the constant root²: 1 - 2 d / (s + d + 2 root²)."""
    return (of_difference / (of_sum + of_difference).add_(2 * root**2)).mul_(-2).add_(1)


def window_means(maps: Tensor, window: Window) -> Tensor:
    """The means of `maps` (N, C, H, W) under the k x k window, where it lies inside: (N, C, H - k + 1, W - k + 1)."""
    import torch
    import torch.nn.functional as F

    size, shape = SIZES[window], maps.shape[:2]
    if maps.device.type == "cpu":
        # A depthwise convolution computes 16 channels at once here, so items are made channels. Other numbers of them
        # are several times faster when they lie next to one another in memory.
        maps = maps.reshape(1, -1, *maps.shape[2:])
        maps = maps if maps.shape[1] % 16 == 0 else maps.contiguous(memory_format=torch.channels_last)
    channels = maps.shape[1]
    weights = [math.exp(-((i - size // 2) ** 2) / (2 * 1.5**2)) if window == "gaussian" else 1.0 for i in range(size)]
    row = constant(tuple(weights), maps) / sum(weights)
    row = row.expand(channels, 1, 1, size)
    maps = F.conv2d(F.conv2d(maps, row, groups=channels), row.transpose(2, 3), groups=channels)
    return maps.reshape(*shape, *maps.shape[2:])


def planes(images: Tensor) -> Tensor:
    """Turn the channels of (N, C, H, W) into items, (N C, 1, H, W)."""
    return images.reshape(-1, 1, *images.shape[-2:])


class SSIM(FullReference):
    """Mean structural similarity of the edited image to the source, in [-1, 1]; 1 for identical images.

    The mean over windows of (2 μx μy + C1) (2 σxy + C2) / ((μx² + μy² + C1) (σx² + σy² + C2)), with C1 = (0.01 L)² and
    C2 = (0.03 L)². The defaults are the paper's: luma, an 11 x 11 Gaussian window of standard deviation 1.5 that stays
    inside the image, no downsampling. With a region, the means and variances of each window are of its pixels in the
    region alone (normalised convolution), and a window counts by the share of it that lies in the region: no pixel of
    either image outside it has a say, a region that is the same in both gives exactly 1, and masks may be thin.

    Source: Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 2004, equation 13.

    Options:
        channels: What is compared: y (luma), y8 (luma rounded to 8 bits, as MATLAB's rgb2gray and pyiqa have it), rgb
            (the mean over channels) or y_bt601 (studio-swing luma).
        window: gaussian is the paper's, 11 pixels wide; uniform is 7 pixels wide with sample covariance, as
            scikit-image's default.
        padding: valid keeps the windows inside the image; reflect pads, as torchmetrics does.
        downsample: none, or blocks: means over blocks of round(shorter side / 256) pixels first, as piq's default.
        data_range: L in the formula, the largest difference there can be; images are read to [0, 1].
        variant: none, or pie-bench: PIE-Bench's script, which paints what lies outside a region black and takes the
            mean over all pixels, so that the number depends on the mask's size; it also counts the outermost pixels to
            the edited region. SSIM itself is torchmetrics': rgb, padding=reflect.

    >>> import numpy as np
    >>> black, grey = np.zeros((16, 16, 3), np.uint8), np.full((16, 16, 3), 51, np.uint8)
    >>> SSIM()(black, black), round(float(SSIM()(black, grey)), 6)
    (Score(ssim=1), 0.002494)
    """

    name, version = "ssim", 2
    title = "structural similarity"
    dimensions = (Dimension("ssim", low=-1, high=1, primary=True),)
    paper = (
        "Wang, Bovik, Sheikh, Simoncelli, Image quality assessment: from error visibility to structural similarity, "
        "IEEE TIP 2004, doi:10.1109/TIP.2003.819861"
    )
    licence = "Apache-2.0"

    def __init__(
        self,
        *,
        channels: Channels = "y",
        window: Window = "gaussian",
        padding: Padding = "valid",
        downsample: Literal["none", "blocks"] = "none",
        data_range: Annotated[float, Gt(0), Le(1)] = 1.0,
        variant: Literal["none", "pie-bench"] = "none",
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self.channels, self.window, self.padding, self.downsample = channels, window, padding, downsample
        self.data_range, self.variant = data_range, variant
        self._chosen = with_variant(self, {"pie-bench": PIE_BENCH})
        self.black_outside = variant == "pie-bench"

    def compared_channels(self) -> Channels:
        channels: Channels = self._chosen["channels"]
        return channels

    def compare(self, source: Tensor, edited: Tensor, mask: Tensor | None) -> Tensor:
        names = ("data_range", "window", "padding", "downsample")
        return ssim(source, edited, mask, **{name: self._chosen[name] for name in names})
