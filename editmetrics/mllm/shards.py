"""Write the weights of a model as several safetensors files with an index, holding one of them in memory at a time."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..files.writing import write_text
from .model_folders import INDEX, WEIGHTS

if TYPE_CHECKING:
    from torch import Tensor

SHARD = 1 << 30
"""Bytes of tensors that a shard holds at most, unless a single tensor is larger."""


class ShardWriter:
    """Writes tensors into `folder` in the order of `add`; after `finish` the folder's weights are complete.

    >>> import tempfile, torch
    >>> folder = Path(tempfile.mkdtemp())
    >>> shards = ShardWriter(folder, size=8)
    >>> for name in "abc":
    ...     shards.add(name, torch.ones(2, dtype=torch.bfloat16))
    >>> shards.finish()
    >>> sorted(file.name for file in folder.iterdir())[:2]
    ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors']
    """

    def __init__(self, folder: Path, size: int = SHARD) -> None:
        self.folder, self.size = folder, size
        self._shards: list[list[str]] = []
        self._tensors: dict[str, Tensor] = {}
        self._bytes = self._total = 0

    def add(self, name: str, tensor: Tensor) -> None:
        """Take a tensor; writes a shard when it is full. Raises `SafetensorError` and `OSError` for a full disk."""
        if self._tensors and self._bytes + tensor.nbytes > self.size:
            self.flush()
        self._tensors[name] = tensor
        self._bytes += tensor.nbytes

    def flush(self) -> None:
        """Write what was taken, and let go of it."""
        from safetensors.torch import save_file

        if self._tensors:
            save_file(self._tensors, str(self._file(len(self._shards))), metadata={"format": "pt"})
            self._shards.append(list(self._tensors))
            self._total += self._bytes
            self._tensors, self._bytes = {}, 0

    def finish(self) -> None:
        """Write the last shard, and the index if there are several."""
        self.flush()
        count = len(self._shards)
        if count == 1:
            os.replace(self._file(0), self.folder / WEIGHTS)
            return
        weight_map = {}
        for number, tensors in enumerate(self._shards):
            name = f"model-{number + 1:05d}-of-{count:05d}.safetensors"
            os.replace(self._file(number), self.folder / name)
            weight_map.update(dict.fromkeys(tensors, name))
        index = {"metadata": {"total_size": self._total}, "weight_map": weight_map}
        write_text(self.folder / INDEX, json.dumps(index, indent=1, sort_keys=True) + "\n")

    def _file(self, number: int) -> Path:
        return self.folder / f"shard-{number + 1}.partial"
