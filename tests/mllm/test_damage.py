"""Damaged checkpoints: whatever is in their small files, the error is one of this package, with words."""

from __future__ import annotations

import copy
import json
import random
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from editmetrics import create_metric
from editmetrics.mllm.backbone import Backbone
from editmetrics.mllm.checkpoint import CheckpointError, read_checkpoint
from editmetrics.mllm.checkpoint_writing import CheckpointContents, write_checkpoint
from editmetrics.mllm.heads import HeadError, RegressionHead
from editmetrics.mllm.lora import adapters, remove_lora
from editmetrics.sample import EditMetricsError
from editmetrics.weights import sha256
from tests.mllm.image_statistics import ImageStatistics

TOYS = Path("editmetrics/plugins")
VALUES = (None, True, 0, -1, 10**30, 1.5, float("nan"), float("inf"), "", "x", "../x", "\0", "\ud800", [], [None], [[]],
          {}, {"a": None}, "(a+)+$")  # fmt: skip


def places(value, path=()):
    """The paths of all that a JSON value holds."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inside in items:
        yield (*path, key)
        yield from places(inside, (*path, key))


def changed(said, dice):
    """A copy with one or two things in it replaced or removed."""
    said = copy.deepcopy(said)
    for _ in range(dice.choice((1, 1, 2))):
        path = dice.choice(list(places(said)))
        inside = said
        for key in path[:-1]:
            inside = inside[key]
        if dice.random() < 0.3:
            del inside[path[-1]]
        else:
            inside[path[-1]] = dice.choice(VALUES)
    return said


def signed(folder):
    """Let metric.json say the checksums of the files as they are, as a hostile author would."""
    said = json.loads((folder / "metric.json").read_text())
    said["files"] = {path: sha256(folder / path) for path in said["files"] if (folder / path).is_file()}
    (folder / "metric.json").write_text(json.dumps(said))


@pytest.fixture(scope="module")
def _kept_in_memory():
    """The toys' backbone is loaded once for all tests here."""
    metrics = [create_metric(f"{name}:weights=toy").to("cpu") for name in ("ds_ieqa", "hpe_lsa", "lmm4lmm")]
    for metric in metrics:
        metric.load()
    yield
    del metrics


@pytest.mark.usefixtures("_kept_in_memory")
@pytest.mark.parametrize("name", ["ds_ieqa", "hpe_lsa", "lmm4lmm"])
@pytest.mark.parametrize("file", ["metric.json", "adapter_config.json"])
def test_whatever_a_small_file_says_the_error_is_in_words(tmp_path, name, file):
    """Seeded: 15 changes of each. What loads all the same must have been harmless."""
    dice = random.Random(f"{name} {file}")
    folder = Path(shutil.copytree(TOYS / name / "toy", tmp_path / "ck"))
    target = sorted(folder.rglob(file))[0]
    original, metric_json = target.read_text(), (folder / "metric.json").read_text()
    refused, own = 0, set(adapters(Backbone.load("toy-internvl", device="cpu", image_tokens=1280)))
    for _ in range(15):
        (folder / "metric.json").write_text(metric_json)
        target.write_text(json.dumps(changed(json.loads(original), dice)))
        if file != "metric.json":
            signed(folder)
        try:
            create_metric(name, weights=str(folder)).to("cpu").load()
        except EditMetricsError:
            refused += 1
        backbone = Backbone.load("toy-internvl", device="cpu", image_tokens=1280)
        for adapter in set(adapters(backbone)) - own:
            remove_lora(backbone, adapter)
    assert refused


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"format": ' + "[" * 100_000, "null", '"x"', "{}", '{"format": 1e400}']
)
def test_a_metric_json_that_is_none(tmp_path, text):
    write_checkpoint(
        tmp_path, ImageStatistics, CheckpointContents(label_scale=(0, 1), heads={"scores": RegressionHead(3)})
    )
    (tmp_path / "metric.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"metric\.json (cannot be read|is damaged)"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"adapters": []}, "adapters is .*and its files have adapter_contrastive"),
        ({"heads": {}}, "heads is empty, and its files have"),
        ({"adapters": [], "heads": {}, "files": {}}, "so nothing in it was trained"),
        ({"label_scale": [0, float("nan")]}, "label_scale is .*expected two finite numbers"),
        ({"label_scale": [5, 1]}, "label_scale is .*the lower one first"),
        ({"label_scale": [True, 3]}, "label_scale is"),
        ({"dimensions": [1]}, "dimensions is"),
    ],
)
def test_what_is_of_the_right_type_and_yet_damaged(tmp_path, change, message):
    folder = Path(shutil.copytree(TOYS / "hpe_lsa" / "toy", tmp_path / "ck"))
    said = json.loads((folder / "metric.json").read_text())
    (folder / "metric.json").write_text(json.dumps({**said, **change}))
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("file", ["heads.safetensors", "adapter_contrastive/adapter_model.safetensors"])
def test_numbers_that_are_none_are_refused_before_anything_is_scored(tmp_path, file, value):
    folder = Path(shutil.copytree(TOYS / "hpe_lsa" / "toy", tmp_path / "ck"))
    tensors = load_file(folder / file)
    tensors[sorted(tensors)[0]].view(-1)[0] = value
    save_file(tensors, folder / file)
    signed(folder)
    with pytest.raises(EditMetricsError, match="holds NaN or an infinite number"):
        create_metric("hpe_lsa", weights=str(folder)).to("cpu").load()


