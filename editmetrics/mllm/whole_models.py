"""A published checkpoint that is a whole model with regression heads, in one file or in shards.

Its tensors are those of a backbone that was trained further, and of its heads; the small files (configuration,
tokenizer, image processor) are those of the base, whose vocabulary may have grown by a few tokens. Nothing is
converted on disk. Loading is strict: each tensor has a place, each place a tensor, and their shapes agree.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..file_hashes import sha256_of_all, sha256_of_json, stamp
from ..wording import first_few
from .backbone import Backbone
from .families import FAMILIES, BackboneError, Processor
from .into_memory import fill, read_tensors
from .loading import LoadedModel, find_processor, read_small_files, shared
from .model_folders import INDEX, READ_FILES, WEIGHTS, weight_files

if TYPE_CHECKING:
    import torch
    from torch import Tensor

logger = logging.getLogger(__name__)

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
    from transformers import AutoModelForImageTextToText

    config, processor, _ = read_small_files(str(small), name=base)
    if config.model_type != layout.family:
        raise BackboneError(
            f"{source} was trained from a {layout.family}, and {base} is a {config.model_type}; name its own base"
        )
    body, heads = split_heads(read_tensors(files), layout, source)
    grow_vocabulary(config, processor, body, layout.tokens, source, base)
    with torch.device("meta"):
        empty = AutoModelForImageTextToText.from_config(config)
    model = fill(empty, body, source, base, device, dtype, attention)
    logger.info("loaded %s on %s in %s", source, device, dtype)
    origin = {"sha256": _digest([*files, *_small_files(small)])}
    loaded = LoadedModel(model.eval().requires_grad_(False), processor, source.stem, str(source), origin)
    return WholeModel(loaded, heads, tuple(files))


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


def _small_files(folder: Path) -> list[Path]:
    return [folder / name for name in READ_FILES if (folder / name).is_file()]


def _digest(files: Sequence[Path]) -> str:
    """The sha256 over the names and digests of files."""
    named = {file.name: digest for file, digest in zip(files, sha256_of_all(files), strict=True)}
    return sha256_of_json(named)


def backbone_of(whole: WholeModel, image_tokens: int | None = None, plain_positions: bool = False) -> Backbone:
    """The backbone of a whole model; `plain_positions` as in `Family.plain`."""
    backbone = Backbone(whole.loaded, image_tokens)
    if plain_positions:
        backbone.family = backbone.family.plain()
    return backbone
