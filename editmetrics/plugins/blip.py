"""BLIP: a network that reads a text while it looks at an image, for the metrics that score how they fit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from .text_image import TextImageMetric
from .transformers_networks import without_numbers

if TYPE_CHECKING:
    from torch import Tensor

Size = Literal["base", "large"]

VOCABULARY = "bert-base-uncased-vocabulary"
VISION: Mapping[Size, dict[str, Any]] = {
    "base": {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12},
    "large": {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16},
}
TEXT: dict[str, Any] = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
    "vocab_size": 30524,
}  # fmt: skip

RENAMED = (
    (r"visual_encoder\.cls_token", "vision_model.embeddings.class_embedding"),
    (r"visual_encoder\.pos_embed", "vision_model.embeddings.position_embedding"),
    (r"visual_encoder\.patch_embed\.proj", "vision_model.embeddings.patch_embedding"),
    (r"visual_encoder\.norm\.", "vision_model.post_layernorm."),
    (r"visual_encoder\.blocks\.", "vision_model.encoder.layers."),
    (r"(vision_model\.encoder\.layers\.\d+)\.norm", r"\1.layer_norm"),
    (r"(vision_model\.encoder\.layers\.\d+)\.attn\.qkv", r"\1.self_attn.qkv"),
    (r"(vision_model\.encoder\.layers\.\d+)\.attn\.proj", r"\1.self_attn.projection"),
)
"""From the names of the authors' code to those of transformers."""


class BLIPMetric(TextImageMetric):
    """A metric of BLIP; a subclass stores `max_tokens`, and gives `size` and `image_size` of its vision encoder."""

    ignores_padding = True
    max_tokens: int
    size: Size = "large"
    image_size = 224

    def network(self) -> Any:
        """Return BLIP for image and text retrieval without numbers.

        Its layer normalisation has the authors' 1e-6; transformers' configurations say 1e-5.
        """
        from transformers import BlipConfig, BlipForImageTextRetrieval

        vision = {**VISION[self.size], "image_size": self.image_size, "patch_size": 16, "layer_norm_eps": 1e-6}
        text = {**TEXT, "encoder_hidden_size": vision["hidden_size"]}
        config = BlipConfig(vision_config=vision, text_config=text, image_text_hidden_size=256)
        return without_numbers(lambda: BlipForImageTextRetrieval(config))

    def reads(self, text: str) -> tuple[dict[str, Tensor], str | None]:
        from .. import weights

        return bert_tokens(text, self.max_tokens, str(weights.path(VOCABULARY)))


def transformers_names(tensors: Mapping[str, Tensor], needed: Iterable[str]) -> dict[str, Tensor]:
    """Return those tensors of the authors' checkpoint that a network `needed`, by transformers' names.

    The others are of training: momentum encoders, queues, a decoder, heads that the metric does not look at.

    >>> import torch
    >>> names = ["vision_model.encoder.layers.0.layer_norm1.bias"]
    >>> list(transformers_names({"visual_encoder.blocks.0.norm1.bias": torch.zeros(1), "temp": torch.ones(1)}, names))
    ['vision_model.encoder.layers.0.layer_norm1.bias']
    """
    renamed = {}
    for name, tensor in tensors.items():
        for theirs, ours in RENAMED:
            name = re.sub(f"^{theirs}", ours, name)
        renamed[name] = tensor
    return {name: renamed[name] for name in needed if name in renamed}


def first_state(model: Any, images: Tensor, tokens: Tensor, attended: Tensor) -> Tensor:
    """Return the state of the first token of each text that looks at its image, (N, D).

    `images`: (N, 3, H, W), preprocessed; `tokens`, `attended`: (N, T), int64, `attended` 0 at padding.
    """
    return read(model, tokens, attended, model.vision_model(pixel_values=images).last_hidden_state)


def read(model: Any, tokens: Tensor, attended: Tensor, seen: Tensor | None = None) -> Tensor:
    """Return the state of the first token of each text, (N, D), that looks at `seen` (N, P, D) or at nothing.

    The encoder's parts are called one by one, since the whole asks the device whether there is any padding.
    """
    import torch

    states = model.text_encoder.embeddings(input_ids=tokens)
    hidden = (1 - attended[:, None, None].to(states.dtype)) * torch.finfo(states.dtype).min
    encoded = model.text_encoder.encoder(states, attention_mask=hidden, encoder_hidden_states=seen)
    state: Tensor = encoded.last_hidden_state[:, 0]
    return state


def bert_tokens(text: str, limit: int, vocabulary: str) -> tuple[dict[str, Tensor], str | None]:
    """Return BERT's tokens of a text, padded to `limit`, and a note where its end was cut off.

    `vocabulary` is the path of a file with a token a line. `tokens` and `attended` are (limit,), int64.
    """
    import torch

    tokenizer = _tokenizer(vocabulary)
    whole = tokenizer(text)["input_ids"]
    kept = [*whole[: limit - 1], whole[-1]] if len(whole) > limit else whole
    tokens = torch.full((limit,), tokenizer.pad_token_id)
    tokens[: len(kept)] = torch.tensor(kept)
    attended = (torch.arange(limit) < len(kept)).long()
    cut = f"the text has {len(whole)} tokens with start and end, of which {limit} are read: its end was cut off"
    return {"tokens": tokens, "attended": attended}, cut if len(whole) > limit else None


@cache
def _tokenizer(vocabulary: str) -> Any:
    from transformers import BertTokenizer

    return BertTokenizer(vocab=vocabulary, model_max_length=10**9)
