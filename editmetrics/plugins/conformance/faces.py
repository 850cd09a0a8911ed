"""Stand-in for networks of faces: each image has one face, whose embedding is the image itself, small and grey."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from ..face_identity import FaceIdentity


def read(pixels: np.ndarray) -> np.ndarray:
    """Return the differences of the pixels of a picture of 24 x 24 from their mean; no face where all are equal."""
    import numpy as np
    from PIL import Image

    small = np.asarray(Image.fromarray(pixels).convert("L").resize((24, 24), Image.Resampling.NEAREST), float)
    differences = (small - small.mean()).reshape(1, -1)
    length = np.linalg.norm(differences)
    return differences / length if length > 0 else np.zeros((0, 1))


def setup(metric: FaceIdentity) -> None:
    metric.use(read)
