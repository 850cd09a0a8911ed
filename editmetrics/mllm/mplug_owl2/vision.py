"""The vision tower of mPLUG-Owl2, and its visual abstractor: (N, 3, side, side) -> (N, queries + 1, width).

The tower is a ViT whose queries, keys and values come of one layer; its states go on to the abstractor after the last
norm, that of the class token as well. The abstractor's queries look at these states and at themselves, six times over;
behind them stands one learned vector. Modules have the published checkpoints' names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Settings = Mapping[str, Any]
"""One of the two tables of `visual_config` in config.json: "visual_model" or "visual_abstractor"."""


class VisionModel(nn.Module):
    """(N, 3, side, side), normalised -> (N, 1 + patches, hidden)."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.embeddings = VisionEmbeddings(settings)
        self.encoder = Encoder([VisionLayer(settings) for _ in range(settings["num_hidden_layers"])])
        self.post_layernorm = nn.LayerNorm(settings["hidden_size"], eps=settings["layer_norm_eps"])

    def forward(self, pixels: Tensor) -> Tensor:
        return self.post_layernorm(self.encoder(self.embeddings(pixels)))


class Encoder(nn.Module):
    """Layers one after another, which all see `others` beside the states that they change."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, states: Tensor, *others: Tensor) -> Tensor:
        for layer in self.layers:
            states = layer(states, *others)
        return states


class VisionEmbeddings(nn.Module):
    """The patches of an image behind the class token, with learned positions."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        hidden, patch = settings["hidden_size"], settings["patch_size"]
        patches = (settings["image_size"] // patch) ** 2
        self.cls_token = nn.Parameter(torch.randn(1, 1, hidden))
        self.patch_embed = nn.Conv2d(3, hidden, patch, stride=patch, bias=False)
        self.position_embedding = nn.Parameter(torch.randn(1, 1 + patches, hidden))
        self.pre_layernorm = nn.LayerNorm(hidden, eps=settings["layer_norm_eps"])

    def forward(self, pixels: Tensor) -> Tensor:
        patches = self.patch_embed(pixels).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1)
        return self.pre_layernorm(tokens + self.position_embedding)


class VisionLayer(nn.Module):
    """Attention and a feed-forward network, each behind a norm and added to its input."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        hidden, eps = settings["hidden_size"], settings["layer_norm_eps"]
        self.self_attn = VisionAttention(hidden, settings["num_attention_heads"])
        self.input_layernorm = nn.LayerNorm(hidden, eps=eps)
        self.mlp = VisionMLP(hidden, settings["intermediate_size"])
        self.post_attention_layernorm = nn.LayerNorm(hidden, eps=eps)

    def forward(self, states: Tensor) -> Tensor:
        states = states + self.self_attn(self.input_layernorm(states))
        return states + self.mlp(self.post_attention_layernorm(states))


class VisionAttention(nn.Module):
    """Attention whose one layer gives, head after head, its query, key and value."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(hidden, 3 * hidden)
        self.dense = nn.Linear(hidden, hidden)

    def forward(self, states: Tensor) -> Tensor:
        by_head = self.query_key_value(states).unflatten(-1, (self.heads, 3, -1))  # (N, T, heads, 3, width)
        query, key, value = by_head.permute(3, 0, 2, 1, 4)
        return self.dense(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))


