"""LoRA adapters on a backbone: added by part, trained, saved as peft folders, swapped, several on one backbone.

    W x  ->  W x + (alpha / rank) B A x        A: (rank, in), random; B: (out, rank), 0 at first

Hu et al. 2022, "LoRA: Low-rank adaptation of large language models" (arXiv 2106.09685), equation 3. Matrices that are
trained are float32 regardless of the backbone's dtype, so that small updates are not rounded away; those that only
score have the backbone's dtype, so that no layer converts its input. At most one adapter is active at a time,
inside `using`; outside of it, the backbone is the raw one, unless an adapter is being trained (`trainable`).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..sample import EditMetricsError
from .turns import in_turn, seeded

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from .backbone import Backbone

PARTS = ("vision", "language")
WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
PREFIX = "base_model.model."  # of the names of weights in a peft folder, as seen from peft's own wrapper

UNSUPPORTED = ("use_dora", "use_rslora", "rank_pattern", "alpha_pattern", "modules_to_save", "layer_replication")
"""Settings of peft that would make an adapter more than two matrices a layer and one factor; they must be off."""

LARGEST_RANK, LARGEST_FACTOR = 4096, 1000
"""Bounds of an adapter that is read: larger values are damage, and would exhaust memory or give infinite numbers."""


class AdapterSettings(NamedTuple):
    """The settings of a saved adapter: rank, alpha and dropout as in the formula, the layers it is for, and the hub id
    or the path of the model that it was trained on."""

    rank: int
    alpha: float
    dropout: float
    targets: Any
    base: str | None = None


class LoraError(EditMetricsError, ValueError):
    """An adapter cannot be added, found, saved or loaded; the message names it and the reason."""


@in_turn
def add_lora(
    backbone: Backbone,
    name: str,
    *,
    parts: Collection[str] = ("language",),
    rank: int = 16,
    alpha: float = 32.0,
    dropout: float = 0.05,
    seed: int = 0,
) -> None:
    """Put a new, inactive adapter `name` on all linear layers of attention and feed-forward networks of `parts`.

    - `parts`: {"language"}, {"vision"} or both; the family defines their layers (`family.lora_targets`).
    - `rank`, `alpha`, `dropout`: as in the formula above; dropout is on the adapter's input, in training.
    - `seed`: of the matrices A, drawn apart from the global random state.

    A new adapter changes nothing: B is 0. Raises `LoraError` for a name that is taken and for unknown parts.
    """
    if unknown := set(parts) - set(PARTS):
        raise LoraError(f"unknown part {', '.join(sorted(unknown))}; expected some of {', '.join(PARTS)}")
    if not parts:
        raise LoraError(f"adapter {name!r} adapts no part; expected some of {', '.join(PARTS)}")
    if rank < 1 or not 0 < alpha < math.inf or not 0 <= dropout < 1:
        raise LoraError(
            f"rank {rank}, alpha {alpha:g}, dropout {dropout:g}: expected 1 or more, more than 0, and from 0 to below 1"
        )
    patterns = [f"({backbone.family.lora_targets[part]})" for part in PARTS if part in parts]
    _put_in(backbone, name, _config(rank, alpha, dropout, "|".join(patterns)), seed)


@in_turn
def remove_lora(backbone: Backbone, name: str) -> None:
    """Remove the adapter `name`, and free its memory."""
    layers, before = layers_with(backbone, name), _active(backbone)
    _set_active(backbone, None)
    for layer in layers:
        layer.delete_adapter(name)
    backbone.model.peft_config.pop(name)
    _list_layers(backbone)
    _set_active(backbone, None if before == name else before)
    backbone.loaded.turns.end_training(name)


@in_turn
def adapters(backbone: Backbone) -> list[str]:
    """The names of the adapters on `backbone`."""
    return list(getattr(backbone.model, "peft_config", {}))


@in_turn
def adapts_vision(backbone: Backbone, name: str | None) -> bool:
    """Return whether adapter `name` changes the vision tower's output; if not, features do not depend on it."""
    if name is None:
        return False
    inside = {id(module) for module in backbone.vision.modules()}
    return any(id(layer) in inside for layer in layers_with(backbone, name))


