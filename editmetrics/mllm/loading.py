"""From a hub id or a folder to a model and its processor in memory, or an error that says what is missing.

Nothing of a checkpoint is run and nothing is unpickled: native transformers classes and safetensors only. Whatever can
be known from the small files is checked before the weights are downloaded or read.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakValueDictionary

from ..downloads import DownloadError, check_online
from ..weights import pull, registered, sha256
from .families import FAMILIES, BackboneError, Processor
from .turns import LOADING, Turns

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

logger = logging.getLogger(__name__)

SMALL_FILES = ("*.json", "*.jinja", "*.txt", "*.model")
"""What the hub has of a checkpoint beside its weights."""

T = TypeVar("T")


@dataclass(eq=False)
class Checkpoint:
    """A model and its processor in memory, frozen and in evaluation mode.

    - `name`: the hub id, the name in the weights registry, or the folder's name. `source`: what they were loaded by,
      to load them again.
    - `origin`: {"revision": commit} of a hub id, {"sha256": digest} of a folder.
    - `truncated`: the first layers of the language model were loaded, and not all of them.
    """

    model: PreTrainedModel
    processor: Processor
    name: str
    source: str
    origin: dict[str, str]
    truncated: bool = False

    def __post_init__(self) -> None:
        self.turns = Turns(self.name, on_cpu=self.model.device.type == "cpu")


def load_checkpoint(
    model: str | Path,
    revision: str | None,
    device: torch.device,
    dtype: torch.dtype,
    attention: str,
    layers: int | None = None,
    own: bool = False,
) -> Checkpoint:
    """The checkpoint `model`; equal arguments give the same one for as long as anybody holds it.

    `layers`: the first so many layers of the language model alone. `own`: one that nobody else is given.
    """
    folder, commit = find_folder(str(model), revision)

    def load() -> Checkpoint:
        return _load(str(model), folder, commit, device, dtype, attention, layers)

    if own:
        with LOADING:
            return load()
    return shared((folder, str(device), dtype, attention, layers), load)


_in_memory: WeakValueDictionary[Any, Any] = WeakValueDictionary()


def shared(key: Any, make: Callable[[], T]) -> T:
    """What `key` stands for: that which is in memory already, else what `make` gives. Many threads may ask."""
    with LOADING:
        found = _in_memory.get(key)
        if found is None:
            found = _in_memory[key] = make()
        return found


# ---------------------------------------------------------------------- where it is


def find_folder(model: str, revision: str | None) -> tuple[Path, str | None]:
    """The folder of a checkpoint on this machine, and its commit if it is from the hub; checked, and complete.

    Raises `BackboneError` where there is none, or where it cannot be used.
    """
    # a name of the weights registry, such as toy-internvl, or a folder
    folder = pull(model) if model in registered() else Path(model).expanduser()
    if folder.is_dir():
        if revision is not None:
            raise BackboneError(
                f"revision={revision!r} is for models of the hub, and {model} is a folder; leave it out"
            )
        check_config(folder)
        check_weights(folder)
        return folder.resolve(), None
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", model) or model.startswith("."):
        raise BackboneError(
            f"there is no folder {model}, and it is no hub id such as OpenGVLab/InternVL3-8B-hf; check the spelling"
        )
    folder = _from_hub(model, revision, SMALL_FILES)
    check_config(folder, model)
    folder = _from_hub(model, folder.name, ("*.safetensors",))
    check_weights(folder, model)
    return folder, folder.name


def _from_hub(model: str, revision: str | None, files: tuple[str, ...]) -> Path:
    from huggingface_hub import snapshot_download

    by_hand = f"on a machine with network `hf download {model}`, or give the path of a folder that has it"
    try:
        check_online()
        forbidden = None
    except DownloadError as error:
        forbidden = error
    try:
        return Path(
            snapshot_download(
                model,
                revision=revision,
                allow_patterns=list(files),
                ignore_patterns=["*/*"],
                local_files_only=forbidden is not None,
                endpoint=os.environ.get("HF_ENDPOINT"),
            )
        )
    except Exception as error:  # the hub client's errors and those of its HTTP library share no ancestor
        if forbidden is not None:
            raise BackboneError(f"{model} is not on this machine, and {forbidden}; {by_hand}") from error
        said = " ".join(str(error).split())
        raise BackboneError(f"{model} cannot be downloaded: {type(error).__name__}: {said}; {by_hand}") from error


# ---------------------------------------------------------------------- whether it can be used


def check_config(folder: Path, name: str | None = None) -> None:
    """Raise `BackboneError` unless config.json is that of a family in `FAMILIES` which needs no remote code."""
    name = name or str(folder)
    file = folder / "config.json"
    if (folder / "adapter_config.json").exists():
        raise BackboneError(f"{name} holds an adapter; name the backbone that it was trained on")
    if not file.is_file():
        raise BackboneError(f"{name} is no vision-language model: it has no config.json")
    config = read_json(file)
    kind = config.get("model_type")
    known = ", ".join(FAMILIES)
    if "auto_map" in config:
        raise BackboneError(
            f"{name} runs code of its own when loaded (auto_map in config.json), which is refused; take the version "
            f"for native transformers, whose name often ends in -hf or -HF (families: {known})"
        )
    if kind in FAMILIES:
        return
    if "vision_config" in config:
        raise BackboneError(f"{name} is of the family {kind!r}, which is not known here; the families are {known}")
    raise BackboneError(f"{name} is no vision-language model: its model_type is {kind!r}; expected one of {known}")


def check_weights(folder: Path, name: str | None = None) -> None:
    """Raise `BackboneError` unless the weights are there, as complete safetensors files in this very folder."""
    name = name or str(folder)
    index = folder / "model.safetensors.index.json"
    if index.exists():
        files = set(read_json(index).get("weight_map", {}).values())
        if outside := [file for file in files if not isinstance(file, str) or Path(file).name != file]:
            raise BackboneError(f"{index} names {outside[0]!r}; expected files of its own folder")
        missing = sorted(file for file in files if not (folder / file).is_file())
        if missing or not files:
            raise BackboneError(f"{name} is incomplete: {', '.join(missing) or 'its index'} is missing; fetch it again")
        return
    if (folder / "model.safetensors").is_file():
        return
    pickles = sorted(file.name for suffix in ("bin", "pt", "pth") for file in folder.glob(f"*.{suffix}"))
    if pickles:
        raise BackboneError(
            f"{name} has its weights in {pickles[0]}, a pickle, which can run code; expected safetensors (transformers "
            "writes them with `save_pretrained`)"
        )
    raise BackboneError(f"{name} has no weights: expected model.safetensors")


def read_json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BackboneError(f"{file} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise BackboneError(f"{file} holds a {type(found).__name__}; expected an object")
    return found


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that are the checkpoint's weights."""
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        return [folder / "model.safetensors"]
    return [folder / name for name in sorted(set(read_json(index)["weight_map"].values()))]


