"""LoRA on each family: where it goes, that it is the formula, what learns, and that adapters do not meddle."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.utils._python_dispatch import TorchDispatchMode

from editmetrics.mllm.backbone import IMAGE, Backbone
from editmetrics.mllm.layers import first_layers
from editmetrics.mllm.lora import (
    LoraError,
    adapters,
    adapts_vision,
    add_lora,
    load_lora,
    remove_lora,
    save_lora,
    trainable,
    using,
)


@pytest.fixture
def backbone(family, folders, tmp_path):
    """A backbone of its own for each test: adapters would stay on a shared one."""
    folder = shutil.copytree(folders[family], tmp_path / "backbone")
    return Backbone.load(folder, device="cpu")


@pytest.fixture
def one_backbone(folders, tmp_path):
    """Where the family does not matter."""
    return Backbone.load(shutil.copytree(folders["internvl"], tmp_path / "backbone"), device="cpu")


def prompt_of(backbone):
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(2)]
    return backbone.prompt(
        [("user", [IMAGE, IMAGE, "How good is the edit?"])], [backbone.see(i, among=2) for i in images]
    )


def hidden(backbone, prompt):
    with torch.no_grad():
        return backbone.forward([prompt]).hidden


def shake(backbone, name, seed=0):
    """Let the adapter do something: B is 0 at first."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, parameter in backbone.model.named_parameters():
            if key.endswith(f"lora_B.{name}.weight"):
                parameter.copy_(0.1 * torch.randn(parameter.shape, generator=random))


def test_each_part_gets_its_linear_layers_and_no_others(backbone):
    add_lora(backbone, "language", parts={"language"}, rank=2)
    add_lora(backbone, "vision", parts={"vision"}, rank=2)
    layers = {
        name: {key.split(".lora_A")[0] for key, _ in backbone.model.named_parameters() if f"lora_A.{name}." in key}
        for name in ("language", "vision")
    }
    language = dict(backbone.language.named_modules(prefix=backbone.family.language))
    vision = dict(backbone.vision.named_modules(prefix=backbone.family.vision))
    projector = {id(module) for module in backbone.projector.modules()}
    assert len(layers["language"]) == 7 * backbone.num_layers  # q, k, v, o, gate, up, down
    assert layers["language"] <= language.keys()
    assert layers["vision"] <= vision.keys()
    for name in layers["vision"]:
        assert id(vision[name]) not in projector
    blocks = {name for name in vision if name.split(".")[-1].isdigit()}
    in_blocks = {
        name for name, module in vision.items()
        if hasattr(module, "base_layer") or isinstance(module, torch.nn.Linear)
        if any(name.startswith(f"{block}.") for block in blocks) and "lora_" not in name and "base_layer" not in name
        if id(module) not in projector and "merger" not in name
    }  # fmt: skip
    assert layers["vision"] == in_blocks  # every linear layer of every block of the tower


def test_a_new_adapter_changes_nothing(backbone):
    prompt = prompt_of(backbone)
    raw = hidden(backbone, prompt)
    add_lora(backbone, "a", parts={"vision", "language"})
    with using(backbone, "a"):
        assert torch.equal(hidden(backbone, prompt), raw)


def test_an_adapter_is_the_formula(backbone):
    """W + (alpha / rank) B A put into the weights of the raw model gives the same hidden states."""
    prompt = prompt_of(backbone)
    add_lora(backbone, "a", parts={"vision", "language"}, rank=3, alpha=12)
    shake(backbone, "a")
    with using(backbone, "a"):
        adapted = hidden(backbone, prompt)
    raw = hidden(backbone, prompt)
    with torch.no_grad():
        for module in backbone.model.modules():
            if hasattr(module, "base_layer"):
                module.base_layer.weight += 12 / 3 * module.lora_B["a"].weight @ module.lora_A["a"].weight
    merged = hidden(backbone, prompt)
    assert (adapted - raw).abs().max() > 0.1
    # float32, the same products in another order; hidden states are of the order of 1
    torch.testing.assert_close(merged, adapted, atol=2e-4, rtol=2e-4)


