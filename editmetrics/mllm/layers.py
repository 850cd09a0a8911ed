"""The layers of a language model: the first ones alone, or the states after each of them in one pass.

The state after a layer is the residual stream, before any norm, so that the last layer compares with the others
(transformers' own `hidden_states` have the last one normed).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from ..late_checks import require
from .families import BackboneError
from .hooks import inputs_seen
from .tensors import Output
from .turns import in_turn

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .backbone import Backbone
    from .prompts import Prompt
    from .tensors import Features

Pooling = Literal["last", "image"]
"""One vector of a prompt: the state at its last token, or the mean over its image tokens."""


@contextmanager
def first_layers(backbone: Backbone, count: int) -> Iterator[None]:
    """Run the language model with its first `count` layers and no norm after them, inside a `with`.

    >>> import tempfile
    >>> from editmetrics.mllm.backbone import Backbone
    >>> from editmetrics.testing import tiny_backbone
    >>> backbone = Backbone.load(tiny_backbone("internvl", tempfile.mkdtemp()), device="cpu")
    >>> with first_layers(backbone, 2):
    ...     len(backbone.language.layers)
    2
    >>> len(backbone.language.layers)
    4
    """
    from torch import nn

    if not 0 <= count <= backbone.num_layers:
        raise BackboneError(f"layer {count} of {backbone.name}; expected 0 to {backbone.num_layers}")
    language: Any = backbone.language
    with backbone.exclusive():
        layers, norm = language.layers, language.norm
        language.layers, language.norm = nn.ModuleList(list(layers)[:count]), nn.Identity()
        try:
            yield
        finally:
            language.layers, language.norm = layers, norm


@contextmanager
def kept_layers(backbone: Backbone, layers: Collection[int]) -> Iterator[dict[int, Tensor]]:
    """Keep the residual stream (B, T, H) after each of `layers` of a forward pass inside a `with`; differentiable.

    Layers are counted from 1; the mapping is filled by the pass. Raises `BackboneError` for a layer that is not there.

    >>> import tempfile
    >>> import numpy as np
    >>> from editmetrics.mllm.backbone import Backbone
    >>> from editmetrics.testing import tiny_backbone
    >>> backbone = Backbone.load(tiny_backbone("internvl", tempfile.mkdtemp()), device="cpu")
    >>> picture = backbone.see(np.zeros((64, 64, 3), np.uint8))
    >>> with kept_layers(backbone, [2, 4]) as kept:
    ...     _ = backbone.forward([backbone.prompt([("user", [backbone.IMAGE, "Red?"])], [picture])])
    >>> sorted(kept)
    [2, 4]
    """
    language: Any = backbone.language
    if wrong := [layer for layer in layers if not 1 <= layer <= len(language.layers)]:
        raise BackboneError(f"layer {wrong[0]} of {backbone.name}; expected 1 to {len(language.layers)}")
    kept: dict[int, Tensor] = {}
    following = _following(backbone)
    # nothing is computed on the way: with gradient checkpointing, layers run again without it
    with inputs_seen({layer: following[layer - 1] for layer in layers}, kept.__setitem__):
        yield kept


def _following(backbone: Backbone) -> list[nn.Module]:
    """For each layer, the module that its state goes into: not every layer gives its own, Qwen3-VL adds to some."""
    language: Any = backbone.language
    return [*list(language.layers)[1:], language.norm]


def pooled(backbone: Backbone, output: Output, pooling: Pooling = "last") -> Tensor:
    """(B, H) in float32 from the states (B, T, H) of prompts."""
    import torch

    if pooling == "last":
        return output.at(-1).float()
    ids = output.ids
    present = torch.arange(ids.shape[1], device=ids.device) < output.lengths[:, None]
    is_image = ((ids == backbone.model.config.image_token_id) & present)[..., None]
    without = "a prompt has no image whose tokens could be averaged; take pooling='last'"
    require(is_image.any(1), lambda: BackboneError(without))
    return torch.where(is_image, output.hidden.float(), 0.0).sum(1) / is_image.sum(1)


@in_turn
def states_of_all_layers(
    backbone: Backbone,
    prompts: Sequence[Prompt],
    features: Sequence[Sequence[Features]] | None = None,
    pooling: Pooling = "last",
) -> Tensor:
    """(B, num_layers, H), float32: the pooled state of each prompt after each layer, from one pass and without
    gradients.

    Each layer's states are pooled at once and then released, so that memory is that of one layer.
    """
    import torch

    states: list[Tensor] = []
    with torch.inference_mode():
        batch = backbone.batch(prompts, features)

        def keep(_: int, state: Tensor) -> None:
            states.append(pooled(backbone, Output(state, batch.lengths, batch.ids), pooling))

        with inputs_seen(dict(enumerate(_following(backbone))), keep):
            backbone.language(**batch.inputs, use_cache=False)
    return torch.stack(states, 1)
