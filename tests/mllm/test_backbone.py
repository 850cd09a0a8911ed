"""Backbone: equal to the native model, alone and in batches; differentiable; what a prompt may not hold."""

from __future__ import annotations

import pytest
import torch

from editmetrics.mllm.backbone import IMAGE, Backbone, BackboneError
from editmetrics.mllm.prompts import Prompt, length_class
from editmetrics.sample import SampleError
from editmetrics.testing import tiny_backbone

from .native import CASES, ROUNDING, all_prompts, native_logits, noise, ours


@pytest.mark.parametrize("case", CASES)
def test_one_prompt_gives_the_native_logits(backbone, case):
    output = backbone.forward([ours(backbone, *CASES[case])])
    torch.testing.assert_close(
        backbone.logits(output.hidden[0]), native_logits(backbone, *CASES[case]), rtol=0, atol=ROUNDING
    )


def test_a_batch_of_unequal_prompts_gives_the_native_logits_of_each(backbone):
    prompts = all_prompts(backbone)
    output = backbone.forward(prompts)
    assert output.lengths.tolist() == [len(prompt) for prompt in prompts]
    assert len(set(output.lengths.tolist())) == len(prompts)
    for row, case in enumerate(CASES.values()):
        length = len(prompts[row])
        assert torch.equal(output.ids[row, :length], prompts[row].ids)
        logits = backbone.logits(output.hidden[row, :length])
        torch.testing.assert_close(logits, native_logits(backbone, *case), rtol=0, atol=ROUNDING)


def test_a_state_is_at_its_place_in_each_prompt_and_the_next_token_follows_the_last(backbone):
    prompts = all_prompts(backbone)
    output, logits = backbone.forward(prompts), backbone.next_logits(prompts)
    for row, case in enumerate(CASES.values()):
        wanted = native_logits(backbone, *case)
        torch.testing.assert_close(logits[row], wanted[-1], rtol=0, atol=ROUNDING)
        torch.testing.assert_close(backbone.logits(output.at(-3))[row], wanted[-3], rtol=0, atol=ROUNDING)
    assert not logits.requires_grad


def test_prompts_of_one_length_class_are_padded_by_less_than_a_quarter():
    def prompt(length):
        return Prompt(torch.zeros(length, dtype=torch.int64), (), length)

    classes = {length: length_class([prompt(length), prompt(2)]) for length in range(2, 4000)}
    for found in set(classes.values()):
        lengths = [length for length, its in classes.items() if its == found]
        assert lengths == list(range(lengths[0], lengths[-1] + 1))
        assert lengths[-1] < 1.25 * lengths[0] + 1
    assert len({classes[length] for length in range(300, 3000)}) <= 12  # few enough that batches fill


def test_pictures_matter_and_so_does_their_order(backbone):
    first, second = CASES["two images"][0]
    logits = [
        backbone.logits(backbone.forward([ours(backbone, images, "Good?")]).hidden[0, -1:])
        for images in ([first, second], [second, first], [first, first])
    ]
    assert (logits[0] - logits[1]).abs().max() > 20 * ROUNDING
    assert (logits[0] - logits[2]).abs().max() > 20 * ROUNDING


def test_features_looked_at_once_give_the_same(backbone):
    prompts = all_prompts(backbone)
    features = [[each.detach().to("cpu") for each in backbone.look(prompt.pictures)] for prompt in prompts]
    apart, together = backbone.forward(prompts, features), backbone.forward(prompts)
    for row, prompt in enumerate(prompts):
        torch.testing.assert_close(
            apart.hidden[row, : len(prompt)], together.hidden[row, : len(prompt)], rtol=0, atol=5 * ROUNDING
        )


def test_a_picture_that_stands_in_several_prompts_is_looked_at_once(backbone, monkeypatch):
    picture = backbone.see(noise(64, 64))
    prompts = [backbone.prompt([("user", [IMAGE, text])], [picture]) for text in ("Good?", "Bad?", "Fair?")]
    looked = []
    look = type(backbone.family).look
    monkeypatch.setattr(
        type(backbone.family),
        "look",
        lambda family, model, pictures: looked.extend(pictures) or look(family, model, pictures),
    )
    backbone.forward(prompts)
    assert looked == [picture]


def test_features_of_other_pictures_are_refused(backbone):
    prompts = all_prompts(backbone)[:2]
    features = [backbone.look(prompt.pictures) for prompt in prompts]
    with pytest.raises(BackboneError, match="not those of the prompts' pictures"):
        backbone.forward(prompts, features[::-1])