def test_swapping_disabling_nesting_and_removing(backbone):
    prompt = prompt_of(backbone)
    raw = hidden(backbone, prompt)
    add_lora(backbone, "a", parts={"language"})
    add_lora(backbone, "both", parts={"vision", "language"}, rank=4)
    shake(backbone, "a", 1)
    shake(backbone, "both", 2)
    assert torch.equal(hidden(backbone, prompt), raw)  # none is at work outside of `using`
    with using(backbone, "a"):
        with_a = hidden(backbone, prompt)
        with using(backbone, "both"):
            with_both = hidden(backbone, prompt)
        with using(backbone, None):
            assert torch.equal(hidden(backbone, prompt), raw)
        assert torch.equal(hidden(backbone, prompt), with_a)
    assert torch.equal(hidden(backbone, prompt), raw)
    assert min((with_a - raw).abs().max(), (with_both - raw).abs().max(), (with_a - with_both).abs().max()) > 0.05
    remove_lora(backbone, "a")
    assert adapters(backbone) == ["both"]
    with using(backbone, "both"):
        assert torch.equal(hidden(backbone, prompt), with_both)
    assert torch.equal(hidden(backbone, prompt), raw)


def test_using_is_left_by_an_error_as_it_was_found(one_backbone):
    add_lora(one_backbone, "a")
    shake(one_backbone, "a")
    prompt = prompt_of(one_backbone)
    raw = hidden(one_backbone, prompt)
    with pytest.raises(ZeroDivisionError), using(one_backbone, "a"):
        _ = 1 / 0
    assert torch.equal(hidden(one_backbone, prompt), raw)


def test_gradients_flow_to_the_chosen_adapter_alone(backbone):
    add_lora(backbone, "a", parts={"vision", "language"})
    add_lora(backbone, "b", parts={"language"})
    for name in ("a", "b"):
        shake(backbone, name)  # with B = 0, A has no gradient
    chosen = trainable(backbone, "a")
    assert {id(p) for p in backbone.model.parameters() if p.requires_grad} == {id(p) for p in chosen}
    with using(backbone, "b"), using(backbone, "a"):
        backbone.forward([prompt_of(backbone)]).hidden.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in chosen)
    assert sum(p.grad is not None for p in backbone.model.parameters()) == len(chosen)
    with using(backbone, "b"):  # scoring with another adapter in between neither thaws that one nor stops training
        assert {id(p) for p in backbone.model.parameters() if p.requires_grad} == {id(p) for p in chosen}
    with torch.no_grad():
        at_work = backbone.forward([prompt_of(backbone)]).hidden
        with using(backbone, "a"):
            assert torch.equal(backbone.forward([prompt_of(backbone)]).hidden, at_work)


def test_which_adapters_change_the_vision_tower(backbone):
    add_lora(backbone, "language", parts={"language"})
    add_lora(backbone, "vision", parts={"vision"})
    assert [adapts_vision(backbone, name) for name in (None, "language", "vision")] == [False, False, True]


def test_an_adapter_comes_back_the_same_and_on_peft_too(backbone, family, folders, tmp_path):
    prompt = prompt_of(backbone)
    add_lora(backbone, "a", parts={"vision", "language"}, rank=4, alpha=8, dropout=0.1)
    shake(backbone, "a")
    with using(backbone, "a"):
        expected = hidden(backbone, prompt)
    save_lora(backbone, "a", tmp_path / "adapter")
    assert sorted(file.name for file in (tmp_path / "adapter").iterdir()) == [
        "adapter_config.json", "adapter_model.safetensors",
    ]  # fmt: skip
    load_lora(backbone, "other.name".replace(".", "_"), tmp_path / "adapter")
    with using(backbone, "other_name"):
        assert not any(p.requires_grad for p in backbone.model.parameters())
        assert torch.equal(hidden(backbone, prompt), expected)
    assert not any(p.requires_grad for p in backbone.model.parameters())

    from peft import PeftModel
    from transformers import AutoModelForImageTextToText

    model = AutoModelForImageTextToText.from_pretrained(folders[family])
    PeftModel.from_pretrained(model, tmp_path / "adapter").eval()
    fresh = Backbone(type(backbone.loaded)(model, backbone.processor, "fresh", "fresh", {}))
    torch.testing.assert_close(hidden(fresh, prompt), expected, atol=1e-5, rtol=1e-5)  # the same sums


def test_the_matrices_are_float32_on_a_bfloat16_backbone(folders, tmp_path):
    folder = shutil.copytree(folders["qwen3_vl"], tmp_path / "backbone")
    backbone = Backbone.load(folder, device="cpu", dtype="bfloat16")
    add_lora(backbone, "a")
    assert {p.dtype for p in trainable(backbone, "a")} == {torch.float32}
    with using(backbone, "a"):
        assert hidden(backbone, prompt_of(backbone)).dtype == torch.bfloat16


