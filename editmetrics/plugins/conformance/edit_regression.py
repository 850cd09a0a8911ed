"""Stand-ins for LMM4Edit and EditHF: tiny random checkpoints in their published layouts, for a tiny backbone.

peft writes the adapters, from models wrapped as the authors wrap theirs, so that files and names are what their scripts
write. The numbers are random.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...mllm.turns import seeded
from ..edit_regression import PARTS
from .toy_backbone import OPTIONS, PICTURE

if TYPE_CHECKING:
    from torch import nn

__all__ = ["OPTIONS", "PICTURE", "WEIGHTS"]


def write_lmm4edit(backbone: str | Path, folder: str | Path, part: str, seed: int = 0) -> Path:
    """Write the folder of one dimension of LMM4Edit, `part` "visual", "alignment" or "preservation"; returns it.

    >>> import tempfile
    >>> from editmetrics.testing import tiny_backbone
    >>> root = Path(tempfile.mkdtemp())
    >>> made = write_lmm4edit(tiny_backbone("qwen3_vl", root / "backbone"), root, "visual")
    >>> sorted(file.name for file in made.iterdir() if not file.name.startswith("README"))
    ['adapter_config.json', 'adapter_model.safetensors', 'regression_config.json', 'score_head.pth']
    """
    model = _model(backbone)
    made = Path(folder) / part
    _write_adapter(model.model, made, r"language_model\.layers\.\d+\.(self_attn|mlp)\.\w+_proj", seed)
    hidden = model.config.get_text_config().hidden_size
    sizes = {"hidden_size": hidden, "head_hidden_size": 24, "head_hidden_size2": 8}
    _write_head(made / "score_head.pth", {"mlp.0": (24, hidden), "mlp.3": (8, 24), "mlp.6": (1, 8)}, seed)
    settings = {
        **sizes,
        "dropout": 0.1,
        "dimension": part,
        "base_model_path": str(backbone),
        "score_output_scale": 100.0,
    }
    (made / "regression_config.json").write_text(json.dumps({**sizes, **settings}), encoding="utf-8")
    return made


def write_edit_hf(backbone: str | Path, folder: str | Path, part: str, seed: int = 0) -> Path:
    """Write the folder of one dimension of EditHF, for a tiny InternVL; returns it.

    >>> import tempfile
    >>> from editmetrics.testing import tiny_backbone
    >>> root = Path(tempfile.mkdtemp())
    >>> made = write_edit_hf(tiny_backbone("internvl", root / "backbone"), root, "visual")
    >>> sorted(file.name for file in made.iterdir())
    ['llm_lora', 'mlp_head.pth', 'vision_lora']
    """
    from ..edit_hf.metric import EditHF

    model = _model(backbone)
    made = Path(folder) / EditHF.FOLDERS[part]
    _write_adapter(as_published(model.model.vision_tower), made / "vision_lora", r".*\.(qkv|proj|fc1|fc2)", seed)
    _write_adapter(text_model(model), made / "llm_lora", r"model\.layers\.\d+\.(self_attn|mlp)\.\w+_proj", seed + 1)
    hidden = model.config.get_text_config().hidden_size
    shapes = {"mlp.0": (hidden // 2, hidden), "mlp.2": (128, hidden // 2), "mlp.4": (1, 128)}
    _write_head(made / "mlp_head.pth", shapes, seed)
    return made


def as_published(tower: nn.Module) -> nn.Module:
    """The linear layers of an InternVL vision tower of transformers, named and fused as in InternVL's own code."""
    from torch import nn

    def linear(outputs: int, inputs: int) -> nn.Module:
        return nn.Linear(inputs, outputs)

    def layer(native: Any) -> nn.Module:
        size = native.attention.q_proj.in_features
        made = nn.Module()
        made.attn, made.mlp = nn.Module(), nn.Module()
        made.attn.qkv, made.attn.proj = linear(3 * size, size), linear(size, size)
        made.mlp.fc1 = linear(native.mlp.fc1.out_features, size)
        made.mlp.fc2 = linear(size, native.mlp.fc1.out_features)
        return made

    own: Any = tower
    made = nn.Module()
    made.encoder = nn.Module()
    made.encoder.layers = nn.ModuleList([layer(native) for native in own.encoder.layer])
    return made


def text_model(model: Any) -> nn.Module:
    """The language model of an InternVL as the authors see it: a model that writes text, the layers in its `model`."""
    from transformers import AutoModelForCausalLM

    wrapped = AutoModelForCausalLM.from_config(model.config.get_text_config())
    wrapped.model = model.model.language_model
    return wrapped


def _model(backbone: str | Path) -> Any:
    from transformers import AutoModelForImageTextToText

    return AutoModelForImageTextToText.from_pretrained(backbone, trust_remote_code=False)


def _write_adapter(model: nn.Module, folder: Path, layers: str, seed: int) -> None:
    import torch
    from peft import LoraConfig, get_peft_model

    settings: dict[str, Any] = {"r": 4, "lora_alpha": 8, "lora_dropout": 0.05, "target_modules": layers}
    with seeded(seed):
        wrapped: Any = get_peft_model(model, LoraConfig(**settings))
        for name, parameter in wrapped.named_parameters():
            if "lora_B" in name:  # 0 at first, so that an adapter changes nothing
                torch.nn.init.normal_(parameter, std=0.2)
    wrapped.save_pretrained(str(folder))


def _write_head(file: Path, shapes: Mapping[str, tuple[int, int]], seed: int) -> None:
    import torch

    random = torch.Generator().manual_seed(seed)
    tensors = {}
    for layer, (outputs, inputs) in shapes.items():
        tensors[f"{layer}.weight"] = torch.randn(outputs, inputs, generator=random) / inputs**0.5
        tensors[f"{layer}.bias"] = torch.full((outputs,), 0.2)
    torch.save(tensors, file)


def _for_the_toy(write: Callable[[Path, Path, str], object], part: str, folder: Path) -> None:
    from ... import weights

    write(weights.pull(OPTIONS["backbone"]), folder, part)


WEIGHTS = {
    f"{metric}.{part}": partial(_for_the_toy, write, part)
    for metric, write in (("lmm4edit", write_lmm4edit), ("edit_hf", write_edit_hf))
    for part in PARTS.values()
}
