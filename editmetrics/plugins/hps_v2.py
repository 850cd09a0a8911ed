"""HPS v2: how people would rank images of one prompt, by a CLIP trained on 800,000 choices."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from ..sample import Dimension
from .clip import text_embeddings, tokenize
from .preprocessing import Preprocessing
from .text_image import TextImageMetric

if TYPE_CHECKING:
    from torch import Tensor

CHECKPOINTS = {"2.0": "hps-v2", "2.1": "hps-v2.1"}


def hps_v2(images: Tensor, tokens: Tensor, model: Any) -> Tensor:
    """HPS v2 of images and prompts, (N,), without unit, in [-1, 1]; higher is preferred.

    cos(E_image, E_text)

    with the embeddings of the trained CLIP ViT-H/14. `images`: (N, 3, 224, 224), as the preprocessing leaves them.
    `tokens`: (N, T), int64, T up to 77. `model`: open_clip's CLIP. Differentiable in the images.

    Source: Wu et al., Human Preference Score v2, arXiv:2306.09341; `img_score.py` of the authors' package.

    >>> import torch
    >>> from open_clip import CLIP
    >>> model = CLIP(8, {"layers": 1, "width": 64, "image_size": 32, "patch_size": 32}, {"layers": 1, "width": 64})
    >>> hps_v2(torch.zeros(2, 3, 32, 32), torch.ones(2, 5, dtype=torch.int64), model).shape
    torch.Size([2])
    """
    pairs = model.encode_image(images, normalize=True) * text_embeddings(tokens, model)
    total: Tensor = pairs.sum(-1)
    return total


class HPSv2(TextImageMetric):
    """Human Preference Score v2 of the edited image and its prompt, in [-1, 1], usually 0.2 to 0.35; higher is better.

    cos(E_image, E_text), with the embeddings of a CLIP ViT-H/14 that was trained on rankings of images by people.
    Scores compare images of one prompt, and never a score of model 2.0 with one of 2.1. The prompt describes the wanted
    image; an instruction ("make the sky red") describes none.

    CLIP reads 77 tokens; the end of a longer prompt is cut off, and the score's details say so. The whole image is
    seen: its longer side is resized to 224 pixels, and black is added beside the shorter one.

    Options:
        model: Weights of version 2.0, the default of the authors' package, or 2.1, which later papers report.
        scale: cosine is the authors' number; logit multiplies it by CLIP's temperature, as diffsynth does (about 100).
        fit: pad is the authors' preprocessing; crop is CLIP's, with the centre of the image, as diffsynth has it.
        antialias: Whether `fit=pad` filters as it shrinks. The authors' code does with torchvision 0.17 or later; with
            earlier ones, of which the paper's numbers are, it did not.

    Source: Wu et al., arXiv:2306.09341. The authors' code computes in float16 on a GPU.

    >>> HPSv2(model="2.1").checkpoints()
    ('hps-v2.1',)
    """

    name, version = "hps_v2", 1
    ignores_padding = True
    title = "what people would prefer (HPS v2)"
    requires = ("open-clip-torch",)
    dimensions = (Dimension("hps_v2", low=-1, high=1, primary=True, description="preference, given the prompt"),)
    paper = "Wu et al., Human Preference Score v2: a solid benchmark for evaluating human preferences, 2023"
    licence = "Apache-2.0 (the authors' code); the terms of the weights are in 'editmetrics weights list'"

    def __init__(
        self,
        *,
        model: Literal["2.0", "2.1"] = "2.0",
        scale: Literal["cosine", "logit"] = "cosine",
        fit: Literal["pad", "crop"] = "pad",
        antialias: bool = True,
    ) -> None:
        self.model, self.scale, self.fit, self.antialias = model, scale, fit, antialias

    def active_dimensions(self) -> tuple[Dimension, ...]:
        """Return a cosine's range; none with `scale=logit`, whose factor is in the weights."""
        (declared,) = type(self).dimensions
        return (declared if self.scale == "cosine" else replace(declared, low=-math.inf, high=math.inf),)

    def checkpoints(self) -> tuple[str, ...]:
        return (CHECKPOINTS[self.model],)

    def network_name(self) -> str:
        return "open_clip ViT-H-14"

    def network(self) -> Any:
        from open_clip import CLIP, get_model_config

        from .transformers_networks import without_numbers

        return without_numbers(lambda: CLIP(**get_model_config("ViT-H-14")))

    def looks(self) -> Preprocessing:
        return Preprocessing(fit=self.fit, antialias=self.antialias)

    def reads(self, text: str) -> tuple[dict[str, Tensor], str | None]:
        tokens, note = tokenize(text)
        return {"tokens": tokens}, note

    def forward(self, batch: dict[str, Any]) -> Tensor:
        cosine = hps_v2(batch["image"], batch["tokens"], self.module)
        return cosine if self.scale == "cosine" else self.module.logit_scale.exp() * cosine
