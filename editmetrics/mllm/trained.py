"""A trained metric's checkpoint: found by name, put on the backbone that it was trained on, its adapters at hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..metric import Metric
from ..weights import pull, registered
from .checkpoint import Checkpoint, CheckpointError, read_checkpoint
from .model_folders import earlier_digest

if TYPE_CHECKING:
    from .backbone import Backbone

DECISIVE = ("family", "image_tokens", "processor")
"""What of a backbone's identity must be as it was in training, beside its files; dtype and libraries only move the
rounding."""


def named_checkpoint(metric: type[Metric], name: str) -> Checkpoint:
    """The checkpoint of `metric` in the folder `name`, or that of the weights registry's entry `METRIC.NAME`.

    Raises `CheckpointError`, or `WeightsError`, for what is none.
    """
    entry = f"{metric.name}.{name}"
    return read_checkpoint(pull(entry) if entry in registered() else Path(name), metric)


def require_backbone(checkpoint: Checkpoint, backbone: Backbone) -> None:
    """Raise `CheckpointError` when `backbone` is not the one that the checkpoint was trained on, or sees otherwise."""
    trained, found = dict(checkpoint.backbone or {}), backbone.identity()
    different = [f"{name} {found[name]} instead of {trained.get(name)}" for name in DECISIVE
                 if trained.get(name) != found[name]]  # fmt: skip
    if other := _other_files(trained, backbone):
        different.append(other)
    if different:
        raise CheckpointError(
            f"{checkpoint.folder} was trained on {trained.get('model')}, and this backbone differs: "
            f"{'; '.join(different)}. Its adapters say nothing on another one; name the right one with backbone=... "
            "and revision=..."
        )


def _other_files(trained: Mapping[str, Any], backbone: Backbone) -> str | None:
    """How the files of `backbone` differ from those that a checkpoint was trained on; None where they do not.

    Checkpoints of earlier versions have the digest of all small files in the folder, read or not; those trained on a
    hub id have no digest, only the commit.
    """
    loaded = backbone.checkpoint
    if trained.get("sha256") is not None:
        if trained["sha256"] == loaded.origin["sha256"]:
            return None
        if loaded.folder is not None and loaded.folder.is_dir() and trained["sha256"] == earlier_digest(loaded.folder):
            return None
        return f"sha256 {loaded.origin['sha256']} instead of {trained['sha256']}"
    if trained.get("revision") == loaded.origin.get("revision"):
        return None
    if "revision" in loaded.origin:
        return f"revision {loaded.origin['revision']} instead of {trained.get('revision')}"
    return (
        "it is a folder, and the checkpoint, which an earlier version wrote, knows only the hub's commit "
        f"{trained.get('revision')} and no checksum"
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
