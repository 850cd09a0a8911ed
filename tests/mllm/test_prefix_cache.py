"""PrefixCache: prompts computed once and continued, equal to the native forward over the whole text."""

from __future__ import annotations

import pytest
import torch

from editmetrics.judge.local import CutOff
from editmetrics.mllm import growing_cache
from editmetrics.mllm import prefix_cache as module
from editmetrics.mllm.backbone import BackboneError
from editmetrics.mllm.prefix_cache import after_images
from editmetrics.sample import SampleError

from .native import CASES, ROUNDING, all_prompts, native_inputs, native_logits, ours

TEXTS = [["4.38", " excellent, and more of it"], ["no"], [], ["a rather longer text", "yes", "3"]]


def wanted_logits(backbone, case, ids):
    """The native logits that predict `ids` after the chat."""
    return native_logits(backbone, *case, ids)[-len(ids) - 1 : -1]


def test_the_logits_after_each_prompt_are_the_native_ones(backbone):
    logits = backbone.read(all_prompts(backbone)).logits
    wanted = torch.stack([native_logits(backbone, *case)[-1] for case in CASES.values()])
    torch.testing.assert_close(logits, wanted, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("copied_bytes", [module.COPIED_BYTES, 1])
def test_continuations_are_the_native_forward_over_the_whole_text(backbone, monkeypatch, copied_bytes):
    monkeypatch.setattr(module, "COPIED_BYTES", copied_bytes)  # 1: each alone
    reading = backbone.read(all_prompts(backbone))
    ids = [[backbone.tokens(text) for text in row] for row in TEXTS]
    before = reading.logits.clone()
    for _ in range(2):  # and the reading has not changed
        found = reading.continued(ids)
        assert [len(row) for row in found] == [len(row) for row in ids]
        for case, of_row, texts in zip(CASES.values(), found, ids, strict=True):
            for logits, text in zip(of_row, texts, strict=True):
                torch.testing.assert_close(logits, wanted_logits(backbone, case, text), rtol=0, atol=ROUNDING)
    assert torch.equal(before, reading.logits)


def test_one_text_for_each_prompt_needs_no_copy_of_the_cache(backbone):
    reading = backbone.read(all_prompts(backbone))
    keys = [layer.keys for layer in reading._cache.layers]
    ids = [[backbone.tokens(text)] for text in ("4.38", "no", "a rather longer text", "yes, it is")]
    found = reading.continued(ids)
    assert all(layer.keys is key for layer, key in zip(reading._cache.layers, keys, strict=True))
    for case, (logits,), (text,) in zip(CASES.values(), found, ids, strict=True):
        torch.testing.assert_close(logits, wanted_logits(backbone, case, text), rtol=0, atol=ROUNDING)


def test_a_reading_extended_is_the_native_forward_over_the_whole_text(backbone):
    reading = backbone.read(all_prompts(backbone))
    steps = [["4.3", "", "a long", "g"], ["8", "ok then", "", ""], [" and", "", " text", ""]]
    for texts in steps:
        reading.extend([backbone.tokens(text) for text in texts])
    written = [[token for step in steps for token in backbone.tokens(step[row])] for row in range(4)]
    wanted = torch.stack(
        [native_logits(backbone, *case, ids)[-1] for case, ids in zip(CASES.values(), written, strict=True)]
    )
    torch.testing.assert_close(reading.logits, wanted, rtol=0, atol=ROUNDING)
    more = backbone.tokens(" fair?")
    for case, ids, (logits,) in zip(CASES.values(), written, reading.continued([[more]] * 4), strict=True):
        torch.testing.assert_close(
            logits, native_logits(backbone, *case, ids + more)[-len(more) - 1 : -1], rtol=0, atol=ROUNDING
        )


def test_a_prompt_cut_after_its_images_and_continued_is_the_whole_prompt(backbone):
    images, text = CASES["two images"]
    prompts = [ours(backbone, images, question) for question in (text, "Is anything else changed, too?", "Bad?")]
    parts = [after_images(backbone, prompt) for prompt in prompts]
    for prompt, (before, rest) in zip(prompts, parts, strict=True):
        assert [*before.ids.tolist(), *rest] == prompt.ids.tolist()
        assert before.ids[-1] == backbone.model.config.image_token_id not in rest
        assert before.pictures == prompt.pictures
    others = ours(backbone, *CASES["one image"])
    before, rest = after_images(backbone, others)
    shared = backbone.read([before, parts[0][0]])
    logits = shared.logits.clone()
    reading = shared.repeated([1, 1, 0, 1])
    reading.extend([parts[0][1], parts[1][1], rest, parts[2][1]])
    cases = [(images, text), (images, "Is anything else changed, too?"), CASES["one image"], (images, "Bad?")]
    wanted = torch.stack([native_logits(backbone, *case)[-1] for case in cases])
    torch.testing.assert_close(reading.logits, wanted, rtol=0, atol=ROUNDING)
    assert torch.equal(shared.logits, logits)


def test_a_prompt_without_images_is_not_cut(backbone):
    with pytest.raises(BackboneError, match="has no image"):
        after_images(backbone, ours(backbone, *CASES["no image"]))


def test_readings_of_one_prompt_grow_apart(backbone):
    """They share what they have read, and none writes where another one reads."""
    (name, (images, text)), *_ = CASES.items()
    reading = backbone.read([ours(backbone, images, text)])
    reading.extend([backbone.tokens("4")])  # now there is room behind the keys
    other = reading.repeated([0])
    for one, said in ((reading, " and"), (other, " excellent"), (reading, " no"), (other, " of it")):
        one.extend([backbone.tokens(said)])
    for one, said in ((reading, ("4", " and", " no")), (other, ("4", " excellent", " of it"))):
        ids = [token for part in said for token in backbone.tokens(part)]
        wanted = native_logits(backbone, images, text, ids)[-1]
        torch.testing.assert_close(one.logits[0], wanted, rtol=0, atol=ROUNDING, msg=f"{name}: {said}")


def test_a_long_answer_outgrows_the_room_it_has(backbone, monkeypatch):
    monkeypatch.setattr(growing_cache, "ROOM", 3)
    case = CASES["one image"]
    assert backbone.generate([ours(backbone, *case)], max_tokens=12) == [native_answer(backbone, *case, 12)]


def test_an_answer_that_used_up_its_tokens_says_so(backbone, monkeypatch):
    prompt = ours(backbone, *CASES["one image"])
    first = int(backbone.read([prompt]).logits.argmax())
    assert isinstance(backbone.generate([prompt], max_tokens=1)[0], CutOff)
    monkeypatch.setattr(module, "_end_tokens", lambda _: {first})
    (ended,) = backbone.generate([prompt], max_tokens=1)
    assert (ended, isinstance(ended, CutOff)) == ("", False)


def test_nothing_appended_changes_nothing(backbone):
    reading = backbone.read(all_prompts(backbone)[:1])
    before = reading.logits
    reading.extend([[]])
    assert reading.logits is before


def test_features_may_be_given(backbone):
    prompts = all_prompts(backbone)
    features = [backbone.look(prompt.pictures) for prompt in prompts]
    torch.testing.assert_close(
        backbone.read(prompts, features).logits, backbone.read(prompts).logits, rtol=0, atol=ROUNDING
    )


def test_no_graph_is_built(backbone):
    weight = backbone.language.layers[0].mlp.up_proj.weight
    weight.requires_grad_(True)
    try:
        reading = backbone.read(all_prompts(backbone)[:1])
        ((logits,),) = reading.continued([[backbone.tokens("4.38")]])
        assert not reading.logits.requires_grad
        assert not logits.requires_grad
    finally:
        weight.requires_grad_(False)


def test_rows_that_do_not_match_are_refused(backbone):
    reading = backbone.read(all_prompts(backbone))
    with pytest.raises(BackboneError, match="got 1 row for 4 prompts"):
        reading.continued([[[1]]])
    with pytest.raises(BackboneError, match="got 0 rows for 4 prompts"):
        reading.extend([])
    with pytest.raises(BackboneError, match="has no tokens"):
        reading.continued([[[]], [], [], []])


# ---------------------------------------------------------------------- generate


@torch.no_grad()
def native_answer(backbone, images, text, max_tokens, ends=(), **options):
    inputs = native_inputs(backbone, images, text)
    ids = backbone.model.generate(**inputs, max_new_tokens=max_tokens, do_sample=False, **options)
    said = [token for token in ids[0, inputs["input_ids"].shape[1] :].tolist() if token not in ends]
    return backbone.tokenizer.decode(said, skip_special_tokens=True)


def test_greedy_answers_are_those_of_transformers(backbone):
    found = backbone.generate(all_prompts(backbone), max_tokens=12)
    assert found == [native_answer(backbone, *case, 12) for case in CASES.values()]


def test_an_answer_ends_where_the_model_ends_it_and_the_others_go_on(backbone, monkeypatch):
    prompts = all_prompts(backbone)
    reading = backbone.read(prompts)
    third = [reading.logits.argmax(1).tolist()]
    for _ in range(2):
        reading.extend([[token] for token in third[-1]])
        third.append(reading.logits.argmax(1).tolist())
    end = third[2][0]  # what the first row says third now ends an answer
    monkeypatch.setattr(backbone.model.generation_config, "eos_token_id", [end, 0])
    found = backbone.generate(prompts, max_tokens=12)
    assert found == [native_answer(backbone, *case, 12, ends=[end, 0]) for case in CASES.values()]
    said = [row[0] for row in third]
    assert found[0] == backbone.tokenizer.decode(said[: said.index(end)], skip_special_tokens=True)


def test_a_drawn_answer_depends_on_its_seed_and_not_on_the_batch(backbone):
    prompts = all_prompts(backbone)
    together = backbone.generate(prompts, max_tokens=8, temperature=1.0, seed=3)
    alone = [backbone.generate([prompt], max_tokens=8, temperature=1.0, seed=3)[0] for prompt in prompts]
    assert together == alone
    assert backbone.generate(prompts, max_tokens=8, temperature=1.0, seed=4) != together


def test_a_low_temperature_is_nearly_greedy_and_a_high_one_uniform(backbone):
    prompt = ours(backbone, *CASES["no image"])
    greedy = backbone.generate([prompt], max_tokens=5)
    assert backbone.generate([prompt], max_tokens=5, temperature=1e-6) == greedy
    first = {backbone.generate([prompt], max_tokens=1, temperature=100.0, seed=seed)[0] for seed in range(40)}
    assert len(first) > 20  # of 400 tokens; greedy gives 1


def test_an_answer_that_does_not_fit_into_the_context_is_refused(backbone):
    prompt = ours(backbone, *CASES["one image"])
    room = 4096 - len(prompt)
    with pytest.raises(
        SampleError, match=f"answer of {room + 1} tokens does not fit: the prompt leaves {room} of 4096"
    ):
        backbone.generate([prompt], max_tokens=room + 1)


@pytest.mark.parametrize("options", [{"max_tokens": 0}, {"temperature": -1.0}])
def test_options_out_of_range_are_refused(backbone, options):
    with pytest.raises(BackboneError, match="expected at least 1, and 0 or more"):
        backbone.generate(all_prompts(backbone)[:1], **options)