@in_turn
def trainable(backbone: Backbone, name: str) -> list[nn.Parameter]:
    """Let gradients flow to adapter `name` and to no other part of the backbone; returns its parameters.

    From now on it is active outside of `using`, too, until it is removed: gradient checkpointing computes layers again
    in the backward pass, which runs there. Other threads cannot use the backbone until then.
    """
    chosen = _parameters(backbone, name)
    for parameter in backbone.model.parameters():
        parameter.requires_grad_(False)
    for parameter in chosen.values():
        parameter.requires_grad_(True)
    _set_active(backbone, name)
    backbone.loaded.turns.keep_for_training(name)
    return list(chosen.values())


@contextmanager
def using(backbone: Backbone, name: str | None) -> Iterator[None]:
    """Activate adapter `name` inside a `with`; None is the raw backbone.

    Afterwards the adapter that was active before is active again; `requires_grad` does not change. Other threads wait
    until the block ends.
    """
    with backbone.exclusive():
        if name is not None:
            layers_with(backbone, name)
        before = _active(backbone)
        if before != name:
            _set_active(backbone, name)
        try:
            yield
        finally:
            if _active(backbone) != before:
                _set_active(backbone, before)


@in_turn
def save_lora(backbone: Backbone, name: str, folder: str | Path) -> None:
    """Write adapter `name` as a peft folder, which `peft.PeftModel.from_pretrained(model, folder)` reads as well."""
    from copy import copy

    from safetensors.torch import save_file

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        _saved_name(key): value.detach().cpu().contiguous() for key, value in _parameters(backbone, name).items()
    }
    save_file(tensors, str(folder / WEIGHTS), metadata={"format": "pt"})
    config = copy(backbone.model.peft_config[name])
    config.inference_mode = True
    config.save_pretrained(str(folder))


@in_turn
def load_lora(backbone: Backbone, name: str, folder: str | Path, dtype: torch.dtype | None = None) -> None:
    """Put the adapter of a peft folder on `backbone` as `name`, inactive and without gradients.

    - `dtype`: of its matrices; by default the backbone's, for scoring. To be trained or saved, they are float32.

    Matrices for layers that were not loaded (`Backbone.load(layers=...)`) are left out.

    Raises `LoraError`: a missing or damaged folder, a name that is taken, an adapter of another kind or for another
    backbone.
    """
    folder = Path(folder)
    settings = read_settings(folder / CONFIG)
    tensors = read_tensors(folder / WEIGHTS)
    _require_rank(folder, settings.rank, tensors)
    pattern = _pattern(backbone, settings.targets, tensors)
    config = _config(settings.rank, settings.alpha, settings.dropout, pattern)
    _put_in(backbone, name, config, seed=0, dtype=dtype or backbone.dtype)
    _fill(backbone, name, tensors, str(folder))


@in_turn
def fill_lora(backbone: Backbone, name: str, folder: str | Path) -> None:
    """Give the adapter `name`, which is on `backbone`, the matrices of a peft folder; its settings stay its own.

    Raises `LoraError` for matrices of other layers or of another rank; the adapter is then removed.
    """
    _fill(backbone, name, read_tensors(Path(folder) / WEIGHTS), str(folder))


@in_turn
def put_lora(
    backbone: Backbone, name: str, tensors: Mapping[str, Any], *, pattern: str, rank: int, origin: str
) -> None:
    """Put an adapter on `backbone` as `name`, in its dtype, inactive and without gradients, from its matrices.

    `tensors` are named as in a peft folder of this project (`save_lora`), `pattern` matches the full paths of their
    layers; the factor alpha / rank is 1. Raises `LoraError` naming `origin` for matrices that do not fit.
    """
    _put_in(backbone, name, _config(rank, float(rank), 0.0, pattern), seed=0, dtype=backbone.dtype)
    _fill(backbone, name, tensors, origin)


