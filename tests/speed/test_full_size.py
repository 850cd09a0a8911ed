"""8B models at their true width with few layers: what a process needs at most, and a conversion that is killed."""

from __future__ import annotations

import argparse
import json
import subprocess

import pytest
from safetensors import safe_open

from tests.speed import full_size, layouts

ALLOWED = 1.10
"""Of the files: the peak that the documentation promises."""


def settings(layers):
    return argparse.Namespace(layers=layers, device="cpu", dtype="bfloat16", side=64)


@pytest.mark.parametrize("name", ["qwen3-vl-8b", "internvl3.5-8b", "llava-onevision-7b", "lmm4lmm"])
def test_a_layout_is_of_the_size_that_was_published(name):
    """Bytes of the weights as the hub states them: 17.5, 17.1, 16.1 and 16.3 GB; none of them is written."""
    expected = {"qwen3-vl-8b": 17.5, "internvl3.5-8b": 17.1, "llava-onevision-7b": 16.1, "lmm4lmm": 16.3}[name]
    layout = full_size.layout(name, 0)
    assert layout.bytes / 1e9 == pytest.approx(expected, rel=0.01)
    shards = list(layouts.sharded(layout.tensors, layouts.SHARD))
    assert 4 <= len(shards) <= 5
    assert [name for shard in shards for name in shard] == list(layout.tensors)


def test_a_shard_is_what_the_library_reads(tmp_path):
    tensors = {"a": layouts.Tensor((3, 5)), "b.weight": layouts.Tensor((layouts.BLOCK + 7,), mean=1.0)}
    layouts.write_shard(tmp_path / "a.safetensors", tensors)
    with safe_open(tmp_path / "a.safetensors", framework="pt") as file:
        assert set(file.keys()) == set(tensors)
        for name, tensor in tensors.items():
            read = file.get_tensor(name)
            assert read.shape == tensor.shape
            assert read.equal(layouts.numbers(tensor))
            assert read.double().mean().item() == pytest.approx(tensor.mean, abs=0.02)
        assert file.get_tensor("b.weight").double().std().item() == pytest.approx(0.02, rel=0.05)


def test_a_disk_without_room_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(full_size.shutil, "disk_usage", lambda _: argparse.Namespace(free=17e9))
    with pytest.raises(SystemExit, match=r"qwen3-vl-8b takes 18\.5 GB of disk, and 17\.0 GB are free"):
        full_size.require_room("qwen3-vl-8b", tmp_path / "weights", settings(0))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["qwen3-vl-8b", "llava-onevision-7b", "internvl3.5-8b"])
def test_loading_and_a_score_take_the_files_and_a_tenth(tmp_path, name):
    few = settings(4)
    for stage in ("write", "load") + (("score",) if name.startswith("internvl") else ()):
        row = full_size.in_child(stage, tmp_path, name, few)
        assert row.get("of file", 0) <= ALLOWED, row
    assert row["file GB"] > 1.5  # a process with nothing in it would not be noticed beside it


@pytest.mark.slow
def test_a_conversion_takes_the_files_and_a_tenth_and_begins_anew_when_it_was_killed(tmp_path):
    few = settings(3)
    written = full_size.in_child("write", tmp_path, "lmm4lmm", few)
    assert written["peak GB"] < 0.4  # blocks and the adapters, never a shard
    command, environment = full_size.child("convert", tmp_path, "lmm4lmm", few)
    process = subprocess.Popen(command, cwd=full_size.ROOT, env=environment)
    first = tmp_path / ".converted.partial" / "backbone-of-the-source" / "shard-1.partial"
    while process.poll() is None and not first.exists():
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.02)
    process.kill()
    process.wait()
    assert first.exists()
    assert not (tmp_path / "converted").exists()
    row = full_size.in_child("convert", tmp_path, "lmm4lmm", few)
    assert row["of file"] <= ALLOWED, row
    assert row["anonymous GB"] < 0.25 * row["file GB"]
    assert not first.exists()
    assert json.loads((tmp_path / "converted" / "metric.json").read_text())["adapters"] == ["perception"]
    row = full_size.in_child("load", tmp_path, "lmm4lmm", few)
    assert row["of file"] <= ALLOWED, row
