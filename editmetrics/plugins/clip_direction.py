"""CLIP directional similarity: whether the image changed as the text did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ..options import with_variant
from ..sample import Dimension, Sample, Score
from .clip import CLIPMetric, Model, Resizing, preprocess, tokenize, tokenize_all

if TYPE_CHECKING:
    from torch import Tensor

STILL = 1e-4
"""Smallest difference of unit-length embeddings that has a direction; below lies the rounding of preprocessing."""


def direction_similarity(source: Tensor, edited: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """The cosine of the change in image and in text, (N,), in [-1, 1]; 0 where either did not change.

    cos(edited - source, after - before), of embeddings (N, D) of unit length: of the two images, and of the texts that
    describe them. Differentiable where both changed.

    Source: Gal et al., StyleGAN-NADA, SIGGRAPH 2022 (as a loss).

    >>> import torch
    >>> x, y = torch.eye(2).split(1)
    >>> direction_similarity(x, y, x, y).round(), direction_similarity(x, y, y, x).round()
    (tensor([1.]), tensor([-1.]))
    """
    import torch.nn.functional as F

    return F.cosine_similarity(edited - source, after - before)


class CLIPDirection(CLIPMetric):
    """CLIP directional similarity: the cosine of the changes in image and text, in [-1, 1]; higher follows better.

    cos(E(edited) - E(source), E(prompt) - E(source_prompt)), with embeddings of unit length by OpenAI's CLIP.
    `source_prompt` describes the source and `prompt` the wanted image, in whole sentences as alike as can be: "a photo
    of a cat", "a photo of a dog". An instruction ("make it a dog") is not a description.

    Where the images or the texts have the same embedding, nothing changed, and no direction can be compared: such a
    sample fails with that reason. The published script gives 0, and so does `tensors`, which looks at no values.

    Options:
        model: OpenAI's CLIP, by its size: ViT-L-14 (InstructPix2Pix's), ViT-B-16 or ViT-B-32.
        variant: none, or instruct-pix2pix: the script of that paper, which has ViT-L/14, scales the whole image to a
            square without antialiasing, and gives 0 where nothing changed.

    Source: Gal et al., StyleGAN-NADA, SIGGRAPH 2022, arXiv:2108.00946; as a measure of edits: Brooks, Holynski, Efros,
    InstructPix2Pix, CVPR 2023, arXiv:2211.09800.

    >>> sorted(CLIPDirection().required())
    ['edited', 'prompt', 'source', 'source_prompt']
    """

    name, version = "clip_direction", 1
    title = "change in image follows change in text"
    needs = frozenset({"source", "edited", "prompt", "source_prompt"})
    dimensions = (
        Dimension("clip_direction", low=-1, high=1, primary=True, description="whether the image changed as the text"),
    )
    paper = "Brooks, Holynski, Efros, InstructPix2Pix: learning to follow image editing instructions, CVPR 2023"

    def __init__(self, *, model: Model = "ViT-L-14", variant: Literal["none", "instruct-pix2pix"] = "none") -> None:
        self.model, self.variant = model, variant
        self.model_name: Model = with_variant(self, {"instruct-pix2pix": {"model": "ViT-L-14"}})["model"]
        self.resizing: Resizing = "squash" if variant == "instruct-pix2pix" else "crop"

    def prepare(self, sample: Sample) -> dict[str, Any]:
        """Both images (3, 224, 224), float32, both texts' tokens (77,), int64, and notes on texts that were cut."""
        texts = {name: tokenize(getattr(sample, name) or "") for name in ("source_prompt", "prompt")}
        return {
            **{name: preprocess(getattr(sample, name), self.resizing) for name in ("source", "edited")},
            **{name: tokens for name, (tokens, _) in texts.items()},
            "note": "; ".join(f"{name}: {note}" for name, (_, note) in texts.items() if note),
        }

    def batch_of(self, fields: dict[str, Any]) -> dict[str, Any]:
        images = {name: self.sees(fields[name]) for name in ("source", "edited")}
        return images | {name: tokenize_all(fields[name], fields["edited"]) for name in ("source_prompt", "prompt")}

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        source, edited = self.embed_images([*batch["source"], *batch["edited"]]).chunk(2)
        before, after = self.embed_texts([*batch["source_prompt"], *batch["prompt"]]).chunk(2)
        return {
            "clip_direction": direction_similarity(source, edited, before, after),
            "images": (edited - source).norm(dim=-1),
            "texts": (after - before).norm(dim=-1),
        }

    def to_score(self, values: dict[str, float], prepared: dict[str, Any]) -> Score:
        """Make the score; without a number where the images or the texts have the same embedding."""
        similarity = values.pop("clip_direction")
        still = [name for name, distance in values.items() if not distance >= STILL]
        if still and self.variant == "none":
            reason = f"the two {' and the two '.join(still)} have the same embedding: no direction can be compared"
            return Score.unscored("failed", reason)
        return super().to_score({"clip_direction": similarity}, prepared)