def _fill(backbone: Backbone, name: str, tensors: Mapping[str, Any], origin: str) -> None:
    """Give the new adapter its matrices, or remove it again if they do not fit."""
    wanted = {_saved_name(key): value for key, value in _parameters(backbone, name).items()}
    tensors = {key: value for key, value in tensors.items() if not _of_unloaded_layer(backbone, key)}
    problem = _misfit({key: tuple(value.shape) for key, value in wanted.items()}, tensors)
    if problem:
        remove_lora(backbone, name)
        raise LoraError(f"{origin} is an adapter for another backbone than {backbone.family.name}: {problem}")
    for key, parameter in wanted.items():
        parameter.data.copy_(tensors[key])


def _put_in(backbone: Backbone, name: str, config: Any, seed: int, dtype: torch.dtype | None = None) -> None:
    import torch
    from peft import inject_adapter_in_model

    if not name or "." in name:
        raise LoraError(f"invalid adapter name {name!r}; expected a name without a dot")
    if name in adapters(backbone):
        raise LoraError(f"this backbone already has an adapter {name!r}; choose another name, or remove it first")
    before = _active(backbone)
    gradients = {id(p): p.requires_grad for p in backbone.model.parameters()}
    others = vars(backbone.model).pop("peft_config", {})  # peft warns about a second adapter, which is intended
    try:
        with seeded(seed):
            inject_adapter_in_model(config, backbone.model, name)
    except ValueError as error:  # peft found no layer that matches
        backbone.model.peft_config = others
        raise LoraError(f"adapter {name!r} fits no layer of {backbone.family.name}: {error}") from error
    backbone.model.peft_config = {**others, name: config}
    _list_layers(backbone)
    for layer in layers_with(backbone, name):  # dropout works only in training
        layer.train(backbone.model.training)
    for parameter in _parameters(backbone, name).values():
        parameter.data = parameter.data.to(dtype or torch.float32)
    for parameter in backbone.model.parameters():  # peft changes requires_grad
        parameter.requires_grad_(gradients.get(id(parameter), False))
    _set_active(backbone, before)


def _config(rank: int, alpha: float, dropout: float, pattern: str) -> Any:
    from peft import LoraConfig

    settings: dict[str, Any] = {"r": rank, "lora_alpha": alpha, "lora_dropout": dropout, "target_modules": pattern}
    return LoraConfig(**settings, bias="none")


def read_settings(file: Path) -> AdapterSettings:
    """Read the settings in a peft folder's adapter_config.json; `LoraError` unless it is a plain LoRA."""
    try:
        config: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if config["peft_type"] != "LORA" or config.get("bias", "none") != "none":
            raise LoraError(
                f"{file} describes an adapter of type {config['peft_type']}, bias {config.get('bias')}; "
                "expected LORA, none"
            )
        rank, alpha, dropout = config["r"], config["lora_alpha"], config.get("lora_dropout", 0.0)
        targets, base = config.get("target_modules"), config.get("base_model_name_or_path")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, LoraError):
            raise
        raise LoraError(f"{file} is not the configuration of an adapter: {type(error).__name__}: {error}") from error
    if odd := [name for name in UNSUPPORTED if config.get(name)]:
        raise LoraError(f"{file} sets {', '.join(odd)}, which is not supported")
    if not (_is_number(rank) and isinstance(rank, int) and 1 <= rank <= LARGEST_RANK):
        raise LoraError(f"{file}: r is {rank!r:.100}; expected an integer from 1 to {LARGEST_RANK}")
    if not (_is_number(alpha) and 0 < alpha / rank <= LARGEST_FACTOR):
        raise LoraError(
            f"{file}: lora_alpha is {alpha!r:.100}; expected more than 0, and at most {LARGEST_FACTOR} times r ({rank})"
        )
    if not (_is_number(dropout) and 0 <= dropout < 1):
        raise LoraError(f"{file}: lora_dropout is {dropout!r:.100}; expected 0 or more and less than 1")
    return AdapterSettings(rank, float(alpha), float(dropout), targets, base if isinstance(base, str) else None)


