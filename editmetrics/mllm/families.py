"""The differences between the families of backbones, one small class each.

A family defines the paths of its parts, the image tokens that a budget allows, the call of its image processor, the
text that represents an image, the features of the vision tower, and the positions of tokens. A new family is one more
class and one more name in `FAMILIES`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..sample import EditMetricsError, SampleError, UnavailableError
from ..transfer import joined, stacked
from .hooks import inputs_seen
from .tensors import Features, Picture

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor
    from transformers import PreTrainedModel

Processor = Any
"""A processor of transformers; what it has besides tokenizer and image_processor differs by family."""

LANGUAGE_LAYERS = r"model\.language_model\.layers\.\d+\.(self_attn|mlp)\.\w+_proj"
"""The linear layers of the language models, which all have the names of Llama's."""


class BackboneError(EditMetricsError):
    """A backbone cannot be loaded, or cannot do what was requested."""


class BackboneUnavailableError(BackboneError, UnavailableError):
    """This machine cannot load a backbone that others can: no network, no GPU, too little memory."""


class Family:
    """Shared behaviour of all families; the methods are what a family may override.

    - `vision`, `projector`, `language`: the paths of the parts in the model. Where the projector is inside the vision
      tower (Qwen), it is a part of both.
    - `lora_targets`: for "vision" and "language", a regular expression that matches the full path of each linear layer
      of the attention and of the feed-forward network, but none of the other part or of the projector.
    """

    name: ClassVar[str]
    vision: ClassVar[str] = "model.vision_tower"
    projector: ClassVar[tuple[str, ...]] = ("model.multi_modal_projector",)
    language: ClassVar[str] = "model.language_model"
    lora_targets: ClassVar[Mapping[str, str]]
    moves_images: ClassVar[bool] = False
    """Whether the hub's chat template writes all images of a turn before its text, wherever the chat has them."""

    def limits(self, processor: Processor, image_tokens: int | None) -> dict[str, Any]:
        """Options of the image processor so that no image takes more than `image_tokens` and the checkpoint's own
        setting allow. Raises `BackboneError` if that is too few for any image."""
        raise NotImplementedError

    def see(self, processor: Processor, image: np.ndarray, limits: Mapping[str, Any], among: int) -> Picture:
        """One image, uint8 (H, W, 3), of a chat with `among` images."""
        pixels = process(processor, [image], limits)
        return Picture(pixels, self.tokens(processor, pixels), image.shape[:2], among)

    def tokens(self, processor: Processor, pixels: Mapping[str, Tensor]) -> int:
        """The number of image tokens that represent these pixels."""
        raise NotImplementedError

    def written(self, processor: Processor, picture: Picture) -> str:
        """The text that replaces the chat template's single image token."""
        return processor.image_token * picture.tokens

    def look(self, model: PreTrainedModel, pictures: Sequence[Picture]) -> list[Features]:
        """Vision tower and projector, all pictures in one pass."""
        raise NotImplementedError

    def vectors(self, model: PreTrainedModel) -> int:
        """The number of vectors of the language model's width that features have for each image token."""
        return 1

    def language_inputs(self, features: Sequence[Features], image_mask: Tensor) -> dict[str, Any]:
        """Arguments of the language model beside embeddings, positions and mask; `image_mask` is (B, T)."""
        return {}

    def positions(
        self, model: PreTrainedModel, ids: Tensor, mask: Tensor, pictures: Sequence[Picture]
    ) -> tuple[Tensor | None, Tensor]:
        """The position ids of a right-padded batch, None where the model's own count from 0 serves, and the position
        (B,) of the token that follows each row."""
        return None, mask.sum(1)


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


