"""CLIP text similarity (CLIP-T): how well an image fits a text, as the bare cosine of their embeddings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from ..bases.full_reference import Region, with_border
from ..options import Variants, with_variant
from ..sample import Dimension, Sample
from .clip import CLIPMetric, Model, preprocess, tokenize, tokenize_all
from .embeddings import seen_region
from .preprocessing import CLIP_MEAN

if TYPE_CHECKING:
    from torch import Tensor

VARIANTS: Variants = {"magicbrush": {"model": "ViT-B-32"}, "pie-bench": {"model": "ViT-L-14"}}


class CLIPText(CLIPMetric):
    """Cosine of the CLIP embeddings of the edited image and the prompt (CLIP-T), in [-1, 1]; higher fits better.

    cos(E(edited), E(prompt)), with OpenAI's CLIP and its own preprocessing: the shorter side to 224 pixels, the central
    square. The prompt describes the wanted image; an instruction ("make the sky red") describes no image. Of a text of
    over 77 tokens the end is cut off, and the score's details say so. `clip_score` is the same cosine under CLIPScore's
    prefix, cut off at 0 and scaled.

    With a region, what lies outside of it is painted in CLIP's mean colour before anything else.

    Options:
        model: OpenAI's CLIP, by its size: ViT-B-32 (the usual one), ViT-B-16 or ViT-L-14.
        region: What is seen: the whole image, or what lies inside or outside the sample's mask.
        variant: none; magicbrush: MagicBrush's script: ViT-B/32; the prompt is the caption of the target, not the
            instruction; pie-bench: PIE-Bench's script: ViT-L/14, 100 max(cosine, 0), brackets stripped from the prompt,
            black outside a region.

    Source: Radford et al., ICML 2021, arXiv:2103.00020; as a measure of edits: Zhang et al., MagicBrush, NeurIPS 2023,
    arXiv:2306.10012; Ju et al., PnP Inversion, ICLR 2024, arXiv:2310.01506.

    >>> CLIPText(variant="pie-bench").primary().high
    100
    """

    name, version = "clip_text", 1
    title = "image shows its prompt (CLIP-T)"
    needs = frozenset({"edited", "prompt"})
    uses = frozenset({"mask"})
    dimensions = (
        Dimension("clip_text", low=-1, high=1, primary=True, description="agreement of the image with the prompt"),
    )
    paper = "Radford et al., Learning transferable visual models from natural language supervision, ICML 2021"

    def __init__(
        self,
        *,
        model: Model = "ViT-B-32",
        region: Region = "whole",
        variant: Literal["none", "magicbrush", "pie-bench"] = "none",
    ) -> None:
        self.model, self.region, self.variant = model, region, variant
        self.model_name: Model = with_variant(self, VARIANTS)["model"]

    def active_dimensions(self) -> tuple[Dimension, ...]:
        """Return a cosine's range; for PIE-Bench's script, 0 to 100."""
        declared = type(self).dimensions
        return (replace(declared[0], low=0, high=100),) if self.variant == "pie-bench" else declared

    def required(self) -> frozenset[str]:
        return frozenset(self.needs | ({"mask"} if self.region != "whole" else set()))

    def prepare(self, sample: Sample) -> dict[str, Any]:
        """The image (3, 224, 224), float32, the text's tokens (77,), int64, and a note when the text was cut."""
        from ..images import eight_bits, read_image, read_mask

        text, mask, fill = sample.prompt or "", sample.mask, CLIP_MEAN
        if self.variant == "pie-bench":
            text, fill = text.replace("[", "").replace("]", ""), (0.0, 0.0, 0.0)
            mask = with_border(read_mask(mask)) if self.region != "whole" else None
        pixels = eight_bits(read_image(sample.edited))
        tokens, note = tokenize(text)
        return {"image": preprocess(seen_region(pixels, mask, self.region, fill, 1.0)), "tokens": tokens, "note": note}

    def batch_of(self, fields: dict[str, Any]) -> dict[str, Any]:
        texts = fields["prompt"]
        if self.variant == "pie-bench":
            texts = [text.replace("[", "").replace("]", "") for text in texts]
        return {"image": self.sees(fields["edited"]), "tokens": tokenize_all(texts, fields["edited"])}

    def forward(self, batch: dict[str, Any]) -> Tensor:
        cosines = (self.embed_images(batch["image"]) * self.embed_texts(batch["tokens"])).sum(-1)
        return 100 * cosines.clamp(min=0) if self.variant == "pie-bench" else cosines
