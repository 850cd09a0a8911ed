"""The families of backbones, one small class each: InternVL and LLaVA-OneVision here, others in `qwen`, `mplug_owl2`.

A new family is one more class and one more name in `FAMILIES`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..transfer import joined
from .family import (
    LANGUAGE_LAYERS,
    BackboneError,
    BackboneUnavailableError,
    Family,
    Processor,
    process,
    too_few,
)
from .hooks import inputs_seen
from .mplug_owl2.family import MplugOwl2Family
from .qwen import Qwen2VL, Qwen3VL, Qwen25VL, Qwen35
from .tensors import Features, Picture

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor
    from transformers import PreTrainedModel

__all__ = ["FAMILIES", "BackboneError", "BackboneUnavailableError", "Family", "Processor"]


class InternVL(Family):
    """InternVL 2.5, 3 and 3.5: an image is cut into tiles, followed by a small copy of the whole."""

    name = "internvl"
    lora_targets: ClassVar[Mapping[str, str]] = {
        "vision": r"model\.vision_tower\.encoder\.layer\.\d+\."
        r"(attention\.(q_proj|k_proj|v_proj|projection_layer)|mlp\.(fc1|fc2))",
        "language": LANGUAGE_LAYERS,
    }

    def limits(self, processor: Processor, image_tokens: int | None) -> dict[str, Any]:
        if image_tokens is None:
            return {"crop_to_patches": True}
        tiles = image_tokens // processor.image_seq_length
        if tiles < 1:
            raise too_few(image_tokens, processor.image_seq_length)
        most = max(tiles - 1, 1)  # with two or more tiles, the small copy of the whole is one more
        return {"crop_to_patches": True, "max_patches": min(most, processor.image_processor.max_patches)}

    def tokens(self, processor: Processor, pixels: Mapping[str, Tensor]) -> int:
        return len(pixels["pixel_values"]) * processor.image_seq_length

    def written(self, processor: Processor, picture: Picture) -> str:
        return processor.start_image_token + super().written(processor, picture) + processor.end_image_token

    def look(self, model: PreTrainedModel, pictures: Sequence[Picture]) -> list[Features]:
        tiles = [picture.pixels["pixel_values"] for picture in pictures]
        output = model.model.get_image_features(pixel_values=joined(tiles, model.device, model.dtype))
        return [Features(each.flatten(0, 1)) for each in output.pooler_output.split([len(part) for part in tiles])]


class LlavaOneVision(Family):
    """LLaVA-OneVision: an image alone in its chat is cut into tiles; one among several is padded to a single square."""

    name = "llava_onevision"
    moves_images = True
    lora_targets: ClassVar[Mapping[str, str]] = {
        "vision": r"model\.vision_tower\.encoder\.layers\.\d+\."
        r"(self_attn\.(q_proj|k_proj|v_proj|out_proj)|mlp\.(fc1|fc2))",
        "language": LANGUAGE_LAYERS,
    }

    def limits(self, processor: Processor, image_tokens: int | None) -> dict[str, Any]:
        if image_tokens is not None and image_tokens < self._square_tokens(processor):
            raise too_few(image_tokens, self._square_tokens(processor))
        return {"image_tokens": image_tokens}

    def see(self, processor: Processor, image: np.ndarray, limits: Mapping[str, Any], among: int) -> Picture:
        size = image.shape[:2]
        tokens = processor._get_num_multimodal_tokens([size])["num_image_tokens"][0]
        if among == 1 and tokens <= (limits["image_tokens"] or tokens):
            pixels = process(processor, [[image]], {})
        else:
            pixels = process(processor, [[image, image[:1, :1]]], {})  # another image, so that this one is not cut
            tokens = self._square_tokens(processor)
        return Picture({name: pixels[name][0] for name in ("pixel_values", "image_sizes")}, tokens, size, among)

    def look(self, model: PreTrainedModel, pictures: Sequence[Picture]) -> list[Features]:
        inner, config = model.model, model.config
        tiles = [picture.pixels["pixel_values"] for picture in pictures]
        features = self._tile_features(model, joined(tiles, model.device, model.dtype))
        packed, _ = inner.pack_image_features(
            features.split([len(part) for part in tiles]),
            [picture.pixels["image_sizes"] for picture in pictures],
            image_newline=inner.image_newline,
            vision_aspect_ratio=config.vision_aspect_ratio,
        )
        return [Features(tokens) for tokens in packed]

    def _tile_features(self, model: PreTrainedModel, tiles: Tensor) -> Tensor:
        """(tiles, patches, hidden). The model's own `get_image_features` takes a single picture for one that is cut."""
        import torch

        layer, tower = model.config.vision_feature_layer, model.model.vision_tower
        steps = [*tower.encoder.layers, tower.post_layernorm]  # the state before each is what `hidden_states` has there
        states: dict[int, Tensor] = {}
        indices = [layer] if isinstance(layer, int) else list(layer)
        with inputs_seen({index: steps[index] for index in indices}, states.__setitem__):
            tower(tiles)
        chosen = torch.cat([states[index] for index in indices], dim=-1)
        if model.config.vision_feature_select_strategy == "default":
            chosen = chosen[:, 1:]
        return model.model.multi_modal_projector(chosen)

    def _square_tokens(self, processor: Processor) -> int:
        """The tokens of an image that is not cut: its patches and the mark of a line's end."""
        return processor.num_image_tokens + (processor.vision_feature_select_strategy != "default")


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (InternVL(), Qwen25VL(), Qwen3VL(), LlavaOneVision(), Qwen2VL(), Qwen35(), MplugOwl2Family())
}
"""The families by the `model_type` of a checkpoint's config.json."""