class Multiplied(TorchDispatchMode):
    """The dtypes of all matrix products."""

    def __init__(self):
        super().__init__()
        self.dtypes = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket in (torch.ops.aten.mm, torch.ops.aten.addmm, torch.ops.aten.bmm):
            self.dtypes |= {arg.dtype for arg in args if isinstance(arg, torch.Tensor)}
        return func(*args, **(kwargs or {}))


def test_loaded_adapters_score_in_the_backbones_dtype_side_by_side(folders, tmp_path):
    """Two adapters in turns, against each alone on a float32 backbone; bfloat16 has 8 bits."""
    folder = shutil.copytree(folders["internvl"], tmp_path / "backbone")
    exact = Backbone.load(folder, device="cpu")
    backbone = Backbone.load(folder, device="cpu", dtype="bfloat16")
    prompt, expected = prompt_of(exact), {}
    raw = hidden(exact, prompt)
    for seed, name in enumerate("ab"):
        add_lora(exact, name, parts={"vision", "language"}, seed=seed, dropout=0.0)
        shake(exact, name, seed)
        save_lora(exact, name, tmp_path / name)
        load_lora(backbone, name, tmp_path / name)
        with using(exact, name):
            expected[name] = hidden(exact, prompt)
        load_lora(backbone, f"{name}_trained", tmp_path / name, torch.float32)
    for name in "abab":
        with using(backbone, name), Multiplied() as multiplied:
            difference = (hidden(backbone, prompt).float() - expected[name]).norm()
        assert multiplied.dtypes == {torch.bfloat16}
        assert difference < 0.05 * (expected[name] - raw).norm()
    with using(backbone, "a_trained"), Multiplied() as multiplied:
        hidden(backbone, prompt)
    assert torch.float32 in multiplied.dtypes
    assert {p.dtype for p in trainable(backbone, "a_trained")} == {torch.float32}


def test_layers_are_listed_once_and_anew_when_adapters_come_and_go(one_backbone, monkeypatch):
    add_lora(one_backbone, "a")
    shake(one_backbone, "a")
    prompt = prompt_of(one_backbone)
    with using(one_backbone, "a"):
        adapted = hidden(one_backbone, prompt)
    walked = []
    modules = type(one_backbone.model).modules
    monkeypatch.setattr(type(one_backbone.model), "modules", lambda self: walked.append(self) or modules(self))
    with first_layers(one_backbone, 1), using(one_backbone, "a"), using(one_backbone, None):
        pass
    with using(one_backbone, "a"):
        assert torch.equal(hidden(one_backbone, prompt), adapted)
    assert not walked
    add_lora(one_backbone, "b", parts={"vision"})
    remove_lora(one_backbone, "a")
    with using(one_backbone, "b"):
        assert sum("b" in layer.active_adapters for layer in one_backbone.loaded.lora_layers) > 0


def test_the_seed_decides_the_matrices_and_leaves_the_global_state_alone(one_backbone):
    before = torch.random.get_rng_state()
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        add_lora(one_backbone, name, seed=seed)
    a, b, c = ([p for p in trainable(one_backbone, name) if p.abs().sum() > 0] for name in "abc")
    assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
    assert not any(torch.equal(x, y) for x, y in zip(a, c, strict=True))
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"parts": {"langauge"}}, "unknown part langauge"),
        ({"parts": set()}, "adapts no part"),
        ({"rank": 0}, "rank 0"),
        ({"alpha": 0}, "alpha 0"),
        ({"dropout": 1.0}, "dropout 1"),
        ({"name": "a.b"}, "without a dot"),
        ({"name": "there"}, "this backbone already has an adapter 'there'"),
    ],
)
def test_what_cannot_be_added_is_refused(one_backbone, settings, message):
    add_lora(one_backbone, "there")
    with pytest.raises(LoraError, match=message):
        add_lora(one_backbone, settings.pop("name", "new"), **settings)
    assert adapters(one_backbone) == ["there"]


def test_an_adapter_that_is_not_there_is_named(one_backbone):
    add_lora(one_backbone, "a")
    for action in (remove_lora, trainable, adapts_vision):
        with pytest.raises(LoraError, match="does not have an adapter 'b'; it has a"):
            action(one_backbone, "b")
    with pytest.raises(LoraError, match="does not have an adapter 'b'"), using(one_backbone, "b"):
        pass


def drop_a_tensor(folder):
    tensors = load_file(folder / "adapter_model.safetensors")
    tensors.pop(sorted(tensors)[0])
    save_file(tensors, folder / "adapter_model.safetensors")