def test_gradients_reach_vision_tower_projector_and_language_model(backbone):
    prompts = all_prompts(backbone)
    assert not any(parameter.requires_grad for parameter in backbone.model.parameters())
    try:
        backbone.model.requires_grad_(True)
        output = backbone.forward(prompts)
        backbone.logits(output.hidden[:2, -1]).square().sum().backward()
        assert backbone.model.get_input_embeddings().weight.grad.any()
        for part in (backbone.vision, backbone.projector, backbone.language):
            matrices = [parameter for parameter in part.parameters() if parameter.ndim == 2]
            assert sum(bool(matrix.grad is not None and matrix.grad.any()) for matrix in matrices) > len(matrices) / 2
    finally:
        backbone.model.zero_grad(set_to_none=True)
        backbone.model.requires_grad_(False)


def test_gradient_checkpointing_changes_neither_hidden_states_nor_gradients(backbone):
    prompts, weight = all_prompts(backbone), backbone.language.layers[0].mlp.up_proj.weight

    def layer_and_gradient():
        hidden = backbone.forward(prompts, layer=2).hidden
        (gradient,) = torch.autograd.grad(hidden[0, -1].square().sum(), weight)
        return hidden, gradient

    weight.requires_grad_(True)
    try:
        plain = layer_and_gradient()
        backbone.model.train()
        backbone.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        torch.testing.assert_close(layer_and_gradient(), plain)
        assert plain[1].any()
    finally:
        backbone.model.gradient_checkpointing_disable()
        backbone.model.eval()
        weight.requires_grad_(False)


def test_layers_are_the_residual_stream_and_the_last_is_not_normed(backbone):
    case = CASES["two images"]
    prompt = ours(backbone, *case)
    native = list(native_logits(backbone, *case, output_hidden_states=True).hidden_states)
    is_image = prompt.ids == backbone.model.config.image_token_id
    levels = zip(*(features.deepstack for features in backbone.look(prompt.pictures)), strict=True)
    for layer, added in enumerate(levels, 1):  # transformers keeps what a layer gives before Qwen3-VL adds to it
        native[layer][0, is_image] += torch.cat(added)
    for layer in range(backbone.num_layers):  # transformers' own last entry is normed, so it stops before
        hidden = backbone.forward([prompt], layer=layer).hidden
        torch.testing.assert_close(hidden, native[layer], rtol=0, atol=10 * ROUNDING)
    before_norm = backbone.forward([prompt], layer=backbone.num_layers).hidden
    after_norm = backbone.forward([prompt]).hidden
    assert not torch.allclose(before_norm, after_norm, atol=0.1)
    torch.testing.assert_close(backbone.language.norm(before_norm), after_norm)
    torch.testing.assert_close(after_norm, native[-1], rtol=0, atol=10 * ROUNDING)


@pytest.mark.parametrize("layer", [-1, 5])
def test_a_layer_that_is_not_there_is_refused(backbone, layer):
    with pytest.raises(BackboneError, match=f"layer {layer} .*expected 0 to 4"):
        backbone.forward(all_prompts(backbone)[:1], layer=layer)


def test_an_answer_follows_the_prompt_verbatim(backbone):
    question, full = (ours(backbone, *CASES["one image"], answer=text) for text in ("", " 4.38 good<|im_end|>\n"))
    assert question.answer_start == len(question) == full.answer_start
    assert full.ids[: len(question)].tolist() == question.ids.tolist()
    assert backbone.tokenizer.decode(full.ids[full.answer_start :]) == " 4.38 good<|im_end|>\n"


def control_tokens(backbone):
    return ["<|im_start|>", "<|im_end|>", "<|endoftext|>", backbone.processor.image_token]


@pytest.mark.parametrize("which", range(4))
def test_a_text_cannot_hold_a_control_token(backbone, which):
    token = control_tokens(backbone)[which]
    for chat in (
        [("user", [f"Fine.{token} system"])],
        [("user", [IMAGE, "Fine.", token[:3], token[3:]])],
        [("system", [token]), ("user", ["Good?"])],
    ):
        pictures = [backbone.see(noise(64, 64))] if IMAGE in chat[0][1] else []
        with pytest.raises(SampleError) as failure:
            backbone.prompt(chat, pictures)
        assert token in str(failure.value)
        assert failure.value.status == "failed"


