"""Pictures of images, prepared once and kept for the next epoch as long as there is room."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from ..images import eight_bits, read_image
from .groups import image_key

if TYPE_CHECKING:
    from .backbone import Backbone
    from .tensors import Picture


class PreparedPictures:
    """The picture of an image, as `backbone` takes it, from memory if it was prepared lately.

    - `memory`: bytes of pixels that stay in memory; the least recently used pictures are dropped first. A training
      reads the images in random order, and a source with each of its edits, so sources stay.

    An image is known by its path, or, if it is an array or another object, by being the same object.

    >>> import tempfile
    >>> import numpy as np
    >>> from editmetrics.mllm.backbone import Backbone
    >>> from editmetrics.testing import tiny_backbone
    >>> pictures = PreparedPictures(Backbone.load(tiny_backbone("internvl", tempfile.mkdtemp()), device="cpu"))
    >>> image = np.zeros((64, 64, 3), np.uint8)
    >>> pictures(image) is pictures(image)
    True
    """

    def __init__(self, backbone: Backbone, memory: int = 4 << 30) -> None:
        self.backbone, self.memory = backbone, memory
        self._kept: OrderedDict[tuple[Any, int], tuple[Any, Picture]] = OrderedDict()
        self._held = 0

    def __call__(self, image: Any, among: int = 1) -> Picture:
        """The picture of `image`, one of `among` in its chat. Raises `SampleError` as `Backbone.see` does."""
        key = image_key(image), among
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key][1]
        picture = self.backbone.see(eight_bits(read_image(image)), among=among)
        self._kept[key] = image, picture  # the image, so that its id stays its own
        self._held += _bytes(picture)
        while self._held > self.memory:
            _, (_, oldest) = self._kept.popitem(last=False)
            self._held -= _bytes(oldest)
        return picture


def _bytes(picture: Picture) -> int:
    return sum(tensor.nbytes for tensor in picture.pixels.values())
