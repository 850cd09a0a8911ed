"""Load a model and its processor from a hub id or a folder, or raise an error that names the missing piece.

No code of a checkpoint is run: classes of transformers or of this package, and safetensors; of the pickles of a family
that this package loads by itself, nothing but tensors. The small files are checked before the weights are downloaded or
read.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakValueDictionary

from ..downloads import DownloadError, check_online, is_unreachable
from ..file_hashes import remembered
from ..hub import advice, answer_behind, endpoint, hub_progress
from ..weights import all_finite, pull, registered
from ..wording import either, error_in_one_line, first_few
from .families import BackboneError, BackboneUnavailableError, Processor
from .into_memory import check_memory, loading_error, no_progress_bars
from .model_folders import (
    INDEX,
    PICKLED_INDEX,
    SMALL_FILES,
    check_checksums,
    check_code,
    check_config,
    check_weights,
    count_parameters,
    folder_digest,
    folder_stamp,
    is_own,
)
from .mplug_owl2.loading import load as by_own_code
from .turns import LOADING, Turns

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(eq=False)
class LoadedModel:
    """A model and its processor in memory, frozen and in evaluation mode.

    - `name`: the hub id, the name in the weights registry, or the folder's name. `source`: what they were loaded by,
      to load them again.
    - `origin`: "sha256", the digest of its files (`model_folders.folder_digest`) as they were loaded, and for a hub id
      "revision", the commit.
    - `truncated`: the first layers of the language model were loaded, and not all of them.
    - `folder`: where its files are on this machine.
    - `lora_layers`: the layers that adapters were put on; see `editmetrics.mllm.lora`.
    """

    model: PreTrainedModel
    processor: Processor
    name: str
    source: str
    origin: dict[str, str]
    truncated: bool = False
    folder: Path | None = None

    def __post_init__(self) -> None:
        self.turns = Turns(self.name, on_cpu=self.model.device.type == "cpu")
        self.lora_layers: list[Any] = []


def load_model(
    model: str | Path,
    revision: str | None,
    device: torch.device,
    dtype: torch.dtype,
    attention: str,
    layers: int | None = None,
    own: bool = False,
) -> LoadedModel:
    """Load `model`; equal arguments share one object while it is in use and its files do not change.

    `layers`: only the first so many layers of the language model. `own`: an object that is not shared.
    """
    folder, commit = find_folder(str(model), revision)

    def load() -> LoadedModel:
        return _load(str(model), folder, commit, device, dtype, attention, layers)

    if own:
        with LOADING:
            return load()
    return shared((folder, folder_stamp(folder), str(device), dtype, attention, layers), load)


_in_memory: WeakValueDictionary[Any, Any] = WeakValueDictionary()


def shared(key: Any, make: Callable[[], T]) -> T:
    """The object of `key` if it is in memory already, else the result of `make`. Thread-safe."""
    with LOADING:
        present = _in_memory.get(key)
        if present is None:
            present = _in_memory[key] = make()
        return present


def torch_dtype(name: str | torch.dtype | None, device: torch.device) -> torch.dtype:
    """The dtype of that name; of None bfloat16 on a GPU and float32 elsewhere.

    Raises `BackboneError` for one that models cannot be loaded in.
    """
    import torch

    names = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}
    if name is None:
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    dtype = names.get(name, name) if isinstance(name, str) else name
    if dtype not in names.values():
        raise BackboneError(f"invalid dtype {name!r}; expected {either(names)}")
    return dtype  # type: ignore[return-value]


# ---------------------------------------------------------------------- finding it


def find_folder(model: str, revision: str | None) -> tuple[Path, str | None]:
    """The folder of a model on this machine, complete and checked, and its commit if it is from the hub.

    Raises `BackboneError` if it does not exist or cannot be used.
    """
    # a name of the weights registry, such as toy-internvl, or a folder
    folder = pull(model) if model in registered() else Path(model).expanduser()
    if folder.is_dir():
        _refuse_revision(model, revision)
        check_config(folder)
        check_weights(folder)
        return folder.resolve(), None
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", model) or model.startswith("."):
        raise BackboneError(
            f"{model} is neither a folder nor a hub id such as OpenGVLab/InternVL3-8B-hf; check the spelling"
        )
    folder = _from_hub(model, revision, SMALL_FILES)
    check_config(folder, model)
    pickled = is_own(folder) and (folder / PICKLED_INDEX).exists() and not (folder / INDEX).exists()
    folder = _from_hub(model, folder.name, ("*.bin" if pickled else "*.safetensors",))
    check_weights(folder, model)
    return folder, folder.name


def find_processor(model: str, revision: str | None = None) -> Path:
    """The folder with the small files of a hub id or a folder: all but its weights. None of them names code.

    Raises `BackboneError` if it does not exist, and for a `revision` of a folder.
    """
    if model not in registered() and not Path(model).is_dir():
        folder = _from_hub(model, revision, SMALL_FILES)
    else:
        _refuse_revision(model, revision)
        folder = pull(model) if model in registered() else Path(model)
    check_code(folder, model)
    return folder


def read_small_files(model: str, revision: str | None = None, name: str = "") -> tuple[Any, Processor, Path]:
    """The configuration and the processor of a hub id or a folder, and the folder that they are in; `name` in errors.

    Raises `BackboneError` for files that are missing or do not fit, and for a family that this package loads by code
    of its own: no other program knows how to.
    """
    from transformers import AutoConfig, AutoProcessor

    folder, name = find_processor(model, revision), name or model
    check_config(folder, name)
    if is_own(folder):
        raise BackboneError(f"{name} is of a family that transformers does not have; expected one that it has")
    try:
        with no_progress_bars():
            config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            processor = AutoProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # transformers raises many kinds for files that are missing or do not fit
        raise BackboneError(f"{name} cannot be loaded: {loading_error(error)}") from error
    check_processor(name, config, processor)
    return config, processor, folder


def _refuse_revision(model: str, revision: str | None) -> None:
    if revision is not None:
        raise BackboneError(f"revision={revision!r} is for models of the hub, and {model} is a folder; leave it out")


def _from_hub(model: str, revision: str | None, files: tuple[str, ...]) -> Path:
    from huggingface_hub import snapshot_download

    by_hand = f"on a machine with network `hf download {model}`, or give the path of a folder that has it"
    try:
        check_online()
        forbidden = None
    except DownloadError as error:
        forbidden = error
    try:
        with hub_progress(sys.stderr.isatty()):
            return Path(
                snapshot_download(
                    model,
                    revision=revision,
                    allow_patterns=list(files),
                    ignore_patterns=["*/*"],
                    local_files_only=forbidden is not None,
                    endpoint=endpoint(),
                )
            )
    except Exception as error:  # the hub client's errors and those of its HTTP library share no ancestor
        if forbidden is not None:
            raise BackboneUnavailableError(f"{model} is not on this machine, and {forbidden}; {by_hand}") from error
        answer = answer_behind(error)
        kind = BackboneUnavailableError if is_unreachable(answer) else BackboneError
        reason = advice(model, revision or "main", None, answer)
        raise kind(f"{model} cannot be downloaded: {reason} ({error_in_one_line(answer)}). Or {by_hand}") from error


# ---------------------------------------------------------------------- into memory


def _load(
    source: str,
    folder: Path,
    commit: str | None,
    device: torch.device,
    dtype: torch.dtype,
    attention: str,
    layers: int | None,
) -> LoadedModel:
    name = source if commit or source in registered() else folder.name
    before = folder_stamp(folder)
    load = by_own_code if is_own(folder) else _by_transformers
    model, processor = load(name, folder, device, dtype, attention, layers)
    check_processor(name, model.config, processor)
    check_checksums(folder)
    digest = folder_digest(folder)
    if folder_stamp(folder) != before:
        raise BackboneError(f"the files of {folder} changed while they were loaded; load it again")
    numbers = f"finite-{digest}-{str(dtype).removeprefix('torch.')}-{layers or 'all'}"
    remembered(numbers, lambda: _require_finite(name, model))
    logger.info("loaded %s on %s in %s", name, device, dtype)
    origin = {"revision": commit, "sha256": digest} if commit else {"sha256": digest}
    return LoadedModel(model.eval().requires_grad_(False), processor, name, source, origin, layers is not None, folder)


def _by_transformers(
    name: str, folder: Path, device: torch.device, dtype: torch.dtype, attention: str, layers: int | None
) -> tuple[PreTrainedModel, Processor]:
    """The model and the processor of a folder, by the classes of transformers."""
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    check_memory(name, count_parameters(folder, layers) * dtype.itemsize, device, dtype)
    try:
        with no_progress_bars():
            processor = AutoProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            loaded: Any = AutoModelForImageTextToText.from_pretrained(
                folder,
                config=_config_of(name, folder, layers),
                dtype=dtype,
                attn_implementation=attention,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
                device_map={"": device},  # shard by shard to where it stays, never all of it in host memory
            )
            model, report = loaded
    except BackboneError:
        raise
    except torch.OutOfMemoryError as error:
        raise BackboneUnavailableError(f"{name} does not fit into the memory of {device}: {error}") from error
    except Exception as error:  # transformers raises many kinds for files that are missing or do not fit
        raise BackboneError(f"{name} cannot be loaded: {loading_error(error)}") from error
    if report["missing_keys"]:  # transformers would fill them with random numbers and warn
        some = first_few(sorted(report["missing_keys"]))
        raise BackboneError(f"{name} lacks {len(report['missing_keys'])} weights of its architecture, such as {some}")
    return model, processor


def _require_finite(name: str, model: PreTrainedModel) -> str:
    """Raise `BackboneError` for a weight that is NaN or infinite; checked once for all processes."""
    for key, parameter in model.named_parameters():
        if not all_finite(parameter):
            dtype = str(parameter.dtype).removeprefix("torch.")
            raise BackboneError(
                f"{name} cannot be used: its weight {key} holds NaN or an infinite number in {dtype}; the file is "
                "damaged, or another dtype is required"
            )
    return "yes"


def _config_of(name: str, folder: Path, layers: int | None) -> Any:
    """The configuration of a model, with the first `layers` layers of its language model."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
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


def check_processor(name: str, config: Any, processor: Processor) -> None:
    """Raise `BackboneError` if the processor is not that of the model, or cannot write a chat.

    A chat template that only the tokenizer has becomes the processor's.
    """
    if not all(hasattr(processor, part) for part in ("tokenizer", "image_processor", "image_token_id")):
        raise BackboneError(f"{name} has no processor for images: expected preprocessor_config.json or the like")
    if processor.image_token_id != config.image_token_id:
        raise BackboneError(
            f"{name} has two image tokens: its processor's is {processor.image_token_id}, its model's "
            f"{config.image_token_id}"
        )
    if not processor.chat_template:
        processor.chat_template = processor.tokenizer.chat_template
    if not processor.chat_template:
        raise BackboneError(f"{name} has no chat template; expected chat_template.jinja beside its processor")
