"""A trained metric's checkpoint: found by name, put on the backbone that it was trained on, its adapters at hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..metric import Metric
from ..weights import pull, registered
from .checkpoint import Checkpoint, CheckpointError, read_checkpoint

if TYPE_CHECKING:
    from .backbone import Backbone

DECISIVE = ("family", "revision", "sha256", "image_tokens", "processor")
"""What of a backbone's identity must be as it was in training; dtype and libraries only move the rounding."""


def named_checkpoint(metric: type[Metric], name: str) -> Checkpoint:
    """The checkpoint of `metric` in the folder `name`, or that of the weights registry's entry `METRIC.NAME`.

    Raises `CheckpointError`, or `WeightsError`, for what is none.
    """
    entry = f"{metric.name}.{name}"
    return read_checkpoint(pull(entry) if entry in registered() else Path(name), metric)


def require_backbone(checkpoint: Checkpoint, backbone: Backbone) -> None:
    """Raise `CheckpointError` when `backbone` is not the one that the checkpoint was trained on, or sees otherwise."""
    trained, found = dict(checkpoint.backbone or {}), backbone.identity()
    different = [name for name in DECISIVE if trained.get(name) != found.get(name)]
    if different:
        said = "; ".join(f"{name} {found.get(name)} instead of {trained.get(name)}" for name in different)
        raise CheckpointError(
            f"{checkpoint.folder} was trained on {trained.get('model')}, and this backbone differs: {said}. Its "
            "adapters say nothing on another one; name the right one with backbone=... and revision=..."
        )


def adapters_of(checkpoint: Checkpoint, backbone: Backbone) -> dict[str, str]:
    """Put the checkpoint's adapters on `backbone`, where they are not yet; from their names to those on the backbone.

    Several checkpoints on one backbone do not meddle with one another, and two metrics with the same checkpoint share
    its adapters.
    """
    from .lora import adapters, load_lora

    named = {name: f"{name}_{checkpoint.digest[:16]}" for name in checkpoint.adapters}
    with backbone.exclusive():
        for name, on_backbone in named.items():
            if on_backbone not in adapters(backbone):
                load_lora(backbone, on_backbone, checkpoint.adapter(name))
    return named
