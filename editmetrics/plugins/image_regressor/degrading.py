"""Images as they are passed on: blurred and compressed at random, so that a detector learns traces that survive."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from .schema import ViewRule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


def degraded(images: Sequence[Tensor], rule: ViewRule) -> list[Tensor]:
    """Return images (3, H, W), uint8, blurred and compressed alike, as torch's generator draws by `rule`.

    Source: Wang et al., CNN-generated images are surprisingly easy to spot... for now, CVPR 2020, section 4.1.
    """
    import torch

    blur, sigma, jpeg, quality = torch.rand(4).tolist()
    made = list(images)
    if blur < rule.blur_chance:
        low, high = rule.blur_sigma
        made = [blurred(image, low + sigma * (high - low)) for image in made]
    if jpeg < rule.jpeg_chance:
        worst, best = rule.jpeg_quality
        made = [compressed(image, worst + int(quality * (best - worst + 1))) for image in made]
    return made


def blurred(image: Tensor, sigma: float) -> Tensor:
    """Return an image (3, H, W), uint8, under a Gaussian of `sigma` pixels, cut off at 4 deviations and mirrored.

    >>> import torch
    >>> blurred(torch.full((3, 8, 8), 7, dtype=torch.uint8), 2.0).unique().tolist()
    [7]
    """
    import torch
    from scipy.ndimage import gaussian_filter

    return torch.from_numpy(gaussian_filter(image.numpy(), (0, sigma, sigma)))


def compressed(image: Tensor, quality: int) -> Tensor:
    """Return an image (3, H, W), uint8, as it is after JPEG of `quality` 1 to 100, colours at half resolution."""
    import numpy as np
    import torch
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image.numpy().transpose(1, 2, 0))).save(file, "JPEG", quality=quality)
    with Image.open(file) as decoded:
        return torch.from_numpy(np.array(decoded).transpose(2, 0, 1).copy())
