"""A published checkpoint that is a whole model with regression heads, in one file or in shards.

Its tensors are those of a backbone that was trained further, and of its heads; the small files (configuration,
tokenizer, image processor) are those of the base, whose vocabulary may have grown by a few tokens. Nothing is
converted on disk. Loading is strict: each tensor has a place, each place a tensor, and their shapes agree.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..file_hashes import sha256_of_all, stamp
from ..wording import first_few, plural
from .backbone import Backbone
from .families import FAMILIES, BackboneError, Processor
from .loading import (
    LoadedModel,
    check_memory,
    check_processor,
    find_processor,
    loading_error,
    no_progress_bars,
    shared,
)
from .model_folders import INDEX, READ_FILES, WEIGHTS, check_config, weight_files

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import PreTrainedModel

logger = logging.getLogger(__name__)

ModelT = TypeVar("ModelT", bound="PreTrainedModel")

EMBEDDINGS = "model.language_model.embed_tokens.weight"
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")


@dataclass(eq=False)
class WholeModel:
    """A checkpoint in memory: its model as `LoadedModel`, and the tensors of its heads by their names in the file."""

    loaded: LoadedModel
    heads: dict[str, Tensor]
    files: tuple[Path, ...]


@dataclass(frozen=True)
class WholeLayout:
    """The tensors and tokens of a whole checkpoint beside those of its base.

    - `family`: the `model_type` of its base. `heads`: what the names of its heads' tensors begin with.
    - `tokens`: the control tokens that were added to the base's vocabulary, which has exactly so many rows more.
    """

    family: str
    heads: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()


def load_whole_model(
    source: Path,
    layout: WholeLayout,
    base: str,
    *,
    device: torch.device,
    dtype: torch.dtype,
    revision: str | None = None,
    attention: str = "sdpa",
) -> WholeModel:
    """Load the checkpoint at `source`, a file or a folder; equal arguments share one object while it is in use.

    `base` is the hub id (at `revision`) or folder of the model that it was trained from; only its small files are read.

    Raises `BackboneError`, naming the file and the tensor: one that is missing, too many or of another shape; a base of
    another family or vocabulary; quantised weights; a pickle of more than tensors; too little memory.
    """
    files = tensor_files(source)
    small = find_processor(base, revision)

    def load() -> WholeModel:
        return _load(source, files, layout, base, small, device, dtype, attention)

    stamps = tuple(f"{file} {stamp(file)}" for file in (*files, *_small_files(small)))
    return shared((stamps, layout, str(device), dtype, attention), load)


def tensor_files(source: Path) -> list[Path]:
    """The files with the tensors of a whole model: `source` itself, or those in the folder.

    In a folder these are the shards that an index lists, `model.safetensors`, or the only other file of tensors.
    Raises `BackboneError` for a folder without one or with several, and for one that holds an adapter.
    """
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise BackboneError(f"{source} does not exist; expected a file of tensors or a folder that holds one")
    if (source / "adapter_config.json").exists():
        raise BackboneError(f"{source} holds an adapter; expected a whole model with its heads, as the authors publish")
    if (source / INDEX).exists() or (source / WEIGHTS).exists():
        files = weight_files(source)
        if missing := [file.name for file in files if not file.is_file()]:
            raise BackboneError(f"{source} is incomplete: {', '.join(missing)} is missing; fetch it again")
        return files
    for suffix in SUFFIXES:
        files = sorted(source.glob(f"*{suffix}"))
        if len(files) == 1:
            return files
        if files:
            names = first_few([file.name for file in files])
            raise BackboneError(f"{source} holds several files of tensors, {names}; name the one that is the model")
    raise BackboneError(
        f"{source} holds no tensors: expected model.safetensors or one other file ({', '.join(SUFFIXES)})"
    )


def holds_heads(folder: Path, heads: tuple[str, ...]) -> bool:
    """Return whether a folder holds a whole model with heads, from the headers of its safetensors files alone."""
    from safetensors import SafetensorError, safe_open

    try:
        for path in tensor_files(folder):
            if path.suffix == ".safetensors":
                with safe_open(path, framework="numpy") as file:
                    if any(name.startswith(heads) for name in file.keys()):  # noqa: SIM118
                        return True
    except (BackboneError, SafetensorError, OSError):
        return False
    return False


def _load(
    source: Path,
    files: Sequence[Path],
    layout: WholeLayout,
    base: str,
    small: Path,
    device: torch.device,
    dtype: torch.dtype,
    attention: str,
) -> WholeModel:
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

    check_config(small, base)
    with no_progress_bars():
        try:
            config: Any = AutoConfig.from_pretrained(small, local_files_only=True, trust_remote_code=False)
            processor: Any = AutoProcessor.from_pretrained(small, local_files_only=True, trust_remote_code=False)
        except Exception as error:  # transformers raises many kinds for files that are missing or do not fit
            raise BackboneError(f"{base} cannot be loaded: {loading_error(error)}") from error
    if config.model_type != layout.family:
        raise BackboneError(
            f"{source} was trained from a {layout.family}, and {base} is a {config.model_type}; name its own base"
        )
    body, heads = split_heads(read_tensors(files), layout, source)
    grow_vocabulary(config, processor, body, layout.tokens, source, base)
    with torch.device("meta"):
        empty = AutoModelForImageTextToText.from_config(config)
    model = fill(empty, body, source, base, device, dtype, attention)
    check_processor(base, model, processor)
    logger.info("loaded %s on %s in %s", source, device, dtype)
    origin = {"sha256": _digest([*files, *_small_files(small)])}
    loaded = LoadedModel(model.eval().requires_grad_(False), processor, source.stem, str(source), origin)
    return WholeModel(loaded, heads, tuple(files))


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


def split_heads(
    tensors: Mapping[str, Tensor], layout: WholeLayout, source: Path
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The tensors of the model, by the names of native transformers, and those of the heads by their own."""
    family = FAMILIES[layout.family]
    heads = {name: tensor for name, tensor in tensors.items() if name.startswith(layout.heads)}
    body: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name in heads:
            continue
        native = family.native_name(name)
        if native in body:
            raise BackboneError(f"{source} holds {native} twice, once by an older name")
        body[native] = tensor
    if lacking := [prefix for prefix in layout.heads if not any(name.startswith(prefix) for name in heads)]:
        raise BackboneError(f"{source} has no head: no tensor's name begins with {lacking[0]}; is it the base alone?")
    return body, heads


