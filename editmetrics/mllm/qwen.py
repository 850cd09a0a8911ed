"""The families of Qwen: an image keeps its shape, and its tokens have positions in time, height and width.

MiMo-VL has the architecture, and the `model_type`, of Qwen2.5-VL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..transfer import joined, stacked
from .family import LANGUAGE_LAYERS, Family, Processor, too_few
from .tensors import Features, Picture

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel


class Qwen2VL(Family):
    """Qwen2-VL."""

    name = "qwen2_vl"
    vision = "model.visual"
    older_names: ClassVar[Mapping[str, str]] = {
        r"visual\.": "model.visual.",
        r"model\.(?!visual\.|language_model\.)": "model.language_model.",
    }
    projector: ClassVar[tuple[str, ...]] = ("model.visual.merger",)
    lora_targets: ClassVar[Mapping[str, str]] = {
        "vision": r"model\.visual\.blocks\.\d+\.(attn\.(qkv|proj)|mlp\.(fc1|fc2))",
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
        """Lengths of sequences, which only the host looks at, and what the tower computes with: this family's."""
        return {}, {}

    def positions(
        self, model: PreTrainedModel, ids: Tensor, mask: Tensor, pictures: Sequence[Picture]
    ) -> tuple[Tensor | None, Tensor]:
        import torch

        if self.counts_plainly:
            return super().positions(model, ids, mask, pictures)
        grids = [picture.pixels["image_grid_thw"] for picture in pictures]
        positions, deltas = model.model.get_rope_index(
            ids,
            mm_token_type_ids=(ids == model.config.image_token_id).int(),
            image_grid_thw=torch.cat(grids) if grids else None,
            attention_mask=mask,
        )
        return positions, mask.sum(1) + deltas.squeeze(1)


class Qwen25VL(Qwen2VL):
    """Qwen2.5-VL: as Qwen2-VL, and most layers of the vision tower look at windows of an image."""

    name = "qwen2_5_vl"
    lora_targets: ClassVar[Mapping[str, str]] = {
        "vision": r"model\.visual\.blocks\.\d+\.(attn\.(qkv|proj)|mlp\.\w+_proj)",
        "language": LANGUAGE_LAYERS,
    }

    def _derived(self, geometry: Any, tower: Any, grids: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        windows, lengths = geometry.get_vision_window_index(
            grids,
            spatial_merge_size=tower.spatial_merge_size,
            window_size=tower.window_size,
            patch_size=tower.patch_size,
        )
        return {"cu_window_seqlens": lengths}, {"window_index": windows}


class Qwen3VL(Qwen2VL):
    """Qwen3-VL: the vision tower learned positions, and its inner layers are added to the first language layers."""

    name = "qwen3_vl"
    projector: ClassVar[tuple[str, ...]] = ("model.visual.merger", "model.visual.deepstack_merger_list")
    lora_targets: ClassVar[Mapping[str, str]] = {
        "vision": r"model\.visual\.blocks\.\d+\.(attn\.(qkv|proj)|mlp\.(linear_fc1|linear_fc2))",
        "language": LANGUAGE_LAYERS,
    }

    def _derived(self, geometry: Any, tower: Any, grids: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        return {}, _interpolation(geometry, tower, grids)

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


class Qwen35(Qwen2VL):
    """Qwen3.5: the vision tower learned positions; three of four language layers keep a recurrent state."""

    name = "qwen3_5"
    recurrent = True
    lora_targets: ClassVar[Mapping[str, str]] = {
        "vision": r"model\.visual\.blocks\.\d+\.(attn\.(qkv|proj)|mlp\.(linear_fc1|linear_fc2))",
        "language": r"model\.language_model\.layers\.\d+\."
        r"((self_attn|mlp)\.\w+_proj|linear_attn\.(in_proj_(qkv|z|a|b)|out_proj))",
    }

    def _derived(self, geometry: Any, tower: Any, grids: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        return {}, _interpolation(geometry, tower, grids)


def _interpolation(geometry: Any, tower: Any, grids: Tensor) -> dict[str, Tensor]:
    """How the learned positions of the vision tower are stretched over pictures."""
    indices, weights = geometry.get_vision_interpolation_indices_and_weights(
        grids,
        num_grid_per_side=tower.num_grid_per_side,
        mode=tower.interpolation_mode,
        align_corners=tower.interpolation_align_corners,
        spatial_merge_size=tower.config.spatial_merge_size,
    )
    return {"interp_indices": indices, "interp_weights": weights}
