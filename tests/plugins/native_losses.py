"""Losses as transformers computes them from `labels`, of prompts that are put together without anything of ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from editmetrics.mllm import loop
from editmetrics.mllm.backbone import Backbone

ROUNDING = 3e-5
"""Relative: float32 in another order, padded rows. One token more or less, or another weight, moves a loss by far more.
The order of two images moves that of a random model least: by 1e-4 and more, if one is dark and one bright."""

END = "<|im_end|>"
"""The token that ends a turn in all tiny backbones, as in the real ones."""


def answered(backbone: Backbone, parts: Sequence[Any], answer: str) -> dict[str, Any]:
    """The inputs of transformers' model for one question and its answer, with the answer's tokens as labels.

    `parts` of the question are texts and images, uint8 (H, W, 3).
    """
    processor = backbone.processor
    images = [Image.fromarray(part) for part in parts if isinstance(part, np.ndarray)]
    content = [{"type": "text", "text": part} if isinstance(part, str) else {"type": "image"} for part in parts]
    if backbone.family.name == "llava_onevision":  # its template would put the images before all text
        texts = [part if isinstance(part, str) else "<image>" for part in parts]
        content = [{"type": "text", "text": "".join(texts)}]
    chat = [{"role": "user", "content": content}]
    text = processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    inputs = dict(processor(text=[text], images=[images], return_tensors="pt"))
    added = torch.tensor([processor.tokenizer(answer, add_special_tokens=False)["input_ids"]], dtype=torch.long)
    question = inputs["input_ids"]
    inputs["input_ids"] = torch.cat([question, added], 1)
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    inputs["labels"] = torch.cat([torch.full_like(question, -100), added], 1)
    if "mm_token_type_ids" in inputs:
        kinds = inputs["mm_token_type_ids"]
        inputs["mm_token_type_ids"] = torch.cat([kinds, torch.zeros_like(added, dtype=kinds.dtype)], 1)
    return inputs


@torch.no_grad()
def language_loss(backbone: Backbone, parts: Sequence[Any], answer: str) -> float:
    """The mean cross-entropy of an answer's tokens, by the model's own loss."""
    return float(backbone.model(**answered(backbone, parts, answer)).loss)


@torch.no_grad()
def last_state(backbone: Backbone, parts: Sequence[Any], answer: str) -> torch.Tensor:
    """(hidden,): the last layer's state, after the norm, at the last token of an answer."""
    inputs = answered(backbone, parts, answer)
    del inputs["labels"]
    return backbone.model.model(**inputs).last_hidden_state[0, -1]


Compare = Callable[[str, Any, Sequence[Any], float], None]


def before_each_stage(monkeypatch: Any, compare: Compare) -> None:
    """Call `compare(stage, module, lessons, loss)` before each training of a `fit`: the loss of all lessons as one
    batch, of the weights as they are then, without dropout."""
    train = loop.train

    def watched(module: Any, lessons: Any, run: Any, **more: Any) -> Any:
        batch = [lessons[index] for index in range(len(lessons))]
        with torch.no_grad():
            loss = float(module.eval()(**more["collate"](batch))["loss"])
        compare(run.folder.name, module, batch, loss)
        return train(module, lessons, run, **more)

    monkeypatch.setattr(loop, "train", watched)
