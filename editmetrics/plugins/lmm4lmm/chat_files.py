"""The files of a model in InternVL's chat layout: which tensors they have, and those tensors, a file at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ...mllm.families import BackboneError
from ...mllm.model_folders import check_checksums, check_weights, tensors_of_files
from ...weights import all_finite, load_state_dict
from .chat_layout import ConversionError, plain_name

if TYPE_CHECKING:
    from torch import Tensor

CONFIG, LORA_FILE = "config.json", "lora_weights.pth"


class ChatFiles:
    """The tensors in a published folder by name, read when they are asked for.

    The published inference loads the adapters' own file last, so what it holds replaces what the shards have. Without
    `with_head` the score head is left out. Raises `ConversionError` for files that are missing, cut off, damaged, or
    that do not have what their index says.
    """

    def __init__(self, folder: Path, with_head: bool) -> None:
        lora = folder / LORA_FILE
        try:
            check_weights(folder)
            by_file = tensors_of_files(folder)
            check_checksums(folder)
        except BackboneError as error:
            raise ConversionError(str(error)) from error
        self.files = [folder / CONFIG, *by_file, *([lora] if lora.is_file() else [])]
        self._adapters = load_state_dict(lora) if lora.is_file() else {}
        again = {plain_name(name) for name in self._adapters}
        self._file_of = {
            name: file for file, tensors in by_file.items() for name in tensors if plain_name(name) not in again
        }
        self.names = [
            name for name in (*self._file_of, *self._adapters)
            if with_head or not plain_name(name).startswith("mlpscore.")
        ]  # fmt: skip

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(file.stat().st_size for file in self.files)

    def tensors(self, names: Collection[str]) -> Iterator[tuple[str, Tensor]]:
        """Each of the tensors, file by file. It is mapped, not copied: once all are let go, the file is, too."""
        from safetensors import safe_open

        for file in dict.fromkeys(self._file_of.values()):
            wanted = [name for name, origin in self._file_of.items() if origin == file and name in names]
            if not wanted:
                continue
            with safe_open(file, framework="pt") as opened:
                for name in wanted:
                    tensor = opened.get_tensor(name)
                    if not all_finite(tensor):
                        raise ConversionError(
                            f"{file} cannot be converted: its tensor {name} holds NaN or an infinite number; "
                            "fetch it again"
                        )
                    yield name, tensor
        yield from ((name, tensor) for name, tensor in self._adapters.items() if name in names)
