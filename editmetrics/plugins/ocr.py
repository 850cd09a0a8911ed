"""Reading text in images: PP-OCRv6 by rapidocr, whose package has the weights."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

from ..sample import SampleError

if TYPE_CHECKING:
    import numpy as np

CHECKPOINT = "pp-ocr-v6-small"
"""Entry of the weights registry: the three networks below."""

NETWORKS = {
    "Det": "PP-OCRv6_det_small.onnx",
    "Cls": "ch_ppocr_mobile_v2.0_cls_mobile.onnx",
    "Rec": "PP-OCRv6_rec_small.onnx",
}
"""Files of the networks that find lines, turn them upright, and read them, by their names in rapidocr's settings."""

SCRIPTS = ("CJK", "HIRAGANA", "KATAKANA", "LATIN")
"""Beginnings of the Unicode names of letters that the network was trained to read."""

LARGEST_RATIO = 100
"""Ratio of an image's sides above which its shorter side is scaled to nothing, and no text could be read."""


def unreadable(text: str) -> list[str]:
    """Return the letters of a text that the network does not know: all but those of Chinese, Japanese and Latin.

    >>> unreadable("Café 24 営業中 открыто")
    ['о', 'т', 'к', 'р', 'ы', 'т', 'о']
    """
    letters = [sign for sign in unicodedata.normalize("NFKC", text) if sign.isalpha()]
    return [letter for letter in letters if not unicodedata.name(letter, "").startswith(SCRIPTS)]


class TextReader:
    """rapidocr with PP-OCRv6's small networks, on the CPU, with its own settings.

    Images of more than 2000 pixels a side are scaled down. Lines of which the network is less than half certain are
    left out. Raises `WeightsUnavailableError` where rapidocr is not installed, `WeightsError` where its files are not
    those of the registry.
    """

    def __init__(self) -> None:
        from .. import weights

        paths = {part: weights.path(CHECKPOINT, file) for part, file in NETWORKS.items()}
        from rapidocr import RapidOCR

        settings = {f"{part}.model_path": str(path) for part, path in paths.items()}
        self._engine = RapidOCR(params={"Global.log_level": "error", **settings})

    def read(self, pixels: np.ndarray) -> list[str]:
        """Return the lines of text in an image (H, W, 3), uint8, from top to bottom and from left to right.

        Raises `SampleError` for an image whose sides have a ratio over 100.
        """
        import numpy as np

        height, width = pixels.shape[:2]
        if max(height, width) > LARGEST_RATIO * min(height, width):
            raise SampleError(
                f"the image is {width} x {height} pixels; text is read in sides of up to {LARGEST_RATIO}:1"
            )

        result: Any = self._engine(np.ascontiguousarray(pixels[..., ::-1]))  # OpenCV's order of colours
        return list(result.txts or ())
