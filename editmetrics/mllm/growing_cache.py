"""A key-value cache that grows in place: a new token is written behind the others, which are not copied.

transformers' own growing cache makes a new tensor of all keys for every token, which for a batch of long prompts costs
as much as reading the model's weights. This module imports transformers at its top.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer

ROOM = 64
"""Free columns that are added whenever keys have to be copied."""


class RoomyLayer(DynamicLayer):
    """One layer's keys and values (B, heads, T, D), as views of tensors with room for more tokens behind them."""

    keys: Any
    values: Any

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self._room: tuple[Tensor, Tensor] | None = None

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Append the keys and values of new tokens; returns those of all tokens."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self.keys, self.values = key_states, value_states
            return key_states, value_states
        start = self.keys.shape[-2]
        end = start + key_states.shape[-2]
        if self._room is None or self._room[0].shape[-2] < end:
            self._room = _with_room(self.keys, end), _with_room(self.values, end)
        keys, values = self._room
        keys[:, :, start:end], values[:, :, start:end] = key_states, value_states
        self.keys, self.values = keys[:, :, :end], values[:, :, :end]
        return self.keys, self.values

    @property
    def nbytes(self) -> int:
        """The bytes of keys and values."""
        return int(self.keys.nbytes + self.values.nbytes)

    def rows(self, chosen: Tensor | None) -> RoomyLayer:
        """A copy of some rows, to grow independently; a copy of all (None) shares the existing tensors."""
        other = copy.copy(self)
        other._room = None
        if chosen is not None:
            other.keys, other.values = self.keys[chosen], self.values[chosen]
        return other


def new_cache(kinds: Sequence[str] | None = None) -> Cache:
    """An empty cache; `kinds` are the kinds of layers of a recurrent family, as its configuration names them."""
    if kinds is None:
        return Cache(layer_class_to_replicate=RoomyLayer)
    from .recurrent_cache import RecurrentLayer

    return Cache(layers=[RecurrentLayer() if kind == "linear_attention" else RoomyLayer() for kind in kinds])


def copied(cache: Cache, rows: Tensor | None) -> Cache:
    """A copy of the cache with some of its rows, indices on its device that may repeat, or with all (None)."""
    other = copy.copy(cache)
    layers: list[Any] = cache.layers
    other.layers = [layer.rows(rows) for layer in layers]
    return other


def _with_room(tensor: Tensor, length: int) -> Tensor:
    batch, heads, used, size = tensor.shape
    roomy = torch.empty(batch, heads, length + ROOM, size, dtype=tensor.dtype, device=tensor.device)
    roomy[:, :, :used] = tensor
    return roomy
