"""PickScore: how people would choose between images of one prompt, by a CLIP trained on half a million choices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Gt

from ..sample import Dimension
from .preprocessing import Preprocessing
from .text_image import TextImageMetric, clip_tokens

if TYPE_CHECKING:
    from torch import Tensor


def pick_score(images: Tensor, tokens: Tensor, model: Any) -> Tensor:
    """PickScore of images and prompts, (N,), without unit; higher is preferred.

    exp(s) cos(E_image, E_text)

    where E are the embeddings of the trained CLIP ViT-H/14 and s is its temperature, about 100 when exponentiated.
    `images`: (N, 3, 224, 224), as CLIP's preprocessing leaves them. `tokens`: (N, T), int64, T up to 77. `model`:
    transformers' `CLIPModel`. Differentiable in the images.

    Source: Kirstain et al., Pick-a-Pic, NeurIPS 2023, arXiv:2305.01569, equation 1.

    >>> import torch
    >>> from transformers import CLIPConfig, CLIPModel
    >>> small = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 1}
    >>> model = CLIPModel(CLIPConfig(text_config=small, vision_config=small))
    >>> pick_score(torch.zeros(2, 3, 224, 224), torch.ones(2, 77, dtype=torch.int64), model).shape
    torch.Size([2])
    """
    return model.logit_scale.exp() * cosines(images, tokens, model)


def cosines(images: Tensor, tokens: Tensor, model: Any) -> Tensor:
    """Return the cosine of the embeddings of each image and its text, (N,), by transformers' `CLIPModel`."""
    import torch.nn.functional as F

    seen = model.visual_projection(model.vision_model(pixel_values=images).pooler_output)
    read = model.text_projection(model.text_model(input_ids=tokens).pooler_output)
    return F.cosine_similarity(seen, read)


class PickScore(TextImageMetric):
    """PickScore of the edited image and its prompt, without unit, usually 15 to 25; higher is preferred.

    exp(s) cos(E_image, E_text), with the embeddings and the temperature of a CLIP ViT-H/14 that was trained on choices
    of people between two images of one prompt. Scores compare images of one prompt; the probability that the first of
    two is preferred is the logistic function of the difference. The prompt describes the wanted image; an instruction
    ("make the sky red") describes none.

    CLIP reads 77 tokens; the end of a longer prompt is cut off, and the score's details say so. The image is resized to
    224 pixels on its shorter side and cropped to its centre; what lies outside is not seen.

    Options:
        scale: logit is the authors' number, with the temperature; cosine is without it.
        divide_by: Divides the number: flow_grpo divides by 26, to come near 1.

    Source: Kirstain et al., NeurIPS 2023, arXiv:2305.01569. The authors' code computes in float32.

    >>> PickScore().checkpoints()
    ('pick-score',)
    """

    name, version = "pick_score", 1
    ignores_padding = True
    title = "what people would prefer (PickScore)"
    dimensions = (Dimension("pick_score", primary=True, description="preference, given the prompt"),)
    paper = (
        "Kirstain et al., Pick-a-Pic: an open dataset of user preferences for text-to-image generation, NeurIPS 2023"
    )
    licence = "MIT (the authors' code); the terms of the weights are in 'editmetrics weights list'"

    def __init__(
        self, *, scale: Literal["logit", "cosine"] = "logit", divide_by: Annotated[float, Gt(0)] = 1.0
    ) -> None:
        self.scale, self.divide_by = scale, divide_by

    def checkpoints(self) -> tuple[str, ...]:
        return ("pick-score",)

    def network_name(self) -> str:
        return "transformers CLIP ViT-H-14"

    def network(self) -> Any:
        from .transformers_networks import clip_h

        return clip_h()

    def state(self, network: Any, *files: dict[str, Tensor]) -> dict[str, Tensor]:
        """The file's tensors without the positions 0, 1, ..., which older versions of transformers wrote."""
        return {name: tensor for name, tensor in files[0].items() if not name.endswith("position_ids")}

    def looks(self) -> Preprocessing:
        return Preprocessing(fit="crop_down")

    def reads(self, text: str) -> tuple[dict[str, Tensor], str | None]:
        tokens, note = clip_tokens(text)
        return {"tokens": tokens}, note

    def forward(self, batch: dict[str, Any]) -> Tensor:
        score = pick_score if self.scale == "logit" else cosines
        return score(batch["image"], batch["tokens"], self.module) / self.divide_by
