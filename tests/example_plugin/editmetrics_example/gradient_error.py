"""Gradient error: how far the edges of the edited image are from those of the source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from editmetrics import Dimension, Metric, Sample, SampleError, Score

if TYPE_CHECKING:
    import numpy as np


def gradient_error(source: np.ndarray, edited: np.ndarray, order: int = 1) -> float:
    """Mean difference of the gradients of two images (H, W, 3) in [0, 1], themselves in [0, 1]; lower is closer.

    mean over both directions, pixels and channels of |d(edited) - d(source)|^order / 2^order,
    where d(x) is the difference of neighbouring pixels.

    >>> import numpy as np
    >>> flat, edge = np.zeros((2, 2, 3)), np.zeros((2, 2, 3))
    >>> edge[:, 1] = 1  # all horizontal gradients are 1, all vertical ones 0
    >>> gradient_error(flat, edge)
    0.25
    """
    import numpy as np

    difference = edited.astype(np.float64) - source
    errors = [np.abs(np.diff(difference, axis=axis)) ** order for axis in (0, 1)]
    return float(np.mean([error.mean() for error in errors]) / 2**order)


class GradientError(Metric):
    """Mean difference between the gradients of the edited image and of the source, in [0, 1]; lower is closer.

    The mean over both directions, pixels and channels of |d(edited) - d(source)|, halved, where d is the difference of
    neighbouring pixels. A uniform change of brightness costs nothing; blur, noise and block edges do.

    Options:
        norm: l1 takes the absolute difference, l2 its square.

    >>> import numpy as np
    >>> image = np.zeros((8, 8, 3), np.uint8)
    >>> GradientError()(image, image)
    Score(gradient_error=0)
    """

    name, version = "gradient_error", 1
    needs = frozenset({"source", "edited"})
    dimensions = (Dimension("gradient_error", low=0, high=1, higher_is_better=False, primary=True),)
    paper = "A definition, made up as an example"
    licence = "Apache-2.0"
    concurrent = True

    def __init__(self, *, norm: Literal["l1", "l2"] = "l1") -> None:
        self.norm = norm

    def prepare(self, sample: Sample) -> dict[str, Any]:
        """Both images as arrays (H, W, 3) in [0, 1]."""
        import numpy as np

        from editmetrics.images import read_image

        images = {"source": read_image(sample.source), "edited": read_image(sample.edited)}
        if images["source"].shape != images["edited"].shape:
            raise SampleError(
                f"the source has the shape {images['source'].shape}, the edited image {images['edited'].shape}; "
                "gradient_error compares images of one size"
            )
        if min(images["source"].shape[:2]) < 2:
            raise SampleError("gradient_error needs images of at least 2 x 2 pixels")
        return {name: image / 255 if image.dtype == np.uint8 else image for name, image in images.items()}

    def score_batch(self, batch: list[dict[str, Any]]) -> list[Score]:
        order = 1 if self.norm == "l1" else 2
        values = [gradient_error(item["source"], item["edited"], order) for item in batch]
        return [Score({"gradient_error": value}) for value in values]
