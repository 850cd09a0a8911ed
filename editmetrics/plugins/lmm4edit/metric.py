"""The metric `lmm4edit`: Qwen3-VL, three LoRA adapters, three heads."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ...mllm.backbone import IMAGE
from ..edit_regression import HIGHEST, PARTS, Aspect, DimensionScorer, EditRegression, PublishedWeightsError, load_head

if TYPE_CHECKING:
    import numpy as np

    from ...mllm.backbone import Backbone, Picture, Prompt

QUESTION = (
    "You are scoring an image editing result. The first image is the source image and the second image is the edited "
    "image. Editing instruction: {instruction}. Evaluate the edited image for {name}. Focus on {focus}. Return the "
    "internal assessment score."
)
ASPECTS: dict[Aspect, tuple[str, str]] = {
    "visual_quality": (
        "visual quality",
        "realism, artifacts, texture detail, color consistency and overall fidelity",
    ),
    "editing_alignment": (
        "editing instruction alignment",
        "whether the requested semantic edit is correctly applied at the right location and extent",
    ),
    "attribute_preservation": (
        "attribute preservation",
        "whether content unrelated to the requested edit remains unchanged",
    ),
}
"""The name and the focus of each dimension, in the authors' words, which the weights were trained with."""

MOST_PIXELS = 1_048_576
SIDE = 16
"""An image with more pixels is scaled down to as many, its sides multiples of 16."""

SETTINGS = "regression_config.json"
HEAD = "score_head.pth"


class LMM4Edit(EditRegression):
    """LMM4Edit's scores of an edit, 0 to 100 on the MOS scale: visual quality, alignment, preservation.

    For each dimension a LoRA adapter on Qwen3-VL-8B and a regression head on the last layer's state at the last token
    of the question: head(h) * 100. What a head gives beyond the scale is its end, and `details["beyond_scale"]` has the
    number. These are the weights that the authors published in 2026, on another backbone than the paper's.

    Without `weights` the authors' are downloaded at their first use, and the backbone with them (some 17 GB).

    Source: Xu et al., LMM4Edit: benchmarking and evaluating multimodal image editing with LMMs, ACM MM 2025,
    arXiv:2507.16193; the layout and the prompts are those of the authors' repository, IntMeGroup/LMM4Edit.

    >>> metric = LMM4Edit(dimension="editing_alignment")
    >>> metric.checkpoints(), metric.primary().name
    (('lmm4edit.alignment',), 'editing_alignment')
    """

    name, version = "lmm4edit", 1
    title = "quality, alignment, preservation"
    paper = (
        "Xu et al., LMM4Edit: benchmarking and evaluating multimodal image editing with LMMs, ACM MM 2025, "
        "arXiv:2507.16193"
    )
    licence = "this code: Apache-2.0; the authors' weights: not stated; Qwen3-VL: Apache-2.0"

    BACKBONE = "Qwen/Qwen3-VL-8B-Instruct"
    IMAGE_TOKENS = 2048
    """More than an image of `MOST_PIXELS` takes, whatever its shape: it is scaled before the processor sees it."""

    FOLDERS: ClassVar[Mapping[str, str]] = {part: part for part in PARTS.values()}
    FILES = ("adapter_config.json", "adapter_model.safetensors", HEAD, SETTINGS)
    BEHIND = 1

    def question(self, aspect: Aspect, instruction: str) -> str:
        name, focus = ASPECTS[aspect]
        return QUESTION.format(instruction=instruction.strip(), name=name, focus=focus)

    def see(self, backbone: Backbone, image: np.ndarray) -> Picture:
        return backbone.see(fitted(image), among=2)

    def ask(self, backbone: Backbone, pictures: Sequence[Picture], aspect: Aspect, instruction: str) -> Prompt:
        return backbone.prompt([("user", [IMAGE, IMAGE, self.question(aspect, instruction)])], pictures)

    def load_part(self, backbone: Backbone, aspect: Aspect, folder: Path, adapter: str) -> DimensionScorer:
        from ...mllm.lora import adapters
        from ...mllm.peft_folders import put_low_rank, read_peft_folder

        config = settings(folder / SETTINGS, aspect)
        if config["hidden_size"] != backbone.hidden_size:
            raise PublishedWeightsError(
                f"{folder / SETTINGS} says hidden_size {config['hidden_size']}, and {backbone.name} has "
                f"{backbone.hidden_size}; it was trained on {config.get('base_model_path') or self.BACKBONE}"
            )
        if adapter not in adapters(backbone):
            # the authors wrapped Qwen3VLModel, which is `model` inside the model that writes text
            matrices = {f"model.{path}": matrix for path, matrix in read_peft_folder(folder).items()}
            put_low_rank(backbone, adapter, matrices, str(folder))
        head: Any = load_head(
            folder / HEAD,
            {"mlp.0": config["head_hidden_size"], "mlp.3": config["head_hidden_size2"], "mlp.6": 1},
            inputs=config["hidden_size"],
            activation="silu",
        )
        return DimensionScorer(adapter, head.to(backbone.device), float(config.get("score_output_scale", HIGHEST)))


def fitted(image: np.ndarray) -> np.ndarray:
    """An image (H, W, 3), uint8, scaled down to at most `MOST_PIXELS` as the authors do (Lanczos, sides of 16 n).

    >>> import numpy as np
    >>> fitted(np.zeros((1500, 2000, 3), np.uint8)).shape
    (880, 1168, 3)
    """
    import numpy as np
    from PIL import Image

    height, width = image.shape[:2]
    if height * width <= MOST_PIXELS:
        return image
    scale = math.sqrt(MOST_PIXELS / (height * width))
    size = [max(SIDE, max(SIDE, round(side * scale)) // SIDE * SIDE) for side in (width, height)]
    return np.array(Image.fromarray(image).resize((size[0], size[1]), Image.Resampling.LANCZOS))


def settings(file: Path, aspect: Aspect) -> dict[str, Any]:
    """Settings of a dimension's head in `regression_config.json`; `PublishedWeightsError` where it does not fit."""
    try:
        config: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        sizes = {name: int(config[name]) for name in ("hidden_size", "head_hidden_size", "head_hidden_size2")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PublishedWeightsError(f"{file} does not describe a head: {type(error).__name__}: {error}") from error
    if config.get("dimension") not in (None, "", PARTS[aspect]):
        raise PublishedWeightsError(
            f"{file} is of the dimension {config['dimension']}; expected {PARTS[aspect]} in this folder"
        )
    return {**config, **sizes}
