"""The bodies of image regressors: the idea that sets each published method apart, as a module of torch.

A body is made by `Body(channels, outputs=..., crop=..., compared=..., **settings)`: the channels of its maps, the
ratings to give, the side of a view in pixels, and whether its maps join two images. It is called with the maps of all
views, each (N, C, H, W), and the `ViewLayout` of the views. It returns a row for each view (N, `width`), rows of tokens
(N, T, `width`) where `tokens` is true, or a row for each image where `joins_views` is true.
"""

from __future__ import annotations

import importlib
from typing import Any

BODIES = {
    "pooled": "pooling:Pooled",
    "bilinear": "bilinear:Bilinear",
    "hyper": "hyper:HyperNetwork",
    "stairs": "stairs:Stairs",
    "multi_scale": "multi_scale:MultiScale",
    "top_down": "top_down:TopDown",
    "channel_attention": "channel_attention:ChannelAttention",
    "scale_tokens": "scale_tokens:ScaleTokens",
    "texts": "texts:Texts",
}
"""The class of each kind of body, in this folder."""


def body_class(kind: str) -> Any:
    """Return the class of a kind of body, which imports torch.

    >>> body_class("pooled").__name__
    'Pooled'
    """
    module, _, name = BODIES[kind].partition(":")
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)
