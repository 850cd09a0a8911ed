"""IL-NIQE, the integrated local natural image quality evaluator."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ..sample import Dimension, Sample, SampleError
from .matlab import resized_in_eight_bits
from .natural_scenes.gaussian_model import complete, inverse_of_mean, mean_and_covariance
from .natural_scenes.pristine import PristineMetric
from .natural_scenes.published import read_ilniqe
from .natural_scenes.rich_features import BLOCK, SIDE, rich_features

if TYPE_CHECKING:
    import numpy as np

KEPT = 0.92
"""The share of the principal directions that the authors' model keeps: 430 of 468."""


def ilniqe(image: np.ndarray, model: Mapping[str, np.ndarray]) -> float:
    """Mean distance of the blocks of an image from natural photographs, at least 0; 0 is natural.

        mean over blocks of sqrt((m - y)ᵀ ((C + C') / 2)⁻¹ (m - y)),    y = Vᵀ (x - a)

    with 468 features x of a block (`natural_scenes.rich_features`), their mean a and principal directions V over
    natural photographs, whose y have mean m and covariance C; C' is the covariance over the image's own blocks. The
    inverse is the pseudoinverse. Blocks are of 84 x 84 pixels; what is beyond the last whole one is cut off.

    `image`: (H, W, 3), 0 to 255, in float64. `model`: `mean` (d,), `covariance` (d, d), `centre`
    (468,) and `directions` (468, d). Raises `SampleError` where fewer than two blocks have a texture. Not
    differentiable: shapes are chosen from a table.

    Source: Zhang, Zhang, Bovik, A feature-enriched completely blind image quality evaluator, IEEE TIP 2015.

    >>> import numpy as np
    >>> noise = np.random.default_rng(0).uniform(0, 255, (84, 168, 3))
    >>> flat = dict(mean=np.zeros(1), covariance=np.ones((1, 1)), centre=np.zeros(468), directions=np.zeros((468, 1)))
    >>> ilniqe(noise, flat)
    0.0
    """
    import numpy as np

    features = complete(rich_features(image)[0])
    if len(features) < 2:
        raise SampleError(f"ilniqe needs two blocks of {BLOCK} x {BLOCK} pixels that are not flat")
    projected = (features - model["centre"]) @ model["directions"]
    inverse = inverse_of_mean(model["covariance"], np.atleast_2d(np.cov(projected, rowvar=False)))
    apart = model["mean"] - projected
    return float(np.sqrt(((apart @ inverse) * apart).sum(1).clip(0)).mean())


class ILNIQE(PristineMetric):
    """Mean distance of the blocks of the edited image from natural photographs, about 10 to 150; lower is more natural.

    NIQE's statistics with those of gradients, colours and filters of several orientations: 468 of each of 36 blocks,
    against a model of natural photographs. No ratings went into it. Every image is first brought to 524 x 524 pixels,
    whatever its shape, and rounded to 8 bits after each direction, as MATLAB's imresize does with 8-bit images: without
    that rounding numbers differ by 1 %. It takes seconds where NIQE takes tenths.

    The authors publish their model without a licence; it is downloaded at its first use. A model of your own
    photographs needs no download (`editmetrics pristine ilniqe`).

    Options:
        resize: authors: to 524 x 524 pixels. none: the image's own size, of which each block of 84 x 84 counts.
        parameters: A file of a model (.safetensors, from `editmetrics pristine ilniqe`) in place of the authors'.

    Source: Zhang, Zhang, Bovik, IEEE TIP 2015.

    >>> ILNIQE().checkpoints()
    ('ilniqe-template',)
    """

    name, version = "ilniqe", 1
    title = "natural statistics, colours (blind)"
    dimensions = (Dimension("ilniqe", low=0, high=math.inf, higher_is_better=False, primary=True),)
    paper = (
        "Zhang, Zhang, Bovik, A feature-enriched completely blind image quality evaluator, IEEE TIP 2015, "
        "doi:10.1109/TIP.2015.2426416"
    )
    licence = "Apache-2.0; the terms of the authors' model are in 'editmetrics weights list'"
    smallest: ClassVar[tuple[int, int]] = (32, 32)
    FEATURES: ClassVar[int] = 468
    SHARPNESS: ClassVar[float] = 0.78

    def __init__(
        self, *, resize: Literal["authors", "none"] = "authors", parameters: str | None = None, **shared: Any
    ) -> None:
        super().__init__(**shared)
        self.resize, self.parameters = resize, parameters

    def published(self) -> str:
        return "ilniqe-template"

    def read_published(self, files: Sequence[Path]) -> dict[str, np.ndarray]:
        return read_ilniqe(files)

    def parameter_shapes(self, arrays: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
        import numpy as np

        count = np.size(arrays.get("mean", ()))
        return {
            "centre": (self.FEATURES,),
            "covariance": (count, count),
            "directions": (self.FEATURES, count),
            "mean": (count,),
        }

    def prepare(self, sample: Sample) -> dict[str, np.ndarray]:
        image = super().prepare(sample)["edited"]
        height, width = image.shape[:2]
        if self.resize == "none" and (height // BLOCK) * (width // BLOCK) < 2:
            raise SampleError(f"ilniqe needs two blocks of {BLOCK} x {BLOCK} pixels; this image is {width} x {height}")
        return {"edited": image if self.resize == "none" else resized_in_eight_bits(image, (SIDE, SIDE))}

    def measure(self, image: np.ndarray) -> float:
        return ilniqe(image, self.arrays)

    def pristine_features(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return rich_features(image)

    def model_of(self, features: np.ndarray) -> dict[str, np.ndarray]:
        """Return the model on the principal directions of the largest variance, 92 % of them, as the authors keep."""
        import numpy as np

        centre = features.mean(0)
        axes = np.linalg.svd(features - centre, full_matrices=False)[2]
        directions = axes[: int(KEPT * len(axes))].T
        mean, covariance = mean_and_covariance((features - centre) @ directions)
        return {"mean": mean, "covariance": covariance, "centre": centre, "directions": directions}
