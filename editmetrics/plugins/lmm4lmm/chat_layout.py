"""InternVL's chat layout, in which LMM4LMM was published, and the native layout of transformers: names and rows.

    vision_model.encoder.layers.N.attn.qkv          -> q_proj, k_proj, v_proj: thirds of the rows
    language_model.model.layers.N.attention.wqkv    -> q_proj, k_proj, v_proj: for each key-value head, its query heads,
                                                       its key and its value stand together
    ... .lora_A, .lora_B                            -> A for each of the three, the same rows of B
    mlpscore.fc1 to fc5                             -> the layers of a regression head

`W + s B A` keeps its rows when they are taken of W and of B, so adapters stay adapters, exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...sample import EditMetricsError
from ...wording import first_few

if TYPE_CHECKING:
    from torch import Tensor

Rows = Callable[["Tensor"], "Tensor"]

WRAPPED = ("vision_model", "language_model")
VISION, LANGUAGE, PROJECTOR = "model.vision_tower", "model.language_model", "model.multi_modal_projector"
SCORE = "mlpscore."
UNUSED = ("mlpscore.ln1.weight", "mlpscore.ln1.bias")
"""Parameters that the published model has and never uses."""


class ConversionError(EditMetricsError):
    """Published weights are not what they should be; the message names the file, the tensor or the setting."""


@dataclass(frozen=True)
class NativePart:
    """A native tensor: `rows` of the tensor that the source calls `source`."""

    source: str
    rows: Rows

    def of(self, tensor: Tensor) -> Tensor:
        """Return the rows of the source's tensor; `ConversionError` for one of an unexpected shape."""
        try:
            return self.rows(tensor).contiguous()
        except RuntimeError as error:
            raise ConversionError(
                f"the tensor {self.source} has the shape {tuple(tensor.shape)}, which is not what config.json says: "
                f"{error}"
            ) from error


@dataclass(frozen=True)
class ConversionPlan:
    """Which tensors of a published model are which native ones; made of names alone.

    - `backbone`: the state dict of `InternVLForConditionalGeneration`, by native name.
    - `adapter`: lora_A and lora_B by the layers' native names; empty without LoRA.
    - `head`: weight and bias of each layer, in order; empty without one.
    """

    backbone: dict[str, NativePart]
    adapter: dict[str, NativePart]
    head: list[tuple[NativePart, NativePart]]


def plan_conversion(names: Iterable[str], config: Mapping[str, Any]) -> ConversionPlan:
    """Plan the conversion of a chat-layout model whose tensors have these names; each is used exactly once.

    `config` is its config.json. Raises `ConversionError` naming a tensor that is missing or that nothing asks for.
    """
    source = _Source(names)
    backbone: dict[str, NativePart] = {}
    adapter: dict[str, NativePart] = {}
    for name, native in _plain(config).items():
        backbone[native] = NativePart(source.take(name), _all)
    for layer in _linear_layers(config):
        for kind in ("weight", "bias") if layer.bias else ("weight",):
            whole = source.take(f"{layer.source}.{kind}")
            backbone |= {f"{path}.{kind}": NativePart(whole, rows) for path, rows in layer.parts}
        if source.has(f"{layer.source}.lora_A.weight"):
            down, up = (source.take(f"{layer.source}.lora_{matrix}.weight") for matrix in "AB")
            for path, rows in layer.parts:
                adapter[f"{path}.lora_A.weight"] = NativePart(down, _all)
                adapter[f"{path}.lora_B.weight"] = NativePart(up, rows)
    head = _head(source)
    source.require_empty()
    return ConversionPlan(backbone, adapter, head)


def plain_name(name: str) -> str:
    """A tensor's name without what peft and distributed training put in.

    >>> plain_name("language_model.base_model.model.model.layers.0.attention.wo.lora_A.default.weight")
    'language_model.model.layers.0.attention.wo.lora_A.weight'
    """
    name = name.removeprefix("module.")
    for part in WRAPPED:
        if name.startswith(f"{part}.base_model.model."):
            name = part + name[len(f"{part}.base_model.model") :]
    return name.replace(".base_layer.", ".").replace(".default.weight", ".weight")


class _Source:
    """Names of tensors by their plain ones, each of which is taken exactly once."""

    def __init__(self, names: Iterable[str]) -> None:
        self._left: dict[str, str] = {}
        for name in names:
            plain = plain_name(name)
            if plain in self._left:
                raise ConversionError(f"{name} and {self._left[plain]} are the same tensor; expected one of them")
            self._left[plain] = name

    def has(self, name: str) -> bool:
        return name in self._left

    def take(self, name: str) -> str:
        if name not in self._left:
            raise ConversionError(f"the tensor {name} is missing; copy all files of the checkpoint again")
        return self._left.pop(name)

    def require_empty(self) -> None:
        if self._left:
            names = sorted(self._left.values())
            raise ConversionError(f"{len(names)} tensors have no place in the model: {first_few(names)}")