def count_parameters(folder: Path, layers: int | None = None) -> int:
    """How many numbers the weights hold, from the files' headers; `BackboneError` for a file that is damaged.

    `layers`: without those of the language model's layers from there on.
    """
    from math import prod

    from safetensors import SafetensorError, safe_open

    count = 0
    for path in weight_files(folder):
        try:
            with safe_open(path, framework="numpy") as file:
                names = [name for name in file.keys() if not _is_beyond(name, layers)]  # noqa: SIM118
                count += sum(prod(file.get_slice(name).get_shape()) for name in names)
        except (SafetensorError, OSError) as error:
            raise BackboneError(f"{path} is damaged or no safetensors file ({error}); fetch it again") from error
    return count


def _is_beyond(name: str, layers: int | None) -> bool:
    """Whether a weight is of a layer of the language model after the first `layers`."""
    found = re.search(r"\blayers\.(\d+)\.", name)
    return layers is not None and found is not None and "vision" not in name and int(found[1]) >= layers


def check_memory(name: str, needed: int, device: torch.device, dtype: torch.dtype) -> None:
    """Raise `BackboneError` when `needed` bytes of weights do not fit into what is free on `device`."""
    free = free_memory(device)
    if needed > free:
        raise BackboneError(
            f"{name} takes {needed / 1e9:.1f} GB in {str(dtype).removeprefix('torch.')}, and {free / 1e9:.1f} GB are "
            f"free on {device}; take a smaller backbone, a dtype of fewer bytes, or another device"
        )


