"""The metric `edit_hf`: InternVL3.5, two LoRA adapters and a head for each of three dimensions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..edit_regression import Aspect, EditRegression, Part, PublishedWeightsError, load_head

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
"""What is asked, in the authors' words, around the two images; it ends with the beginning of an answer."""

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
            raise PublishedWeightsError(f"edit_hf needs an InternVL, and {backbone.checkpoint.name} is none")
        side = backbone.processor.image_processor.size["height"]
        tile = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
        return backbone.see(np.array(tile), among=2)

    def ask(self, backbone: Backbone, pictures: Sequence[Picture], aspect: Aspect, instruction: str) -> Prompt:
        texts = [BEFORE.format(instruction=instruction), BETWEEN, AFTER.format(name=ASPECTS[aspect])]
        return backbone.plain_prompt(texts, pictures)

    def load_part(self, backbone: Backbone, aspect: Aspect, folder: Path, adapter: str) -> Part:
        from ...mllm.lora import adapters
        from ...mllm.peft_folders import put_low_rank, read_peft_folder

        if adapter not in adapters(backbone):
            vision = vision_paths(read_peft_folder(folder / "vision_lora"), folder / "vision_lora")
            language = language_paths(read_peft_folder(folder / "llm_lora"), folder / "llm_lora")
            put_low_rank(backbone, adapter, {**vision, **language}, str(folder))
        size = backbone.hidden_size
        head: Any = load_head(
            folder / HEAD,
            {"mlp.0": "layers.0", "mlp.2": "layers.3", "mlp.4": "layers.6"},
            inputs=size,
            hidden=(size // 2, HIDDEN),
            activation="relu",
        )
        head.to(backbone.device)
        return Part(adapter, lambda hidden: head(hidden).abs())


def vision_paths(matrices: Mapping[str, LowRank], origin: Path) -> dict[str, LowRank]:
    """Matrices by the paths of InternVL's own vision tower, which the authors wrapped -> by those of transformers.

    Theirs has query, key and value in one layer, ours has one each: the same adapter, cut into three. Raises
    `PublishedWeightsError` for a layer that neither has.
    """
    from ...mllm.peft_folders import split_fused

    found: dict[str, LowRank] = {}
    for path, matrix in matrices.items():
        theirs = re.fullmatch(r"encoder\.layers\.(\d+)\.(attn\.qkv|attn\.proj|mlp\.fc[12])", path)
        if theirs is None:
            raise PublishedWeightsError(f"{origin} adapts {path}, which is no layer of InternVL's vision tower")
        layer = f"model.vision_tower.encoder.layer.{theirs[1]}"
        if theirs[2] == "attn.qkv":
            parts = split_fused(matrix, 3)
            names = ("q_proj", "k_proj", "v_proj")
            found |= {f"{layer}.attention.{name}": part for name, part in zip(names, parts, strict=True)}
        else:
            found[f"{layer}.{theirs[2].replace('attn.proj', 'attention.projection_layer')}"] = matrix
    return found


def language_paths(matrices: Mapping[str, LowRank], origin: Path) -> dict[str, LowRank]:
    """Matrices by the paths of the language model that the authors wrapped -> by those of the whole model."""
    found = {}
    for path, matrix in matrices.items():
        if not path.startswith("model.layers."):
            raise PublishedWeightsError(f"{origin} adapts {path}, which is no layer of InternVL's language model")
        found[path.replace("model.", "model.language_model.", 1)] = matrix
    return found
