"""Faces in images: detected by YuNet, aligned by five landmarks, embedded by SFace or an ArcFace network; by OpenCV."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from ..sample import SampleError, UnavailableError

if TYPE_CHECKING:
    import numpy as np

Embedding = Literal["sface", "auraface", "arcface"]

DETECTOR = "yunet-2023mar"
EMBEDDINGS: dict[Embedding, str] = {
    "sface": "sface-2021dec",
    "auraface": "auraface-v1",
    "arcface": "arcface-w600k-r50",
}
"""Entries of the weights registry."""

SCALING: dict[Embedding, tuple[float, float]] = {
    "sface": (1.0, 0.0),
    "auraface": (1 / 127.5, 127.5),
    "arcface": (1 / 127.5, 127.5),
}
"""Factor and mean of the levels (0 to 255) that a network gets: (level - mean) * factor, red first."""

SIDES = (640, 320)
"""Longer sides, in pixels, at which faces are looked for: YuNet knows faces of 10 to 300 pixels."""

OVERLAP = 0.3
"""Intersection over union above which two boxes are one face, OpenCV's default."""

ALIGNED = 112
TEMPLATE = (38.2946 + 51.6963j, 73.5318 + 51.5014j, 56.0252 + 71.7366j, 41.5493 + 92.3655j, 70.7299 + 92.2041j)
"""Where eyes, nose and corners of the mouth are in an aligned face (x + y j), as for ArcFace and SFace."""


class FaceReader:
    """The faces of an image as embeddings. Raises `UnavailableError` where OpenCV is not installed.

    `certainty`: YuNet's least score of a face.
    """

    def __init__(self, embedding: Embedding, certainty: float) -> None:
        from .. import weights

        try:
            import cv2
        except ModuleNotFoundError as error:
            raise UnavailableError("faces need OpenCV: pip install 'editmetrics[faces]'") from error
        for name in (DETECTOR, EMBEDDINGS[embedding]):
            weights.pull(name)
        detector, network = (str(weights.path(name)) for name in (DETECTOR, EMBEDDINGS[embedding]))
        self._cv2: Any = cv2
        self._scaling = SCALING[embedding]
        with _without_warnings(cv2):
            self._detector = cv2.FaceDetectorYN.create(detector, "", (SIDES[0], SIDES[0]), certainty, OVERLAP)
            self._network = cv2.dnn.readNetFromONNX(network)

    def read(self, pixels: np.ndarray) -> np.ndarray:
        """Return the embeddings (N, D), of unit length, of the faces in an image (H, W, 3), uint8; the largest first.

        Raises `SampleError` for an embedding that is not finite or has no direction.
        """
        import numpy as np

        image = np.ascontiguousarray(pixels[..., ::-1])  # OpenCV's order of colours
        embeddings = [self.embed(self.align(image, face)) for face in self.detect(image)]
        return np.stack(embeddings) if embeddings else np.zeros((0, 1), np.float32)

    def detect(self, image: np.ndarray) -> np.ndarray:
        """Return the faces of an image in OpenCV's order of colours, (N, 15), the largest first.

        A row has a box (left, top, width, height), five landmarks (x, y), and the score, as OpenCV's detector does.
        """
        import numpy as np

        longer = max(image.shape[:2])
        scales = dict.fromkeys(min(1.0, side / longer) for side in SIDES)
        faces = np.concatenate([self._detect_at(image, scale) for scale in scales])
        kept = self._cv2.dnn.NMSBoxes(faces[:, :4].tolist(), faces[:, 14].tolist(), 0.0, OVERLAP)
        faces = faces[np.asarray(kept, int).reshape(-1)]
        return faces[np.argsort(-faces[:, 2] * faces[:, 3], kind="stable")]

    def align(self, image: np.ndarray, face: np.ndarray) -> np.ndarray:
        """Return the face (112, 112, 3) whose landmarks are nearest to the template's, by a similarity transform."""
        aligned: np.ndarray = self._cv2.warpAffine(
            image, alignment(face[4:14:2] + 1j * face[5:14:2]), (ALIGNED, ALIGNED)
        )
        return aligned

    def embed(self, face: np.ndarray) -> np.ndarray:
        """Return the embedding (D,), of unit length, of an aligned face."""
        import numpy as np

        factor, mean = self._scaling
        self._network.setInput(self._cv2.dnn.blobFromImage(face, factor, None, (mean, mean, mean), swapRB=True))
        vector: np.ndarray = self._network.forward().reshape(-1).astype(np.float64)
        length = np.linalg.norm(vector)
        if not (np.isfinite(length) and length > 0):
            raise SampleError("the embedding of a face is not finite, or has no direction")
        return vector / length

    def _detect_at(self, image: np.ndarray, scale: float) -> np.ndarray:
        import numpy as np

        height, width = (max(1, round(side * scale)) for side in image.shape[:2])
        scaled = image if scale == 1 else self._cv2.resize(image, (width, height), interpolation=self._cv2.INTER_AREA)
        self._detector.setInputSize((width, height))
        _, faces = self._detector.detect(scaled)
        if faces is None:
            return np.zeros((0, 15))
        across, down = image.shape[1] / width, image.shape[0] / height
        return np.asarray(faces, np.float64) * [*(across, down) * 7, 1]


@contextmanager
def _without_warnings(cv2: Any) -> Iterator[None]:
    """Keep OpenCV 5 from warning, inside a `with` block, of a target that it takes all the same; OpenCV 4 does not."""
    log = getattr(cv2.utils, "logging", None)
    level = log.setLogLevel(log.LOG_LEVEL_ERROR) if log else None
    try:
        yield
    finally:
        if log:
            log.setLogLevel(level)


def alignment(landmarks: np.ndarray) -> np.ndarray:
    """Return the similarity transform (2, 3) that takes landmarks (5,), x + y j, nearest to the template's.

    Points are complex numbers: z becomes a z + b, with the a and b of the least sum of squared distances (Umeyama,
    TPAMI 1991, without reflections).

    >>> import numpy as np
    >>> turned_back = [[0, 0.5, 0], [-0.5, 0, 2.5]]  # by 90 degrees, at half the size
    >>> np.allclose(alignment(2j * np.array(TEMPLATE) + 5), turned_back)
    True
    """
    import numpy as np

    template = np.array(TEMPLATE)
    around, wanted = landmarks - landmarks.mean(), template - template.mean()
    a = np.vdot(around, wanted) / np.vdot(around, around).real
    b = template.mean() - a * landmarks.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])
