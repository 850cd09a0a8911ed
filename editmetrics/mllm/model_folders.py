"""Folders of vision-language models: whether one can be used, and its identity.

No code of a folder is run: a file that would have transformers run code is refused before anything is loaded.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

from ..file_hashes import sha256_of_all, stamp
from ..hub import stated_sha256
from .families import FAMILIES, BackboneError

SMALL_FILES = ("*.json", "*.jinja", "*.txt", "*.model")
"""The files of a checkpoint on the hub beside its weights."""

READ_FILES = (
    "config.json", "generation_config.json", "processor_config.json", "preprocessor_config.json",
    "video_preprocessor_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt", "tokenizer.model", "chat_template.json",
    "chat_template.jinja",
)  # fmt: skip
"""The small files that transformers reads. With the weights they are the model; a licence or README is not."""

VERSIONED = r"(config|tokenizer)\.[\d.]+\.json"
"""Settings for later versions of transformers, which config.json and tokenizer_config.json may name."""

WITHOUT_SETTINGS = ("tokenizer.json", "vocab.json", "model.safetensors.index.json", "pytorch_model.bin.index.json")
"""Lists of tokens and of tensors: large, and nothing in them names code."""

INDEX, WEIGHTS = "model.safetensors.index.json", "model.safetensors"
PICKLED_INDEX = "pytorch_model.bin.index.json"
"""The list of shards that hold nothing but tensors, of families that this package reads by itself."""


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file; `BackboneError` for anything else."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BackboneError(f"{file} cannot be read: {error}") from error
    except RecursionError as error:
        raise BackboneError(f"{file} cannot be read: it is nested too deep") from error
    if not isinstance(content, dict):
        raise BackboneError(f"{file} holds a {type(content).__name__}; expected an object")
    return content


# ---------------------------------------------------------------------- whether it can be used


def check_code(folder: Path, name: str | None = None) -> None:
    """Raise `BackboneError` when any settings in `folder` name code to run (`auto_map`) or another model to load.

    transformers looks for `auto_map` in the settings of model, tokenizer, processor and image processor, and asks on
    the terminal whether to run what it names. An empty one names nothing.
    """
    name = name or str(folder)
    for file in sorted(folder.glob("*.json")):
        if file.name in WITHOUT_SETTINGS or not file.is_file():
            continue
        try:
            settings = json.loads(file.read_text(encoding="utf-8"))
        except RecursionError as error:
            raise BackboneError(f"{file} cannot be read: it is nested too deep") from error
        except (OSError, ValueError):
            continue  # transformers cannot read it either
        for key, value in _settings_in(settings):
            if key == "auto_map" and isinstance(value, (dict, list, str)) and value:
                raise BackboneError(
                    f"{name} runs code of its own when loaded (auto_map in {file.name}), which is refused; take the "
                    "version for native transformers, whose name often ends in -hf or -HF (families: "
                    f"{', '.join(FAMILIES)})"
                )
            if key == "audio_tokenizer" and value:
                raise BackboneError(
                    f"{name} loads another model, for sound ({key} in {file.name}), which is refused; take a model "
                    "for images and text"
                )


def _settings_in(settings: Any) -> Iterator[tuple[str, Any]]:
    """Every key of a JSON value with its value, at any depth."""
    waiting = [settings]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield from value.items()
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def check_config(folder: Path, name: str | None = None) -> None:
    """Raise `BackboneError` unless config.json is that of a family in `FAMILIES`, and nothing in `folder` is code."""
    name = name or str(folder)
    file = folder / "config.json"
    if (folder / "adapter_config.json").exists():
        raise BackboneError(f"{name} holds an adapter; name the backbone that it was trained on")
    if not file.is_file():
        raise BackboneError(f"{name} is not a vision-language model: it has no config.json")
    config = read_json(file)
    family = FAMILIES.get(str(config.get("model_type")))
    if family is None or not family.own:  # its own loader does not look at what settings say of code
        check_code(folder, name)
    if config.get("quantization_config"):
        raise BackboneError(f"{name} is quantised (quantization_config), which is not supported; take the original")
    if family is not None:
        return
    kind = config.get("model_type")
    known = ", ".join(FAMILIES)
    if "vision_config" in config:
        raise BackboneError(f"{name} is of the family {kind!r}, which is not supported; the families are {known}")
    raise BackboneError(f"{name} is not a vision-language model: its model_type is {kind!r}; expected one of {known}")


def check_weights(folder: Path, name: str | None = None) -> None:
    """Raise `BackboneError` unless the weights are there, as complete safetensors files in this very folder.

    The shards of a family that this package reads by itself may be pickles, of which nothing but tensors is read.
    """
    name = name or str(folder)
    if (index := _index(folder)) is not None and (index.name == INDEX or is_own(folder)):
        files = _listed(index)
        missing = [file for file in files if not (folder / file).is_file()]
        if missing or not files:
            raise BackboneError(f"{name} is incomplete: {', '.join(missing) or 'its index'} is missing; fetch it again")
        return
    if (folder / WEIGHTS).is_file():
        return
    pickles = sorted(file.name for suffix in ("bin", "pt", "pth") for file in folder.glob(f"*.{suffix}"))
    if pickles:
        raise BackboneError(
            f"{name} has its weights in {pickles[0]}, a pickle, which can run code; expected safetensors (transformers "
            "writes them with `save_pretrained`)"
        )
    raise BackboneError(f"{name} has no weights: expected model.safetensors")


def is_own(folder: Path) -> bool:
    """Whether a folder has a config.json of a family that this package loads by itself."""
    file = folder / "config.json"
    family = FAMILIES.get(str(read_json(file).get("model_type"))) if file.is_file() else None
    return family is not None and family.own


def weight_files(folder: Path) -> list[Path]:
    """The files that are the checkpoint's weights, after `check_weights`."""
    index = _index(folder)
    return [folder / WEIGHTS] if index is None else [folder / name for name in _listed(index)]


