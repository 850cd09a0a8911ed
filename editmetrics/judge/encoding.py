"""How an image travels to an endpoint: as a data URI, losslessly unless it is said otherwise."""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass
from io import BytesIO
from typing import Any, Literal

import numpy as np


@dataclass(frozen=True)
class Encoding:
    """How images are sent. All of it belongs to the identity of an answer.

    - `form`: "png" is lossless; "jpeg" is several times smaller and changes pixels.
    - `quality`: of JPEG, 1 to 100; colour is kept in full resolution (4:4:4).
    - `max_side`: larger images are scaled down (Lanczos) until neither side is longer, in pixels; None sends all.
    - `detail`: OpenAI's "low", "high" or "auto"; None does not say.

    What is sent holds pixels only: no EXIF, no place, no name of a file.

    >>> Encoding(max_side=512).data_uri(np.zeros((4, 4, 3), dtype=np.uint8))[:22]
    'data:image/png;base64,'
    """

    form: Literal["png", "jpeg"] = "png"
    quality: int = 95
    max_side: int | None = None
    detail: Literal["low", "high", "auto"] | None = None

    def __post_init__(self) -> None:
        if self.form not in ("png", "jpeg"):
            raise ValueError(f"the encoding of images is {self.form!r}; expected 'png' or 'jpeg'")
        if not 1 <= self.quality <= 100:
            raise ValueError(f"the quality of JPEG is {self.quality}; expected 1 to 100")
        if self.max_side is not None and self.max_side < 1:
            raise ValueError(f"max_side is {self.max_side} pixels; expected at least 1")

    def data_uri(self, pixels: np.ndarray) -> str:
        """Pixels (H, W, 3) uint8 as a data URI."""
        from PIL import Image

        image = Image.fromarray(np.ascontiguousarray(pixels))
        if self.max_side is not None and max(image.size) > self.max_side:
            scale = self.max_side / max(image.size)
            width, height = (max(1, round(side * scale)) for side in image.size)
            image = image.resize((width, height), Image.Resampling.LANCZOS)
        file = BytesIO()
        if self.form == "jpeg":
            image.save(file, "JPEG", quality=self.quality, subsampling=0)
        else:
            image.save(file, "PNG", compress_level=1)  # an eighth of the time of level 6, a few percent larger
        return f"data:image/{self.form};base64,{base64.b64encode(file.getvalue()).decode()}"

    def part(self, pixels: np.ndarray) -> dict[str, Any]:
        """Pixels as the part of a chat message that shows them."""
        shown = {"url": self.data_uri(pixels)} | ({"detail": self.detail} if self.detail else {})
        return {"type": "image_url", "image_url": shown}

    def identity(self) -> dict[str, Any]:
        """As JSON: what changes the pixels that the model sees."""
        said = asdict(self)
        if self.form == "png":
            del said["quality"]
        return said
