"""Tensors of images, (N, C, H, W) in [0, 1]: colours, block means, regions, checks of their shapes.

What the numeric cores of the full-reference metrics share. All is differentiable.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from functools import reduce, wraps
from operator import add
from typing import TYPE_CHECKING, Any, Literal, get_args

from ..late_checks import require
from ..sample import SampleError
from ..transfer import constant

if TYPE_CHECKING:
    from torch import Tensor

Channels = Literal["rgb", "y", "y8", "y_bt601"]

STRIP_PIXELS = 2**18
"""Number of pixels of one channel that a CPU works on at a time: 1 MiB of float32."""

STRIPS = 4
"""Number of strips into which a large image is cut, which are then items of a batch."""


def stack(images: Sequence[Tensor]) -> Tensor:
    """Stack images (C, H, W), or other tensors; one of uint8 alone is a view, which `to_float` copies."""
    import torch

    alone = len(images) == 1 and images[0].dtype == torch.uint8
    return images[0][None] if alone else torch.stack(list(images))


def to_float(images: Tensor) -> Tensor:
    """Convert images to floats in [0, 1], planes one after the other: uint8 is divided by 255, floats stay as they are.

    One pass does both where the colours of uint8 images lie side by side in memory, as decoders leave them.
    """
    import torch

    if images.is_floating_point():
        return images.contiguous()
    return images.to(torch.float32, memory_format=torch.contiguous_format).div_(255)


def convert_channels(images: Tensor, channels: Channels) -> Tensor:
    """Convert RGB images (N, 3, H, W) in [0, 1] to the channels that a metric compares: RGB, or luma (N, 1, H, W).

    - `y`: 0.299 R + 0.587 G + 0.114 B, in [0, 1], not rounded (the Y of YIQ and of JPEG).
    - `y8`: the same, rounded to 8 bits, as MATLAB's rgb2gray of an 8-bit image is.
    - `y_bt601`: (65.481 R + 128.553 G + 24.966 B + 16) / 255, in [16/255, 235/255] (MATLAB's rgb2ycbcr, the convention
      of super-resolution papers; not rounded).

    >>> import torch
    >>> convert_channels(torch.ones(1, 3, 2, 2), "y_bt601")[0, 0, 0, 0] * 255
    tensor(235.)
    """
    if channels == "rgb":
        return images
    if channels == "y":
        return weighted_channels(images, (0.299, 0.587, 0.114))
    if channels == "y8":
        return convert_channels(images, "y").mul(255).add(0.5).floor().div(255)  # MATLAB rounds halves up
    if channels == "y_bt601":
        return weighted_channels(images, (65.481 / 255, 128.553 / 255, 24.966 / 255)) + 16 / 255
    raise ValueError(f"channels is {channels!r}; expected one of {', '.join(get_args(Channels))}")


def weighted_channels(images: Tensor, weights: tuple[float, float, float]) -> Tensor:
    """The weighted sum of the three channels of (N, 3, H, W), as (N, 1, H, W)."""
    red, green, blue = (images[:, channel : channel + 1] for channel in range(3))
    return (red * weights[0]).add(green, alpha=weights[1]).add(blue, alpha=weights[2])


def linear_light(images: Tensor) -> Tensor:
    """Convert sRGB in [0, 1] to linear light (IEC 61966-2-1).

    >>> import torch
    >>> linear_light(torch.tensor([0.0, 0.5, 1.0]))
    tensor([0.0000, 0.2140, 1.0000])
    """
    import torch

    return torch.where(images <= 0.04045, images / 12.92, ((images.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4)


def root(values: Tensor, power: float = 0.5) -> Tensor:
    """The root, or another power under 1, of numbers of at least 0, with a slope of 0 at 0, where its own is infinite.

    >>> import torch
    >>> numbers = torch.tensor([0.0, 4.0], requires_grad=True)
    >>> root(numbers).sum().backward()
    >>> numbers.grad
    tensor([0.0000, 0.2500])
    """
    import torch

    nothing = values <= 0  # NaN stays NaN
    return torch.where(nothing, 0.0, torch.where(nothing, 1.0, values) ** power)


def luma(images: Tensor) -> Tensor:
    """The luma `y`, (N, 1, H, W), of RGB images; images of one channel are luma already. Others: `SampleError`."""
    if images.shape[1] not in (1, 3):
        raise SampleError(f"the images have {images.shape[1]} channels; expected 3 (RGB) or 1 (luma)")
    return images if images.shape[1] == 1 else convert_channels(images, "y")


def block_means(images: Tensor, factor: int) -> Tensor:
    """Means over blocks of `factor` x `factor` pixels: (N, C, H, W) becomes (N, C, H // factor, W // factor).

    >>> import torch
    >>> block_means(torch.arange(12.0).view(1, 1, 2, 6), 2)
    tensor([[[[3.5000, 5.5000, 7.5000]]]])
    """
    height, width = (side // factor * factor for side in images.shape[-2:])
    # Adding up slices is several times faster than avg_pool2d on a CPU.
    rows = reduce(add, (images[..., start:height:factor, :width] for start in range(factor)))
    return reduce(add, (rows[..., start::factor] for start in range(factor))) / factor**2


def same_block_means(images: Tensor, factor: int) -> Tensor:
    """Means over blocks of `factor` x `factor` pixels, as MATLAB's conv2 with "same", at every `factor`-th pixel.

    The first block starts (factor - 1) // 2 pixels outside the image, where it counts zeros, and so may the last end:
    (N, C, H, W) becomes (N, C, ceil(H / factor), ceil(W / factor)).
    """
    import torch.nn.functional as F

    before = (factor - 1) // 2
    height, width = images.shape[-2:]
    after_height, after_width = (-(-side // factor) * factor - side - before for side in (height, width))
    if before or after_height or after_width:
        images = F.pad(images, (before, after_width, before, after_height))
    return block_means(images, factor)


def mirrored(images: Tensor, before: int, after: int) -> Tensor:
    """Pad the last two axes of images by their mirror images, outermost pixels doubled, as MATLAB's "symmetric" does.

    >>> import torch
    >>> mirrored(torch.tensor([[[[1, 2, 3]]]]), 2, 1)[0, 0, 0]
    tensor([2, 1, 1, 2, 3, 3])
    """
    for axis in (-2, -1):
        side = images.shape[axis]
        positions = [position % (2 * side) for position in range(-before, side + after)]
        kept = constant([position if position < side else 2 * side - 1 - position for position in positions], images)
        images = images.index_select(axis, kept)
    return images


def same_outside(source: Tensor, edited: Tensor, mask: Tensor | None) -> Tensor:
    """Give the edited images the source's pixels outside the region, so that only differences inside it remain.

    `mask` is (N, 1, H, W), bool or weights of at least 0; without one the edited images as they are.

    >>> import torch
    >>> source, edited = torch.zeros(1, 1, 1, 3), torch.ones(1, 1, 1, 3)
    >>> same_outside(source, edited, torch.tensor([[[[False, True, False]]]]))
    tensor([[[[0., 1., 0.]]]])
    """
    import torch

    return edited if mask is None else torch.where(mask > 0, edited, source)


def within_region(
    means: Callable[[Tensor], Tensor], mask: Tensor | None
) -> tuple[Callable[[Tensor], Tensor], Tensor | None]:
    """Normalised convolution: `means` under windows, of the region's pixels alone, and the share of each window.

    `means` takes images (N, C, H, W) to weighted means under windows. What is returned divides the means of the images
    times the mask by those of the mask, so that nothing outside the region has a say; a window without a pixel of the
    region gives 0, and its share is 0. Without a mask `means` itself, and None.

    Source: Knutsson, Westin, "Normalized and differential convolution", CVPR 1993, with a constant as basis.

    >>> import torch
    >>> pixels, mask = torch.tensor([[[[4.0, 8.0], [90.0, 90.0]]]]), torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    >>> blocks, share = within_region(lambda images: block_means(images, 2), mask)
    >>> blocks(pixels).item(), share.item()
    (6.0, 0.5)
    """
    if mask is None:
        return means, None
    share = means(mask)
    least = share.clamp_min(1e-12)  # under the share of one pixel in the far corner of five scales' windows
    return lambda images: means(images * mask) / least, share


def region_mean(values: Tensor, mask: Tensor | None) -> Tensor:
    """The mean of each item of `values` (N, C, H, W) over the region, (N,): the sum over the mask by the mask's area.

    `mask` is (N, 1, H, W), bool or weights of at least 0; None is the whole image. Raises `SampleError` (`skipped`)
    when an item's mask is empty.

    >>> import torch
    >>> region_mean(torch.arange(4.0).view(1, 1, 2, 2), torch.tensor([[[[False, True], [False, True]]]]))
    tensor([2.])
    """
    return _mean([_region_sum(values, mask)])


Map = Callable[["Tensor", "Tensor", "Tensor | None"], "tuple[Tensor, Tensor | None]"]
"""A function from source, edited image and mask to a map and its weights; None without a mask."""


def mean_of_map(compare: Map, source: Tensor, edited: Tensor, mask: Tensor | None, margin: int = 0) -> Tensor:
    """The weighted mean of the map `compare(source, edited, mask)`, (N,), computed in small pieces on a CPU.

    `compare` takes images (N, C, H, W) and a mask (N, 1, H, W) or None to a map (N, C, H - 2 margin, W - 2 margin),
    each value of which depends on the pixels at most `margin` rows away, and to its weights (N, 1, ...), the mask for a
    map of pixels. On a CPU large temporaries cost several times their arithmetic, since the memory of each is new; so
    images are taken in pieces whose maps stay in the cache: small ones together, large ones in blocks of rows. The
    value is the same. Raises `SampleError` for shapes that do not fit together and, as `region_mean` does, for an empty
    mask.
    """
    import torch

    check_shapes(source, edited, mask)
    height, width = source.shape[2] - 2 * margin, source.shape[3] - 2 * margin
    together = len(source) if source.device.type != "cpu" else items_together(height * width)
    small = height * width <= STRIP_PIXELS and (not margin or min(together, len(source)) > 2)
    if (small or source.device.type != "cpu") and together >= len(source):
        return region_mean(*compare(source, edited, mask))
    if small:
        groups = _groups(source, edited, mask, together)
        return torch.cat([region_mean(*compare(x, y, region)) for x, y, region in groups])
    return torch.stack(
        [
            _mean_by_strips(compare, source[item], edited[item], None if mask is None else mask[item], margin)
            for item in range(len(source))
        ]
    )


def _mean_by_strips(compare: Map, source: Tensor, edited: Tensor, mask: Tensor | None, margin: int) -> Tensor:
    """`mean_of_map` of one pair (C, H, W), in blocks of rows; `compare` gets a block as a few strips.

    Filtering windows wants some images at once (see `ssim.window_means`), and strips are as good.
    """
    height, width = source.shape[1] - 2 * margin, source.shape[2] - 2 * margin
    blocks = max(1, min(math.ceil(height * width / STRIP_PIXELS), height // (16 * STRIPS)))
    strips = STRIPS if margin and height >= 16 * STRIPS else 1
    edges = [height * block // blocks for block in range(blocks + 1)]
    sums = []
    for start, stop in itertools.pairwise(edges):
        step, overlap = divmod(stop - start, strips)
        rows = slice(start, stop + 2 * margin)
        x, y = (_strips(images[:, rows], step, overlap + 2 * margin) for images in (source, edited))
        region = None if mask is None else _strips(mask[:, rows], step, overlap + 2 * margin)
        values, weights = compare(x, y, region)
        # Each strip but the first begins with `overlap` rows of the one before, which count once.
        for part in (slice(1),), (slice(1, None), slice(None), slice(overlap, None)):
            sums.append(_region_sum(values[part], None if weights is None else weights[part], over_items=True))
    return _mean(sums)


def _strips(images: Tensor, step: int, more: int) -> Tensor:
    """Views (strips, C, step + more, W) of (C, H, W): a strip starts at each `step`-th row, and all fit in."""
    return images.unfold(1, step + more, step).permute(1, 0, 3, 2)


def _groups(
    source: Tensor, edited: Tensor, mask: Tensor | None, size: int
) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
    """Split a batch into groups of `size` items."""
    masks = itertools.repeat(None) if mask is None else mask.split(size)
    return zip(source.split(size), edited.split(size), masks, strict=False)


def items_together(pixels: int) -> int:
    """Return how many images of `pixels` pixels a CPU takes together: at least 1; from 4 on, multiples of 4."""
    count = max(1, STRIP_PIXELS // pixels)
    return count - count % 4 if count > 4 else count


def few_at_a_time_on_cpu(core: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Let `core(source, edited, mask=None, **options)` take a batch in small groups on a CPU, where that is faster.

    Large images are taken one by one. The temporaries then stay in the cache; the values, stacked along the first axis,
    are the same. Raises `SampleError` for shapes that do not fit together, which would otherwise be broadcast without a
    word.
    """

    @wraps(core)
    def in_groups(source: Tensor, edited: Tensor, mask: Tensor | None = None, **options: Any) -> Tensor:
        import torch

        check_shapes(source, edited, mask)
        together = items_together(source[0].numel())
        if source.device.type != "cpu" or len(source) <= together:
            return core(source, edited, mask, **options)
        return torch.cat([core(*group, **options) for group in _groups(source, edited, mask, together)])

    return in_groups


def check_shapes(source: Tensor, edited: Tensor, mask: Tensor | None) -> None:
    """Raise `SampleError` unless `source` and `edited` are (N, C, H, W) alike, and a mask is (N, 1, H, W)."""
    if source.ndim != 4 or source.shape != edited.shape:
        raise SampleError(
            f"the source has the shape {tuple(source.shape)}, the edited image {tuple(edited.shape)}; "
            "both must be of one shape (N, C, H, W)"
        )
    if mask is not None and mask.shape != (len(source), 1, *source.shape[2:]):
        expected = (len(source), 1, *source.shape[2:])
        raise SampleError(f"the mask has the shape {tuple(mask.shape)}; expected {expected} for these images")


def check_pair(metric: str, source: Tensor, smallest: int, why: str) -> None:
    """Raise `SampleError` when a side of images (N, C, H, W) is under `smallest` pixels; `why` explains the number."""
    height, width = source.shape[-2:]
    if min(height, width) < smallest:
        raise SampleError(
            f"{metric} needs images of at least {smallest} x {smallest} pixels ({why}); these are {width} x {height}"
        )


def _region_sum(values: Tensor, mask: Tensor | None, *, over_items: bool = False) -> tuple[Tensor, Tensor | int]:
    """The sum of each item over the region, (N,), or of all of them, and over how many values that is."""
    axes = (0, 1, 2, 3) if over_items else (1, 2, 3)
    if mask is None:
        return values.sum(axes), values.numel() if over_items else math.prod(values.shape[1:])
    weights = mask.to(values.dtype).contiguous()  # both are summed in one order: a map of ones has a mean of exactly 1
    return (values * weights).contiguous().sum(axes), weights.sum(axes) * values.shape[1]


def _mean(sums: list[tuple[Tensor, Tensor | int]]) -> Tensor:
    total, area = (reduce(add, parts) for parts in zip(*sums, strict=True))
    if not isinstance(area, int):  # a weight that is NaN makes the mean NaN
        require(~(area <= 0), lambda: SampleError("the region holds no position that this metric looks at", "skipped"))
    return total / area
