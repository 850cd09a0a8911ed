"""Loading: what cannot be used is refused with a reason, before it costs anything; what is in memory is shared."""

from __future__ import annotations

import gc
import json
import shutil
import threading
import weakref
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from editmetrics.machine import DeviceError
from editmetrics.mllm import into_memory, loading
from editmetrics.mllm.backbone import Backbone, BackboneError
from editmetrics.sample import UnavailableError
from editmetrics.testing import tiny_backbone
from tests.hub.server import COMMIT, Hub, Repository


@pytest.fixture
def folder(folders, tmp_path):
    """A copy of a tiny backbone, to be damaged."""
    return Path(shutil.copytree(folders["qwen3_vl"], tmp_path / "backbone"))


def change(file, **fields):
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


def refused(model, match, **options):
    with pytest.raises(BackboneError, match=match):
        Backbone.load(model, device="cpu", **options)


# ---------------------------------------------------------------------- what is refused


def test_a_folder_that_is_not_there(tmp_path):
    refused(tmp_path / "nowhere", r"nowhere is neither a folder nor a hub id such as")
    refused("./nowhere", "./nowhere is neither a folder nor a hub id")


def test_a_folder_without_a_model(tmp_path):
    refused(tmp_path, "not a vision-language model: it has no config.json")


def test_a_model_that_sees_nothing(folder):
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    refused(folder, r"not a vision-language model: its model_type is 'bert'; expected one of internvl, qwen2_5_vl")


def test_a_family_that_is_not_known(folder):
    change(folder / "config.json", model_type="mllama")
    refused(folder, r"of the family 'mllama', which is not supported; the families are internvl, qwen2_5_vl, qwen3_vl")


def test_code_of_its_own(folder):
    change(folder / "config.json", model_type="internvl_chat", auto_map={"AutoConfig": "configuration.Config"})
    refused(folder, r"runs code of its own .*auto_map.* refused; take the version .*-hf")


def test_a_quantised_model(folder):
    change(folder / "config.json", quantization_config={"quant_method": "awq", "bits": 4})
    refused(folder, r"is quantised \(quantization_config\), which is not supported; take the original")


def test_a_broken_configuration(folder):
    (folder / "config.json").write_text("{")
    refused(folder, r"config\.json cannot be read: Expecting")
    (folder / "config.json").write_text("[]")
    refused(folder, r"config\.json holds a list; expected an object")


def test_an_adapter_in_the_place_of_a_backbone(folder):
    (folder / "adapter_config.json").write_text("{}")
    refused(folder, "holds an adapter; name the backbone that it was trained on")


def test_pickled_weights(folder):
    (folder / "model.safetensors").unlink()
    refused(folder, r"has no weights: expected model\.safetensors")
    (folder / "pytorch_model.bin").write_bytes(b"")
    refused(folder, r"has its weights in pytorch_model\.bin, a pickle, which can run code; expected safetensors")