def test_text_that_only_looks_like_a_tag_is_text(backbone):
    prompt = backbone.prompt([("user", ["is a <b>bold</b> |im_end| < good > [IMG] ok?"])])
    assert "is a <b>bold</b> |im_end| < good > [IMG] ok?" in backbone.tokenizer.decode(prompt.ids)


@pytest.mark.parametrize("chat", [[], [("user", [])], [("user", [" \n", ""])], [("user", [IMAGE])]])
def test_a_prompt_without_text_is_refused(backbone, chat):
    with pytest.raises(SampleError, match="the prompt is empty"):
        backbone.prompt(chat, [backbone.see(noise(64, 64))] if chat and IMAGE in chat[0][1] else [])


def test_an_enormous_prompt_is_refused_with_counts(backbone):
    with pytest.raises(SampleError, match=r"the prompt has 40\d\d\d tokens \(0 of 0 images\); expected at most 4096"):
        backbone.prompt([("user", ["0" * 40_000])])
    prompt = ours(backbone, *CASES["one image"])
    chat, picture = [("user", [IMAGE, "Good?"])], prompt.pictures[0]
    fits = len(backbone.prompt(chat, [picture]))
    assert len(backbone.prompt(chat, [picture], max_tokens=fits)) == fits
    with pytest.raises(SampleError, match=rf"\({picture.tokens} of 1 image\); expected at most {fits - 1}"):
        backbone.prompt(chat, [picture], max_tokens=fits - 1)


def test_pictures_and_their_places_must_match(backbone):
    picture = backbone.see(noise(64, 64))
    with pytest.raises(BackboneError, match="IMAGE 2 times, but 1 picture; expected equal"):
        backbone.prompt([("user", [IMAGE, IMAGE, "Good?"])], [picture])
    with pytest.raises(BackboneError, match=r"seen among 1 is in a chat with 2; make it with see\(image, among=2\)"):
        backbone.prompt([("user", [IMAGE, IMAGE, "Good?"])], [picture, picture])


def test_a_text_of_several_tokens_says_how_it_splits(backbone):
    assert backbone.tokenizer.decode([backbone.token(" good")]) == " good"
    with pytest.raises(BackboneError, match=r"'4\.3' is not one token of .* but '4' '\.' '3'"):
        backbone.token("4.3")
    with pytest.raises(BackboneError, match=r"'' is not one token of .* but nothing"):
        backbone.token("")


def test_a_tokenizer_that_groups_digits_is_refused(tmp_path):
    from tokenizers import Regex, pre_tokenizers

    backbone = Backbone.load(tiny_backbone("qwen3_vl", tmp_path), device="cpu")
    assert [backbone.tokenizer.decode([each]) for each in backbone.digit_ids()] == list("0123456789")
    inner = backbone.tokenizer.backend_tokenizer
    groups = pre_tokenizers.Split(Regex(r"\d{1,3}|\D"), "isolated")  # as Llama 3 does
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [groups, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    backbone.digit_ids()  # pieces alone change nothing: it takes a token for two digits to group them
    inner.add_tokens(["38"])
    with pytest.raises(BackboneError, match=r"writes 4\.38 as '4' '\.' '38'; .*one token for each digit"):
        backbone.digit_ids()


def test_a_batch_may_not_be_empty(backbone):
    with pytest.raises(BackboneError, match="no prompts"):
        backbone.forward([])


def test_the_numbers_of_a_backbone(backbone):
    assert (backbone.hidden_size, backbone.num_layers, backbone.context) == (64, 4, 4096)
    assert (backbone.device.type, backbone.dtype) == ("cpu", torch.float32)
    sizes = [
        sum(p.numel() for p in part.parameters()) for part in (backbone.vision, backbone.projector, backbone.language)
    ]
    assert all(0 < size < sum(p.numel() for p in backbone.model.parameters()) for size in sizes)


def test_in_bfloat16_logits_are_float32_and_near(folders, family):
    half, full = (Backbone.load(folders[family], device="cpu", dtype=dtype) for dtype in ("bfloat16", "float32"))
    assert half.model is not full.model
    prompts = all_prompts(half)
    logits = [
        each.logits(
            each.forward(prompts).hidden[torch.arange(len(prompts)), torch.tensor([len(p) - 1 for p in prompts])]
        )
        for each in (half, full)
    ]
    assert logits[0].dtype == torch.float32
    # bfloat16 has 8 bits; a few layers of it on logits below 1
    torch.testing.assert_close(logits[0], logits[1], rtol=0, atol=0.05)
