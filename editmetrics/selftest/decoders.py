"""Decoders against embedded values: what `read_image` gives for small files whose pixels are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ..sample import UnavailableError
from . import files
from .rows import CheckFailed, Report

if TYPE_CHECKING:
    import numpy as np

JPEG_ROUNDING = 1
"""Levels by which decoders of JPEG may differ: their cosine transforms and colour conversions round differently."""


def check_decoders(report: Report) -> None:
    """Add a row for each format."""
    for name, data in files.LOSSLESS.items():
        report.attempt("decoder", name, _lossless(name, data))
    others: dict[str, tuple[bytes, np.ndarray, float]] = {
        "PNG, 16 bits": (files.DEEP, _deep(), 1e-7),
        "PNG, transparent": (files.TRANSPARENT, _transparent(), 0),
        "JPEG": (files.JPEG, _photograph(), JPEG_ROUNDING),
        "JPEG, progressive": (files.PROGRESSIVE_JPEG, _photograph(), JPEG_ROUNDING),
        "JPEG, rotated by EXIF": (files.ROTATED, _rotated(), JPEG_ROUNDING),
    }
    for name, (data, wanted, tolerance) in others.items():
        report.attempt("decoder", name, partial(_same, data, wanted, tolerance))


def expected() -> np.ndarray:
    """The picture of the lossless files: (4, 6, 3), 40 x, 60 y and 17 x y, modulo 256."""
    import numpy as np

    y, x = np.mgrid[:4, :6]
    return np.stack([40 * x % 256, 60 * y % 256, 17 * x * y % 256], axis=-1).astype(np.uint8)


def _lossless(name: str, data: bytes) -> Callable[[], Mapping[str, float]]:
    def compare() -> Mapping[str, float]:
        from ..images.kinds import HEAD_BYTES, KINDS

        kind = next(kind for kind in KINDS if kind.starts(data[:HEAD_BYTES]))
        if not kind.readable:
            raise UnavailableError(f"no decoder of {name} is installed; {kind.remedy}")
        return _same(data, expected(), 0)

    return compare


def _same(data: bytes, wanted: Any, most: float) -> Mapping[str, float]:
    """The largest difference of the pixels from `wanted`; `CheckFailed` where it is over `most`."""
    import numpy as np

    from ..images import read_image

    pixels = read_image(data)
    if pixels.shape != wanted.shape or pixels.dtype != wanted.dtype:
        raise CheckFailed(f"pixels are {pixels.dtype} {pixels.shape}, expected {wanted.dtype} {wanted.shape}")
    difference = np.abs(pixels.astype(np.float64) - wanted)
    if difference.max() > most:
        at = tuple(int(index) for index in np.unravel_index(difference.argmax(), difference.shape))
        raise CheckFailed(
            f"pixel {at} is {pixels[at]}, expected {wanted[at]} (most: {most:g}); reinstall pillow and simplejpeg"
        )
    return {"largest difference": float(difference.max())}


def _deep() -> np.ndarray:
    import numpy as np

    return np.repeat((np.array([[0, 1, 128, 255]]) * 257 / 65535).astype(np.float32)[..., None], 3, axis=2)


def _transparent() -> np.ndarray:
    import numpy as np

    return np.array([[[255, 0, 0], [127, 127, 255], [255, 255, 255]]], np.uint8)


def _photograph() -> np.ndarray:
    import numpy as np

    return np.frombuffer(files.JPEG_PIXELS, np.uint8).reshape(16, 16, 3)


def _rotated() -> np.ndarray:
    import numpy as np

    return np.zeros((16, 8, 3), np.uint8)
