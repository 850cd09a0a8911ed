"""A model is what its files are, wherever they lie and however they came there; an identity is of what was loaded."""

from __future__ import annotations

import gc
import json
import os
import shutil
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from editmetrics import create_metric, file_hashes
from editmetrics.mllm import model_folders
from editmetrics.mllm.backbone import Backbone, BackboneError
from editmetrics.mllm.checkpoint import CheckpointError, adapters_of, read_checkpoint, require_backbone
from editmetrics.mllm.checkpoint_writing import CheckpointContents, write_checkpoint
from editmetrics.mllm.heads import RegressionHead
from editmetrics.mllm.lora import add_lora
from editmetrics.weights import folder_of
from tests.mllm.image_statistics import ImageStatistics
from tests.mllm.test_loading import COMMIT, hub  # noqa: F401 - a fixture

TOY = Path("editmetrics/plugins/hpe_lsa/toy")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("EDITMETRICS_HOME", str(tmp_path / "home"))


@pytest.fixture
def folder(folders, tmp_path):
    return Path(shutil.copytree(folders["internvl"], tmp_path / "backbone"))


def loaded(model, **more):
    gc.collect()
    return Backbone.load(model, device="cpu", **more)


def trained_on(backbone, folder):
    add_lora(backbone, "trained", rank=2)
    return write_checkpoint(
        folder,
        ImageStatistics,
        CheckpointContents(label_scale=(0, 100), backbone=backbone, adapters={"trained": "trained"}),
    )


def change_a_weight(file):
    """Another number, with the same size and times."""
    before = file.stat()
    tensors = load_file(file)
    name = sorted(tensors)[0]
    tensors[name] = tensors[name] + 1
    save_file(tensors, str(file) + ".new", {"format": "pt"})
    with file.open("r+b") as stream:  # in place, as an editor of the hub's cache would
        stream.write(Path(str(file) + ".new").read_bytes())
    os.unlink(str(file) + ".new")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


# ---------------------------------------------------------------------- where it comes from


def test_a_checkpoint_of_a_hub_id_serves_the_same_files_in_a_folder_and_the_other_way_round(hub, folder, tmp_path):  # noqa: F811
    of_hub = trained_on(loaded("lab/tiny", image_tokens=64), tmp_path / "of_hub")
    of_folder = trained_on(loaded(folder, image_tokens=64), tmp_path / "of_folder")
    assert of_hub.backbone["revision"] == COMMIT
    require_backbone(of_hub, loaded(folder, image_tokens=64))
    require_backbone(of_folder, loaded("lab/tiny", image_tokens=64))
    assert loaded(folder).identity() == loaded("lab/tiny").identity()
    change_a_weight(folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"this backbone differs: sha256 \w+ instead of \w+"):
        require_backbone(of_hub, loaded(folder, image_tokens=64))


@pytest.mark.parametrize(
    "name", ["LICENSE.txt", "README.md", "notes.json", ".gitattributes", "model.onnx", "more/x.json"]
)
def test_a_file_that_no_loader_reads_is_no_other_model(folder, name):
    before = loaded(folder).identity()
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("{}")
    assert loaded(folder).identity() == before


@pytest.mark.parametrize(
    "name", ["config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"]
)
def test_a_file_that_is_read_is_another_model(folder, name):
    before = loaded(folder).identity()["sha256"]
    file = folder / name
    file.write_text((file.read_text() if file.exists() else "{}") + " ")
    assert loaded(folder).identity()["sha256"] != before


def test_a_revision_of_a_checkpoint_is_not_asked_of_a_folder(folder):
    """hpe_lsa's toy, as if it had been trained on a hub id."""
    ck = Path(shutil.copytree(TOY, folder.parent / "ck"))
    said = json.loads((ck / "metric.json").read_text())
    said["backbone"]["revision"] = COMMIT
    (ck / "metric.json").write_text(json.dumps(said))
    moved = shutil.copytree(folder_of("toy-internvl"), folder.parent / "moved")
    metric = create_metric("hpe_lsa", weights=str(ck), backbone=str(moved)).to("cpu")
    metric.load()
    assert metric.identity()["backbone"]["sha256"]
    with pytest.raises(BackboneError, match="revision='main' is for models of the hub"):
        create_metric("hpe_lsa", weights=str(ck), backbone=str(moved), revision="main").to("cpu").load()


