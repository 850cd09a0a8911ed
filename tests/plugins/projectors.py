"""A toy backbone whose projector has learned nothing: what it brings would hide what a first stage teaches."""

from __future__ import annotations

import shutil

import torch
from safetensors.torch import load_file, save_file

from editmetrics.weights import folder_of


def without_projector(name, folder, seed):
    """The toy backbone `name`, copied to `folder`, with the projector's linear layers drawn as torch draws new ones."""
    shutil.copytree(folder_of(name), folder)
    tensors = load_file(folder / "model.safetensors")
    random = torch.Generator().manual_seed(seed)
    drawn = [key for key in tensors if "multi_modal_projector.linear_" in key]
    for key in drawn:
        bound = tensors[f"{key.rpartition('.')[0]}.weight"].shape[1] ** -0.5
        new = torch.empty(tensors[key].shape).uniform_(-bound, bound, generator=random)
        tensors[key] = new.to(tensors[key].dtype)
    assert len(drawn) == 4
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder
