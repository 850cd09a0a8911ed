"""The reference: what transformers' own processor and model make of the same chat and images, with nothing of ours."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from editmetrics.mllm.backbone import IMAGE

ROUNDING = 2e-6
"""float32 logits below 1, summed in another order (a padded batch, a cache): a few times 2^-23. A wrong position, mask
or picture changes them by far more."""


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


CASES = {
    "two images": ([noise(70, 100, 1), noise(150, 64, 2)], "How good is the edit? 4.38"),
    "one image": ([noise(70, 100, 1)], "Good?"),
    "another image": ([noise(64, 64, 3)], "Rate the quality of the image, please."),
    "no image": ([], "Only text, and rather more of it than the others have, so that they are padded. Yes?"),
}


def native_inputs(backbone, images, text):
    """What the native processor gives for one chat."""
    pictures = [{"type": "image", "image": Image.fromarray(image)} for image in images]
    chat = [
        {"role": "system", "content": [{"type": "text", "text": "You rate images."}]},
        {"role": "user", "content": [*pictures, {"type": "text", "text": text}]},
    ]
    return backbone.processor.apply_chat_template(
        chat, tokenize=True, add_generation_prompt=True, return_dict=True, return_tensors="pt"
    )


@torch.no_grad()
def native_logits(backbone, images, text, answer=(), **more):
    """The native model's logits (T, vocabulary) for the chat and the token ids of an answer."""
    inputs = native_inputs(backbone, images, text)
    added = torch.tensor([list(answer)], dtype=torch.long)
    inputs["input_ids"] = torch.cat([inputs["input_ids"], added], dim=1)
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    if "mm_token_type_ids" in inputs:
        kinds = inputs["mm_token_type_ids"]
        inputs["mm_token_type_ids"] = torch.cat([kinds, torch.zeros_like(added, dtype=kinds.dtype)], dim=1)
    output = backbone.model(**inputs, **more)
    return output if more else output.logits[0]


def ours(backbone, images, text, answer=""):
    """The same chat as a prompt of ours."""
    chat = [("system", ["You rate images."]), ("user", [*[IMAGE] * len(images), text])]
    return backbone.prompt(chat, [backbone.see(image, among=len(images)) for image in images], answer)


def all_prompts(backbone):
    return [ours(backbone, *case) for case in CASES.values()]
