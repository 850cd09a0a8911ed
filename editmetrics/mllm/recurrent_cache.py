"""The cache of a recurrent family: a layer keeps a state of fixed size in place of keys and values.

This module imports transformers at its top.
"""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor
from transformers.cache_utils import LinearAttentionLayer


class RecurrentLayer(LinearAttentionLayer):
    """One layer's states: the last tokens of its convolution and what its recurrence remembers."""

    conv_states: Any
    recurrent_states: Any

    @property
    def nbytes(self) -> int:
        """The bytes of both states."""
        return sum(state.nbytes for states in (self.conv_states, self.recurrent_states) for state in states.values())

    def rows(self, chosen: Tensor | None) -> RecurrentLayer:
        """A copy of some rows, or of all (None), to grow independently: the states are overwritten by each token."""
        other = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, dict):
                setattr(other, name, {key: _rows(state, chosen) for key, state in value.items()})
        return other


def _rows(state: Any, chosen: Tensor | None) -> Any:
    if not isinstance(state, Tensor):
        return state
    return state.clone() if chosen is None else state[chosen]
