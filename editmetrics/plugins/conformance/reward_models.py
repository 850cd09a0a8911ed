"""Stand-ins for published reward models: tiny random checkpoints in their layout, for a tiny base.

A file holds a whole model, by the names that tensors have in the authors' version of transformers, with one row more
for their control token, and the heads. The numbers are random.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from ...mllm.turns import seeded

PICTURE = (64, 72)
TOKEN = "<|Reward|>"  # noqa: S105 - no password

HPSV3_HEADS = {"rm_head.0": 1024, "rm_head.3": 16, "rm_head.5": 2}
EDIT_REWARD_HEADS = {f"rm_heads.head_{head}.{layer}": size
                     for head in (0, 1) for layer, size in ((0, 1024), (3, 16), (5, 2))}  # fmt: skip
"""The linear layers of the published heads, each with its outputs."""


def hpsv3_plus_condition(hidden: int) -> dict[str, tuple[int, int]]:
    """Return the linear layers that change HPSv3++'s states before its head, each with its inputs and outputs."""
    guess = {"cap_encoder.proj": (hidden, 256), "cap_encoder.pool_attn": (256, 1), "cap_encoder.out_proj": (256, 1)}
    encoder = {"cond_encoder.0": (2, 256), "cond_encoder.2": (256, 256)}
    return {**guess, **encoder, "film_gen.0": (256, hidden), "film_gen.2": (hidden, 2 * hidden)}


def write_reward_model(
    base: str | Path,
    file: str | Path,
    heads: Mapping[str, int],
    *,
    condition: Callable[[int], Mapping[str, tuple[int, int]]] | None = None,
    older_names: bool = True,
    seed: int = 0,
) -> Path:
    """Write a random checkpoint for the tiny backbone in the folder `base`; returns the file.

    `heads` are the linear layers by name, with their outputs; the first layer of each head, whose name ends with 0,
    takes hidden states. `condition` gives further layers for the size of a state. `older_names` are those of
    transformers 4.45, others those of today. A file that ends with .pth is written by torch.

    >>> import tempfile
    >>> from editmetrics.testing import tiny_backbone
    >>> from safetensors.torch import load_file
    >>> root = Path(tempfile.mkdtemp())
    >>> made = write_reward_model(tiny_backbone("qwen2_vl", root / "base"), root / "HPSv3.safetensors", HPSV3_HEADS)
    >>> [name for name in load_file(made) if name.startswith("rm_head") and name.endswith("bias")]
    ['rm_head.0.bias', 'rm_head.3.bias', 'rm_head.5.bias']
    """
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import AutoConfig

    from ...mllm.families import FAMILIES

    file = Path(file)
    family = FAMILIES[AutoConfig.from_pretrained(base, trust_remote_code=False).model_type]
    tensors = dict(load_file(Path(base) / "model.safetensors"))
    if not older_names:
        tensors = {family.native_name(name): tensor for name, tensor in tensors.items()}
    with seeded(seed):
        for name in [name for name in tensors if name.endswith(("embed_tokens.weight", "lm_head.weight"))]:
            tensors[name] = torch.cat([tensors[name], torch.randn_like(tensors[name][:1])])
        hidden = tensors["lm_head.weight"].shape[1]
        layers: dict[str, tuple[int, int]] = dict(condition(hidden)) if condition else {}
        inputs = hidden
        for name, outputs in heads.items():
            layers[name] = (hidden if name.endswith(".0") else inputs, outputs)
            inputs = outputs
        for name, (inputs, outputs) in layers.items():
            tensors[f"{name}.weight"] = torch.randn(outputs, inputs) / inputs**0.5
            tensors[f"{name}.bias"] = 0.1 * torch.randn(outputs)
    if file.suffix == ".pth":
        torch.save(tensors, file)
    else:
        save_file(tensors, str(file), metadata={"format": "pt"})
    return file


def _whole(family: str, name: str, heads: Mapping[str, int], folder: Path) -> None:
    """Write a checkpoint with the small files of its base beside it; its tokenizer knows the words of the questions."""
    from ...conventions import FOLDER
    from ...conventions.reading import read_conventions
    from ...testing import tiny_backbone

    metric = {"qwen2_vl": "hpsv3", "qwen3_vl": "hpsv3_plus"}.get(family, "edit_reward")
    prompts = read_conventions(FOLDER / f"{metric}.toml").prompts.values()
    words = " ".join(prompt.text or "" for prompt in prompts)
    patch = 16 if family == "qwen3_vl" else 14
    tiny_backbone(family, folder, layers=1, patch=patch, image=4 * patch, corpus=words, vocabulary=2000)
    condition = hpsv3_plus_condition if family == "qwen3_vl" else None
    whole = write_reward_model(folder, folder / f"whole{Path(name).suffix}", heads, condition=condition)
    (folder / "model.safetensors").unlink()
    whole.rename(folder / name)


WEIGHTS = {
    "hpsv3": partial(_whole, "qwen2_vl", "HPSv3.safetensors", HPSV3_HEADS),
    "hpsv3_plus": partial(_whole, "qwen3_vl", "hpsv3++.pth", HPSV3_HEADS),
    "edit_reward.qwen2.5-vl-7b": partial(_whole, "qwen2_5_vl", "model.safetensors", EDIT_REWARD_HEADS),
    "edit_reward.mimo-vl-7b": partial(_whole, "qwen2_5_vl", "model.safetensors", EDIT_REWARD_HEADS),
}
