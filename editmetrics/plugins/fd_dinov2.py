"""FD-DINOv2: the Fréchet distance of DINOv2's features of two sets of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..sample import Dimension
from .dino import normalized
from .frechet import FrechetMetric

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

ARCHITECTURE = "vit_large_patch14_dinov2.lvd142m"
SIZE, PATCH = 224, 14
OFFSET = 0.1
"""DINOv2's own code adds it to the number of patches when it scales the position embeddings."""


class FDDINOv2(FrechetMetric):
    """Fréchet distance between two sets of images, in the features of DINOv2; 0 is the best.

    |mu_1 - mu_2|^2 + tr(S_1 + S_2 - 2 (S_1 S_2)^(1/2)), of means and covariances of the 1,024 features of the class
    token of DINOv2 ViT-L/14. It follows people's judgements of realism where FID does not. Images are scaled to
    224 x 224 whole. It is biased upwards where images are few, as FID is; a note says by how much, and the 95 %
    interval is over other sets of as many images of the same system (a jackknife over random halves).

    Source: Stein et al., Exposing flaws of generative model evaluation metrics, NeurIPS 2023, arXiv:2306.04675.

    >>> FDDINOv2().checkpoints()
    ('dinov2-vit-l-14',)
    """

    name, version = "fd_dinov2", 1
    title = "distance of sets (Fréchet, DINOv2)"
    dimensions = (
        Dimension("fd_dinov2", low=0, higher_is_better=False, primary=True, description="distance of two sets"),
    )
    paper = "Stein et al., Exposing flaws of generative model evaluation metrics, NeurIPS 2023, arXiv:2306.04675"
    licence = "Apache-2.0 (DINOv2); the terms of the weights are in 'editmetrics weights list'"
    requires = ("timm",)
    preprocessing = "8-bit RGB to 224 x 224 (Pillow's antialiased bicubic), ImageNet's mean and deviation"

    def checkpoints(self) -> tuple[str, ...]:
        return ("dinov2-vit-l-14",)

    def network_name(self) -> str:
        return f"timm {ARCHITECTURE} at {SIZE} pixels"

    def network(self) -> Any:
        import timm

        return timm.create_model(ARCHITECTURE, pretrained=False, num_classes=0, img_size=SIZE)

    def state(self, network: Any, *files: dict[str, Tensor]) -> dict[str, Tensor]:
        (tensors,) = files
        return {**tensors, "pos_embed": scaled_positions(tensors["pos_embed"], SIZE // PATCH)}

    def see(self, pixels: np.ndarray) -> Tensor:
        import numpy as np
        import torch
        from PIL import Image

        from ..images import eight_bits

        small = Image.fromarray(eight_bits(pixels)).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
        image = torch.from_numpy(np.asarray(small, np.float32).transpose(2, 0, 1) / 255)
        return normalized(image[None])[0]


def scaled_positions(positions: Tensor, side: int) -> Tensor:
    """Scale position embeddings (1, 1 + n * n, D), the class token's first, to `side` x `side` patches.

    Bicubic by the factor (side + 0.1) / n, as DINOv2's own code does where an image is not 518 pixels wide.

    >>> import torch
    >>> scaled_positions(torch.ones(1, 1 + 37 * 37, 8), 16).shape
    torch.Size([1, 257, 8])
    """
    import torch
    import torch.nn.functional as F

    token, patches = positions[:, :1], positions[:, 1:]
    before = round(patches.shape[1] ** 0.5)
    if before == side:
        return positions
    grid = patches.float().reshape(1, before, before, -1).permute(0, 3, 1, 2)
    factor = float(side + OFFSET) / before
    scaled = F.interpolate(grid, scale_factor=(factor, factor), mode="bicubic")
    return torch.cat([token.float(), scaled.permute(0, 2, 3, 1).flatten(1, 2)], 1)
