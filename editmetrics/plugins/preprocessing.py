"""How an image becomes the input of a network: sizes, crops, padding and normalisation, of files and of tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ..transfer import constant

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

Fit = Literal["crop", "crop_down", "pad", "squash"]

CLIP_MEAN, CLIP_DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)

STRIP = 16
"""From this ratio of sides on only the part that a crop keeps is scaled: all of it could not be held in memory."""


@dataclass(frozen=True)
class Preprocessing:
    """The preprocessing of a network with square inputs.

    - `size`: the side of the input, in pixels.
    - `fit`: "crop" scales the shorter side to `size` and keeps the centre, whose corner is rounded as torchvision does;
      "crop_down" rounds it down, as transformers does; "squash" scales both sides to `size`; "pad" scales the longer
      side to `size` and pads with black on both sides.
    - `antialias`: False only for `pad`, which scales floats: torchvision below 0.17 did not filter them.
    - `mean`, `deviation`: of the normalisation, for intensities in [0, 1].

    Crop and squash scale 8-bit pixels by Pillow's antialiased bicubic.
    """

    size: int = 224
    fit: Fit = "crop"
    antialias: bool = True
    mean: tuple[float, ...] = CLIP_MEAN
    deviation: tuple[float, ...] = CLIP_DEVIATION

    def __str__(self) -> str:
        """Describe it for an identity.

        >>> print(Preprocessing(fit="squash", mean=(0.5,) * 3, deviation=(0.5,) * 3))
        8-bit RGB, to 224 x 224 (Pillow's antialiased bicubic); mean (0.5, 0.5, 0.5), deviation (0.5, 0.5, 0.5)
        """
        bicubic = "(Pillow's antialiased bicubic)"
        way = {
            "crop": f"shorter side to {self.size} {bicubic}, centre crop",
            "crop_down": f"shorter side to {self.size} {bicubic}, centre crop, its corner rounded down",
            "squash": f"to {self.size} x {self.size} {bicubic}",
            "pad": f"longer side to {self.size} (bicubic of floats, {'' if self.antialias else 'not '}antialiased), "
            "padded with black",
        }[self.fit]
        return f"8-bit RGB, {way}; mean {self.mean}, deviation {self.deviation}"

    def of_image(self, image: Any) -> Tensor:
        """Preprocess anything that `read_image` takes: (3, size, size), float32. Raises `ImageError`.

        >>> import numpy as np
        >>> Preprocessing(fit="pad").of_image(np.zeros((300, 400, 3), np.uint8)).shape
        torch.Size([3, 224, 224])
        """
        import numpy as np
        import torch
        from PIL.Image import fromarray

        from ..images import eight_bits, read_image

        pixels = eight_bits(read_image(image))
        if self.fit != "pad":
            pixels = np.array(self._scaled(fromarray(pixels)))
        intensities = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].contiguous() / 255
        return self._normalised(self._padded(intensities) if self.fit == "pad" else intensities)[0]

    def of_tensors(self, images: Tensor) -> Tensor:
        """Preprocess images (N, 3, H, W), floats in [0, 1], differentiably: (N, 3, size, size).

        Floats are scaled by torch's antialiased bicubic. It differs from Pillow's by the rounding to 8 bits alone.

        >>> import torch
        >>> Preprocessing().of_tensors(torch.zeros(2, 3, 300, 400)).shape
        torch.Size([2, 3, 224, 224])
        """
        height, width = images.shape[-2:]
        if self.fit == "pad":
            return self._normalised(self._padded(images))
        if self.fit == "squash":
            return self._normalised(_bicubic(images, self.size, self.size).clamp(0, 1))
        rows, columns = self._shorter_side(height, width)
        top, left = self._corner(rows), self._corner(columns)
        scaled = _bicubic(images, rows, columns)[..., top : top + self.size, left : left + self.size]
        return self._normalised(scaled.clamp(0, 1))

    def _scaled(self, image: Image) -> Image:
        from PIL.Image import Resampling

        if self.fit == "squash":
            return image.resize((self.size, self.size), Resampling.BICUBIC)
        rows, columns = self._shorter_side(image.height, image.width)
        top, left = self._corner(rows), self._corner(columns)
        if max(rows, columns) > STRIP * self.size:
            across, down = image.width / columns, image.height / rows
            box = (left * across, top * down, (left + self.size) * across, (top + self.size) * down)
            return image.resize((self.size, self.size), Resampling.BICUBIC, box=box)
        scaled = image.resize((columns, rows), Resampling.BICUBIC)
        return scaled.crop((left, top, left + self.size, top + self.size))

    def _shorter_side(self, height: int, width: int) -> tuple[int, int]:
        """Height and width when the shorter one is `size`, rounded down as torchvision does."""
        if height <= width:
            return self.size, int(self.size * width / height)
        return int(self.size * height / width), self.size

    def _corner(self, side: int) -> int:
        return round((side - self.size) / 2.0) if self.fit == "crop" else (side - self.size) // 2

    def _padded(self, images: Tensor) -> Tensor:
        import torch.nn.functional as F

        height, width = images.shape[-2:]
        share = self.size / max(height, width)
        if share != 1:
            rows, columns = (max(1, round(side * share)) for side in (height, width))
            images = _bicubic(images, rows, columns, self.antialias)
        down, right = (self.size - side for side in images.shape[-2:])
        return F.pad(images, (right // 2, right - right // 2, down // 2, down - down // 2))

    def _normalised(self, images: Tensor) -> Tensor:
        mean, deviation = (constant(values, images)[:, None, None] for values in (self.mean, self.deviation))
        return (images - mean) / deviation


def _bicubic(images: Tensor, rows: int, columns: int, antialias: bool = True) -> Tensor:
    import torch.nn.functional as F

    return F.interpolate(images, (rows, columns), mode="bicubic", align_corners=False, antialias=antialias)