def free_memory(device: torch.device) -> int:
    """Bytes that are free on `device`."""
    import psutil  # type: ignore[import-untyped]
    import torch

    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available


# ---------------------------------------------------------------------- into memory


def _load(
    source: str,
    folder: Path,
    commit: str | None,
    device: torch.device,
    dtype: torch.dtype,
    attention: str,
    layers: int | None,
) -> Checkpoint:
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    name = source if commit or source in registered() else folder.name
    check_memory(name, count_parameters(folder, layers) * dtype.itemsize, device, dtype)
    try:
        with no_progress_bars():
            processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
            loaded: Any = AutoModelForImageTextToText.from_pretrained(
                folder,
                config=_config_of(name, folder, layers),
                dtype=dtype,
                attn_implementation=attention,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
                device_map={"": device},  # shard by shard to where it stays, never all of it in host memory
            )
            model, report = loaded
    except BackboneError:
        raise
    except torch.OutOfMemoryError as error:
        raise BackboneError(f"{name} does not fit into the memory of {device}: {error}") from error
    except Exception as error:  # whatever transformers makes of a file that is missing or does not fit
        raise BackboneError(f"{name} cannot be loaded: {type(error).__name__}: {error}") from error
    if report["missing_keys"]:  # transformers would fill them with random numbers and warn
        some = ", ".join(sorted(report["missing_keys"])[:3])
        raise BackboneError(f"{name} lacks {len(report['missing_keys'])} weights of its architecture, such as {some}")
    check_processor(name, model, processor)
    logger.info("loaded %s on %s in %s", name, device, dtype)
    origin = {"revision": commit} if commit else {"sha256": folder_digest(folder)}
    return Checkpoint(model.eval().requires_grad_(False), processor, name, source, origin, layers is not None)


def _config_of(name: str, folder: Path, layers: int | None) -> Any:
    """The configuration of a checkpoint, with the first `layers` layers of its language model."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    if layers is None:
        return config
    text = config.get_text_config()
    if not 1 <= layers <= text.num_hidden_layers:
        raise BackboneError(f"layers={layers} of {name}; expected 1 to {text.num_hidden_layers}")
    kinds = getattr(text, "layer_types", None)
    text.num_hidden_layers = layers
    if kinds is not None:
        text.layer_types = kinds[:layers]
    return config


def check_processor(name: str, model: PreTrainedModel, processor: Processor) -> None:
    """Raise `BackboneError` where the processor is not that of the model, or cannot write a chat."""
    if not all(hasattr(processor, part) for part in ("tokenizer", "image_processor", "image_token_id")):
        raise BackboneError(f"{name} has no processor for images: expected preprocessor_config.json or the like")
    if processor.image_token_id != model.config.image_token_id:
        raise BackboneError(
            f"{name} has two image tokens: its processor's is {processor.image_token_id}, its model's "
            f"{model.config.image_token_id}"
        )
    if not processor.chat_template:
        raise BackboneError(f"{name} has no chat template; expected chat_template.jinja beside its processor")


def folder_digest(folder: Path) -> str:
    """The sha256 of a folder's checkpoint: over the names and digests of weights, configuration and tokenizer."""
    import hashlib

    small = {file for pattern in SMALL_FILES for file in folder.glob(pattern)}
    total = hashlib.sha256()
    for file in sorted({*small, *weight_files(folder)}):
        facts = file.stat()
        total.update(f"{file.name} {_digest(file, facts.st_size, facts.st_mtime_ns)}\n".encode())
    return total.hexdigest()


@lru_cache(maxsize=1024)
def _digest(file: Path, size: int, changed: int) -> str:
    return sha256(file)


@contextmanager
def no_progress_bars() -> Iterator[None]:
    """transformers draws none inside, nor a table of the weights that it leaves on disk: libraries do not print."""
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
