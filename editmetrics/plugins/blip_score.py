"""BLIPScore: how well an image fits a text, by BLIP's embeddings or by its matching head."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Le

from ..sample import Dimension
from .blip import VOCABULARY, BLIPMetric, Size, first_state, read, transformers_names
from .preprocessing import Preprocessing

if TYPE_CHECKING:
    from torch import Tensor

Model = Literal["pretrained-large", "coco-base", "coco-large"]

CHECKPOINTS: dict[Model, str] = {
    "pretrained-large": "blip-pretrained-large",
    "coco-base": "blip-itm-base-coco",
    "coco-large": "blip-itm-large-coco",
}


class BLIPScore(BLIPMetric):
    """BLIPScore of the edited image and its prompt: a cosine in [-1, 1], or a probability; higher fits better.

    `head=itc` is the cosine of BLIP's embeddings of image and text, which each encoder makes without the other; as a
    baseline of preference models (ImageReward's tables) that is what is called BLIPScore. `head=itm` is the probability
    that they match, by a text encoder that looks at the image.

    The prompt describes the wanted image. 35 tokens of it are read; the end of a longer one is cut off, and the score's
    details say so.

    Options:
        model: pretrained-large: ViT-L/16 as it was pretrained, which sees the central square at 224 pixels, as in
            ImageReward's tables; coco-base and coco-large: fine-tuned on COCO to retrieve images, which see the whole
            image, squashed to 384 x 384 pixels.
        head: itc, the cosine, or itm, the probability of a match.
        max_tokens: Tokens that are read, with the start and the end token: 35 as in the authors' code.

    Source: Li et al., BLIP, ICML 2022, arXiv:2201.12086; as a baseline: Xu et al., ImageReward, NeurIPS 2023.

    >>> BLIPScore(model="coco-large", head="itm").primary().low
    0
    """

    name, version = "blip_score", 1
    title = "image shows its prompt (BLIP)"
    dimensions = (
        Dimension("blip_score", low=-1, high=1, primary=True, description="agreement of the image with the prompt"),
    )
    paper = "Li et al., BLIP: bootstrapping language-image pre-training, ICML 2022"
    licence = "BSD-3-Clause (the authors' code); the terms of the weights are in 'editmetrics weights list'"

    def __init__(
        self,
        *,
        model: Model = "pretrained-large",
        head: Literal["itc", "itm"] = "itc",
        max_tokens: Annotated[int, Ge(2), Le(512)] = 35,
    ) -> None:
        self.model, self.head, self.max_tokens = model, head, max_tokens
        self.size: Size = "base" if model == "coco-base" else "large"
        self.image_size = 224 if model == "pretrained-large" else 384

    def active_dimensions(self) -> tuple[Dimension, ...]:
        """Return the range of a cosine, or of a probability."""
        (declared,) = type(self).dimensions
        return (replace(declared, low=0),) if self.head == "itm" else (declared,)

    def checkpoints(self) -> tuple[str, ...]:
        return (CHECKPOINTS[self.model], VOCABULARY)

    def network_name(self) -> str:
        return f"BLIP {self.model}"

    def state(self, network: Any, *files: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors that the network needs: the authors' file has momentum encoders and a decoder, too."""
        return transformers_names(files[0], network.state_dict())

    def looks(self) -> Preprocessing:
        return Preprocessing(size=self.image_size, fit="crop" if self.model == "pretrained-large" else "squash")

    def forward(self, batch: dict[str, Any]) -> Tensor:
        import torch.nn.functional as F

        images, tokens, attended = batch["image"], batch["tokens"], batch["attended"]
        if self.head == "itm":
            matches = self.module.itm_head(first_state(self.module, images, tokens, attended))
            return matches.softmax(-1)[:, 1]
        seen = self.module.vision_model(pixel_values=images).last_hidden_state[:, 0]
        text = read(self.module, tokens, attended)
        return F.cosine_similarity(self.module.vision_proj(seen), self.module.text_proj(text))
