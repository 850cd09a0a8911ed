"""The network of a checkpoint: its recipe, its tensors, and backbones that it names without holding them.

This module imports torch through what it uses, and is itself only imported inside functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ... import weights as registry
from ...mllm.checkpoint import CheckpointError
from .backbones import BackboneWeightsError, digest_of, fill_backbone, make_backbone
from .fit import PART
from .network import RegressorNetwork, restore
from .reading import from_plain

if TYPE_CHECKING:
    from ...mllm.checkpoint import TrainedCheckpoint


def load_network(checkpoint: TrainedCheckpoint) -> RegressorNetwork:
    """Return the network of a checkpoint on the CPU, ready for scoring.

    Raises `CheckpointError` for one that does not fit its own description, `BackboneWeightsError` where a frozen
    backbone that it names is not the one that it was trained on, `WeightsError` where that cannot be had.
    """
    settings = checkpoint.settings
    recipe = from_plain(settings["recipe"])
    backbones = []
    for rule, fact in zip(recipe.backbones, settings["backbones"], strict=True):
        backbone = make_backbone(rule, recipe.images)
        if not fact["stored"]:
            entry = fact["weights"]
            registry.pull(entry)
            fill_backbone(backbone, registry.load_state_dict(registry.path(entry)), entry)
            if digest_of(backbone) != fact["sha256"]:
                raise BackboneWeightsError(
                    f"{checkpoint.folder} was trained on other weights than those of {entry} on this machine"
                )
        backbones.append(backbone)
    try:
        network = RegressorNetwork(
            recipe, outputs=len(checkpoint.dimensions), reference=settings["reference"],
            instruction=settings["instruction"], backbones=backbones,
        )  # fmt: skip
        restore(network, checkpoint.load_part(PART), [fact["stored"] for fact in settings["backbones"]])
    except (RuntimeError, KeyError) as error:
        raise CheckpointError(f"{checkpoint.folder} does not hold the network that it describes: {error}") from error
    return network.requires_grad_(False).eval()
