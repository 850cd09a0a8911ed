"""Face identity: whether the people in an image are still the same people."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Gt, Lt

from ..bases.full_reference import Against
from ..metric import Metric
from ..sample import Dimension, Sample, Score
from .faces import DETECTOR, EMBEDDINGS, OVERLAP, SIDES, Embedding, FaceReader

if TYPE_CHECKING:
    import numpy as np

SAME_PERSON = 0.363
"""Cosine of SFace's embeddings from which on OpenCV takes two faces for one person (opencv_zoo, sface.py)."""

PREPROCESSING = (
    f"faces at longer sides of {' and '.join(map(str, SIDES))} pixels, one of those that overlap by {OVERLAP}; "
    "aligned by five landmarks to 112 x 112 (bilinear)"
)


def matched_faces(source: np.ndarray, edited: np.ndarray) -> list[float | None]:
    """Return the cosine of each face of the source with its counterpart in the edited image; None without one.

    `source` (N, D) and `edited` (M, D) are embeddings of unit length. Each face has one counterpart at most, so that
    the sum of all cosines is the largest there is.

    >>> import numpy as np
    >>> matched_faces(np.eye(3)[:2], np.eye(3)[1:2])
    [None, 1.0]
    """
    from scipy.optimize import linear_sum_assignment

    cosines: list[float | None] = [None] * len(source)
    if len(edited):
        similarities = source @ edited.T
        for row, column in zip(*linear_sum_assignment(similarities, maximize=True), strict=True):
            cosines[row] = float(similarities[row, column].clip(-1, 1))
    return cosines


class FaceIdentity(Metric):
    """Cosine of the embeddings of the source's faces and those of the edited image, in [-1, 1]; 1 is the same face.

    YuNet finds faces, five landmarks align them, and SFace embeds them (both by OpenCV; free weights). Each face of the
    source has one counterpart in the edited image at most, so that the sum of the cosines is largest.

    - `similarity`: the mean cosine over faces with a counterpart.
    - `faces`: the share of the source's faces that have a counterpart, 0 to 1.
    - `same`: the share whose counterpart is the same person by OpenCV's threshold, a cosine of 0.363; of SFace alone.

    Without a face in the source a sample is `skipped`. Without one in the edited image there is no similarity: it has
    `failed`, with 0 for the other two, which means then include. `lost=zero` counts a lost face as a cosine of 0, as
    some papers do.

    Cosines of different networks are not comparable. Faces under 10 pixels, in an image whose longer side is scaled
    down to 640, are not found, and drawn faces often not.

    Options:
        against: What the edited image is compared with: its source, or the reference, another image of the person.
        embedding: The network: sface; auraface, ArcFace's method with free weights; or arcface, InsightFace's
            buffalo_l, whose weights are for research that is not commercial.
        faces: Which faces of the source count: all, or the largest.
        lost: A face of the source without a counterpart: leave it out of the similarity, or count it as zero.
        certainty: YuNet's least score of a face, OpenCV's default.

    Source: SFace: Zhong et al., IEEE Transactions on Image Processing 2021, arXiv:2205.12010; YuNet: Wu, Peng, Yu,
    Machine Intelligence Research 2023; ArcFace: Deng et al., CVPR 2019, arXiv:1801.07698; conventions of OpenCV's
    FaceDetectorYN and FaceRecognizerSF.

    >>> FaceIdentity().checkpoints()
    ('yunet-2023mar', 'sface-2021dec')
    """

    name, version = "face_identity", 1
    title = "faces are still the same people"
    needs = frozenset({"edited"})
    uses = frozenset({"source", "reference"})
    host_reads = 0
    dimensions = (
        Dimension("similarity", low=-1, high=1, primary=True, description="mean cosine of faces that both have"),
        Dimension("faces", low=0, high=1, description="share of the source's faces with a counterpart"),
        Dimension("same", low=0, high=1, description="share of the source's faces that are the same person's"),
    )
    paper = "Zhong et al., SFace: sigmoid-constrained hypersphere loss for robust face recognition, TIP 2021"
    licence = "Apache-2.0 (SFace, OpenCV), MIT (YuNet); the terms of the weights are in 'editmetrics weights list'"

    def __init__(
        self,
        *,
        against: Against = "source",
        embedding: Embedding = "sface",
        faces: Literal["all", "largest"] = "all",
        lost: Literal["leave_out", "zero"] = "leave_out",
        certainty: Annotated[float, Gt(0), Lt(1)] = 0.9,
    ) -> None:
        self.against, self.embedding, self.faces = against, embedding, faces
        self.lost, self.certainty = lost, certainty
        self._read: Any = None

    def required(self) -> frozenset[str]:
        return frozenset({"edited", self.against})

    def fields(self) -> frozenset[str]:
        """Return the required fields: others change no number."""
        return self.required()

    def rewards_no_change(self) -> bool:
        """Return True where the source is what an edited image is compared with."""
        return self.against == "source"

    def active_dimensions(self) -> tuple[Dimension, ...]:
        """Return all three of SFace, whose threshold is published, else similarity and faces."""
        return type(self).dimensions if self.embedding == "sface" else type(self).dimensions[:2]

    def checkpoints(self) -> tuple[str, ...]:
        return (DETECTOR, EMBEDDINGS[self.embedding])

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "preprocessing": PREPROCESSING}

    def use(self, read: Any) -> None:
        """Read faces by `read(pixels)`, which returns embeddings (N, D), in place of OpenCV: a stand-in for tests."""
        self._read = read

    def load(self) -> None:
        if self._read is None:
            self._read = FaceReader(self.embedding, self.certainty).read

    def prepare(self, sample: Sample) -> dict[str, np.ndarray]:
        """Return both images, (H, W, 3), uint8."""
        from ..images import eight_bits, read_image

        images = {"source": getattr(sample, self.against), "edited": sample.edited}
        return {name: eight_bits(read_image(image)) for name, image in images.items()}

    def batch_key(self, prepared: dict[str, np.ndarray]) -> None:
        return None  # images are read one by one

    def score_batch(self, batch: list[dict[str, np.ndarray]]) -> list[Score]:
        embeddings: dict[tuple[Any, bytes], np.ndarray] = {}
        scores = []
        for item in batch:
            both = []
            for pixels in (item["source"], item["edited"]):
                key = pixels.shape, hashlib.sha256(pixels.tobytes()).digest()
                if key not in embeddings:  # a source of many edits is read once
                    embeddings[key] = self._read(pixels)
                both.append(embeddings[key])
            scores.append(self._score(*both))
        return scores

    def _score(self, source: np.ndarray, edited: np.ndarray) -> Score:
        if not len(source):
            return Score.unscored("skipped", f"no face was found in the {self.against}")
        cosines = matched_faces(source[:1] if self.faces == "largest" else source, edited)
        kept = [cosine for cosine in cosines if cosine is not None]
        values = {"faces": len(kept) / len(cosines)}
        if self.embedding == "sface":
            values["same"] = sum(cosine >= SAME_PERSON for cosine in kept) / len(cosines)
        details = {"cosines": cosines, "faces_edited": len(edited)}
        if not kept and self.lost == "leave_out":
            reason = f"no face was found in the edited image; the {self.against} has {len(cosines)}"
            return Score(values, "failed", reason, details=details)
        counted = len(cosines) if self.lost == "zero" else len(kept)
        return Score({"similarity": sum(kept) / counted, **values}, details=details)
