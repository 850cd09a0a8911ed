"""Models of several files: what is missing, cut off, mixed up or damaged is an error that names the file."""

from __future__ import annotations

import json
import re
import shutil
import time
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText

from editmetrics.file_hashes import sha256
from editmetrics.mllm.backbone import Backbone, BackboneError
from editmetrics.mllm.checkpoint_writing import CheckpointContents, write_checkpoint
from editmetrics.mllm.heads import RegressionHead
from editmetrics.mllm.shards import ShardWriter
from editmetrics.plugins.lmm4lmm import convert as conversion
from editmetrics.plugins.lmm4lmm import native_layout
from editmetrics.plugins.lmm4lmm.chat_layout import ConversionError
from editmetrics.plugins.lmm4lmm.metric import LMM4LMM
from tests.mllm.image_statistics import ImageStatistics
from tests.plugins.lmm4lmm.chat_layout import random_model, write

INDEX = "model.safetensors.index.json"


@pytest.fixture(scope="module")
def sharded(folders, tmp_path_factory):
    """As transformers writes a model in several files."""
    folder = Path(shutil.copytree(folders["internvl"], tmp_path_factory.mktemp("sharded") / "model"))
    model = AutoModelForImageTextToText.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="400KB")
    assert len(shards_of(folder)) > 2
    return folder


@pytest.fixture(scope="module")
def published(folders, tmp_path_factory):
    vocabulary = len(Backbone.load(folders["internvl"], device="cpu").tokenizer)
    folder = tmp_path_factory.mktemp("published")
    write(folder, *random_model(vocabulary))
    return folder


@pytest.fixture
def to_native(folders):
    return partial(conversion.convert, metric=LMM4LMM, part="perception", processor=str(folders["internvl"]))


def shards_of(folder):
    return sorted(folder.glob("model-*.safetensors"))


def change_index(folder, change):
    index = json.loads((folder / INDEX).read_text())
    change(index["weight_map"])
    (folder / INDEX).write_text(json.dumps(index))


def remove(folder, shard):
    shard.unlink()
    return f"{shard.name} is missing; fetch it again"


def cut_off(folder, shard):
    shard.write_bytes(shard.read_bytes()[:-1])
    return f"{shard.name} is damaged or not a safetensors file .*; fetch it again"


def promise_more(folder, shard):
    change_index(folder, lambda listed: listed.update({"model.none.weight": shard.name}))
    return rf"{shard.name} lacks model\.none\.weight, which {INDEX} says it has \(1 such .*fetch both again"


def take_another_one(folder, shard):
    """A shard of the same name, of another model."""
    tensors = load_file(shard)
    lost = sorted(tensors)[0]
    save_file({**{n: t for n, t in tensors.items() if n != lost}, "other": tensors[lost]}, shard, {"format": "pt"})
    return rf"{shard.name} lacks {re.escape(lost)}, which {INDEX} says it has"


def damage(folder, shard):
    """One number is another, with what the hub's client notes beside the files that it downloads."""
    notes = folder / ".cache" / "huggingface" / "download"
    notes.mkdir(parents=True)
    for each in shards_of(folder):
        stated = sha256(each)
        (notes / f"{each.name}.metadata").write_text(f"{'0' * 40}\n{stated}\n{time.time() + 60}\n")
    content = bytearray(shard.read_bytes())
    content[-3] ^= 1
    shard.write_bytes(content)
    return (
        rf"{shard.name} is damaged: its sha256 is \w+\.\.\., and the hub stated \w+\.\.\.; delete it and fetch it again"
    )