def test_an_index_that_leads_out_of_the_folder_or_to_nothing(folder):
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../model.safetensors"}}))
    refused(folder, r"names '\.\./model\.safetensors'; expected files of its own folder")
    index.write_text(json.dumps({"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}))
    refused(folder, r"is incomplete: model-2\.safetensors is missing; fetch it again")


@pytest.mark.parametrize("size", [0, 100, 200_000])
def test_weights_that_end_early(folder, size):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:size])
    refused(folder, r"model\.safetensors is damaged or not a safetensors file")


def test_weights_that_are_missing_are_not_drawn_at_random(folder):
    file = folder / "model.safetensors"
    tensors = load_file(file)
    del tensors["model.visual.blocks.1.mlp.linear_fc2.weight"]
    save_file(tensors, file, {"format": "pt"})
    refused(folder, r"lacks 1 weights of its architecture, such as model\.visual\.blocks\.1\.mlp\.linear_fc2\.weight")


def test_weights_of_another_size(folder):
    change(folder / "config.json", text_config={**json.loads((folder / "config.json").read_text())["text_config"],
                                                "intermediate_size": 96})  # fmt: skip
    refused(folder, "cannot be loaded: .*size")


def test_a_processor_that_is_missing_or_of_another_model(folder, folders):
    change(folder / "config.json", image_token_id=5)
    refused(folder, r"two image tokens: its processor's is \d+, its model's 5")
    shutil.copy(folders["qwen3_vl"] / "config.json", folder)
    (folder / "chat_template.jinja").unlink()
    refused(folder, r"has no chat template; expected chat_template\.jinja")
    for file in folder.glob("*processor*"):
        file.unlink()
    refused(folder, "cannot be loaded|no processor for images")


def test_too_little_memory_is_seen_before_the_weights_are_read(folder, monkeypatch):
    parameters = sum(tensor.numel() for tensor in load_file(folder / "model.safetensors").values())
    monkeypatch.setattr(into_memory, "free_memory", lambda device: parameters * 4 - 1)
    monkeypatch.setattr("transformers.AutoModelForImageTextToText.from_pretrained", pytest.fail)
    refused(folder, r"backbone takes 0\.0 GB in float32, and 0\.0 GB are free on cpu; use a smaller")
    monkeypatch.undo()
    monkeypatch.setattr(into_memory, "free_memory", lambda device: parameters * 4)
    Backbone.load(folder, device="cpu")


def test_gigabytes_are_said(monkeypatch):
    monkeypatch.setattr(into_memory, "free_memory", lambda device: 15_900_000_000)
    with pytest.raises(BackboneError, match=r"big takes 16\.4 GB in bfloat16, and 15\.9 GB are free on cuda:1"):
        into_memory.check_memory("big", 16_400_000_000, torch.device("cuda:1"), torch.bfloat16)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"dtype": "int8"}, "invalid dtype 'int8'; expected bfloat16, float16 or float32"),
        ({"dtype": torch.int8}, "invalid dtype torch.int8"),
        ({"attention": "no_such_kernel"}, "cannot be loaded: .*no_such_kernel"),
        ({"revision": "main"}, "revision='main' is for models of the hub"),
    ],
)
def test_options_that_make_no_sense(folder, options, match):
    refused(folder, match, **options)


def test_a_device_that_is_not_there(folder):
    with pytest.raises(DeviceError, match="device is 'gpu0'; expected cpu, cuda"):
        Backbone.load(folder, device="gpu0")
    with pytest.raises(UnavailableError, match="cuda:99"):
        Backbone.load(folder, device="cuda:99")


# ---------------------------------------------------------------------- what is shared


def test_one_backbone_in_memory_serves_all_who_ask_for_it(folder):
    one = Backbone.load(folder, device="cpu")
    assert Backbone.load(str(folder), None, "cpu", "float32", "sdpa") is one
    assert Backbone.load(folder, device="cpu", dtype="bfloat16") is not one
    budget = Backbone.load(folder, device="cpu", image_tokens=30)
    assert budget is not one
    assert budget.model is one.model
    gone = weakref.ref(one.model)
    del one, budget
    gc.collect()
    assert gone() is None  # nobody holds it: the memory is free
    assert Backbone.load(folder, device="cpu").num_layers == 4


def test_a_backbone_of_ones_own_is_nobody_elses(folder):
    shared = Backbone.load(folder, device="cpu")
    own = Backbone.load(folder, device="cpu", own=True)
    assert own is not shared
    assert own.identity() == shared.identity()
    with torch.no_grad():
        for parameter in own.model.parameters():
            parameter.zero_()
    assert any(parameter.any() for parameter in shared.model.parameters())
    assert Backbone.load(folder, device="cpu") is shared


def test_threads_that_ask_at_once_get_one(folder):
    loads, start = [], threading.Barrier(4)

    def load():
        start.wait()
        loads.append(Backbone.load(folder, device="cpu"))

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(backbone) for backbone in loads}) == 1


# ---------------------------------------------------------------------- what it is known by