def _index(folder: Path) -> Path | None:
    """The list of a checkpoint's shards, safetensors before others; None for a single file."""
    if (folder / INDEX).exists():
        return folder / INDEX
    return folder / PICKLED_INDEX if (folder / PICKLED_INDEX).exists() and not (folder / WEIGHTS).exists() else None


def _listed(index: Path) -> list[str]:
    """The files that an index names, sorted; `BackboneError` for one outside of its folder."""
    return sorted(set(_weight_map(index).values()))


def _weight_map(index: Path) -> dict[str, str]:
    """The file of each tensor that an index names."""
    listed = read_json(index).get("weight_map", {})
    if not isinstance(listed, dict):
        raise BackboneError(f"{index}: weight_map holds a {type(listed).__name__}; expected an object")
    for file in listed.values():
        if not isinstance(file, str) or Path(file).name != file:
            raise BackboneError(f"{index} names {file!r}; expected files of its own folder")
    return listed


def tensors_of_files(folder: Path) -> dict[Path, dict[str, tuple[int, ...]]]:
    """The shapes of all tensors by file, from the headers alone.

    Raises `BackboneError` for a file that is damaged or cut off, and for one without a tensor that the index expects.
    """
    from safetensors import SafetensorError, safe_open

    by_file: dict[Path, dict[str, tuple[int, ...]]] = {}
    for path in weight_files(folder):
        try:
            with safe_open(path, framework="numpy") as file:
                by_file[path] = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise BackboneError(f"{path} is damaged or not a safetensors file ({error}); fetch it again") from error
    if (folder / INDEX).exists():
        missing = [n for n, file in _weight_map(folder / INDEX).items() if n not in by_file[folder / file]]
        if missing:
            file = _weight_map(folder / INDEX)[missing[0]]
            raise BackboneError(
                f"{folder / file} lacks {missing[0]}, which {INDEX} says it has ({len(missing)} such tensors); the two "
                "are not of one model: fetch both again"
            )
    return by_file


def check_checksums(folder: Path) -> None:
    """Raise `BackboneError` for weights whose checksum is not the one that the hub stated when they were downloaded."""
    stated = {file: checksum for file in weight_files(folder) if (checksum := stated_sha256(file))}
    for (file, expected), actual in zip(stated.items(), sha256_of_all(stated), strict=True):
        if actual != expected:
            raise BackboneError(
                f"{file} is damaged: its sha256 is {actual[:12]}..., and the hub stated {expected[:12]}...; delete "
                "it and fetch it again"
            )


def count_parameters(folder: Path, layers: int | None = None) -> int:
    """The number of parameters in the weights, from the files' headers; `BackboneError` as for `tensors_of_files`.

    `layers`: count only the first so many layers of the language model.
    """
    return sum(
        prod(shape)
        for tensors in tensors_of_files(folder).values()
        for name, shape in tensors.items()
        if not _is_beyond(name, layers)
    )


def _is_beyond(name: str, layers: int | None) -> bool:
    """Return whether a weight belongs to a layer of the language model after the first `layers`."""
    layer = re.search(r"\blayers\.(\d+)\.", name)
    return layers is not None and layer is not None and "vision" not in name and int(layer[1]) >= layers


# ---------------------------------------------------------------------- its identity


def folder_digest(folder: Path) -> str:
    """The sha256 of a model: over the names and digests of its weights and of the `READ_FILES` that it has.

    Equal files give an equal digest, regardless of their folder and origin.
    """
    return _digest(_files_read(folder))


def earlier_digest(folder: Path) -> str:
    """The `folder_digest` of earlier versions, which included files that no loader reads; old checkpoints have it."""
    return _digest({*(file for pattern in SMALL_FILES for file in folder.glob(pattern)), *weight_files(folder)})


def folder_stamp(folder: Path) -> tuple[str, ...]:
    """A stamp that changes when a model's files change, without reading them."""
    return tuple(f"{file.name} {stamp(file)}" for file in sorted(_files_read(folder)))


def _files_read(folder: Path) -> set[Path]:
    small = {folder / name for name in READ_FILES if (folder / name).is_file()}
    versioned = {file for file in folder.glob("*.json") if re.fullmatch(VERSIONED, file.name)}
    return {*small, *versioned, *weight_files(folder)}


def _digest(files: set[Path]) -> str:
    total = hashlib.sha256()
    ordered = sorted(files)
    for file, digest in zip(ordered, sha256_of_all(ordered), strict=True):
        total.update(f"{file.name} {digest}\n".encode())
    return total.hexdigest()