def change_a_shape(folder):
    tensors = load_file(folder / "adapter_model.safetensors")
    name = sorted(tensors)[0]
    save_file({**tensors, name: tensors[name][:, :5].contiguous()}, folder / "adapter_model.safetensors")


def cut_the_file(folder):
    file = folder / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:100])


def change_the_config(**changes):
    def change(folder):
        file = folder / "adapter_config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))

    return change


def change_a_number(value):
    def change(folder):
        file = folder / "adapter_model.safetensors"
        tensors = load_file(file)
        tensors[next(key for key in sorted(tensors) if "lora_A" in key)][0, 0] = value
        save_file(tensors, file)

    return change


@pytest.mark.parametrize("targets", ["(a+)+$", "(.*)*x", "nothing", ["q_proj", "v_proj"], None, {"a": 1}])
def test_a_pattern_of_a_file_is_never_run(one_backbone, tmp_path, targets):
    """One that takes for ever, or says something else: the matrices say which layers they are for."""
    add_lora(one_backbone, "a", rank=2)
    shake(one_backbone, "a")
    save_lora(one_backbone, "a", tmp_path / "adapter")
    change_the_config(target_modules=targets)(tmp_path / "adapter")
    load_lora(one_backbone, "b", tmp_path / "adapter")
    prompt = prompt_of(one_backbone)
    found = []
    for name in ("a", "b"):
        with using(one_backbone, name):
            found.append(hidden(one_backbone, prompt))
    assert torch.equal(*found)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (drop_a_tensor, "for another backbone than internvl: it lacks base_model.model.model.language_model"),
        (change_a_shape, r"lora_A.weight is \(16, 5\), expected \(16, "),
        (cut_the_file, "cannot be read"),
        (lambda folder: (folder / "adapter_config.json").unlink(), "is not the configuration of an adapter"),
        (change_the_config(peft_type="IA3"), "of type IA3, bias none; expected LORA"),
        (change_the_config(r="many"), "r is 'many'; expected an integer from 1 to"),
        (change_the_config(r=True), "r is True; expected an integer"),
        (change_the_config(r=10**9), "r is 1000000000; expected an integer"),
        (change_the_config(r=8), r"lora_A.weight is \(16, \d+\), and adapter_config.json says rank 8"),
        (
            change_the_config(lora_alpha=float("nan")),
            "lora_alpha is nan; expected more than 0, and at most 1000 times r",
        ),
        (change_the_config(lora_alpha=1e30), r"lora_alpha is 1e\+30"),
        (change_the_config(lora_alpha=float("inf")), "lora_alpha is inf"),
        (change_the_config(lora_alpha=-1), "lora_alpha is -1"),
        (change_the_config(lora_dropout=float("nan")), "lora_dropout is nan"),
        (change_the_config(use_rslora=True), "sets use_rslora, which is not supported"),
        (
            lambda folder: (folder / "adapter_config.json").write_text("[" * 100_000),
            "not the configuration of an adapter",
        ),
        (lambda folder: (folder / "adapter_config.json").write_text("[]"), "not the configuration of an adapter"),
        (change_a_number(float("nan")), r"its tensor .*lora_A.weight holds NaN or an infinite number"),
        (change_a_number(float("-inf")), r"its tensor .*lora_A.weight holds NaN or an infinite number"),
    ],
)
def test_a_damaged_adapter_is_refused_and_leaves_nothing_behind(one_backbone, tmp_path, damage, message):
    add_lora(one_backbone, "a")
    save_lora(one_backbone, "a", tmp_path / "adapter")
    damage(tmp_path / "adapter")
    with pytest.raises(LoraError, match=message):
        load_lora(one_backbone, "b", tmp_path / "adapter")
    assert adapters(one_backbone) == ["a"]
    with using(one_backbone, "a"):
        hidden(one_backbone, prompt_of(one_backbone))


def test_an_adapter_of_another_family_is_refused(folders, tmp_path):
    internvl, qwen = (Backbone.load(shutil.copytree(folders[name], tmp_path / name), device="cpu")
                      for name in ("internvl", "qwen3_vl"))  # fmt: skip
    add_lora(internvl, "a", parts={"vision"})
    save_lora(internvl, "a", tmp_path / "adapter")
    with pytest.raises(LoraError, match="fits no layer of qwen3_vl"):
        load_lora(qwen, "a", tmp_path / "adapter")
    assert adapters(qwen) == []