def test_a_folder_is_known_by_what_is_in_it_and_not_by_where_it_is(folder, tmp_path):
    identity = Backbone.load(folder, device="cpu").identity()
    assert json.loads(json.dumps(identity)) == identity
    assert len(identity["sha256"]) == 64
    assert str(tmp_path) not in json.dumps(identity)
    moved = Path(shutil.copytree(folder, tmp_path / "elsewhere" / folder.name))
    (moved / "README.md").write_text("no part of it")
    assert Backbone.load(moved, device="cpu").identity() == identity
    tokenizer = moved / "tokenizer_config.json"
    change(tokenizer, model_max_length=17)
    gc.collect()
    assert loading.folder_digest(moved) != identity["sha256"]


@pytest.mark.parametrize("option", [{"dtype": "bfloat16"}, {"image_tokens": 30}, {"attention": "eager"}])
def test_whatever_bears_on_a_number_is_in_the_identity(folder, option):
    plain, changed = (Backbone.load(folder, device="cpu", **more).identity() for more in ({}, option))
    (name,) = option
    assert changed[name] == option[name] != plain[name]


# ---------------------------------------------------------------------- the hub


@pytest.fixture
def hub(folders, tmp_path, monkeypatch):
    """A hub with one repository, `lab/tiny`, whose branch `main` is at `COMMIT`."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    for variable in ("EDITMETRICS_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    with Hub().running() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        hub.repositories["lab/tiny"] = Repository(
            {file.name: file.read_bytes() for file in folders["internvl"].iterdir()}
        )
        yield hub


def fetched(hub):
    return [one.path.partition("?")[0].rpartition("/")[2] for one in hub.downloads()]


def test_a_hub_id_is_fetched_once_and_known_by_its_commit(hub, monkeypatch):
    backbone = Backbone.load("lab/tiny", device="cpu")
    identity = backbone.identity()
    said = backbone.description()
    assert (said["model"], said["revision"]) == ("lab/tiny", COMMIT)
    assert not {"model", "revision"} & identity.keys()
    assert backbone.loaded.source == "lab/tiny"
    before = fetched(hub)
    assert before[-1] == "model.safetensors"  # after all that can be checked without it
    del backbone
    gc.collect()
    monkeypatch.setenv("EDITMETRICS_OFFLINE", "1")
    assert Backbone.load("lab/tiny", device="cpu").identity() == identity
    assert Backbone.load("lab/tiny", revision=COMMIT, device="cpu").identity() == identity
    assert fetched(hub) == before


def test_weights_that_cannot_be_used_are_not_fetched(hub):
    config = {"model_type": "internvl_chat", "auto_map": {"AutoConfig": "a.B"}}
    hub.repositories["lab/tiny"].files["config.json"] = json.dumps(config).encode()
    refused("lab/tiny", "lab/tiny runs code of its own")
    assert "model.safetensors" not in fetched(hub)


def test_a_hub_id_that_is_not_there(hub):
    refused("lab/nothing", r"the repository does not exist.* Or on a machine with network `hf download lab/nothing`")
    refused("lab/tiny", "lab/tiny cannot be downloaded", revision="no-such-branch")


def test_a_hub_id_where_the_network_is_forbidden(hub, monkeypatch):
    monkeypatch.setenv("EDITMETRICS_OFFLINE", "1")
    refused("lab/tiny", r"lab/tiny is not on this machine, and EDITMETRICS_OFFLINE=1 forbids the network; on a machine")
    assert not fetched(hub)


def test_a_hub_id_without_a_network(hub, monkeypatch):
    hub.stop()
    refused("lab/tiny", "lab/tiny cannot be downloaded: .*give the path of a folder that has it")


def test_a_tiny_backbone_may_have_other_sizes(tmp_path):
    folder = tiny_backbone("internvl", tmp_path, hidden=32, layers=2, heads=2, key_value_heads=1, image=32, context=512)
    backbone = Backbone.load(folder, device="cpu")
    assert (backbone.hidden_size, backbone.num_layers, backbone.context) == (32, 2, 512)
