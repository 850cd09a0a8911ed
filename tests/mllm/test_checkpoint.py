"""Checkpoints: what is written is what is read, a killed write loads nothing, and what is wrong is refused."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from editmetrics.mllm import checkpoint_writing
from editmetrics.mllm.backbone import IMAGE, Backbone
from editmetrics.mllm.checkpoint import CheckpointError, finished_checkpoint, read_checkpoint
from editmetrics.mllm.checkpoint_writing import CheckpointContents, write_checkpoint
from editmetrics.mllm.heads import RegressionHead
from editmetrics.mllm.lora import add_lora, load_lora, using
from editmetrics.mllm.run_folder import History
from tests.mllm.image_statistics import ImageStatistics

HISTORY = History([{"step": 1, "loss": 0.5}, {"step": 1, "validation": 0.25}])


class Newer(ImageStatistics):
    version = 2


class Other(ImageStatistics):
    name = "other_statistics"


def write(folder, metric=ImageStatistics, **more):
    said = {
        "label_scale": (0, 100),
        "heads": {"scores": RegressionHead(7, hidden=(4,), outputs=2)},
        "prompts": {"visual_quality": "How good does the image look?"},
        "settings": {"layer": 3},
        "validation": {"visual_quality": {"srcc": 0.8125, "plcc": None, "n": 40}},
        "recipe": {"learning_rate": 1e-4},
        "data": {"train": 360, "validation": 40, "left_out": {"no rating in mos": 3}},
        "fit": {"targets": {"visual_quality": "mos"}, "recipe": {"steps": 100}},
        "history": {"scores": HISTORY},
    }
    return write_checkpoint(folder, metric, CheckpointContents(**{**said, **more}))


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "trained")
    return tmp_path / "trained"


def edit(folder, **changes):
    said = json.loads((folder / "metric.json").read_text())
    (folder / "metric.json").write_text(json.dumps({**said, **changes}))


def test_what_is_written_is_what_is_read(folder):
    found = read_checkpoint(folder, ImageStatistics)
    assert (found.metric, found.version) == ("image_statistics", 1)
    assert found.dimensions == ["visual_quality", "content_preservation"]
    assert found.label_scale == (0, 100)
    assert found.settings == {"layer": 3}
    assert found.validation == {"visual_quality": {"srcc": 0.8125, "plcc": None, "n": 40}}
    assert found.backbone is None
    assert found.backbone_folder is None
    assert found.history().records == [{"stage": "scores", **record} for record in HISTORY.records]
    x = torch.ones(2, 7)
    assert torch.equal(found.load_heads()["scores"](x), RegressionHead(7, hidden=(4,), outputs=2).eval()(x))
    assert sorted(path.name for path in folder.iterdir()) == [
        "card.md",
        "heads.safetensors",
        "history.jsonl",
        "metric.json",
    ]


def test_nothing_in_it_is_a_pickle(folder):
    for path in folder.rglob("*"):
        assert path.suffix in (".json", ".jsonl", ".md", ".safetensors")


def test_the_digest_is_that_of_all_files(folder, tmp_path):
    same, other = tmp_path / "same", tmp_path / "other"
    assert write(same).digest == read_checkpoint(folder).digest
    assert (
        write(other, heads={"scores": RegressionHead(7, hidden=(4,), outputs=2, seed=1)}).digest
        != read_checkpoint(folder).digest
    )


@pytest.mark.parametrize("family", ["internvl", "qwen3_vl"])
def test_adapters_come_back_on_a_fresh_backbone(folders, family, tmp_path):
    backbone = Backbone.load(shutil.copytree(folders[family], tmp_path / "one"), device="cpu")
    add_lora(backbone, "in_memory", parts={"vision", "language"}, rank=2)
    with torch.no_grad():
        for name, parameter in backbone.model.named_parameters():
            if "lora_B" in name:
                parameter.fill_(0.01)
    written = write(tmp_path / "trained", backbone=backbone, adapters={"visual_quality": "in_memory"})
    assert written.adapters == ["visual_quality"]
    assert written.backbone["family"] == family
    fresh = Backbone.load(shutil.copytree(folders[family], tmp_path / "two"), device="cpu")
    load_lora(fresh, "again", read_checkpoint(tmp_path / "trained").adapter("visual_quality"))
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    hidden = []
    for each, name in ((backbone, "in_memory"), (fresh, "again")):
        with torch.no_grad(), using(each, name):
            prompt = each.prompt([("user", [IMAGE, "good?"])], [each.see(picture)])
            hidden.append(each.forward([prompt]).hidden)
    assert torch.equal(*hidden)
    with pytest.raises(CheckpointError, match="no adapter 'other'; it has visual_quality"):
        written.adapter("other")


def test_a_backbone_of_which_all_was_trained_is_kept_natively(folders, tmp_path):
    backbone = Backbone.load(shutil.copytree(folders["qwen2_5_vl"], tmp_path / "one"), device="cpu")
    with torch.no_grad():
        backbone.model.get_input_embeddings().weight.mul_(1.5)
    written = write(tmp_path / "trained", backbone=backbone, with_backbone=True)
    back = Backbone.load(written.backbone_folder, device="cpu")
    assert all(torch.equal(x, y) for x, y in zip(backbone.model.parameters(), back.model.parameters(), strict=True))
    assert any(path.startswith("backbone/model") for path in written.files)
    add_lora(backbone, "a")
    with pytest.raises(CheckpointError, match="has adapters"):
        write(tmp_path / "again", backbone=backbone, with_backbone=True)


def test_a_later_checkpoint_takes_the_place_of_the_earlier_one(folders, tmp_path):
    backbone = Backbone.load(shutil.copytree(folders["qwen2_5_vl"], tmp_path / "one"), device="cpu")
    add_lora(backbone, "a")
    write(tmp_path / "trained", backbone=backbone, adapters={"a": "a"})
    (tmp_path / "trained" / "notes.txt").write_text("mine")
    found = write(tmp_path / "trained")
    assert (found.adapters, list(found.heads)) == ([], ["scores"])
    assert sorted(p.name for p in (tmp_path / "trained").iterdir()) == [
        "card.md",
        "heads.safetensors",
        "history.jsonl",
        "metric.json",
        "notes.txt",
    ]


@pytest.mark.parametrize("moment", ["_write_weights", "write_text", "sha256_of_all", "card"])
def test_a_killed_write_leaves_nothing_that_loads(folder, monkeypatch, moment):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint_writing, moment, killed)
    with pytest.raises(KeyboardInterrupt):
        write(folder)
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match=r"not a checkpoint: it has no metric\.json"):
        read_checkpoint(folder)


# ---------------------------------------------------------------------- what is refused


def test_a_folder_that_is_none_or_unfinished(tmp_path):
    with pytest.raises(CheckpointError, match="is not a folder; expected one that"):
        read_checkpoint(tmp_path / "nothing")
    with pytest.raises(CheckpointError, match=r"it has no metric\.json$"):
        read_checkpoint(tmp_path)
    (tmp_path / "training").mkdir()
    with pytest.raises(CheckpointError, match="its training was not finished"):
        read_checkpoint(tmp_path)


def test_another_metrics_and_a_newer_version(folder, tmp_path):
    with pytest.raises(CheckpointError, match="of the metric image_statistics, not of other_statistics"):
        read_checkpoint(folder, Other)
    write(tmp_path / "newer", Newer)
    with pytest.raises(CheckpointError, match="version 2 of image_statistics, and this is version 1"):
        read_checkpoint(tmp_path / "newer", ImageStatistics)
    assert read_checkpoint(folder, Newer).version == 1
    assert read_checkpoint(folder, ImageStatistics()).version == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "of format 2, and this version of editmetrics reads up to 1; pip install -U"),
        ({"format": "one"}, "cannot be read"),
        ({"heads": []}, "is damaged: heads is"),
        ({"adapters": ["../../home"]}, "cannot be the name of an adapter"),
        ({"adapters": ["a"]}, "does not list adapter_a/adapter_config.json"),
        ({"files": {}}, "does not list heads.safetensors"),
    ],
)
def test_a_description_that_is_damaged_or_newer(folder, changes, message):
    edit(folder, **changes)
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', "null"])
def test_a_description_that_is_none(folder, text):
    (folder / "metric.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"metric\.json (cannot be read|is damaged)"):
        read_checkpoint(folder)


@pytest.mark.parametrize("name", ["heads.safetensors", "history.jsonl", "card.md"])
def test_a_file_that_is_missing_or_was_changed(folder, name):
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(CheckpointError, match=f"{name} was changed since it was written"):
        read_checkpoint(folder)
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f"{name} is missing"):
        read_checkpoint(folder)


@pytest.mark.parametrize("path", ["../outside.txt", "/etc/hostname", "adapter_a/../../outside.txt", "link/outside.txt"])
def test_a_path_that_leaves_the_folder(folder, path):
    (folder.parent / "outside.txt").write_text("secret")
    os.symlink(folder.parent, folder / "link")
    edit(folder, files={path: "0" * 64}, adapters=["a"] if path.startswith("adapter_a") else [])
    with pytest.raises(CheckpointError, match="is outside of it; do not trust it"):
        read_checkpoint(folder)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"validation": {"visual_quality": {"srcc": float("nan")}}}, "JSON cannot represent"),
        ({"settings": {"layer": Path("x")}}, "JSON cannot represent"),
        ({"heads": {"a/b": RegressionHead(2)}}, "'a/b'; expected letters"),
        ({"adapters": {"a": "a"}}, "require the backbone"),
    ],
)
def test_what_cannot_be_written(tmp_path, more, message):
    with pytest.raises(CheckpointError, match=message):
        write(tmp_path / "trained", **more)
    assert not (tmp_path / "trained" / "metric.json").exists()


def test_a_finished_training_is_found_by_what_decided_it(folder, tmp_path):
    fit = {"targets": {"visual_quality": "mos"}, "recipe": {"steps": 100}}
    found = finished_checkpoint(folder, ImageStatistics, fit)
    assert found is not None
    assert found.digest == read_checkpoint(folder).digest
    assert finished_checkpoint(tmp_path / "nothing", ImageStatistics, fit) is None
    with pytest.raises(CheckpointError, match=r"of another training \(recipe.steps was 100 and is 200\)"):
        finished_checkpoint(folder, ImageStatistics, {**fit, "recipe": {"steps": 200}})


# ---------------------------------------------------------------------- the card


def test_the_card_says_what_people_need(folder):
    text = (folder / "card.md").read_text()
    for said in ("image_statistics", "360 samples", "validated on 40", "| visual_quality | 0.8125 | - | 40 |",
                 "3: no rating in mos", "How good does the image look?", "licences", "create_metric("):  # fmt: skip
        assert said in text, said


def test_texts_of_users_are_no_markup(tmp_path):
    write(tmp_path / "a", data={"train": 1, "left_out": {"no rating in <script>[x](y)|*": 1}},
          prompts={"<b>": "```\n# heading\n<img src=x>"})  # fmt: skip
    text = (tmp_path / "a" / "card.md").read_text()
    assert r"\<script\>\[x\](y)\|\*" in text
    assert r"\<b\>" in text
    lines = text.splitlines()
    assert "    # heading" in lines  # in a block of code
    assert "    <img src=x>" in lines
