"""CLIP image similarity (CLIP-I): how alike two images are in what they show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ..bases.full_reference import Against
from ..options import Variants, with_variant
from ..sample import Dimension
from .clip import CLIPMetric, Model, Resizing, preprocess
from .embeddings import ImageSimilarity, SeenRegion, seen_region
from .preprocessing import CLIP_MEAN

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

VARIANTS: Variants = {
    "magicbrush": {"model": "ViT-B-32", "against": "reference"},
    "instruct-pix2pix": {"model": "ViT-L-14", "against": "source"},
}


class CLIPImage(CLIPMetric, ImageSimilarity):
    """Cosine of the CLIP embeddings of the edited image and its source (CLIP-I), in [-1, 1]; 1 is the same.

    cos(E(source), E(edited)), with OpenAI's CLIP and its own preprocessing: the shorter side to 224 pixels, the central
    square. What lies outside that square is not seen. It tells whether the two images show the same things, and hardly
    whether they look the same.

    With a region, what lies outside of it is painted in CLIP's mean colour in both images before anything else. That is
    not normalised by the area of the mask, which an embedding cannot be: compare regions of like size only.
    `region=subject` looks at what the mask marks and nothing else, and fills the network's input with it, so that
    large and small subjects are seen alike.

    Options:
        model: OpenAI's CLIP, by its size: ViT-B-32 (the usual one), ViT-B-16 or ViT-L-14.
        against: What the edited image is compared with: its source, or the reference, a ground-truth target.
        region: What is seen: the whole image, what lies inside or outside the sample's mask, or its subject: the box
            around the mask, cut out and enlarged, and painted outside the mask.
        variant: none; magicbrush: MagicBrush's script, which compares with the reference by ViT-B/32; instruct-pix2pix:
            the script of that paper, which has ViT-L/14 and scales the whole image to a square without antialiasing.

    Source: Radford et al., ICML 2021, arXiv:2103.00020; as a measure of edits: Zhang et al., MagicBrush, NeurIPS 2023,
    arXiv:2306.10012; Brooks et al., InstructPix2Pix, CVPR 2023, arXiv:2211.09800.

    >>> CLIPImage(variant="magicbrush").required() == {"edited", "reference"}
    True
    """

    name, version = "clip_image", 1
    title = "likeness to the source (CLIP-I)"
    dimensions = (Dimension("clip_image", low=-1, high=1, primary=True, description="likeness of content"),)
    paper = "Radford et al., Learning transferable visual models from natural language supervision, ICML 2021"

    def __init__(
        self,
        *,
        model: Model = "ViT-B-32",
        against: Against = "source",
        region: SeenRegion = "whole",
        variant: Literal["none", "magicbrush", "instruct-pix2pix"] = "none",
    ) -> None:
        self.model, self.against, self.region, self.variant = model, against, region, variant
        options = with_variant(self, VARIANTS)
        self.model_name, self.compared_with = options["model"], options["against"]
        self.resizing: Resizing = "squash" if variant == "instruct-pix2pix" else "crop"

    def see(self, pixels: np.ndarray, mask: Any) -> Tensor:
        return preprocess(seen_region(pixels, mask, self.region, CLIP_MEAN, 1.0), self.resizing)

    def forward(self, batch: dict[str, Any]) -> Tensor:
        edited, other = self.embed_images([*batch["edited"], *batch["other"]]).chunk(2)
        return (edited * other).sum(-1)
