"""How an image becomes the views that a backbone sees: scaled once, then cut at fixed places or at random ones."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from .degrading import degraded
from .schema import ViewRule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

GRID = 10
"""Rows and columns of the places of MUSIQ's tiles."""


class Views(NamedTuple):
    """Views of an image, (V, C, crop, crop): uint8, or floats of local contrast; `places`: those of MUSIQ's tiles."""

    pixels: Tensor
    places: Tensor | None = None


def scaled_image(image: Any, rule: ViewRule, like: tuple[int, int] | None = None) -> Tensor:
    """Return an image as the views are cut from it: (3, H, W) uint8, or (1, H, W) float32 of local contrast.

    `image` is anything that `read_image` takes. `like`: height and width that it is scaled to, those of the image that
    it is compared with. Raises `ImageError`.

    >>> import numpy as np
    >>> scaled_image(np.zeros((100, 300, 3), np.uint8), ViewRule(crop=224)).shape
    torch.Size([3, 224, 672])
    """
    import numpy as np
    import torch
    from PIL import Image

    from ...images import eight_bits, read_image

    pixels = eight_bits(read_image(image))
    size = scaled_size(pixels.shape[0], pixels.shape[1], rule) if like is None else like
    if size != pixels.shape[:2]:
        pixels = np.array(Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BICUBIC))
    tensor = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
    return local_contrast(tensor) if rule.channels == "contrast" else tensor


def scaled_size(height: int, width: int, rule: ViewRule) -> tuple[int, int]:
    """Return the height and width that an image is scaled to: its shorter side to `size`, or at least to `crop`."""
    if rule.square:
        return rule.size, rule.size
    shorter = min(height, width)
    least = 1 if rule.views == "scales" else rule.crop
    wanted = rule.size or max(shorter, least)
    if wanted == shorter:
        return height, width
    return tuple(max(round(side * wanted / shorter), least) for side in (height, width))  # type: ignore[return-value]


def size_of(image: Tensor) -> tuple[int, int]:
    """Return height and width of an image (C, H, W)."""
    return image.shape[-2], image.shape[-1]


def local_contrast(image: Tensor) -> Tensor:
    """Return the locally normalised grey levels of an image (3, H, W), uint8: (1, H, W), float32.

    (y - m) / (s + 1), y in 0 to 255, m and s mean and deviation over 7 x 7 pixels, 0 outside of the image.

    Source: Kang et al., CNNIQA, CVPR 2014, equation 2; window and constant as in github.com/lidq92/CNNIQA.

    >>> import torch
    >>> float(local_contrast(torch.full((3, 9, 9), 100, dtype=torch.uint8))[0, 4, 4].abs()) < 1e-3
    True
    """
    import torch
    import torch.nn.functional as F

    grey = torch.einsum("chw,c->hw", image.float(), torch.tensor([0.299, 0.587, 0.114]))[None, None]

    def mean(values: Tensor) -> Tensor:
        return F.avg_pool2d(values, 7, 1, 3, count_include_pad=True)

    centre = mean(grey)
    deviation = (mean(grey.square()) - centre.square()).abs().sqrt()
    contrast: Tensor = ((grey - centre) / (deviation + 1))[0]
    return contrast


def scoring_views(image: Tensor, rule: ViewRule) -> Views:
    """Return the views of a scaled image (C, H, W) at the places that `rule` fixes.

    >>> import torch
    >>> scoring_views(torch.zeros(3, 64, 100), ViewRule(crop=32, views="tiles")).pixels.shape
    torch.Size([6, 3, 32, 32])
    """
    import torch

    if rule.views == "scales":
        return _tiles_of_scales(image, rule)
    height, width = image.shape[-2:]
    corners = fixed_corners(height, width, rule)
    return Views(torch.stack([_cut(image, top, left, rule.crop) for top, left in corners]))


def fixed_corners(height: int, width: int, rule: ViewRule) -> list[tuple[int, int]]:
    """Return top and left of each view of an image when scoring.

    >>> fixed_corners(224, 448, ViewRule(views="cover"))
    [(0, 0), (0, 224)]
    >>> fixed_corners(100, 100, ViewRule(crop=50, views="grid", count=2))
    [(0, 0), (0, 50), (50, 0), (50, 50)]
    """
    crop = rule.crop
    down, across = height - crop, width - crop
    centre = (down // 2, across // 2)
    if rule.views == "corners":
        return [(0, 0), (0, across), (down, 0), (down, across), centre]
    if rule.views == "tiles":
        return list(product(range(0, down + 1, crop), range(0, across + 1, crop)))
    if rule.views == "cover":
        return list(product(_evenly(down, -(-height // crop)), _evenly(across, -(-width // crop))))
    if rule.views == "grid":
        return list(product(_evenly(down, rule.count), _evenly(across, rule.count)))
    return [centre]


def drawn_views(images: Sequence[Tensor], rule: ViewRule) -> list[Views]:
    """Return views of images of one size, cut and mirrored alike, at random places that torch's generator draws."""
    import torch

    if rule.degrades:
        images = degraded(images, rule)
    if rule.views == "scales" or not rule.drawn:
        mirrored = rule.flip and bool(torch.rand(()) < 0.5)
        return [scoring_views(image.flip(-1) if mirrored else image, rule) for image in images]
    height, width = images[0].shape[-2:]
    draws = torch.rand(rule.drawn, 3)
    cut: list[list[Tensor]] = [[] for _ in images]
    for down, across, mirror in draws.tolist():
        top, left = (int(share * (side - rule.crop + 1)) for share, side in ((down, height), (across, width)))
        for own, image in zip(cut, images, strict=True):
            view = _cut(image, top, left, rule.crop)
            own.append(view.flip(-1) if rule.flip and mirror < 0.5 else view)
    return [Views(torch.stack(own)) for own in cut]


def _cut(image: Tensor, top: int, left: int, crop: int) -> Tensor:
    return image[:, top : top + crop, left : left + crop]


def _evenly(room: int, count: int) -> list[int]:
    return [room // 2] if count == 1 else [round(room * step / (count - 1)) for step in range(count)]


def _tiles_of_scales(image: Tensor, rule: ViewRule) -> Views:
    """Return the tiles of smaller copies, the smallest first, and of the image; `places` are scale, row and column."""
    import torch
    import torch.nn.functional as F

    height, width = image.shape[-2:]
    pixels, places = [], []
    for scale, longer in enumerate((*sorted(rule.scales), max(height, width))):
        copy = image
        if longer != max(height, width):
            size = tuple(max(round(side * longer / max(height, width)), 1) for side in (height, width))
            copy = F.interpolate(image[None].float(), size, mode="bicubic", align_corners=False, antialias=True)[0]
            copy = copy.round().clamp(0, 255).to(image.dtype)
        rows, columns = (-(-side // rule.crop) for side in copy.shape[-2:])
        down, across = rows * rule.crop - copy.shape[-2], columns * rule.crop - copy.shape[-1]
        padded = F.pad(copy, (across // 2, across - across // 2, down // 2, down - down // 2))
        tiles = padded.unfold(1, rule.crop, rule.crop).unfold(2, rule.crop, rule.crop)
        pixels.append(tiles.permute(1, 2, 0, 3, 4).flatten(0, 1))
        row, column = torch.arange(rows) * GRID // rows, torch.arange(columns) * GRID // columns
        places.append((scale * GRID**2 + row[:, None] * GRID + column).flatten())
    return Views(torch.cat(pixels), torch.cat(places))
