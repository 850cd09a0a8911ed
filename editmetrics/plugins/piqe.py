"""PIQE, the perception-based image quality evaluator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..bases.no_reference import NoReference
from ..sample import Dimension, SampleError
from .matlab import to_gray
from .natural_scenes.statistics import blocks, normalised_luminance

if TYPE_CHECKING:
    import numpy as np

BLOCK, SEGMENT = 16, 6
ACTIVE, IMPAIRED = 0.1, 0.1
"""The variance from which a block is active, and the deviation under which a segment of its edge is flat."""


def piqe(gray: np.ndarray) -> float:
    """Distortion of the active blocks of an image, 0 (none) to about 100.

        100 (sum of [a (1 - v) + b v] + 1) / (active blocks + 1)

    over the active blocks of 16 x 16 coefficients of normalised luminance, those with a variance v over 0.1. a is 1
    where any 6 coefficients in a row on an edge have a deviation under 0.1 (a visible block, blur), b is 1 where noise
    dominates: sqrt(v) > 2 |sqrt(v) - r| / max(sqrt(v), r), with r the ratio of the deviation of the two middle columns
    to that of the others. The image is first scaled so that its brightest pixel is 255, and goes on mirrored up to
    whole blocks.

    `gray`: (H, W), 0 to 255, in float64. An image without an active block has 100, by the formula. Raises `SampleError`
    for one that is all black. Not differentiable: it counts blocks.

    Source: Venkatanath, Praneeth, Chandrasekhar, Channappayya, Medasani, Blind image quality evaluation using
    perception based features, NCC 2015, as MATLAB's piqe computes it: the "others" are without columns 8 and 10.

    >>> import numpy as np
    >>> piqe(np.full((32, 32), 200.0))
    100.0
    >>> round(piqe(np.random.default_rng(0).integers(0, 256, (64, 64)).astype(float)), 1)
    81.6
    """
    import numpy as np

    brightest = gray.max()
    if brightest == 0:
        raise SampleError("piqe scales an image by its brightest pixel, and this one is black")
    beyond = [(0, -side % BLOCK) for side in gray.shape]
    levels = np.floor(255 * np.pad(gray, beyond, mode="symmetric") / brightest + 0.5)
    coefficients, _ = normalised_luminance(levels)
    cut = blocks(coefficients, BLOCK)
    variance = cut.var((1, 2), ddof=1)
    active = variance > ACTIVE
    kept, variance = cut[active], variance[active]
    distortion = (_has_flat_segment(kept) * (1 - variance) + _is_noisy(kept, np.sqrt(variance)) * variance).sum()
    return float(100 * (distortion + 1) / (active.sum() + 1))


def _has_flat_segment(cut: np.ndarray) -> np.ndarray:
    """Whether any `SEGMENT` coefficients in a row on one of the four edges of a block are nearly equal."""
    import numpy as np

    edges = np.stack([cut[:, 0], cut[:, -1], cut[:, :, 0], cut[:, :, -1]], 1)
    segments = np.lib.stride_tricks.sliding_window_view(edges, SEGMENT, 2)
    flat: np.ndarray = (segments.std(-1, ddof=1) < IMPAIRED).any((1, 2))
    return flat


def _is_noisy(cut: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Whether the deviation of a block is more than twice its distance from the ratio of middle to surround."""
    import numpy as np

    middle = cut[:, :, 7:9].std((1, 2), ddof=1)
    others = np.delete(cut, (7, 9), axis=2).std((1, 2), ddof=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.nan_to_num(middle / others, nan=0.0)
    noisy: np.ndarray = deviation > 2 * np.abs(deviation - ratio) / np.maximum(deviation, ratio)
    return noisy


class PIQE(NoReference):
    """Distortion of the edited image by visible blocks, blur and noise, 0 to about 100; lower is better.

    It looks where the image is active, and counts blocks of 16 x 16 pixels that are flat along an edge, or noisy. No
    photographs and no ratings went into it: there are no parameters. An image that is flat everywhere has 100.

    This is MATLAB's piqe. pypiqe equals it; pyiqa's mirrors too few pixels beyond images whose sides are not multiples
    of 16.

    Source: Venkatanath et al., NCC 2015.

    >>> PIQE()("docs/examples/source/cat.jpg")
    Score(piqe=23.8911)
    """

    name, version = "piqe", 1
    title = "visible blocks, blur, noise (blind)"
    dimensions = (Dimension("piqe", higher_is_better=False, primary=True),)
    paper = (
        "Venkatanath, Praneeth, Chandrasekhar, Channappayya, Medasani, Blind image quality evaluation using perception "
        "based features, NCC 2015, doi:10.1109/NCC.2015.7084843"
    )
    licence = "Apache-2.0"

    def measure(self, image: np.ndarray) -> float:
        return piqe(to_gray(image))