class Qwen25VL(Family):
    """Qwen2.5-VL: an image keeps its shape, and its tokens have positions in time, height and width."""

    name = "qwen2_5_vl"
    vision = "model.visual"
    projector: ClassVar[tuple[str, ...]] = ("model.visual.merger",)
    lora_targets: ClassVar[Mapping[str, str]] = {
        "vision": r"model\.visual\.blocks\.\d+\.(attn\.(qkv|proj)|mlp\.\w+_proj)",
        "language": LANGUAGE_LAYERS,
    }

    def limits(self, processor: Processor, image_tokens: int | None) -> dict[str, Any]:
        if image_tokens is None:
            return {}
        if image_tokens < 1:
            raise too_few(image_tokens, 1)
        maker = processor.image_processor
        most = min(image_tokens * (maker.patch_size * maker.merge_size) ** 2, maker.size["longest_edge"])
        return {"size": {"shortest_edge": min(maker.size["shortest_edge"], most), "longest_edge": most}}

    def tokens(self, processor: Processor, pixels: Mapping[str, Tensor]) -> int:
        return int(pixels["image_grid_thw"].prod()) // processor.image_processor.merge_size**2

    def look(self, model: PreTrainedModel, pictures: Sequence[Picture]) -> list[Features]:
        return [Features(tokens) for tokens in self._vision_output(model, pictures).pooler_output]

    def _vision_output(self, model: PreTrainedModel, pictures: Sequence[Picture]) -> Any:
        import torch

        grids = torch.cat([picture.pixels["image_grid_thw"] for picture in pictures])
        layout = self._layout(model, grids) if model.device.type != "cpu" else {}
        patches = joined([picture.pixels["pixel_values"] for picture in pictures], model.device, model.dtype)
        return model.model.get_image_features(patches, grids if layout else grids.to(model.device), **layout)

    def _layout(self, model: PreTrainedModel, grids: Tensor) -> dict[str, Tensor]:
        """Derive on the host, from grids, how pictures lie in the vision tower: on the device it would be waited
        for in each layer. Empty for versions of transformers, and ways of attention, that do not take it."""
        try:
            from transformers import vision_utils as geometry

            tower = model.model.visual
            lengths, on_device = self._derived(geometry, tower, grids)
            lengths |= {"cu_seqlens": geometry.get_vision_cu_seqlens(grids)}
            on_device |= {"position_ids": geometry.get_vision_position_ids(grids, tower.spatial_merge_size)}
        except (ImportError, AttributeError):  # of another version
            return {}
        if tower.config._attn_implementation not in ("sdpa", "eager"):
            return {}
        copied = stacked({name: [tensor] for name, tensor in on_device.items()}, model.device)
        return lengths | {name: tensor[0] for name, tensor in copied.items()}

    def _derived(self, geometry: Any, tower: Any, grids: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Lengths of sequences, which only the host looks at, and what the tower computes with: this family's own."""
        windows, lengths = geometry.get_vision_window_index(
            grids,
            spatial_merge_size=tower.spatial_merge_size,
            window_size=tower.window_size,
            patch_size=tower.patch_size,
        )
        return {"cu_window_seqlens": lengths}, {"window_index": windows}

    def positions(
        self, model: PreTrainedModel, ids: Tensor, mask: Tensor, pictures: Sequence[Picture]
    ) -> tuple[Tensor | None, Tensor]:
        import torch

        grids = [picture.pixels["image_grid_thw"] for picture in pictures]
        positions, deltas = model.model.get_rope_index(
            ids,
            mm_token_type_ids=(ids == model.config.image_token_id).int(),
            image_grid_thw=torch.cat(grids) if grids else None,
            attention_mask=mask,
        )
        return positions, mask.sum(1) + deltas.squeeze(1)


class Qwen3VL(Qwen25VL):
    """Qwen3-VL: as Qwen2.5-VL, and inner layers of the vision tower are added to the first language layers."""

    name = "qwen3_vl"
    projector: ClassVar[tuple[str, ...]] = ("model.visual.merger", "model.visual.deepstack_merger_list")
    lora_targets: ClassVar[Mapping[str, str]] = {
        "vision": r"model\.visual\.blocks\.\d+\.(attn\.(qkv|proj)|mlp\.(linear_fc1|linear_fc2))",
        "language": LANGUAGE_LAYERS,
    }

    def _derived(self, geometry: Any, tower: Any, grids: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        indices, weights = geometry.get_vision_interpolation_indices_and_weights(
            grids,
            num_grid_per_side=tower.num_grid_per_side,
            mode=tower.interpolation_mode,
            align_corners=tower.interpolation_align_corners,
            spatial_merge_size=tower.config.spatial_merge_size,
        )
        return {}, {"interp_indices": indices, "interp_weights": weights}

    def vectors(self, model: PreTrainedModel) -> int:
        return 1 + len(model.config.vision_config.deepstack_visual_indexes)

    def look(self, model: PreTrainedModel, pictures: Sequence[Picture]) -> list[Features]:
        output = self._vision_output(model, pictures)
        sizes = [picture.tokens for picture in pictures]
        levels = [  # older versions of transformers have the pictures of a level in one tensor
            level if isinstance(level, (tuple, list)) else level.split(sizes) for level in output.deepstack_features
        ]
        per_picture = zip(*levels, strict=True)
        return [Features(tokens, deep) for tokens, deep in zip(output.pooler_output, per_picture, strict=True)]

    def language_inputs(self, features: Sequence[Features], image_mask: Tensor) -> dict[str, Any]:
        import torch

        if not features:
            return {}
        levels = zip(*(each.deepstack for each in features), strict=True)
        return {"visual_pos_masks": image_mask, "deepstack_visual_embeds": [torch.cat(level) for level in levels]}


FAMILIES: dict[str, Family] = {family.name: family for family in (InternVL(), Qwen25VL(), Qwen3VL(), LlavaOneVision())}
"""The families by the `model_type` of a checkpoint's config.json."""


def process(processor: Processor, images: list[Any], limits: Mapping[str, Any]) -> dict[str, Tensor]:
    """Run the family's image processor on arrays (H, W, 3), uint8, of one chat (in one more list: of several).

    Raises `SampleError` if it refuses the first image.
    """
    try:
        # explicit, because an image of 1 or 3 rows could be mistaken for one with the channels first
        made = processor.image_processor(images, input_data_format="channels_last", return_tensors="pt", **limits)
    except (ValueError, RuntimeError, ZeroDivisionError) as error:
        first = images[0][0] if isinstance(images[0], list) else images[0]
        height, width = first.shape[:2]
        raise SampleError(f"an image of {width}x{height} pixels cannot be shown to the backbone: {error}") from error
    return dict(made)


def too_few(image_tokens: int, least: int) -> BackboneError:
    return BackboneError(f"image_tokens={image_tokens} is too few: an image takes at least {least}")
