"""Stand-in for the networks of metrics of sets: a few random filters over a small image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.nn import Module


def setup(metric: Any) -> None:
    metric.use(small_network())
    metric.minimum = 10 if metric.name == "inception_score" else 5  # enough for a few features; it has ten parts


def small_network() -> Module:
    """Build a network of 16 features, with the names that the metrics use: `fc`, `encode_image`."""
    import torch
    import torch.nn.functional as F
    from torch.nn import Linear

    from ...mllm.turns import seeded

    class SmallNetwork(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = Linear(3 * 8 * 8, 16)
            self.fc = Linear(16, 1008)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.features(F.adaptive_avg_pool2d(images, 8).flatten(1)).relu()

        def encode_image(self, images: torch.Tensor, normalize: bool) -> torch.Tensor:
            return F.normalize(self(images), dim=-1) if normalize else self(images)

    with seeded(0):
        return SmallNetwork()
