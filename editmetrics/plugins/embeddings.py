"""Base classes of metrics of image embeddings: regions are painted, equal images are encoded once."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from ..bases.network import NetworkMetric
from ..sample import EditMetricsError, Sample, SampleError
from ..transfer import stacked

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..bases.full_reference import Against

SeenRegion = Literal["whole", "inside", "outside", "subject"]


class EmbeddingMetric(NetworkMetric):
    """A metric of a network's embeddings: `forward` gets prepared images in a list, for `each_once`."""

    host_copies = 2  # images and texts

    def fields(self) -> frozenset[str]:
        """Return the required fields: others change no number."""
        return self.required()

    def batch_key(self, prepared: dict[str, Any]) -> None:
        return None  # all have one size

    def collate(self, batch: list[dict[str, Any]]) -> dict[str, Any]:
        """Return each field of the prepared samples as a list, on the CPU."""
        return {name: [item[name] for item in batch] for name in batch[0]}

    def tensors(self, edited: Tensor, **others: Tensor | Sequence[str]) -> Tensor:
        if getattr(self, "region", "whole") != "whole":
            raise EditMetricsError(f"{self.label} has no form for tensors: a region is painted in files; use score()")
        return super().tensors(edited, **others)


class ImageSimilarity(EmbeddingMetric):
    """The cosine of the embeddings of the edited image and another one; a subclass gives `see` and `forward`.

    It stores the option `region`, and as `compared_with` the field of the other image; `sees` is `see` of tensors.
    """

    needs = frozenset({"edited"})
    uses = frozenset({"source", "reference", "mask"})
    region: SeenRegion
    compared_with: Against

    @abstractmethod
    def see(self, pixels: np.ndarray, mask: Any) -> Tensor:
        """Preprocess an image (H, W, 3), uint8."""

    @abstractmethod
    def sees(self, images: Tensor) -> Tensor:
        """Preprocess images (N, 3, H, W), floats in [0, 1], differentiably."""

    def required(self) -> frozenset[str]:
        return frozenset({"edited", self.compared_with} | ({"mask"} if self.region != "whole" else set()))

    def rewards_no_change(self) -> bool:
        """Return True where the source is what an edited image is compared with."""
        return self.compared_with == "source"

    def prepare(self, sample: Sample) -> dict[str, Tensor]:
        """Return both images, preprocessed."""
        from ..images import eight_bits, read_image

        images = {"edited": sample.edited, "other": getattr(sample, self.compared_with)}
        return {name: self.see(eight_bits(read_image(image)), sample.mask) for name, image in images.items()}

    def batch_of(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"edited": self.sees(fields["edited"]), "other": self.sees(fields[self.compared_with])}


def each_once(encode: Callable[[Tensor], Tensor], images: Sequence[Tensor], device: Any) -> Tensor:
    """Encode images (3, H, W) to (N, D) in one pass that takes equal ones once, such as a source of many edits.

    Raises `SampleError` where an embedding is not finite or has no direction: it could be compared with nothing.

    >>> import torch
    >>> seen = []
    >>> images = [torch.zeros(3, 2, 2), torch.ones(3, 2, 2), torch.zeros(3, 2, 2)]
    >>> each_once(lambda batch: (seen.append(len(batch)), batch.mean((2, 3)) + 1)[1], images, "cpu")[:, 0], seen
    (tensor([1., 2., 1.]), [2])
    """
    import torch

    from ..mllm.states import require_direction

    if any(image.requires_grad or image.device.type != "cpu" for image in images):
        return encode(torch.stack(list(images)))  # of `tensors`: nothing is looked at on the host
    distinct: dict[bytes, int] = {}
    rows = [distinct.setdefault(image.numpy().tobytes(), len(distinct)) for image in images]
    chosen = [images[rows.index(row)] for row in range(len(distinct))]
    if len(chosen) == len(images):
        return require_direction(encode(stacked({"images": chosen}, device)["images"]), "the network's embedding")
    copied = stacked({"images": chosen, "rows": [torch.tensor(row) for row in rows]}, device)
    return require_direction(encode(copied["images"]), "the network's embedding")[copied["rows"]]


def seen_region(image: np.ndarray, mask: Any, region: SeenRegion, fill: Sequence[float], share: float) -> np.ndarray:
    """Paint all but a region of an image (H, W, 3), uint8, in the colour `fill`; a subject is also cut out.

    An embedding is one of a whole image, so that it cannot be normalised by a region's area: colours of equal meaning
    in both images are the next best. `fill` is in [0, 1]; the network's mean colour is 0 to it. `share`: the side of
    the central square that the network sees, as a share of the shorter side. Raises `SampleError` for a mask of another
    size, and (`skipped`) for a region of which the network would see nothing.

    >>> import numpy as np
    >>> mask = np.array([[True, False], [False, False]])
    >>> seen_region(np.full((2, 2, 3), 9, np.uint8), mask, "inside", (1, 1, 1), 1)[..., 0]
    array([[  9, 255],
           [255, 255]], dtype=uint8)
    """
    import numpy as np

    from ..images import read_mask

    if region == "whole":
        return image
    marked = read_mask(mask)
    height, width = image.shape[:2]
    if marked.shape != (height, width):
        raise SampleError(
            f"the mask is {marked.shape[1]} x {marked.shape[0]} pixels, the image {width} x {height}; "
            "a mask has the image's size"
        )
    colour = np.rint(np.array(fill) * 255).astype(np.uint8)
    if region == "subject":
        return _cut_out(image, marked, colour, share)
    inside = marked if region == "inside" else ~marked
    side = max(1, round(min(height, width) * share))
    top, left = (height - side) // 2, (width - side) // 2
    if not inside[top : top + side, left : left + side].any():
        raise SampleError(f"no pixel lies {region} the mask, in the central square that the network sees", "skipped")
    return np.where(inside[..., None], image, colour)


def _cut_out(image: np.ndarray, marked: np.ndarray, colour: np.ndarray, share: float) -> np.ndarray:
    """Return the box around a mask in the middle of a square, of which the network sees no less than the box."""
    import numpy as np

    if not marked.any():
        raise SampleError("no pixel lies inside the mask", "skipped")
    rows, columns = np.flatnonzero(marked.any(1)), np.flatnonzero(marked.any(0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    subject = np.where(marked[box][..., None], image[box], colour)
    height, width = subject.shape[:2]
    side = math.ceil(max(height, width) / share)
    square = np.tile(colour, (side, side, 1))
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = subject
    return square