@pytest.mark.parametrize("fault", [remove, cut_off, promise_more, take_another_one, damage])
def test_a_fault_of_a_shard_names_it_and_what_to_do(sharded, published, to_native, tmp_path, fault):
    folder = Path(shutil.copytree(sharded, tmp_path / "model"))
    with pytest.raises(BackboneError, match=fault(folder, shards_of(folder)[1])):
        Backbone.load(folder, device="cpu")
    folder = Path(shutil.copytree(published, tmp_path / "published"))
    with pytest.raises(ConversionError, match=fault(folder, shards_of(folder)[1])):
        to_native(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_the_hub_stated_of_a_file_that_was_written_again_later_is_ignored(sharded, tmp_path):
    folder = Path(shutil.copytree(sharded, tmp_path / "model"))
    damage(folder, shards_of(folder)[1])
    for note in folder.rglob("*.metadata"):
        commit, stated, _ = note.read_text().splitlines()
        note.write_text(f"{commit}\n{stated}\n{time.time() - 60}\n")
    Backbone.load(folder, device="cpu")  # somebody's own model


def test_shards_are_those_that_transformers_reads(sharded, tmp_path):
    """In the order given, none larger than asked for unless one tensor is, and every number as it was."""
    tensors = {name: tensor for shard in shards_of(sharded) for name, tensor in load_file(shard).items()}
    folder = tmp_path / "written"
    shutil.copytree(sharded, folder, ignore=shutil.ignore_patterns("model*"))
    writer, limit = ShardWriter(folder, size=300_000), 300_000
    for name, tensor in tensors.items():
        writer.add(name, tensor)
    writer.finish()
    for shard in shards_of(folder):
        sizes = [tensor.nbytes for tensor in load_file(shard).values()]
        assert sum(sizes) <= limit or len(sizes) == 1
    index = json.loads((folder / INDEX).read_text())
    assert index["metadata"]["total_size"] == sum(tensor.nbytes for tensor in tensors.values())
    assert {name: folder / file for name, file in index["weight_map"].items()} == {
        name: shard for shard in shards_of(folder) for name in load_file(shard)
    }
    models = [AutoModelForImageTextToText.from_pretrained(each).state_dict() for each in (sharded, folder)]
    assert models[0].keys() == models[1].keys()
    assert all(torch.equal(tensor, models[1][name]) for name, tensor in models[0].items())


# ---------------------------------------------------------------------- conversion


def test_a_conversion_in_several_shards_is_that_in_one(published, to_native, tmp_path, monkeypatch):
    """Whatever is in which file; only one shard's tensors are held."""
    whole = to_native(published, tmp_path / "whole")
    assert_ordinary(whole.folder)
    held = []

    class Small(ShardWriter):
        def flush(self):
            held.append(sum(tensor.nbytes for tensor in self._tensors.values()))
            super().flush()

    monkeypatch.setattr(native_layout, "ShardWriter", partial(Small, size=50_000))
    parts = to_native(published, tmp_path / "parts")
    states = [Backbone.load(each.folder / "backbone", device="cpu").model.state_dict() for each in (whole, parts)]
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())
    largest = max(tensor.nbytes for tensor in states[0].values())
    assert len(held) > 5
    assert max(held) <= max(50_000, largest)
    assert whole.files["heads.safetensors"] == parts.files["heads.safetensors"]
    adapter = "adapter_perception/adapter_model.safetensors"
    assert whole.files[adapter] == parts.files[adapter]


def assert_ordinary(folder):
    """Recent versions of safetensors let the owner alone read a file, and a store may be shared."""
    (folder / "ordinary").touch()
    assert len({file.stat().st_mode for file in folder.rglob("*") if file.is_file()}) == 1
    (folder / "ordinary").unlink()


def test_all_who_may_read_a_folder_may_read_a_checkpoint_in_it(tmp_path):
    head = RegressionHead(3)
    write_checkpoint(tmp_path, ImageStatistics, CheckpointContents(label_scale=(0, 1), heads={"scores": head}))
    assert_ordinary(tmp_path)


def test_a_disk_without_room_is_seen_before_anything_is_written(published, to_native, tmp_path, monkeypatch):
    size = sum(file.stat().st_size for file in published.iterdir() if file.name != INDEX)
    usage = shutil.disk_usage(tmp_path)
    for free in (size - 1, size):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage._replace(free=free))
        if free == size:
            to_native(published, tmp_path / "out")
            continue
        with pytest.raises(ConversionError, match=r"out takes 0\.0 GB, and .* has 0\.0 GB free; make room or name"):
            to_native(published, tmp_path / "out")
        assert list(tmp_path.iterdir()) == []


def test_a_number_that_is_not_finite_is_named_before_the_result_appears(published, to_native, tmp_path):
    folder = Path(shutil.copytree(published, tmp_path / "published"))
    shard = shards_of(folder)[1]
    tensors = load_file(shard)
    name = next(name for name in tensors if name.endswith("base_layer.weight"))
    tensors[name][-1, -1] = float("nan")
    save_file(tensors, shard)
    with pytest.raises(ConversionError, match=rf"{shard.name} cannot be converted: its tensor {re.escape(name)} holds"):
        to_native(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_converted_backbone_that_was_damaged_since_is_not_taken_for_done(folders, to_native, tmp_path):
    vocabulary = len(Backbone.load(folders["internvl"], device="cpu").tokenizer)
    write(tmp_path / "plain", *random_model(vocabulary, lora=False))
    backbone = partial(to_native, tmp_path / "plain", tmp_path / "out", part="backbone")
    assert backbone() == backbone() == tmp_path / "out"
    file = tmp_path / "out" / "model.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ConversionError, match=r"out was converted, .* damaged since; delete the folder and convert"):
        backbone()
    file.unlink()
    with pytest.raises(ConversionError, match=r"damaged since \(model\.safetensors is missing\); delete"):
        backbone()
