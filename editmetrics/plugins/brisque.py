"""BRISQUE, the blind image spatial quality evaluator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ..bases.no_reference import NoReference
from ..sample import Dimension, SampleError
from .matlab import halved, resized, to_gray
from .natural_scenes.published import FEATURES, read_brisque, read_brisque_opencv
from .natural_scenes.statistics import (
    SHIFTS,
    asymmetric_gaussian,
    mean_ratio,
    nearest_shape,
    neighbour_products,
    normalised_luminance,
    scale_of,
)

if TYPE_CHECKING:
    import numpy as np

Convention = Literal["authors", "opencv"]


def brisque(gray: np.ndarray, regression: Mapping[str, np.ndarray], convention: Convention = "authors") -> float:
    """Quality that a support vector regression predicts from 36 statistics, about 0 (best) to 100, not clipped.

        sum of c exp(-gamma |f - v|²) - rho

    over the support vectors v and their coefficients c; f are the features (`brisque_features`), scaled so that the
    ranges seen in training are -1 to 1. By the authors' convention they go through text files, and are rounded to six
    decimals, then to six digits: without that the fourth decimal of the score is another.

    `gray`: (H, W), 0 to 255, in float64. `regression`: `vectors` (n, 36), `coefficients` (n,), `rho` and `gamma` (1,),
    `low` and `high` (36,), the ranges. Raises `SampleError` for an image without texture. Not differentiable: shapes
    are chosen from a table.

    Source: Mittal, Moorthy, Bovik, No-reference image quality assessment in the spatial domain, IEEE TIP 2012, with the
    authors' code or OpenCV's.

    >>> import numpy as np
    >>> one = dict(vectors=np.zeros((1, 36)), coefficients=np.ones(1), rho=-np.ones(1), gamma=np.zeros(1))
    >>> noise = np.random.default_rng(0).uniform(0, 255, (32, 32))
    >>> brisque(noise, {**one, "low": np.zeros(36), "high": np.ones(36)})
    2.0
    """
    import numpy as np

    features = brisque_features(gray, convention)
    if np.isnan(features).any():
        raise SampleError("brisque measures the texture of an image, and this one is flat")
    low, high = regression["low"], regression["high"]
    if convention == "authors":
        features = np.round(features, 6)
    scaled = -1 + 2 * (features - low) / (high - low)
    if convention == "authors":
        scaled = np.array([float(f"{value:.6g}") for value in scaled])
    apart = ((regression["vectors"] - scaled) ** 2).sum(1)
    return float(regression["coefficients"] @ np.exp(-regression["gamma"] * apart) - regression["rho"][0])


def brisque_features(gray: np.ndarray, convention: Convention = "authors") -> np.ndarray:
    """Return the 36 features of an image (H, W) of 0 to 255: 18 of it, and 18 of it at half the size.

    Shape and variance of the normalised luminance; shape, mean, left and right variance of the products with each of
    four neighbours. Two conventions:

    - `authors`: zeros beyond the border, a symmetric generalised Gaussian for the luminance, neighbours at the opposite
      border, and MATLAB's imresize, which smooths.
    - `opencv`: the outermost pixels beyond the border, an asymmetric one, zeros for neighbours outside, and cubic
      interpolation that does not smooth.
    """
    import numpy as np

    if convention == "authors":
        smaller = halved(gray)
    else:
        half = (gray.shape[0] // 2, gray.shape[1] // 2)
        smaller = resized(gray, half, antialias=False, sharpness=-0.75, border="replicate")
    return np.concatenate([_features(image, convention) for image in (gray, smaller)])


def _features(image: np.ndarray, convention: Convention) -> np.ndarray:
    import numpy as np

    authors = convention == "authors"
    coefficients, _ = normalised_luminance(image, border="constant" if authors else "nearest")
    if authors:
        variance = (coefficients**2).mean()
        with np.errstate(invalid="ignore"):
            features = [nearest_shape(variance / np.abs(coefficients).mean() ** 2, inverse=True), variance]
    else:
        shape, left, right = asymmetric_gaussian(coefficients.ravel())
        features = [shape, (left**2 + right**2) / 2]
    for shift in SHIFTS:
        products = neighbour_products(coefficients, shift, "circular" if authors else "zeros")
        shape, left, right = asymmetric_gaussian(products.ravel())
        features += [shape, (right - left) * mean_ratio(shape) * scale_of(shape), left**2, right**2]
    return np.array(features)


class BRISQUE(NoReference):
    """Distortion of the edited image as a regression on ratings sees it, about 0 to 100; lower is better.

    36 statistics of the luminance and of products of neighbours, and a support vector regression that was trained on
    the distorted photographs of the LIVE data set: JPEG, JPEG 2000, noise, blur and lost packets. Other artefacts, and
    all content, are outside what it has learned. The authors' value is not clipped, and may lie below 0 or above 100.

    Options:
        convention: authors: their MATLAB code and regression, which piq and pyiqa follow. opencv: that of
            opencv_contrib, with its own regression; clipped to 0 to 100.
        parameters: A file of a regression (.safetensors) in place of the convention's.

    Source: Mittal, Moorthy, Bovik, IEEE TIP 2012; the authors' release, github.com/utlive/BRISQUE at 2e2a5ac, and
    github.com/opencv/opencv_contrib, modules/quality, at 2a5154a.

    >>> BRISQUE().checkpoints(), BRISQUE(convention="opencv").checkpoints()
    (('brisque-live',), ('brisque-opencv',))
    """

    name, version = "brisque", 1
    title = "distortion learned on LIVE (blind)"
    dimensions = (Dimension("brisque", higher_is_better=False, primary=True),)
    paper = (
        "Mittal, Moorthy, Bovik, No-reference image quality assessment in the spatial domain, IEEE TIP 2012, "
        "doi:10.1109/TIP.2012.2214050"
    )
    licence = "Apache-2.0; the terms of the parameters are in 'editmetrics weights list'"
    smallest: ClassVar[tuple[int, int]] = (16, 16)

    def __init__(self, *, convention: Convention = "authors", parameters: str | None = None, **shared: Any) -> None:
        super().__init__(**shared)
        self.convention, self.parameters = convention, parameters

    def published(self) -> str:
        return "brisque-live" if self.convention == "authors" else "brisque-opencv"

    def read_published(self, files: Sequence[Path]) -> dict[str, np.ndarray]:
        return read_brisque(files) if self.convention == "authors" else read_brisque_opencv(files)

    def parameter_shapes(self, arrays: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
        import numpy as np

        count = np.size(arrays.get("coefficients", ()))
        return {
            "coefficients": (count,),
            "gamma": (1,),
            "high": (FEATURES,),
            "low": (FEATURES,),
            "rho": (1,),
            "vectors": (count, FEATURES),
        }

    def measure(self, image: np.ndarray) -> float:
        if self.convention == "authors":
            return brisque(to_gray(image), self.arrays)
        return min(max(brisque(to_gray(image, "opencv"), self.arrays, "opencv"), 0.0), 100.0)