class VisionMLP(nn.Module):
    """Two layers with x * sigmoid(1.702 x) between them, as in CLIP."""

    def __init__(self, hidden: int, intermediate: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(hidden, intermediate)
        self.fc2 = nn.Linear(intermediate, hidden)

    def forward(self, states: Tensor) -> Tensor:
        inner = self.fc1(states)
        return self.fc2(inner * torch.sigmoid(1.702 * inner))


# ---------------------------------------------------------------------- the abstractor


class VisualAbstractor(nn.Module):
    """(N, 1 + patches, vision's hidden) -> (N, queries + 1, the language model's hidden)."""

    def __init__(self, settings: Settings, width: int) -> None:
        super().__init__()
        hidden = settings["hidden_size"]
        self.encoder = Encoder([AbstractorLayer(settings) for _ in range(settings["num_hidden_layers"])])
        self.visual_fc = nn.Linear(hidden, width)
        self.query_embeds = nn.Parameter(torch.randn(1, settings["num_learnable_queries"], hidden))
        self.vit_eos = nn.Parameter(torch.randn(1, 1, width))

    def forward(self, seen: Tensor) -> Tensor:
        queries = self.encoder(self.query_embeds.expand(len(seen), -1, -1), seen)
        return torch.cat([self.visual_fc(queries), self.vit_eos.expand(len(seen), -1, -1)], dim=1)


class AbstractorLayer(nn.Module):
    """A layer holds nothing but its attention."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.crossattention = CrossAttention(settings)

    def forward(self, queries: Tensor, seen: Tensor) -> Tensor:
        return self.crossattention(queries, seen)


class CrossAttention(nn.Module):
    """Queries that look at themselves and at what the tower saw. The normed queries are what the result is added to."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        hidden = settings["hidden_size"]
        self.attention = PositionedAttention(settings)
        self.output = CrossOutput(hidden, settings["intermediate_size"], settings["layer_norm_eps"])
        self.norm1 = nn.LayerNorm(hidden)
        self.normk = nn.LayerNorm(settings["encoder_hidden_size"])

    def forward(self, queries: Tensor, seen: Tensor) -> Tensor:
        queries = self.norm1(queries)
        return self.output(self.attention(queries, torch.cat([queries, self.normk(seen)], dim=1)), queries)


class PositionedAttention(nn.Module):
    """Attention with fixed positions, of the queries along a line and of the patches on a grid; values have none."""

    q_pos_embed: Tensor
    k_pos_embed: Tensor

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        hidden, seen = settings["hidden_size"], settings["encoder_hidden_size"]
        self.heads = settings["num_attention_heads"]
        self.query = nn.Linear(hidden, hidden)
        self.key = nn.Linear(seen, hidden)
        self.value = nn.Linear(seen, hidden)
        self.register_buffer("q_pos_embed", _waves(torch.arange(settings["num_learnable_queries"]), hidden))
        self.register_buffer("k_pos_embed", _grid(settings["grid_size"], hidden))

    def forward(self, queries: Tensor, seen: Tensor) -> Tensor:
        positions = torch.cat([self.q_pos_embed, self.k_pos_embed])
        layers = (self.query(queries + self.q_pos_embed), self.key(seen + positions), self.value(seen))
        by_head = [states.unflatten(-1, (self.heads, -1)).transpose(1, 2) for states in layers]
        return F.scaled_dot_product_attention(*by_head).transpose(1, 2).flatten(2)


class CrossOutput(nn.Module):
    """The end of a layer: a projection and a gated feed-forward network, each added to its input."""

    def __init__(self, hidden: int, intermediate: int, eps: float) -> None:
        super().__init__()
        self.out_proj = nn.Linear(hidden, hidden)
        self.norm2 = nn.LayerNorm(hidden)
        self.mlp = GatedMLP(hidden, intermediate, eps)

    def forward(self, attended: Tensor, queries: Tensor) -> Tensor:
        queries = queries + self.out_proj(attended)
        return queries + self.mlp(self.norm2(queries))


class GatedMLP(nn.Module):
    """w2(norm(silu(w1 x) * w3 x))."""

    def __init__(self, hidden: int, intermediate: int, eps: float) -> None:
        super().__init__()
        self.w1 = nn.Linear(hidden, intermediate)
        self.w2 = nn.Linear(intermediate, hidden)
        self.w3 = nn.Linear(hidden, intermediate)
        self.ffn_ln = nn.LayerNorm(intermediate, eps=eps)

    def forward(self, states: Tensor) -> Tensor:
        return self.w2(self.ffn_ln(F.silu(self.w1(states)) * self.w3(states)))


def _grid(side: int, width: int) -> Tensor:
    """(1 + side^2, width): zeros for the class token, then for each patch its column's waves and its row's."""
    row, column = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    patches = torch.cat([_waves(axis.flatten(), width // 2) for axis in (column, row)], dim=1)
    return torch.cat([torch.zeros(1, width), patches])


def _waves(positions: Tensor, width: int) -> Tensor:
    """(N, width): sines, then cosines, of the positions at width / 2 frequencies from 1 down to near 1/10000."""
    frequencies = 10000.0 ** -(torch.arange(width // 2) / (width / 2))
    angles = positions[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)