def grow_vocabulary(
    config: Any, processor: Processor, body: Mapping[str, Tensor], tokens: Sequence[str], source: Path, base: str
) -> None:
    """Add the checkpoint's control tokens to the tokenizer, and give the configuration as many rows as it then has."""
    tokenizer = processor.tokenizer
    tokenizer.add_tokens([token for token in tokens if token not in tokenizer.get_vocab()], special_tokens=True)
    if not tokens or EMBEDDINGS not in body:
        return
    rows = len(body[EMBEDDINGS])
    if rows != len(tokenizer):
        raise BackboneError(
            f"{source} has embeddings of {rows} tokens, and the tokenizer of {base} has {len(tokenizer)} with "
            f"{', '.join(tokens)}; it was trained from another base"
        )
    config.get_text_config().vocab_size = rows


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


def _small_files(folder: Path) -> list[Path]:
    return [folder / name for name in READ_FILES if (folder / name).is_file()]


def _digest(files: Sequence[Path]) -> str:
    """The sha256 over the names and digests of files."""
    named = {file.name: digest for file, digest in zip(files, sha256_of_all(files), strict=True)}
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()


def backbone_of(whole: WholeModel, image_tokens: int | None = None, plain_positions: bool = False) -> Backbone:
    """The backbone of a whole model; `plain_positions` as in `Family.plain`."""
    backbone = Backbone(whole.loaded, image_tokens)
    if plain_positions:
        backbone.family = backbone.family.plain()
    return backbone
