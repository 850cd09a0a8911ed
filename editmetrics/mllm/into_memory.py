"""Tensors -> a model in memory, all of them and nothing else; and what every way of loading one shares."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..wording import error_in_one_line, plural
from .family import BackboneError, BackboneUnavailableError

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import PreTrainedModel

ModelT = TypeVar("ModelT", bound="PreTrainedModel")


def read_tensors(files: Sequence[Path]) -> dict[str, Tensor]:
    """The tensors of all files by name; `BackboneError` for a damaged file, NaN, a pickle of more than tensors, a
    tensor that is in two files, and quantised weights."""
    import torch

    from ..weights import WeightsError, load_state_dict

    tensors: dict[str, Tensor] = {}
    for file in files:
        try:
            more = load_state_dict(file)
        except WeightsError as error:
            raise BackboneError(str(error)) from error
        if twice := sorted(tensors.keys() & more.keys()):
            raise BackboneError(f"{file} holds {twice[0]}, which another file of the model holds, too")
        for name, tensor in more.items():
            if tensor.dtype not in (torch.float32, torch.bfloat16, torch.float16, torch.float64):
                dtype = str(tensor.dtype).removeprefix("torch.")
                raise BackboneError(
                    f"{file} is quantised: its tensor {name} is {dtype}; expected the checkpoint as published, in "
                    "bfloat16, float16 or float32"
                )
        tensors |= more
    return tensors


def fill(
    empty: ModelT,
    body: dict[str, Tensor],
    source: Path,
    base: str,
    device: torch.device,
    dtype: torch.dtype,
    attention: str,
    published: Callable[[str], str] = str,
) -> ModelT:
    """A model like `empty`, which has no memory of its own, with the tensors of `body`, all of them.

    `published` gives the name in the files of a tensor here. Raises `BackboneError`, which names the tensor.
    """
    config: Any = empty.config
    wanted = {name: tuple(tensor.shape) for name, tensor in empty.state_dict().items()}
    if config.tie_word_embeddings:
        wanted.pop("lm_head.weight", None)
        body.pop("lm_head.weight", None)
    _require_fit(wanted, body, source, base, published)
    check_memory(source.name, sum(tensor.numel() for tensor in body.values()) * dtype.itemsize, device, dtype)
    try:
        with no_progress_bars():
            model: Any = type(empty).from_pretrained(
                None,
                config=config,
                state_dict=body,
                dtype=dtype,
                attn_implementation=attention,
                device_map={"": device},
                trust_remote_code=False,
            )
    except Exception as error:  # as in `loading`
        raise BackboneError(f"{source} cannot be loaded: {loading_error(error)}") from error
    return model


def _require_fit(
    wanted: Mapping[str, tuple[int, ...]],
    body: Mapping[str, Tensor],
    source: Path,
    base: str,
    published: Callable[[str], str],
) -> None:
    """Raise `BackboneError` unless the tensors are those of the model, each of its shape."""
    if missing := sorted(wanted.keys() - body.keys()):
        count = plural(len(missing), "tensor")
        raise BackboneError(f"{source} lacks {published(missing[0])} ({count} of {len(wanted)}); fetch it again")
    if extra := sorted(body.keys() - wanted.keys()):
        raise BackboneError(
            f"{source} holds {published(extra[0])}, which {base} does not have ({plural(len(extra), 'such tensor')}); "
            "is it of another base or size?"
        )
    for name, shape in wanted.items():
        if tuple(body[name].shape) != shape:
            raise BackboneError(
                f"{source}: {published(name)} is {tuple(body[name].shape)}, expected {shape}; it was trained from a "
                f"base of another size than {base}"
            )


def check_memory(name: str, needed: int, device: torch.device, dtype: torch.dtype) -> None:
    """Raise `BackboneUnavailableError` when `needed` bytes of weights do not fit into what is free on `device`."""
    free = free_memory(device)
    if needed > free:
        raise BackboneUnavailableError(
            f"{name} takes {needed / 1e9:.1f} GB in {str(dtype).removeprefix('torch.')}, and {free / 1e9:.1f} GB are "
            f"free on {device}; use a smaller backbone, a dtype of fewer bytes, or another device"
        )


def free_memory(device: torch.device) -> int:
    """Bytes that are free on `device`."""
    import psutil  # type: ignore[import-untyped]
    import torch

    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available


def loading_error(error: Exception) -> str:
    """The text of an error of transformers, with advice where it is known."""
    message = error_in_one_line(error)
    if missing := re.search(r"has no attribute '?(\w+_token)", message):
        return (
            f"its tokenizer has no {missing[1]}; take a newer revision of the model, or set it in its "
            f"tokenizer_config.json ({message})"
        )
    return message


@contextmanager
def no_progress_bars() -> Iterator[None]:
    """Silence the progress bars and weight tables of transformers: libraries do not print."""
    from transformers.utils import logging as transformers_logging

    shown, verbosity = transformers_logging.is_progress_bar_enabled(), transformers_logging.get_verbosity()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if shown:
            transformers_logging.enable_progress_bar()