def test_checkpoints_of_earlier_versions_are_read(folder, tmp_path):
    (folder / "LICENSE.txt").write_text("their digest took in what no loader reads")
    backbone = loaded(folder, image_tokens=64)
    checkpoint = trained_on(backbone, tmp_path / "ck")
    file = tmp_path / "ck" / "metric.json"

    def as_before(**fields):
        said = json.loads(file.read_text())
        del said["backbone"]["sha256"]
        said["backbone"].update(fields)
        (tmp_path / "old").mkdir(exist_ok=True)
        shutil.copytree(tmp_path / "ck", tmp_path / "old", dirs_exist_ok=True)
        (tmp_path / "old" / "metric.json").write_text(json.dumps(said))
        return read_checkpoint(tmp_path / "old", ImageStatistics)

    assert checkpoint.backbone["sha256"] != model_folders.earlier_digest(folder)
    require_backbone(as_before(sha256=model_folders.earlier_digest(folder)), backbone)
    with pytest.raises(CheckpointError, match="sha256"):
        require_backbone(as_before(sha256="0" * 64), backbone)
    with pytest.raises(CheckpointError, match=r"holds only the hub's commit 0123.* and no checksum"):
        require_backbone(as_before(revision=COMMIT), backbone)


def test_one_checkpoint_by_three_paths_has_one_identity(tmp_path, monkeypatch):
    shutil.copytree(TOY, tmp_path / "ck")
    monkeypatch.chdir(tmp_path)
    names = ("ck", "./ck", str(tmp_path / "ck"))
    first, *others = [create_metric("hpe_lsa", weights=name).identity() for name in names]
    assert others == [first, first]
    assert first != create_metric("hpe_lsa", weights="toy").identity()
    assert first["weights"] == create_metric("hpe_lsa", weights="toy").identity()["weights"]


# ---------------------------------------------------------------------- what was loaded


def test_a_folder_that_is_replaced_is_loaded_anew(folder):
    first = Backbone.load(folder, device="cpu")
    assert Backbone.load(folder, device="cpu") is first
    other = shutil.copytree(folder, folder.parent / "other")
    change_a_weight(other / "model.safetensors")
    folder.rename(folder.parent / "before")
    other.rename(folder)
    second = Backbone.load(folder, device="cpu")
    assert second.identity()["sha256"] != first.identity()["sha256"]
    weights = [dict(backbone.model.named_parameters()) for backbone in (first, second)]
    assert not all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_small_file_of_the_hub_cache_that_is_edited_is_another_model_and_a_weight_is_damaged(hub, tmp_path):  # noqa: F811
    """The cache calls weights by the checksum that the hub stated."""
    before = loaded("lab/tiny").identity()["sha256"]
    (settings,) = (tmp_path / "cache").rglob("snapshots/*/tokenizer_config.json")
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "model_max_length": 17}))
    assert loaded("lab/tiny").identity()["sha256"] != before
    (file,) = (tmp_path / "cache").rglob("snapshots/*/model.safetensors")
    change_a_weight(file.resolve())
    with pytest.raises(BackboneError, match=r"model\.safetensors is damaged: .*the hub stated .*; delete it and fetch"):
        loaded("lab/tiny")


def test_a_checkpoint_is_identified_by_what_was_read(tmp_path):
    folder = tmp_path / "ck"
    first = write_checkpoint(
        folder, ImageStatistics, CheckpointContents(label_scale=(0, 1), heads={"scores": RegressionHead(3, seed=1)})
    )
    digest = first.digest
    second = write_checkpoint(
        folder, ImageStatistics, CheckpointContents(label_scale=(0, 1), heads={"scores": RegressionHead(3, seed=2)})
    )
    assert first.digest == digest != second.digest
    assert read_checkpoint(folder).digest == second.digest
    with pytest.raises(CheckpointError, match=r"heads\.safetensors has changed since this metric was created; create"):
        first.load_heads()
    assert second.load_heads()


def test_an_adapter_that_was_trained_anew_is_not_loaded_under_the_old_name(folder, tmp_path):
    backbone = loaded(folder, image_tokens=64)
    first = trained_on(backbone, tmp_path / "ck")
    add_lora(backbone, "other", rank=2, seed=5)
    write_checkpoint(
        tmp_path / "ck",
        ImageStatistics,
        CheckpointContents(label_scale=(0, 1), backbone=backbone, adapters={"trained": "other"}),
    )
    with pytest.raises(CheckpointError, match="has changed since this metric was created"):
        adapters_of(first, backbone)


# ---------------------------------------------------------------------- hashed once


