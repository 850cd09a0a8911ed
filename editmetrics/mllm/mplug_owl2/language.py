"""The language model of mPLUG-Owl2: Llama whose keys, values and norms are others at the tokens of images."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, LlamaModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.llama.modeling_llama import (
    LlamaAttention,
    LlamaDecoderLayer,
    LlamaRMSNorm,
    apply_rotary_pos_emb,
    eager_attention_forward,
)

from .vision import VisionModel, VisualAbstractor


class MplugOwl2Config(LlamaConfig):
    """Llama's configuration, with the tables "visual_model" and "visual_abstractor", and the id in an image's place."""

    model_type = "mplug_owl2"
    visual_config: Any = None
    image_token_id: Any = None


class Multiway(nn.Module):
    """Two modules of one kind, the first for text and the second for images."""

    def __init__(self, make: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.multiway = nn.ModuleList([make(), make()])

    def forward(self, states: Tensor, is_image: Tensor | None) -> Tensor:
        """`is_image` is (N, T, 1), None for text alone. Both are computed: choosing rows would wait for the device."""
        text, image = self.multiway
        return text(states) if is_image is None else torch.where(is_image, image(states), text(states))


class MplugOwl2Attention(LlamaAttention):
    """Llama's attention with keys and values for each modality."""

    def __init__(self, config: LlamaConfig, layer_idx: int) -> None:
        super().__init__(config, layer_idx)
        linear = partial(nn.Linear, self.k_proj.in_features, self.k_proj.out_features, bias=config.attention_bias)
        self.k_proj = Multiway(linear)  # type: ignore[assignment]
        self.v_proj = Multiway(linear)  # type: ignore[assignment]

    def forward(
        self,
        hidden_states: Tensor,
        position_embeddings: tuple[Tensor, Tensor],
        attention_mask: Tensor | None = None,
        is_image: Tensor | None = None,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor | None]:
        shape = (*hidden_states.shape[:-1], -1, self.head_dim)
        query = self.q_proj(hidden_states).view(shape).transpose(1, 2)
        key = self.k_proj(hidden_states, is_image).view(shape).transpose(1, 2)
        value = self.v_proj(hidden_states, is_image).view(shape).transpose(1, 2)
        query, key = apply_rotary_pos_emb(query, key, *position_embeddings)
        caches = [kwargs.pop(name, None) for name in ("cache", "past_key_values")]  # as versions of transformers say
        for cache in caches:
            if cache is not None:
                key, value = cache.update(key, value, self.layer_idx)
        attend: Any = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention_forward)
        dropout = self.attention_dropout if self.training else 0.0
        attended, chances = attend(
            self, query, key, value, attention_mask, dropout=dropout, scaling=self.scaling, **kwargs
        )
        return self.o_proj(attended.reshape(*hidden_states.shape[:-1], -1)), chances


class MplugOwl2Layer(LlamaDecoderLayer):
    """Llama's layer with norms, keys and values for each modality."""

    def __init__(self, config: LlamaConfig, layer_idx: int) -> None:
        super().__init__(config, layer_idx)
        norm = partial(LlamaRMSNorm, config.hidden_size, eps=config.rms_norm_eps)
        self.self_attn = MplugOwl2Attention(config, layer_idx)
        self.input_layernorm = Multiway(norm)  # type: ignore[assignment]
        self.post_attention_layernorm = Multiway(norm)  # type: ignore[assignment]

    def forward(self, hidden_states: Tensor, is_image: Tensor | None = None, **kwargs: Any) -> Tensor:
        attended, _ = self.self_attn(self.input_layernorm(hidden_states, is_image), is_image=is_image, **kwargs)
        hidden_states = hidden_states + attended
        return hidden_states + self.mlp(self.post_attention_layernorm(hidden_states, is_image))


class MplugOwl2LanguageModel(LlamaModel):
    """Llama with these layers; it takes `is_image` (N, T, 1) beside its own arguments."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__(config)
        self.layers = nn.ModuleList([MplugOwl2Layer(config, index) for index in range(config.num_hidden_layers)])
        self.post_init()


class MplugOwl2(LlamaForCausalLM):
    """Vision tower, abstractor, language model and the layer of logits."""

    config_class = MplugOwl2Config

    def __init__(self, config: MplugOwl2Config) -> None:
        super().__init__(config)
        self.model = MplugOwl2LanguageModel(config)
        self.vision_model = VisionModel(config.visual_config["visual_model"])
        self.visual_abstractor = VisualAbstractor(config.visual_config["visual_abstractor"], config.hidden_size)
        self.post_init()

    def image_tokens(self, pixels: Tensor) -> Tensor:
        """(N, 3, side, side), normalised -> (N, queries + 1, hidden)."""
        return self.visual_abstractor(self.vision_model(pixels))
