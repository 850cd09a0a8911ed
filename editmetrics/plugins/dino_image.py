"""DINO image similarity: how alike two images are in what they show, of which kind and how it looks."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from ..bases.full_reference import Against
from ..options import with_variant
from ..sample import Dimension
from .dino import IMAGE_SIZE, MEAN, DINOMetric, Model, normalized
from .embeddings import ImageSimilarity, SeenRegion, each_once, seen_region

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

RESIZED = 256
PREPROCESSING = (
    "8-bit RGB, shorter side to 256 (Pillow's antialiased bicubic), centre crop 224, ImageNet's normalisation"
)


class DINOImage(DINOMetric, ImageSimilarity):
    """Cosine of the DINO embeddings of the edited image and its source, in [-1, 1]; 1 is the same.

    cos(E(source), E(edited)), where E is the class token after DINO's last layer. Images are seen as in DINO's own
    evaluation: the shorter side to 256 pixels, of that the central square of 224. DINO was trained to tell images from
    one another, not to name them, so that it heeds looks more than CLIP does.

    With a region, what lies outside of it is painted in ImageNet's mean colour in both images before anything else.
    That is not normalised by the area of the mask, which an embedding cannot be: compare regions of like size only.
    `region=subject` looks at what the mask marks and nothing else, and fills the network's input with it, so that
    large and small subjects are seen alike.

    Options:
        model: DINO's transformer: ViT-S-16 (the usual one), ViT-S-8, ViT-B-16 or ViT-B-8.
        against: What the edited image is compared with: its source, or the reference, a ground-truth target.
        region: What is seen: the whole image, what lies inside or outside the sample's mask, or its subject: the box
            around the mask, cut out and enlarged, and painted outside the mask.
        variant: none, or magicbrush: MagicBrush's script, which compares with the reference by ViT-S/16.

    Source: Caron et al., ICCV 2021, arXiv:2104.14294; as a measure of edits: Zhang et al., MagicBrush, NeurIPS 2023,
    arXiv:2306.10012.

    >>> DINOImage(variant="magicbrush").required() == {"edited", "reference"}
    True
    """

    name, version = "dino_image", 1
    title = "likeness to the source (DINO)"
    dimensions = (Dimension("dino_image", low=-1, high=1, primary=True, description="likeness of content and looks"),)
    paper = "Caron et al., Emerging properties in self-supervised vision transformers, ICCV 2021, arXiv:2104.14294"

    def __init__(
        self,
        *,
        model: Model = "ViT-S-16",
        against: Against = "source",
        region: SeenRegion = "whole",
        variant: Literal["none", "magicbrush"] = "none",
    ) -> None:
        self.model, self.against, self.region, self.variant = model, against, region, variant
        options = with_variant(self, {"magicbrush": {"model": "ViT-S-16", "against": "reference"}})
        self.model_name, self.compared_with = options["model"], options["against"]

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "preprocessing": PREPROCESSING}

    def see(self, pixels: np.ndarray, mask: Any) -> Tensor:
        return preprocess(seen_region(pixels, mask, self.region, MEAN, IMAGE_SIZE / RESIZED))

    def sees(self, images: Tensor) -> Tensor:
        """Preprocess images (N, 3, H, W), floats in [0, 1], differentiably: (N, 3, 224, 224)."""
        return normalized(_scaled()(images).clamp(0, 1))

    def forward(self, batch: dict[str, Any]) -> Tensor:
        import torch.nn.functional as F

        embeddings = each_once(self.module, [*batch["edited"], *batch["other"]], self.device)
        edited, other = embeddings.chunk(2)
        return F.cosine_similarity(edited, other)


def preprocess(pixels: Any) -> Tensor:
    """Preprocess an image (H, W, 3), uint8, as DINO's evaluation does: (3, 224, 224), float32, normalised.

    >>> import numpy as np
    >>> preprocess(np.zeros((300, 400, 3), np.uint8)).shape
    torch.Size([3, 224, 224])
    """
    from PIL import Image
    from torchvision.transforms.functional import to_tensor

    return normalized(to_tensor(_scaled()(Image.fromarray(pixels)))[None])[0]


@cache
def _scaled() -> Any:
    """torchvision's scaling and cropping, of Pillow's images and of tensors."""
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

    return Compose([Resize(RESIZED, InterpolationMode.BICUBIC, antialias=True), CenterCrop(IMAGE_SIZE)])
