"""Which tokens may be drawn, with what chances: as transformers' own processors of logits have it."""

from __future__ import annotations

import pytest
import torch

from editmetrics.mllm.backbone import BackboneError
from editmetrics.mllm.prefix_cache import _likeliest, generate


@pytest.mark.parametrize(
    ("temperature", "top_p", "top_k"), [(0.7, 0.9, 20), (1.0, 0.95, 50), (0.1, 1.0, 50), (2.0, 0.3, None), (1, 1e-9, 5)]
)
def test_the_tokens_to_draw_are_those_of_transformers(temperature, top_p, top_k):
    from transformers.generation.logits_process import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    logits = 3 * torch.randn(4, 200, generator=torch.Generator().manual_seed(0))
    steps = [TemperatureLogitsWarper(float(temperature)), *([TopKLogitsWarper(top_k)] if top_k else []),
             *([TopPLogitsWarper(top_p)] if top_p < 1 else [])]  # fmt: skip
    expected = logits
    for step in steps:
        expected = step(None, expected)
    ours = (_likeliest(logits, temperature, top_p, top_k) / temperature).softmax(1)
    torch.testing.assert_close(ours, expected.softmax(1))
    assert (ours > 0).sum() == (expected > -torch.inf).sum() < logits.numel()


def test_greedy_answers_look_at_no_limit():
    logits = torch.tensor([[0.0, 1.0, 2.0]])
    assert _likeliest(logits, 0.0, 0.1, 1) is logits


@pytest.mark.parametrize("limits", [{"top_p": 0.0}, {"top_p": 1.5}, {"top_k": 0}])
def test_limits_that_leave_nothing_are_refused(limits, backbone):
    reading = backbone.read([backbone.prompt([("user", ["How good is it?"])])])
    with pytest.raises(BackboneError, match="expected more than 0 and at most 1, and at least 1"):
        generate(reading, 2, 1.0, **limits)