@dataclass(frozen=True)
class _Linear:
    """A linear layer of the chat layout, and which of its rows are which native layers."""

    source: str
    parts: tuple[tuple[str, Rows], ...]
    bias: bool


def _linear_layers(config: Mapping[str, Any]) -> list[_Linear]:
    vision, language = config["vision_config"], config["llm_config"]
    layers = []
    for n in range(vision["num_hidden_layers"]):
        old, new = f"vision_model.encoder.layers.{n}", f"{VISION}.encoder.layer.{n}"
        thirds = tuple((f"{new}.attention.{part}_proj", _third(index)) for index, part in enumerate(("q", "k", "v")))
        layers.append(_Linear(f"{old}.attn.qkv", thirds, bool(vision.get("qkv_bias", True))))
        layers.append(_Linear(f"{old}.attn.proj", ((f"{new}.attention.projection_layer", _all),), True))
        layers += [_Linear(f"{old}.mlp.{fc}", ((f"{new}.mlp.{fc}", _all),), True) for fc in ("fc1", "fc2")]
    groups = language["num_key_value_heads"]
    for n in range(language["num_hidden_layers"]):
        old, new = f"language_model.model.layers.{n}", f"{LANGUAGE}.layers.{n}"
        width = language["num_attention_heads"] // groups + 2
        size = language["hidden_size"] // language["num_attention_heads"]
        slots = {"q": slice(0, width - 2), "k": slice(width - 2, width - 1), "v": slice(width - 1, width)}
        grouped = tuple(
            (f"{new}.self_attn.{part}_proj", _slot(groups, width, size, slot)) for part, slot in slots.items()
        )
        layers.append(_Linear(f"{old}.attention.wqkv", grouped, False))
        layers.append(_Linear(f"{old}.attention.wo", ((f"{new}.self_attn.o_proj", _all),), False))
        names = {"w1": "gate_proj", "w3": "up_proj", "w2": "down_proj"}
        layers += [
            _Linear(f"{old}.feed_forward.{old_name}", ((f"{new}.mlp.{name}", _all),), False)
            for old_name, name in names.items()
        ]
    return layers


def _plain(config: Mapping[str, Any]) -> dict[str, str]:
    """Tensors that only change their names."""
    names = {
        "vision_model.embeddings.class_embedding": f"{VISION}.embeddings.cls_token",
        "vision_model.embeddings.position_embedding": f"{VISION}.embeddings.position_embeddings",
        "language_model.model.tok_embeddings.weight": f"{LANGUAGE}.embed_tokens.weight",
        "language_model.model.norm.weight": f"{LANGUAGE}.norm.weight",
        "language_model.output.weight": "lm_head.weight",
    }
    pairs = {
        "vision_model.embeddings.patch_embedding": f"{VISION}.embeddings.patch_embeddings.projection",
        "mlp1.0": f"{PROJECTOR}.layer_norm",
        "mlp1.1": f"{PROJECTOR}.linear_1",
        "mlp1.3": f"{PROJECTOR}.linear_2",
    }
    for n in range(config["vision_config"]["num_hidden_layers"]):
        old, new = f"vision_model.encoder.layers.{n}", f"{VISION}.encoder.layer.{n}"
        pairs |= {f"{old}.norm1": f"{new}.layernorm_before", f"{old}.norm2": f"{new}.layernorm_after"}
        names |= {f"{old}.ls1": f"{new}.lambda_1", f"{old}.ls2": f"{new}.lambda_2"}
    for n in range(config["llm_config"]["num_hidden_layers"]):
        old, new = f"language_model.model.layers.{n}", f"{LANGUAGE}.layers.{n}"
        names |= {
            f"{old}.attention_norm.weight": f"{new}.input_layernorm.weight",
            f"{old}.ffn_norm.weight": f"{new}.post_attention_layernorm.weight",
        }
    both = {f"{old}.{kind}": f"{new}.{kind}" for old, new in pairs.items() for kind in ("weight", "bias")}
    return names | both


def _head(source: _Source) -> list[tuple[NativePart, NativePart]]:
    layers: list[tuple[NativePart, NativePart]] = []
    while source.has(f"{SCORE}fc{len(layers) + 1}.weight"):
        name = f"{SCORE}fc{len(layers) + 1}"
        layers.append((NativePart(source.take(f"{name}.weight"), _all), NativePart(source.take(f"{name}.bias"), _all)))
    for name in UNUSED:
        if source.has(name):
            source.take(name)
    return layers


def _all(tensor: Tensor) -> Tensor:
    return tensor


def _third(index: int) -> Rows:
    return lambda tensor: tensor.chunk(3)[index]


def _slot(groups: int, width: int, size: int, slot: slice) -> Rows:
    """Rows at some positions in each group, of rows laid out as (groups, width, size)."""
    return lambda tensor: tensor.reshape(groups, width, size, *tensor.shape[1:])[:, slot].flatten(0, 2)
