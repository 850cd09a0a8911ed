"""Adapters that peft wrote: matrices by path, of different ranks put on as one, and what is refused."""

from __future__ import annotations

import json

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from torch import nn

from editmetrics.mllm.backbone import Backbone
from editmetrics.mllm.lora import LoraError, adapters, using
from editmetrics.mllm.peft_folders import LowRank, put_low_rank, put_peft_folder, read_peft_folder, split_fused


def test_the_matrices_are_what_peft_adds(tmp_path):
    layer = nn.Linear(6, 9)
    model = nn.ModuleDict({"layer": layer})
    wrapped = get_peft_model(model, LoraConfig(r=3, lora_alpha=6, target_modules=["layer"], init_lora_weights=False))
    wrapped.save_pretrained(tmp_path)
    added = wrapped.base_model.model["layer"].get_delta_weight("default").detach()
    (path,) = read_peft_folder(tmp_path)
    down, up = read_peft_folder(tmp_path)[path]
    assert path == "layer"
    torch.testing.assert_close(up @ down, added)
    parts = split_fused(LowRank(down, up), 3)
    torch.testing.assert_close(torch.cat([part.up @ part.down for part in parts]), added)


@torch.no_grad()
def test_adapters_of_different_ranks_work_as_one(folders):
    backbone = Backbone.load(folders["internvl"], device="cpu")
    paths = ["model.language_model.layers.0.mlp.up_proj", "model.vision_tower.encoder.layer.1.attention.q_proj"]
    layers = [backbone.model.get_submodule(path) for path in paths]
    rng = torch.Generator().manual_seed(0)
    matrices = {
        path: LowRank(
            torch.randn(rank, layer.in_features, generator=rng), torch.randn(layer.out_features, rank, generator=rng)
        )
        for path, layer, rank in zip(paths, layers, (2, 5), strict=True)
    }
    inputs = [torch.randn(3, layer.in_features, generator=rng) for layer in layers]
    plain = [layer(given) for layer, given in zip(layers, inputs, strict=True)]
    put_low_rank(backbone, "both", matrices, "here")
    for path, given, before in zip(paths, inputs, plain, strict=True):
        down, up = matrices[path]
        layer = backbone.model.get_submodule(path)
        torch.testing.assert_close(layer(given), before)  # not at work yet
        with using(backbone, "both"):
            torch.testing.assert_close(layer(given), before + given @ down.T @ up.T, atol=1e-4, rtol=1e-4)
    with pytest.raises(LoraError, match=r"here .*nowhere"):
        put_low_rank(backbone, "other", {**matrices, "model.nowhere": matrices[paths[0]]}, "here")
    assert adapters(backbone) == ["both"]


@pytest.mark.parametrize("what", ["half", "stranger", "rank", "kind", "bias", "empty", "damaged"])
def test_what_is_wrong_with_a_folder_is_named(tmp_path, what):
    model = nn.ModuleDict({"layer": nn.Linear(6, 9)})
    get_peft_model(model, LoraConfig(r=3, target_modules=["layer"])).save_pretrained(tmp_path)
    weights, config = tmp_path / "adapter_model.safetensors", tmp_path / "adapter_config.json"
    tensors, said = load_file(weights), json.loads(config.read_text())
    lost = "base_model.model.layer.lora_B.weight"
    expected = {
        "half": f"lacks {lost}", "stranger": "has odd.weight", "rank": "config.json says rank 4",
        "kind": "adapter of type IA3", "bias": "bias all", "empty": "holds no tensor", "damaged": "cannot be read",
    }[what]  # fmt: skip
    if what == "half":
        del tensors[lost]
    elif what == "stranger":
        tensors["odd.weight"] = torch.zeros(1)
    elif what == "empty":
        tensors = {}
    said |= {"rank": {"r": 4}, "kind": {"peft_type": "IA3"}, "bias": {"bias": "all"}}.get(what, {})
    save_file(tensors, weights)
    config.write_text(json.dumps(said))
    if what == "damaged":
        weights.write_bytes(weights.read_bytes()[:-5])
    with pytest.raises(LoraError, match=expected):
        read_peft_folder(tmp_path)


def adapter_of(folder, layers):
    """A peft folder with matrices for layers by name, from a whole Qwen2.5-VL of older transformers."""
    generator = torch.Generator().manual_seed(0)
    tensors = {
        f"base_model.model.{path}.lora_{half}.weight": torch.randn(shape, generator=generator)
        for path, (inputs, outputs) in layers.items()
        for half, shape in (("A", (2, inputs)), ("B", (outputs, 2)))
    }
    folder.mkdir(exist_ok=True)
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": [path.split(".")[-1] for path in layers]}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def test_an_adapter_on_both_parts_by_older_names_is_put_on_both(folders, tmp_path):
    backbone = Backbone.load(folders["qwen2_5_vl"], device="cpu", own=True)
    layers = {"model.layers.1.mlp.up_proj": (64, 128), "visual.blocks.0.attn.qkv": (64, 192)}
    put_peft_folder(backbone, "both", adapter_of(tmp_path, layers))
    matrices = read_peft_folder(tmp_path)
    names = {"model.language_model.layers.1.mlp.up_proj", "model.visual.blocks.0.attn.qkv"}
    with using(backbone, "both"), torch.no_grad():
        for path, older in zip(sorted(names), layers, strict=True):
            layer = backbone.model.get_submodule(path)
            given = torch.ones(1, 64)
            added = given @ matrices[older].down.T @ matrices[older].up.T
            torch.testing.assert_close(layer(given), layer.base_layer(given) + added, rtol=0, atol=1e-4)


def test_an_adapter_of_a_vision_tower_that_is_not_there_is_refused(folders, tmp_path):
    """It would be ignored where only the language model is looked for."""
    backbone = Backbone.load(folders["qwen2_5_vl"], device="cpu", own=True)
    layers = {"model.layers.1.mlp.up_proj": (64, 128), "visual.blocks.7.attn.qkv": (64, 192)}
    with pytest.raises(LoraError, match=r"another backbone than .*: it has .*model\.visual\.blocks\.7\.attn\.qkv"):
        put_peft_folder(backbone, "other", adapter_of(tmp_path, layers))
    assert adapters(backbone) == []
