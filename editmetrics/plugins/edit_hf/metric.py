"""The metric `edit_hf`: InternVL3.5, two LoRA adapters and a head for each of three dimensions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..edit_regression import Aspect, DimensionScorer, EditRegression, PublishedWeightsError, load_head

if TYPE_CHECKING:
    import numpy as np

    from ...mllm.backbone import Backbone, Picture, Prompt
    from ...mllm.peft_folders import LowRank

BEFORE = "With the image editing prompt [{instruction}], the source image "
BETWEEN = " is edited to generate the target image "
AFTER = (
    ". Please rate the target image from {name} aspect on a scale of 0-100. Just reply a sentence in the following "
    "format: [The quality score is XX.XX (a number with two decimal)] The quality score is 00.00"
)
"""The question in the authors' words, around the two images; it ends with the beginning of an answer."""

ASPECTS: dict[Aspect, str] = {
    "visual_quality": "visual quality",
    "editing_alignment": "editing instruction alignment",
    "attribute_preservation": "attribute preservation",
}
HEAD = "mlp_head.pth"
HIDDEN = 128
"""The size of the head's second layer; that of the first is half the backbone's."""


class EditHF(EditRegression):
    """EditHF's scores of an edit, 0 to 100 on the MOS scale: visual quality, alignment, preservation.

    For each dimension a LoRA adapter on InternVL3.5-8B's vision tower, another on its language model, and a regression
    head on the last layer's state before the digits of "The quality score is 00.00": |head(h)| * 100. What a head gives
    beyond the scale is its end, and `details["beyond_scale"]` has the number. Both images are scaled to one square tile
    of 448 pixels, whatever their shape, and the text is given without a chat template, as the authors do.

    Without `weights` the authors' are downloaded at their first use, and the backbone with them (some 17 GB).

    Source: Xu et al., EditHF-1M: a million-scale rich human preference feedback for image editing, 2026,
    arXiv:2603.14916; the layout and the prompt are those of the authors' repository, IntMeGroup/EditHF.

    >>> metric = EditHF(dimension="visual_quality")
    >>> metric.checkpoints(), metric.primary().name
    (('edit_hf.visual',), 'visual_quality')
    """

    name, version = "edit_hf", 1
    title = "quality, alignment, preservation"
    paper = (
        "Xu et al., EditHF-1M: a million-scale rich human preference feedback for image editing, 2026, arXiv:2603.14916"
    )
    licence = "this code: Apache-2.0; the authors' code: MIT, their weights: not stated; InternVL3.5: Apache-2.0"

    BACKBONE = "OpenGVLab/InternVL3_5-8B-HF"
    IMAGE_TOKENS = 256
    """One tile."""

    FOLDERS: ClassVar[Mapping[str, str]] = {
        "visual": "lora_checkpoints_visual",
        "alignment": "lora_checkpoints_editing",
        "preservation": "lora_checkpoints_preservation",
    }
    FILES = (
        "vision_lora/adapter_config.json",
        "vision_lora/adapter_model.safetensors",
        "llm_lora/adapter_config.json",
        "llm_lora/adapter_model.safetensors",
        HEAD,
    )
    BEHIND = 6

    def question(self, aspect: Aspect, instruction: str) -> str:
        return (
            BEFORE.format(instruction=instruction)
            + "<image>"
            + BETWEEN
            + "<image>"
            + AFTER.format(name=ASPECTS[aspect])
        )

    def see(self, backbone: Backbone, image: np.ndarray) -> Picture:
        import numpy as np
        from PIL import Image

        if backbone.family.name != "internvl":
            raise PublishedWeightsError(f"edit_hf requires an InternVL; {backbone.name} is another model")
        side = backbone.processor.image_processor.size["height"]
        tile = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
        return backbone.see(np.array(tile), among=2)

    def ask(self, backbone: Backbone, pictures: Sequence[Picture], aspect: Aspect, instruction: str) -> Prompt:
        texts = [BEFORE.format(instruction=instruction), BETWEEN, AFTER.format(name=ASPECTS[aspect])]
        return backbone.plain_prompt(texts, pictures)

    def load_part(self, backbone: Backbone, aspect: Aspect, folder: Path, adapter: str) -> DimensionScorer:
        from ...mllm.lora import adapters
        from ...mllm.peft_folders import put_low_rank, read_peft_folder

        if adapter not in adapters(backbone):
            vision = vision_paths(read_peft_folder(folder / "vision_lora"), folder / "vision_lora")
            language = language_paths(read_peft_folder(folder / "llm_lora"), folder / "llm_lora")
            put_low_rank(backbone, adapter, {**vision, **language}, str(folder))
        size = backbone.hidden_size
        head: Any = load_head(
            folder / HEAD,
            {"mlp.0": size // 2, "mlp.2": HIDDEN, "mlp.4": 1},
            inputs=size,
            activation="relu",
        )
        head.to(backbone.device)
        return DimensionScorer(adapter, lambda hidden: head(hidden).abs())


def vision_paths(matrices: Mapping[str, LowRank], origin: Path) -> dict[str, LowRank]:
    """Rename matrices from the paths of InternVL's own vision tower, which the authors wrapped, to transformers'.

    Their layer of query, key and value is cut into three. Raises `PublishedWeightsError` for an unknown layer.
    """
    from ...mllm.peft_folders import split_fused

    renamed: dict[str, LowRank] = {}
    for path, matrix in matrices.items():
        match = re.fullmatch(r"encoder\.layers\.(\d+)\.(attn\.qkv|attn\.proj|mlp\.fc[12])", path)
        if match is None:
            raise PublishedWeightsError(f"{origin} adapts {path}, which is not a layer of InternVL's vision tower")
        layer = f"model.vision_tower.encoder.layer.{match[1]}"
        if match[2] == "attn.qkv":
            parts = split_fused(matrix, 3)
            names = ("q_proj", "k_proj", "v_proj")
            renamed |= {f"{layer}.attention.{name}": part for name, part in zip(names, parts, strict=True)}
        else:
            renamed[f"{layer}.{match[2].replace('attn.proj', 'attention.projection_layer')}"] = matrix
    return renamed


def language_paths(matrices: Mapping[str, LowRank], origin: Path) -> dict[str, LowRank]:
    """Rename matrices from the paths of the language model that the authors wrapped to those of the whole model."""
    renamed = {}
    for path, matrix in matrices.items():
        if not path.startswith("model.layers."):
            raise PublishedWeightsError(f"{origin} adapts {path}, which is not a layer of InternVL's language model")
        renamed[path.replace("model.", "model.language_model.", 1)] = matrix
    return renamed
