"""Adapters of other authors: peft folders, whose layers are named as in the model that the authors wrapped.

`lora.load_lora` reads the folders of this project. Here an adapter is a mapping from the path of a layer to matrices,
so that paths can be renamed and several adapters put on a backbone as one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .lora import CONFIG, PREFIX, WEIGHTS, LoraError, put_lora, read_settings, read_tensors

if TYPE_CHECKING:
    from torch import Tensor

    from .backbone import Backbone

__all__ = ["LowRank", "put_low_rank", "put_peft_folder", "read_peft_folder", "split_fused"]


class LowRank(NamedTuple):
    """The change of one layer: `up @ down` is added to its weights."""

    down: Tensor
    """(rank, inputs)."""
    up: Tensor
    """(outputs, rank), the factor alpha / rank included."""


def read_peft_folder(folder: str | Path) -> dict[str, LowRank]:
    """The matrices of a LoRA adapter that peft saved, by the path of their layer in the model that was wrapped.

    Raises `LoraError`, naming the file and the tensor: a damaged file, another kind of adapter, a tensor that belongs
    to no layer, a matrix without its partner, matrices that do not fit together.
    """
    folder = Path(folder)
    rank, alpha, *_ = read_settings(folder / CONFIG)
    file = folder / WEIGHTS
    tensors = read_tensors(file)
    halves: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        match = re.fullmatch(rf"{re.escape(PREFIX)}(.+)\.lora_([AB])\.weight", key)
        if match is None:
            raise LoraError(f"{file} has {key}, which is not a matrix of a LoRA adapter")
        halves.setdefault(match[1], {})[match[2]] = tensor.float()
    if not halves:
        raise LoraError(f"{file} holds no tensors")
    matrices = {}
    for path, half in halves.items():
        if missing := {"A", "B"} - half.keys():
            raise LoraError(f"{file} lacks {PREFIX}{path}.lora_{missing.pop()}.weight")
        down, up = half["A"], half["B"]
        if down.ndim != 2 or up.ndim != 2 or len(down) != rank or up.shape[1] != rank:
            raise LoraError(
                f"{file}: the matrices of {path} are {tuple(down.shape)} and {tuple(up.shape)}, and {CONFIG} says "
                f"rank {rank}"
            )
        matrices[path] = LowRank(down, up * (alpha / rank))
    return matrices


def split_fused(matrix: LowRank, parts: int) -> list[LowRank]:
    """Split the adapter of a fused layer into those of its parts, such as query, key and value."""
    return [LowRank(matrix.down, up) for up in matrix.up.chunk(parts)]


def put_low_rank(backbone: Backbone, name: str, matrices: Mapping[str, LowRank], origin: str) -> None:
    """Put an adapter on `backbone` as `name`, inactive, from the matrices of layers by their full path.

    Layers may have different ranks: the smaller ones are padded with zeros. Raises `LoraError` naming `origin` and
    the layer when one does not exist or has another size.
    """
    import torch.nn.functional as F

    rank = max(len(matrix.down) for matrix in matrices.values())
    tensors = {}
    for path, (down, up) in matrices.items():
        tensors[f"{PREFIX}{path}.lora_A.weight"] = F.pad(down, (0, 0, 0, rank - len(down)))
        tensors[f"{PREFIX}{path}.lora_B.weight"] = F.pad(up, (0, rank - len(down)))
    put_lora(backbone, name, tensors, pattern="|".join(map(re.escape, matrices)), rank=rank, origin=origin)


def put_peft_folder(backbone: Backbone, name: str, folder: str | Path) -> None:
    """Put the adapter of a peft folder, trained on a whole model of the family, on `backbone` as `name`, inactive.

    Layers may have the names of older versions of transformers. Those of the vision tower are adapted like any other.
    Raises `LoraError`: a folder that `read_peft_folder` refuses; a layer that does not exist or has another size.
    """
    matrices = {backbone.family.native_name(path): matrix for path, matrix in read_peft_folder(folder).items()}
    put_low_rank(backbone, name, matrices, str(folder))
