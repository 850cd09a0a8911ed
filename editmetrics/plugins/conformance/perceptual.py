"""Stand-ins for DreamSim and PieAPP: their inputs and layers, narrow and random, in files as published."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from ...mllm.turns import seeded

if TYPE_CHECKING:
    from torch import Tensor

    from ..dreamsim import Model

PICTURE = (70, 78)
RANK, ALPHA = 2, 4


@contextmanager
def stand_in() -> Iterator[None]:
    from .. import dreamsim, pieapp

    with (
        mock.patch.multiple(dreamsim, WIDTH=48, DEPTH=2, HEADS=2, EMBEDDING=16),
        mock.patch.multiple(pieapp, FEATURES=4, HIDDEN=8),
    ):
        yield


def dreamsim_weights(model: Model, folder: Path) -> None:
    """Write an archive as the authors': CLIP's transformers, and adapters of all branches' qkv."""
    import torch
    from safetensors.torch import save

    from ..dreamsim import BRANCHES, CHECKPOINTS

    with stand_in():
        branches = {branch: branch_tensors(branch) for branch in BRANCHES[model]}
    random = torch.Generator().manual_seed(0)
    adapters: dict[str, Tensor] = {}
    target = folder / file_of(CHECKPOINTS[model])
    lora = "ensemble_lora" if model == "ensemble" else f"{model}_single_lora"
    with zipfile.ZipFile(target, "w") as archive:
        for position, (branch, tensors) in enumerate(branches.items()):
            for name, tensor in tensors.items():
                if name.endswith("attn.qkv.weight"):
                    module = f"base_model.model.extractor_list.{position}.model.{name.removesuffix('.weight')}"
                    sides = {"lora_A": (RANK, tensor.shape[1]), "lora_B": (tensor.shape[0], RANK)}
                    for side, shape in sides.items():
                        adapters[f"{module}.{side}.weight"] = 0.05 * torch.randn(shape, generator=random)
            if not branch.startswith("dino"):
                packed = BytesIO()
                torch.save({"state_dict": tensors}, packed)
                archive.writestr(f"{branch}_pretrain.pth.tar", packed.getvalue())
        archive.writestr(f"{lora}/adapter_model.safetensors", save(adapters))
        archive.writestr(f"{lora}/adapter_config.json", json.dumps({"r": RANK, "lora_alpha": ALPHA}))


def branch_tensors(branch: str) -> dict[str, Tensor]:
    """Random tensors of a branch by the names of the authors' files (DINO's: timm's)."""
    from .. import dreamsim

    with seeded(0):
        tensors: dict[str, Any] = dict(dreamsim._transformer(branch).state_dict())
    if not branch.startswith("dino"):
        tensors["proj"] = tensors.pop("head.weight").T.contiguous()
    return {name.replace("norm_pre.", "pos_drop."): tensor for name, tensor in tensors.items()}


def dino_weights(_: Path) -> dict[str, Tensor]:
    import torch

    from .. import dreamsim

    with stand_in():
        width = torch.ones(dreamsim.WIDTH)
        return {**branch_tensors("dino_vitb16"), "norm.weight": width, "norm.bias": 0 * width}


def pieapp_weights(folder: Path) -> None:
    """Write random weights under which equal patches have an error of 0 and others a greater one."""
    import torch

    from .. import pieapp

    random = torch.Generator().manual_seed(0)
    with stand_in():
        shapes = pieapp.build_network().state_dict()
    tensors = {}
    for name, tensor in shapes.items():
        scale = (2 / tensor[0].numel()) ** 0.5 if tensor.ndim > 1 else 0.0
        tensors[name] = scale * torch.randn(tensor.shape, generator=random)
    for name in ("fc2_score.weight", "fc2_weight.weight"):
        tensors[name] = tensors[name].abs()
    tensors["ref_score_subtract.weight"] = torch.ones(1)  # a vector, as published
    torch.save(tensors, folder / file_of("pieapp"))


def file_of(name: str) -> str:
    from ... import weights

    return weights.checkpoint(name).files[0].path


MODELS: tuple[Model, ...] = ("ensemble", "dino_vitb16", "clip_vitb32", "open_clip_vitb32")
WEIGHTS = {
    "pieapp": pieapp_weights,
    "dino-vit-b-16": dino_weights,
    **{f"dreamsim-{model.replace('_', '-')}": partial(dreamsim_weights, model) for model in MODELS},
}