@pytest.mark.parametrize(
    "settings",
    [{"inputs": 10**12}, {"inputs": 2.5}, {"hidden": 7}, {"hidden": [None]}, {"dropout": "x"},
     {"dropout": float("nan")}, {"activation": []}, {"more": 1}, {"outputs": 0}],
)  # fmt: skip
def test_settings_of_a_head_that_are_none(tmp_path, settings):
    from editmetrics.mllm.heads import load_heads, save_heads

    said = save_heads({"a": RegressionHead(3, hidden=(2,))}, tmp_path / "heads.safetensors")
    with pytest.raises(HeadError):
        load_heads(tmp_path / "heads.safetensors", {"a": {**said["a"], **settings}})


def test_a_full_disk_while_a_checkpoint_is_written_is_said_in_words(tmp_path, monkeypatch):
    import safetensors.torch
    from safetensors import SafetensorError

    def full(*_, **__):
        raise SafetensorError("I/O error: No space left on device")

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(CheckpointError, match=r"cannot be written: .*No space left.*; make room or name"):
        write_checkpoint(
            tmp_path / "ck",
            ImageStatistics,
            CheckpointContents(label_scale=(0, 1), heads={"scores": RegressionHead(3)}),
        )
    assert not (tmp_path / "ck" / "metric.json").exists()
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device"), "No space left"),
        (OSError(27, "File too large"), "too large"),
        (
            RuntimeError("[enforce fail at inline_container.cc:858] . PytorchStreamWriter failed writing file"),
            "failed writ",
        ),
    ],
)
def test_a_full_disk_in_a_training_is_said_in_words(tmp_path, monkeypatch, error, said):
    from editmetrics.mllm import loop
    from editmetrics.mllm.loop import train
    from editmetrics.mllm.recipe import Recipe, TrainingError, TrainingRun

    def full(*_, **__):
        raise error

    monkeypatch.setattr(loop, "_run", full)
    with pytest.raises(TrainingError, match=f"{said}.*make room, and run the same command again"):
        train(torch.nn.Linear(1, 1), [1], TrainingRun(Recipe(), tmp_path), collate=dict)


@pytest.mark.parametrize("error", [FileNotFoundError(2, "no such image"), RuntimeError("shapes do not fit")])
def test_other_errors_of_a_training_stay_what_they_are(tmp_path, monkeypatch, error):
    from editmetrics.mllm import loop
    from editmetrics.mllm.loop import train
    from editmetrics.mllm.recipe import Recipe, TrainingRun

    def fails(*_, **__):
        raise error

    monkeypatch.setattr(loop, "_run", fails)
    with pytest.raises(type(error), match=r"no such image|do not fit"):
        train(torch.nn.Linear(1, 1), [1], TrainingRun(Recipe(), tmp_path), collate=dict)
