"""Regression heads: what they compute, in which precision, and that they come back as they were."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import erf

from editmetrics.mllm.heads import HeadError, RegressionHead, load_heads, save_heads


def numpy_head(head, x):
    """The same network written out in numpy, with the exact GELU."""
    weights = [p.detach().double().numpy() for p in head.parameters()]
    for index in range(0, len(weights), 2):
        if index:
            x = 0.5 * x * (1 + erf(x / np.sqrt(2)))
        x = x @ weights[index].T + weights[index + 1]
    return x


@pytest.mark.parametrize("hidden", [(), (5,), (6, 4)])
def test_a_head_is_the_network_that_its_formula_says(hidden):
    head = RegressionHead(7, hidden=hidden, outputs=3, seed=1).eval()
    x = np.random.default_rng(0).standard_normal((4, 7))
    found = head(torch.tensor(x, dtype=torch.float32)).detach().numpy()
    assert found.shape == (4, 3)
    np.testing.assert_allclose(found, numpy_head(head, x), atol=1e-6)  # float32 against float64


def test_it_stays_in_float32_under_autocast():
    head = RegressionHead(7, hidden=(5,)).eval()
    x = torch.randn(3, 7, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = head(x)
    assert found.dtype == torch.float32
    assert torch.equal(found, head(x))
    assert head(x.bfloat16()).dtype == torch.float32


def test_dropout_acts_in_training_alone():
    head = RegressionHead(64, hidden=(64,), dropout=0.5)
    x = torch.ones(1, 64)
    assert not torch.equal(head.train()(x), head(x))
    assert torch.equal(head.eval()(x), head(x))


def test_the_seed_decides_the_weights_and_leaves_the_global_state_alone():
    before = torch.random.get_rng_state()
    first, same, other = (RegressionHead(7, seed=seed).layers[0].weight for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_saved_heads_come_back_the_same(tmp_path):
    heads = {"a": RegressionHead(7, hidden=(5,), seed=1), "b": RegressionHead(3, outputs=2, activation="tanh", seed=2)}
    settings = save_heads(heads, tmp_path / "heads.safetensors")
    back = load_heads(tmp_path / "heads.safetensors", settings)
    assert back.keys() == heads.keys()
    for name, head in heads.items():
        x = torch.randn(4, head.settings["inputs"], generator=torch.Generator().manual_seed(3))
        assert torch.equal(back[name](x), head.eval()(x))
        assert not back[name].training


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"a": {"inputs": 8}}, "does not hold the head 'a'"),
        ({"b": {"inputs": 7}}, "does not hold the head 'b'"),
        ({"a": {"inputs": 7, "depth": 3}}, "does not hold the head 'a'"),
        ({"a": {"inputs": 7, "hidden": [2]}}, "does not hold the head 'a'"),
    ],
)
def test_settings_that_are_not_those_of_the_file_are_refused(tmp_path, settings, message):
    save_heads({"a": RegressionHead(7)}, tmp_path / "heads.safetensors")
    with pytest.raises(HeadError, match=message):
        load_heads(tmp_path / "heads.safetensors", settings)


def test_a_damaged_file_is_refused(tmp_path):
    settings = save_heads({"a": RegressionHead(7)}, tmp_path / "heads.safetensors")
    data = (tmp_path / "heads.safetensors").read_bytes()
    (tmp_path / "heads.safetensors").write_bytes(data[:-8])
    with pytest.raises(HeadError, match="cannot be read"):
        load_heads(tmp_path / "heads.safetensors", settings)
    with pytest.raises(HeadError, match="cannot be read"):
        load_heads(tmp_path / "none.safetensors", settings)


@pytest.mark.parametrize("wrong", [{"activation": "step"}, {"hidden": (0,)}, {"outputs": 0}, {"dropout": 1.0}])
def test_a_head_that_cannot_be_is_refused(wrong):
    with pytest.raises(
        HeadError, match=next(iter(wrong)) if "hidden" not in wrong and "outputs" not in wrong else "size"
    ):
        RegressionHead(4, **wrong)
