"""Write a model with an adapter merged into its weights, as a folder that transformers and servers load by themselves.

W becomes W + (alpha / rank) B A, computed in float32 and rounded once to the dtype of W. In bfloat16 that rounding is
the only difference from the adapter beside the weights. The backbone in memory is not changed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files.writing import replacing_folder
from .checkpoint_writing import save_model, write_errors
from .families import BackboneError
from .turns import in_turn

if TYPE_CHECKING:
    from torch import Tensor

    from .backbone import Backbone


def write_merged_model(backbone: Backbone, adapter: str | None, folder: str | Path) -> None:
    """Write `backbone` with `adapter` merged into it, or as it is where that is None; whole or not at all.

    Raises `BackboneError` for a folder that is not empty and what `merged_model` refuses; `CheckpointError` for a full
    disk.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise BackboneError(f"{folder} is not empty; name a new folder for the merged model")
    model = merged_model(backbone, adapter)
    with write_errors(folder), replacing_folder(folder) as partial:
        save_model(model, backbone.processor, partial)


@in_turn
def merged_model(backbone: Backbone, adapter: str | None) -> Any:
    """Return the model of transformers with `adapter` merged into its weights; what it does not change is shared.

    Raises `BackboneError` for a family that transformers does not have and for a model of which some layers were not
    loaded.
    """
    import torch

    if backbone.family.own:
        raise BackboneError(f"{backbone.name} is of a family that transformers does not have: no server loads it")
    backbone.require_all_layers()
    tensors = merged_tensors(backbone, adapter)
    with torch.device("meta"):
        unwrapped: Any = type(backbone.model)._from_config(backbone.model.config, dtype=backbone.dtype)
    missing, unexpected = unwrapped.load_state_dict(tensors, strict=False, assign=True)
    tied = set(getattr(unwrapped, "all_tied_weights_keys", {}) or {})
    if unexpected or set(missing) - tied:
        raise BackboneError(f"{backbone.name} cannot be merged: {(unexpected or missing)[0]} has no counterpart")
    unwrapped.tie_weights()
    unwrapped.generation_config = backbone.model.generation_config
    return unwrapped


def merged_tensors(backbone: Backbone, adapter: str | None) -> dict[str, Tensor]:
    """The tensors of a model by the names that it has without adapters, those of `adapter` added to the others."""
    from .lora import layers_with

    tensors = {
        name.replace(".base_layer.", "."): value.detach()
        for name, value in backbone.model.state_dict().items()
        if ".lora_" not in name
    }
    adapted = layers_with(backbone, adapter) if adapter is not None else []
    paths = {id(module): path for path, module in backbone.model.named_modules()}
    for layer in adapted:
        name = f"{paths[id(layer)]}.weight"
        change = (layer.lora_B[adapter].weight.float() @ layer.lora_A[adapter].weight.float()) * layer.scaling[adapter]
        tensors[name] = (tensors[name].float() + change).to(tensors[name].dtype)
    return tensors
