"""Tensors are read from files, and nothing else is."""

from __future__ import annotations

import os
import re

import pytest

from editmetrics import weights


@pytest.mark.parametrize("suffix", ["pth", "pt", "safetensors"])
def test_state_dicts_are_read(tmp_path, suffix):
    import torch
    from safetensors.torch import save_file

    file, tensors = tmp_path / f"m.{suffix}", {"layer.weight": torch.arange(6.0).view(2, 3)}
    (save_file if suffix == "safetensors" else torch.save)(tensors, file)
    (read,) = weights.load_state_dict(file).items()
    assert read[0] == "layer.weight"
    assert torch.equal(read[1], tensors["layer.weight"])


class Evil:
    def __reduce__(self):
        return os.mkdir, (os.environ["EVIL"],)


def test_code_in_a_checkpoint_is_not_run(tmp_path, monkeypatch):
    import torch

    monkeypatch.setenv("EVIL", str(tmp_path / "was-run"))
    torch.save({"layer.weight": Evil()}, tmp_path / "m.pth")
    with pytest.raises(weights.WeightsError, match="holds more than tensors"):
        weights.load_state_dict(tmp_path / "m.pth")
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize("name", ["m.pth", "m.safetensors"])
@pytest.mark.parametrize("body", [b"", b"no weights", b"\x80"])
def test_a_damaged_checkpoint_is_a_clear_error(tmp_path, name, body):
    (tmp_path / name).write_bytes(body)
    with pytest.raises(weights.WeightsError, match=re.escape(str(tmp_path / name))):
        weights.load_state_dict(tmp_path / name)


def test_anything_but_a_state_dict_is_refused(tmp_path):
    import torch

    torch.save({"epoch": 3}, tmp_path / "m.pth")
    with pytest.raises(weights.WeightsError, match="is not a state dict"):
        weights.load_state_dict(tmp_path / "m.pth")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_numbers_that_are_none_are_refused(tmp_path, suffix, dtype, value):
    import torch
    from safetensors.torch import save_file

    file, tensors = tmp_path / f"m.{suffix}", {"good": torch.ones(2), "bad": torch.ones(3, 2)}
    tensors["bad"][1, 1] = value
    tensors = {name: tensor.to(getattr(torch, dtype)) for name, tensor in tensors.items()}
    (save_file if suffix == "safetensors" else torch.save)(tensors, file)
    with pytest.raises(weights.WeightsError, match="its tensor bad holds NaN or an infinite number"):
        weights.load_state_dict(file)