@pytest.fixture
def hashed(monkeypatch):
    """The names of the files that are read to be hashed; they count as old enough to be remembered."""
    names = []
    monkeypatch.setattr(file_hashes, "TICK_NS", 0)
    monkeypatch.setattr(file_hashes, "SMALL", 0)
    monkeypatch.setattr(file_hashes, "_known", {})
    monkeypatch.setattr(
        file_hashes, "digest", lambda file, digest=file_hashes.digest: names.append(file.name) or digest(file)
    )
    return names


def test_files_are_hashed_once_for_all_processes(folder, hashed, monkeypatch, tmp_path):
    digest = model_folders.folder_digest(folder)
    assert hashed.count("model.safetensors") == 1
    assert model_folders.folder_digest(folder) == digest
    count = len(hashed)
    monkeypatch.setattr(file_hashes, "_known", {})  # as in another process
    folder.rename(tmp_path / "elsewhere")
    assert model_folders.folder_digest(tmp_path / "elsewhere") == digest
    assert len(hashed) == count


@pytest.mark.parametrize("how", ["content", "time", "replaced", "size"])
def test_what_changes_is_hashed_again(tmp_path, hashed, how):
    file = tmp_path / "a"
    file.write_bytes(b"abc")
    first, status = file_hashes.sha256(file), file.stat()
    assert file_hashes.sha256(file) == first
    assert hashed == ["a"]
    if how == "time":
        os.utime(file, ns=(1, 1))
    elif how == "replaced":
        (tmp_path / "b").write_bytes(b"abd")
        os.utime(tmp_path / "b", ns=(status.st_atime_ns, status.st_mtime_ns))
        os.replace(tmp_path / "b", file)
    else:
        file.write_bytes(b"abd" if how == "content" else b"abcd")
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (file_hashes.sha256(file) == first) is (how == "time")
    assert hashed == ["a", "a"]


def test_a_file_that_was_just_written_may_change_within_one_tick_of_the_clock(tmp_path, hashed, monkeypatch):
    monkeypatch.setattr(file_hashes, "TICK_NS", 10**12)
    file = tmp_path / "a"
    file.write_bytes(b"abc")
    assert file_hashes.sha256(file) == file_hashes.sha256(file)
    assert hashed == ["a", "a"]


@pytest.mark.parametrize("text", ["", "123", "\xff"])
def test_a_damaged_memory_is_as_none(tmp_path, hashed, monkeypatch, text):
    file = tmp_path / "a"
    file.write_bytes(b"abc")
    first = file_hashes.sha256(file)
    (kept,) = (path for path in (tmp_path / "home" / "hashes").rglob("*") if path.is_file())
    kept.write_bytes(text.encode("latin-1"))
    monkeypatch.setattr(file_hashes, "_known", {})
    assert file_hashes.sha256(file) == first


def test_many_threads_hash_alike(tmp_path):
    file = tmp_path / "a"
    file.write_bytes(b"abc" * 1000)
    found = []
    threads = [threading.Thread(target=lambda: found.append(file_hashes.sha256(file))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [file_hashes.digest(file)] * 8


# ---------------------------------------------------------------------- numbers


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_backbone_with_a_weight_that_is_no_number_is_refused(folder, value):
    file = folder / "model.safetensors"
    tensors = load_file(file)
    tensors[sorted(tensors)[-1]].view(-1)[0] = value
    save_file(tensors, file, {"format": "pt"})
    for _ in range(2):  # what was found is not forgotten either
        with pytest.raises(BackboneError, match=r"its weight .* holds NaN or an infinite number in float32"):
            loaded(folder)


def test_weights_that_a_dtype_cannot_hold_are_refused(folder):
    file = folder / "model.safetensors"
    tensors = load_file(file)
    tensors[sorted(tensors)[-1]].view(-1)[0] = 1e6
    save_file(tensors, file, {"format": "pt"})
    assert loaded(folder).dtype == torch.float32
    with pytest.raises(BackboneError, match=r"holds NaN or an infinite number in float16; .*another dtype is required"):
        loaded(folder, dtype="float16")


def test_a_chat_template_of_the_tokenizer_serves(folder):
    template = folder / "chat_template.jinja"
    text = template.read_text()
    template.unlink()
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": text}))
    backbone = loaded(folder)
    assert backbone.prompt([("user", ["Is it?"])]).ids.tolist()


def test_settings_that_are_nested_too_deep_are_named(folder):
    (folder / "processor_config.json").write_text("[" * 100_000)
    with pytest.raises(BackboneError, match=r"processor_config\.json cannot be read: it is nested too deep"):
        loaded(folder)
