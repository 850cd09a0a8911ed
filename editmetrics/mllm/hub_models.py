"""Sizes and licences of the language models on the hub that metrics start from, for lists and for a look ahead."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HubModel:
    """Facts on a model of the hub: the size of its weights as published, in MB, and the licence of its publisher."""

    megabytes: float
    licence: str


HUB_MODELS = {
    "Qwen/Qwen3-VL-8B-Instruct": HubModel(17500, "Apache-2.0"),
    "OpenGVLab/InternVL3_5-8B-HF": HubModel(17100, "Apache-2.0"),
    "OpenGVLab/InternVL2_5-8B-MPO-hf": HubModel(16200, "MIT"),
    "llava-hf/llava-onevision-qwen2-7b-ov-hf": HubModel(16100, "Apache-2.0"),
    "q-future/one-align": HubModel(16400, "MIT; LLaMA 2's for its base"),
    "zhiyuanyou/DeQA-Score-Mix3": HubModel(16400, "MIT; LLaMA 2's for its base"),
}
"""The backbones that built-in metrics name. Sizes follow from the number of parameters, at two bytes each."""
