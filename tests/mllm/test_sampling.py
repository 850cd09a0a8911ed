"""Which tokens may be drawn, with what chances: as transformers' own processors of logits have it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from editmetrics.mllm.backbone import IMAGE, Backbone, BackboneError
from editmetrics.mllm.prefix_cache import _likeliest, generate
from editmetrics.mllm.shared_prefix import read_together
from editmetrics.testing import tiny_backbone


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


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_5"])
def test_a_prompt_that_stands_there_several_times_is_read_once_and_drawn_as_alone(family, tmp_path, monkeypatch):
    backbone = Backbone.load(tiny_backbone(family, tmp_path), device="cpu")
    pictures = [backbone.see(np.full((64, 64, 3), level, np.uint8)) for level in (30, 200)]
    dark, light = (backbone.prompt([("user", [IMAGE, "How good is it?"])], [picture]) for picture in pictures)
    drawn = {"max_tokens": 6, "temperature": 1.0, "top_p": 0.9}
    alone = [backbone.generate([prompt], seed=seed, **drawn)[0] for prompt, seed in ((dark, 1), (light, 2), (dark, 3))]
    looked = []
    look = backbone.family.look
    monkeypatch.setattr(backbone.family, "look", lambda model, shown: looked.append(len(shown)) or look(model, shown))
    assert backbone.generate([dark, light, dark], seed=[1, 2, 3], **drawn) == alone
    assert looked == [2]
    assert len(set(alone)) == 3


@pytest.mark.parametrize("family", ["internvl", "qwen3_5"])
def test_what_questions_about_one_picture_begin_with_is_read_once(family, tmp_path, monkeypatch):
    """Three questions about one picture, one about another, one without: the cache is that of each by itself."""
    backbone = Backbone.load(tiny_backbone(family, tmp_path), device="cpu")
    dark, light = (backbone.see(np.full((64, 64, 3), level, np.uint8)) for level in (30, 200))
    asked = [("Is it good?", dark), ("Is it good or bad?", dark), ("What is it?", light), ("Why?", dark)]
    prompts = [backbone.prompt([("user", [IMAGE, text])], [picture]) for text, picture in asked]
    prompts.append(backbone.prompt([("user", ["Are you there?"])]))
    read = []
    reading = backbone.read
    alone = [reading([prompt]).logits[0] for prompt in prompts]
    monkeypatch.setattr(
        backbone, "read", lambda some, seen: read.append([len(one) for one in some]) or reading(some, seen)
    )
    together = read_together(backbone, prompts)
    (lengths,) = read
    assert len(lengths) == 3
    assert lengths[0] < min(len(prompt) for prompt in prompts[:2])
    assert (together.logits - torch.stack(alone)).abs().max() < 1e-4
    answers = generate(together, 5)
    assert answers == [backbone.generate([prompt], 5)[0] for prompt in prompts]