def read_tensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a peft folder's weights; `LoraError` for a damaged file and for NaN or infinite numbers."""
    from ..weights import WeightsError, load_state_dict

    try:
        return load_state_dict(file)
    except WeightsError as error:
        raise LoraError(str(error)) from error


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _require_rank(folder: Path, rank: int, tensors: Mapping[str, Tensor]) -> None:
    """Raise `LoraError` unless the matrices have the rank of the configuration, which decides what is allocated."""
    for key, tensor in tensors.items():
        if key.endswith(".lora_A.weight") and (tensor.ndim != 2 or len(tensor) != rank):
            raise LoraError(f"{folder}: {key} is {tuple(tensor.shape)}, and {CONFIG} says rank {rank}")


def _pattern(backbone: Backbone, targets: Any, tensors: Mapping[str, Tensor]) -> str:
    """A regular expression for the layers of a saved adapter.

    An expression from a file is never run, because it could take exponential time: it is compared with those of this
    project. For any other adapter, the matrices tell the layers.
    """
    parts = [backbone.family.lora_targets[part] for part in PARTS]
    single = [f"({part})" for part in parts]
    known = (*single, "|".join(single))
    if targets in known:
        return str(targets)
    layers = {key.removeprefix(PREFIX).rsplit(".lora_", 1)[0] for key in tensors
              if ".lora_" in key and not _of_unloaded_layer(backbone, key)}  # fmt: skip
    return "|".join(re.escape(layer) for layer in sorted(layers)) or "no layer"


def _of_unloaded_layer(backbone: Backbone, key: str) -> bool:
    layer = re.match(rf"{re.escape(PREFIX + backbone.family.language)}\.layers\.(\d+)\.", key)
    return layer is not None and backbone.truncated and int(layer[1]) >= backbone.num_layers


def _misfit(wanted: dict[str, tuple[int, ...]], tensors: Mapping[str, Any]) -> str | None:
    if different := sorted(wanted.keys() ^ tensors.keys()):
        return f"{'it lacks' if different[0] in wanted else 'it has'} {different[0]}"
    for key, shape in wanted.items():
        if tuple(tensors[key].shape) != shape:
            return f"{key} is {tuple(tensors[key].shape)}, expected {shape}"
    return None


def _list_layers(backbone: Backbone) -> None:
    """Note the layers with adapters: the model has a thousand modules to look through."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    backbone.loaded.lora_layers = [part for part in backbone.model.modules() if isinstance(part, BaseTunerLayer)]


def _layers(backbone: Backbone) -> list[Any]:
    return backbone.loaded.lora_layers


def layers_with(backbone: Backbone, name: str) -> list[Any]:
    layers = [layer for layer in _layers(backbone) if name in layer.lora_A]
    if not layers:
        raise LoraError(
            f"this backbone does not have an adapter {name!r}; it has {', '.join(adapters(backbone)) or 'none'}"
        )
    return layers


def _parameters(backbone: Backbone, name: str) -> dict[str, nn.Parameter]:
    """The adapter's matrices, by their full names in the model."""
    layers_with(backbone, name)
    endings = f".lora_A.{name}.weight", f".lora_B.{name}.weight"
    return {key: parameter for key, parameter in backbone.model.named_parameters() if key.endswith(endings)}


def _saved_name(key: str) -> str:
    """The name of a matrix in a peft folder, without the adapter's name in memory."""
    path, matrix, _, weight = key.rsplit(".", 3)
    return f"{PREFIX}{path}.{matrix}.{weight}"


def _active(backbone: Backbone) -> str | None:
    for layer in _layers(backbone):
        return None if layer.disable_adapters or not layer.active_adapters else str(layer.active_adapters[0])
    return None


def _set_active(backbone: Backbone, name: str | None) -> None:
    """Activate `name`, or none. peft's own switches also change `requires_grad` of every matrix, and take as long as
    reading the prompt."""
    for layer in _layers(backbone):
        layer._active_adapter = [] if name is None else [name]
        layer._disable_adapters = name is None
