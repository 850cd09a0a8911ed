"""mPLUG-Owl2 among the families of backbones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ...transfer import joined
from ..family import Family, Processor, too_few
from ..tensors import Features, Picture

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor
    from transformers import PreTrainedModel


class MplugOwl2Family(Family):
    """mPLUG-Owl2, Q-Align, DeQA-Score: a square image becomes 65 vectors, which the language model treats as images."""

    name = "mplug_owl2"
    own = True
    vision = "vision_model"
    projector: ClassVar[tuple[str, ...]] = ("visual_abstractor",)
    language = "model"
    older_names: ClassVar[Mapping[str, str]] = {r"model\.(?=vision_model\.|visual_abstractor\.)": ""}
    lora_targets: ClassVar[Mapping[str, str]] = {
        "vision": r"vision_model\.encoder\.layers\.\d+\.(self_attn\.(query_key_value|dense)|mlp\.(fc1|fc2))",
        "language": r"model\.layers\.\d+\."
        r"(self_attn\.([qo]_proj|[kv]_proj\.multiway\.[01])|mlp\.\w+_proj)",
    }

    def limits(self, processor: Processor, image_tokens: int | None) -> dict[str, Any]:
        if image_tokens is not None and image_tokens < processor.image_tokens:
            raise too_few(image_tokens, processor.image_tokens)
        return {}

    def see(self, processor: Processor, image: np.ndarray, limits: Mapping[str, Any], among: int) -> Picture:
        pixels = processor.image_processor.pixels(image)
        return Picture({"pixel_values": pixels[None]}, processor.image_tokens, image.shape[:2], among)

    def look(self, model: PreTrainedModel, pictures: Sequence[Picture]) -> list[Features]:
        squares = joined([picture.pixels["pixel_values"] for picture in pictures], model.device, model.dtype)
        own: Any = model
        return [Features(tokens) for tokens in own.image_tokens(squares)]

    def language_inputs(self, features: Sequence[Features], image_mask: Tensor) -> dict[str, Any]:
        return {"is_image": image_mask[..., None]} if features else {}
