"""NIQE, the natural image quality evaluator."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ..sample import Dimension, Sample, SampleError
from .matlab import Gray, halved, to_gray
from .natural_scenes.gaussian_model import complete, distance, mean_and_covariance
from .natural_scenes.pristine import PristineMetric
from .natural_scenes.published import read_niqe
from .natural_scenes.statistics import block_features, blocks, normalised_luminance

if TYPE_CHECKING:
    import numpy as np

Convention = Literal["authors", "basicsr"]

BLOCK = 96

GRAYS: dict[Convention, Gray] = {"authors": "rgb2gray", "basicsr": "rgb2ycbcr"}


def niqe(gray: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> float:
    """Distance of the statistics of an image from those of natural photographs, at least 0; 0 is natural.

        sqrt((m - m')ᵀ ((C + C') / 2)⁻¹ (m - m'))

    with mean and covariance of natural photographs, m and C, and of the image's blocks of 96 x 96 pixels, m' and C'. A
    block has 18 features (`natural_scenes.statistics.block_features`) at two scales. The inverse is the pseudoinverse.
    What is beyond the last whole block is cut off.

    `gray`: (H, W), 0 to 255, in float64. `mean`: (36,). `covariance`: (36, 36). Raises `SampleError` where fewer than
    two blocks have a texture. Not differentiable: shapes are chosen from a table.

    Source: Mittal, Soundararajan, Bovik, Making a "completely blind" image quality analyzer, IEEE SPL 2013, equations
    5 to 10, with the block size and the resizing of the authors' code.

    >>> import numpy as np
    >>> noise = np.random.default_rng(0).uniform(0, 255, (96, 192))
    >>> features, _ = niqe_features(noise)
    >>> niqe(noise, features.mean(0), np.eye(36))
    0.0
    """
    features, _ = niqe_features(gray)
    if len(complete(features)) < 2:
        raise SampleError(f"niqe needs two blocks of {BLOCK} x {BLOCK} pixels that are not flat")
    return distance(mean, covariance, *mean_and_covariance(features))


def niqe_features(gray: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the 36 features of each block of an image (H, W), (blocks, 36), and its sharpness, (blocks,).

    Sharpness is the mean local deviation of a block at the first scale.
    """
    import numpy as np

    height, width = (side // BLOCK * BLOCK for side in gray.shape)
    image = gray[:height, :width]
    coefficients, contrast = normalised_luminance(image)
    halves, _ = normalised_luminance(halved(image))
    scales = blocks(coefficients, BLOCK), blocks(halves, BLOCK // 2)
    return np.concatenate([block_features(each) for each in scales], 1), blocks(contrast, BLOCK).mean((1, 2))


class NIQE(PristineMetric):
    """Distance of the edited image from natural photographs, at least 0; lower looks more natural.

    Mean and covariance of 36 statistics of blocks of 96 x 96 pixels, against those of 125 photographs (the authors'
    parameters): no ratings went into it. It sees noise, blur and compression, and nothing of content. An image of few
    blocks has a number that scatters; two blocks are the least.

    Where pixels are clipped or rise evenly, the authors' code counts the signs of rounding noise of 1e-14, and its
    numbers depend on the processor; here they are 0 exactly, and on neither side.

    Options:
        convention: authors: their MATLAB code, of rgb2gray. basicsr: of Y in 16 to 235 (rgb2ycbcr), as BasicSR and many
            papers on super-resolution compute it.
        parameters: A file of mean and covariance (.safetensors, from `editmetrics pristine niqe`) in place of the
            authors'.

    Source: Mittal, Soundararajan, Bovik, IEEE SPL 2013; the authors' release, github.com/utlive/niqe at d80aead.

    >>> NIQE().checkpoints()
    ('niqe-live',)
    """

    name, version = "niqe", 1
    title = "natural statistics (blind)"
    dimensions = (Dimension("niqe", low=0, high=math.inf, higher_is_better=False, primary=True),)
    paper = 'Mittal, Soundararajan, Bovik, Making a "completely blind" image quality analyzer, IEEE SPL 2013'
    licence = "Apache-2.0; the terms of the authors' parameters are in 'editmetrics weights list'"
    smallest: ClassVar[tuple[int, int]] = (BLOCK, BLOCK)
    FEATURES: ClassVar[int] = 36
    SHARPNESS: ClassVar[float] = 0.75

    def __init__(self, *, convention: Convention = "authors", parameters: str | None = None, **shared: Any) -> None:
        super().__init__(**shared)
        self.convention, self.parameters = convention, parameters

    def published(self) -> str:
        return "niqe-live"

    def read_published(self, files: Sequence[Path]) -> dict[str, np.ndarray]:
        return read_niqe(files)

    def parameter_shapes(self, arrays: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
        return {"covariance": (self.FEATURES, self.FEATURES), "mean": (self.FEATURES,)}

    def prepare(self, sample: Sample) -> dict[str, np.ndarray]:
        prepared = super().prepare(sample)
        height, width = prepared["edited"].shape[:2]
        if (height // BLOCK) * (width // BLOCK) < 2:
            raise SampleError(f"niqe needs two blocks of {BLOCK} x {BLOCK} pixels; this image is {width} x {height}")
        return prepared

    def measure(self, image: np.ndarray) -> float:
        return niqe(self.gray(image), self.arrays["mean"], self.arrays["covariance"])

    def gray(self, image: np.ndarray) -> np.ndarray:
        """Return the grey levels (H, W) that the convention names."""
        return to_gray(image, GRAYS[self.convention])

    def pristine_features(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return niqe_features(self.gray(image))

    def model_of(self, features: np.ndarray) -> dict[str, np.ndarray]:
        """Return the mean and the covariance."""
        mean, covariance = mean_and_covariance(features)
        return {"mean": mean, "covariance": covariance}
