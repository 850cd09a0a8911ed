"""Images as a published assessor shows them: scaled and encoded before the model's own processor sees them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..sample import Sample, SampleError
from .schema import ImageRule

if TYPE_CHECKING:
    import numpy as np

    from ..judge import Image

LONGEST = 200
"""Most times that a side may be longer than the other, in qwen-vl-utils."""


def shown_images(rule: ImageRule, sample: Sample, fields: tuple[str, ...]) -> dict[str, Image]:
    """Return the images of `fields`, each read, scaled and encoded once. Raises `ImageError` and `SampleError`."""
    from ..images import eight_bits, read_image
    from ..judge import Encoding
    from ..judge import Image as JudgeImage

    images: dict[str, Image] = {}
    for field in fields:
        pixels = eight_bits(read_image(getattr(sample, field)))
        if rule.size == "source" and field == "edited":
            height, width = read_image(sample.source).shape[:2]
            pixels = resized(pixels, height, width)
        elif rule.size == "qwen":
            height, width = pixels.shape[:2]
            pixels = resized(pixels, *qwen_size(height, width, rule))
        encoding = Encoding("jpeg", quality=rule.quality, subsampling=rule.subsampling)
        images[field] = JudgeImage(pixels, encoding if rule.form == "jpeg" else None).decoded()
    return images


def resized(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return pixels (H, W, 3), uint8, scaled by Pillow's bicubic filter; as they are where the size is right."""
    import numpy as np
    from PIL import Image

    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC))


def qwen_size(height: int, width: int, rule: ImageRule) -> tuple[int, int]:
    """Return the height and width to which qwen-vl-utils scales an image: `smart_resize`.

    Both are multiples of `rule.factor` near the image's own; all in all there are `min_pixels` to `max_pixels`.
    Raises `SampleError` for a side that is more than 200 times the other.

    >>> qwen_size(512, 700, ImageRule(size="qwen")), qwen_size(20, 20, ImageRule(size="qwen"))
    ((504, 700), (56, 56))
    """
    if max(height, width) > LONGEST * min(height, width):
        raise SampleError(f"an image of {width}x{height} pixels is more than {LONGEST} times as long as wide; crop it")
    factor = rule.factor
    sides = [max(factor, round(side / factor) * factor) for side in (height, width)]
    if math.prod(sides) > rule.max_pixels:
        shrink = math.sqrt(height * width / rule.max_pixels)
        sides = [max(factor, math.floor(side / shrink / factor) * factor) for side in (height, width)]
    elif math.prod(sides) < rule.min_pixels:
        grow = math.sqrt(rule.min_pixels / (height * width))
        sides = [math.ceil(side * grow / factor) * factor for side in (height, width)]
    return sides[0], sides[1]
