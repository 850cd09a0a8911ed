"""The features of Inception-v3, for metrics of sets of images; and how images are resized for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ..bases.set_metric import SetMetric

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

Mode = Literal["clean", "legacy_pytorch", "legacy_tensorflow"]

SIZE = 299
PREPROCESSING: dict[Mode, str] = {
    "clean": "float RGB to 299 x 299 (Pillow's antialiased bicubic, each channel), clipped to 0-255, (x - 128) / 128",
    "legacy_pytorch": "RGB in [0, 1] to 299 x 299 (bilinear without antialiasing), 2 x - 1",
    "legacy_tensorflow": "RGB to 299 x 299 (bilinear of TensorFlow 1, pixel i from i * H / 299), (x - 128) / 128",
}


class InceptionMetric(SetMetric):
    """A metric of the 2,048 features of Inception-v3's last pooling."""

    licence = "Apache-2.0 (weights of TensorFlow's Inception, in the file of pytorch-fid)"

    def __init__(self, *, mode: Mode = "clean", **shared: Any) -> None:
        super().__init__(**shared)
        self.mode = mode

    @property
    def preprocessing(self) -> str:  # type: ignore[override]
        return PREPROCESSING[self.mode]

    def checkpoints(self) -> tuple[str, ...]:
        return ("inception-2015-12-05",)

    def network_name(self) -> str:
        return "inception-v3 of 2015-12-05"

    def network(self) -> Any:
        from .inception_network import inception

        return inception()

    def read_network(self) -> Any:
        """Return the network; on a CPU with channels last, in which its convolutions take a quarter less time."""
        import torch

        network = super().read_network()
        return network.to(memory_format=torch.channels_last) if self.device == "cpu" else network

    def see(self, pixels: np.ndarray) -> Tensor:
        return resized(pixels, self.mode)


def resized(pixels: np.ndarray, mode: Mode) -> Tensor:
    """Resize an image (H, W, 3), uint8 or float32 in [0, 1], for Inception: (3, 299, 299), about [-1, 1].

    - `clean`: clean-fid's way, with antialiasing and without rounding (Parmar et al., CVPR 2022).
    - `legacy_pytorch`: that of pytorch-fid. `legacy_tensorflow`: that of the original graph, and of torch-fidelity.

    >>> import numpy as np
    >>> resized(np.full((10, 20, 3), 128, np.uint8), "clean").unique()
    tensor([0.])
    """
    import numpy as np
    import torch
    import torch.nn.functional as F

    scaled = pixels.astype(np.float32) if pixels.dtype == np.uint8 else pixels * np.float32(255)
    if mode == "clean":
        return (torch.from_numpy(bicubic(scaled, SIZE)) - 128) / 128
    image = torch.from_numpy(np.ascontiguousarray(scaled.transpose(2, 0, 1)))
    if mode == "legacy_pytorch":
        return 2 * F.interpolate(image[None] / 255, (SIZE, SIZE), mode="bilinear", align_corners=False)[0] - 1
    return (_without_half_a_pixel(image) - 128) / 128


def bicubic(image: np.ndarray, size: int) -> np.ndarray:
    """Resize a float image (H, W, 3) in [0, 255] by Pillow's antialiased bicubic: (3, size, size), not rounded."""
    import numpy as np
    from PIL import Image

    planes = [Image.fromarray(np.ascontiguousarray(image[..., channel])) for channel in range(3)]
    return np.stack([np.asarray(plane.resize((size, size), Image.Resampling.BICUBIC)) for plane in planes]).clip(0, 255)


def _without_half_a_pixel(image: Tensor) -> Tensor:
    """Resize (3, H, W) bilinearly as TensorFlow 1 did: pixel i is taken from i * H / 299, without half a pixel."""
    import torch

    for axis in (1, 2):
        length = image.shape[axis]
        at = torch.arange(SIZE, dtype=torch.float32) * (length / SIZE)
        low = at.long()
        shape = [1, 1, 1]
        shape[axis] = SIZE
        share = (at - low).view(shape)
        before = image.index_select(axis, low)
        image = before + (image.index_select(axis, (low + 1).clamp(max=length - 1)) - before) * share
    return image
