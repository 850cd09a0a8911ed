"""CMMD: the maximum mean discrepancy of CLIP embeddings of two sets of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..bases.set_metric import SetEstimate, SetMetric
from ..sample import Dimension
from .frechet import sums_device
from .kernel_distance import discrepancy, gaussian
from .preprocessing import CLIP_DEVIATION, CLIP_MEAN

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

SIZE = 336


class CMMD(SetMetric):
    """CLIP maximum mean discrepancy between two sets of images, times 1,000; 0 is the best.

    1000 (mean k(x, x') + mean k(y, y') - 2 mean k(x, y)) with k(x, y) = exp(-|x - y|^2 / 200) over all pairs, those of
    an image with itself among them, as the authors' code has it: so it is never negative, and few images bias it
    upwards. Embeddings are those of OpenAI's CLIP ViT-L/14 at 336 pixels, of unit length; it sees the
    central square. Some hundred images are enough. The 95 % interval is a bootstrap over the generated images.

    Source: Jayasumana et al., Rethinking FID, CVPR 2024, arXiv:2401.09603, section 4.

    >>> CMMD().checkpoints()
    ('clip-vit-l-14-336-openai',)
    """

    name, version = "cmmd", 1
    title = "distance of sets (CLIP)"
    dimensions = (Dimension("cmmd", low=0, higher_is_better=False, primary=True, description="distance of two sets"),)
    paper = "Jayasumana et al., Rethinking FID: towards a better evaluation metric for image generation, CVPR 2024"
    licence = "MIT (OpenAI's CLIP); the terms of the weights are in 'editmetrics weights list'"
    requires = ("open-clip-torch",)
    minimum = 10
    preprocessing = "8-bit RGB, central square to 336 x 336 (Pillow's antialiased bicubic), CLIP's mean and deviation"

    def checkpoints(self) -> tuple[str, ...]:
        return ("clip-vit-l-14-336-openai",)

    def network_name(self) -> str:
        return "open_clip ViT-L-14-336-quickgelu, images"

    def network(self) -> Any:
        from open_clip import CLIP, get_model_config

        return CLIP(**get_model_config("ViT-L-14-336-quickgelu"))

    def see(self, pixels: np.ndarray) -> Tensor:
        import numpy as np
        import torch
        from PIL import Image

        from ..images import eight_bits

        height, width = pixels.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        square = Image.fromarray(eight_bits(pixels)).crop((left, top, left + side, top + side))
        image = np.asarray(square.resize((SIZE, SIZE), Image.Resampling.BICUBIC), np.float32) / 255
        normalized = (image - np.array(CLIP_MEAN, np.float32)) / np.array(CLIP_DEVIATION, np.float32)
        return torch.from_numpy(np.ascontiguousarray(normalized.transpose(2, 0, 1)))

    def features(self, images: Tensor) -> Tensor:
        embeddings: Tensor = self.module.encode_image(images, normalize=True)
        return embeddings

    def reduce(self, features: np.ndarray, reference: np.ndarray) -> SetEstimate:
        device = sums_device(self.device)
        return discrepancy("cmmd", gaussian, (features, reference), unbiased=False, scale=1000, device=device)
