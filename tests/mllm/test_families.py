"""Families: prompts and pictures as the native processor makes them, budgets, odd images, where LoRA goes."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pytest
import torch
from torch import nn

from editmetrics.mllm.backbone import IMAGE, Backbone, BackboneError
from editmetrics.mllm.families import FAMILIES
from editmetrics.sample import EditMetricsError, SampleError
from editmetrics.testing import tiny_backbone

from .native import CASES, native_inputs, noise, ours


@pytest.mark.parametrize("case", CASES)
def test_token_for_token_and_pixel_for_pixel_what_the_native_processor_gives(backbone, case):
    images, text = CASES[case]
    native, prompt = native_inputs(backbone, images, text), ours(backbone, images, text)
    assert prompt.ids.tolist() == native["input_ids"][0].tolist()
    for name in ("pixel_values", "image_grid_thw", "image_sizes"):
        if name in native:
            parts = [picture.pixels[name] for picture in prompt.pictures]
            assert torch.equal(torch.cat([part.flatten() for part in parts]), native[name].flatten()), name
    in_text = (prompt.ids == backbone.model.config.image_token_id).sum()
    assert in_text == sum(picture.tokens for picture in prompt.pictures)


def test_pictures_and_prompts_travel_between_processes(backbone):
    prompt = ours(backbone, *CASES["two images"])
    again = pickle.loads(pickle.dumps(prompt))
    assert torch.equal(again.ids, prompt.ids)
    assert all(
        torch.equal(a.pixels[name], b.pixels[name])
        for a, b in zip(again.pictures, prompt.pictures, strict=True)
        for name in b.pixels
    )


def test_several_turns_and_an_assistants_turn_follow_the_native_template(backbone):
    chat = [("user", [IMAGE, "What is it?"]), ("assistant", ["A cat."]), ("user", ["Is it good?"])]
    picture = backbone.see(noise(64, 64))
    turns = [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "A cat."}]},
        {"role": "user", "content": [{"type": "text", "text": "Is it good?"}]},
    ]
    text = backbone.processor.apply_chat_template(turns, add_generation_prompt=True)
    wanted = backbone.processor(text=[text], images=[[noise(64, 64)]], return_tensors="pt")["input_ids"][0]
    assert backbone.prompt(chat, [picture]).ids.tolist() == wanted.tolist()


@pytest.mark.parametrize("written", [False, True])
def test_a_token_of_the_beginning_stands_there_once(tmp_path, written):
    from tokenizers.processors import TemplateProcessing

    backbone = Backbone.load(tiny_backbone("internvl", tmp_path), device="cpu")
    start = "<|endoftext|>"
    backbone.tokenizer.bos_token = start
    backbone.tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{start} $A", special_tokens=[(start, backbone.tokenizer.get_vocab()[start])]
    )
    if written:
        backbone.processor.chat_template = start + backbone.processor.chat_template
    case = CASES["one image"]
    ids = ours(backbone, *case, answer="yes").ids.tolist()
    assert ids[:-1] == native_inputs(backbone, *case)["input_ids"][0].tolist()
    assert ids.count(ids[0]) == 1
    assert ids[0] == backbone.tokenizer.get_vocab()[start]


BUDGETS = [("internvl", 16), ("internvl", 47), ("internvl", 80), ("qwen2_5_vl", 9), ("qwen3_vl", 30),
           ("llava_onevision", 65), ("llava_onevision", 300)]  # fmt: skip


@pytest.mark.parametrize(("name", "image_tokens"), BUDGETS)
def test_no_image_takes_more_than_the_budget(folders, name, image_tokens):
    limited, free = (Backbone.load(folders[name], device="cpu", image_tokens=n) for n in (image_tokens, None))
    image = noise(300, 200)
    assert limited.see(image).tokens <= image_tokens < free.see(image).tokens
    assert limited.look([limited.see(image)])[0].tokens.shape == (limited.see(image).tokens, limited.hidden_size)
    assert limited.model is free.model  # one model in memory serves both


def test_internvl_spends_its_budget_on_tiles_and_the_small_copy(folders):
    def tiles(image_tokens, height=192, width=192):
        backbone = Backbone.load(folders["internvl"], device="cpu", image_tokens=image_tokens)
        return len(backbone.see(noise(height, width)).pixels["pixel_values"])

    assert [tiles(16 * n) for n in (1, 2, 3, 5, 9, 10)] == [1, 1, 1, 5, 5, 10]  # 2x2 and 3x3 squares, and the copy
    assert [tiles(16 * n, 64, 128) for n in (2, 3, 4)] == [1, 3, 3]
    assert tiles(16 * 1000, 640, 640) == tiles(None, 640, 640) == 10  # 12 tiles are the checkpoint's own most


@pytest.mark.parametrize(("name", "image_tokens"), [("internvl", 15), ("llava_onevision", 64), ("qwen3_vl", 0)])
def test_a_budget_too_small_for_any_image_is_refused(folders, name, image_tokens):
    with pytest.raises(BackboneError, match=f"image_tokens={image_tokens} is too few"):
        Backbone.load(folders[name], device="cpu", image_tokens=image_tokens)


ODD = [(1, 1), (1, 3), (3, 1), (3, 5), (1, 150), (4000, 5000)]


@pytest.mark.parametrize("size", ODD)
def test_images_of_one_pixel_and_of_twenty_megapixels_are_seen(backbone, size):
    picture = backbone.see(np.zeros((*size, 3), np.uint8))
    assert picture.size == size
    assert backbone.look([picture])[0].tokens.shape == (picture.tokens, backbone.hidden_size)
    assert picture.tokens < 1000


@pytest.mark.parametrize("name", ["qwen2_5_vl", "qwen3_vl"])
def test_a_shape_that_the_family_refuses_fails_that_sample_alone(folders, name):
    backbone = Backbone.load(folders[name], device="cpu")
    with pytest.raises(SampleError, match=r"201x1 pixels.*aspect ratio") as failure:
        backbone.see(np.zeros((1, 201, 3), np.uint8))
    assert failure.value.status == "failed"


def test_a_long_strip_that_breaks_qwens_budget_is_refused(folders):
    backbone = Backbone.load(folders["qwen3_vl"], device="cpu", image_tokens=16)
    with pytest.raises(SampleError, match=r"1500x10 pixels takes \d+ tokens; image_tokens=16"):
        backbone.see(np.zeros((10, 1500, 3), np.uint8))


@pytest.mark.parametrize("image", [np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3))])
def test_what_is_no_image_is_refused(folders, image):
    with pytest.raises(BackboneError, match=r"expected uint8 \(H, W, 3\)"):
        Backbone.load(folders["internvl"], device="cpu").see(image)


def test_features_become_tensors_and_back(backbone):
    (features,) = backbone.look([backbone.see(noise(70, 100))])
    again = type(features).from_tensors(features.tensors())
    assert len(again.deepstack) == (2 if backbone.family.name == "qwen3_vl" else 0)
    assert all(torch.equal(a, b) for a, b in zip(again.tensors().values(), features.tensors().values(), strict=True))


def linear_layers(model, path):
    return {f"{path}.{name}" for name, part in model.get_submodule(path).named_modules() if isinstance(part, nn.Linear)}


def test_lora_patterns_match_all_linear_layers_of_their_part_and_no_other(backbone):
    family, model = backbone.family, backbone.model
    everything = {name for name, part in model.named_modules() if isinstance(part, nn.Linear)}
    projectors = {name for path in family.projector for name in linear_layers(model, path)}
    wanted = {
        "vision": linear_layers(model, family.vision) - projectors,
        "language": linear_layers(model, family.language),
    }
    for part, pattern in family.lora_targets.items():
        matched = {name for name in everything if re.fullmatch(pattern, name)}
        assert matched == wanted[part]
        assert matched
    assert projectors
    assert everything - wanted["vision"] - wanted["language"] - projectors == {"lm_head"}


def test_tiny_backbones_are_the_families_that_are_known(tmp_path):
    with pytest.raises(EditMetricsError, match=r"unknown family 'gpt'; expected one of") as failure:
        tiny_backbone("gpt", tmp_path)
    assert set(re.split(r", | ", str(failure.value).split("one of ")[1])) == FAMILIES.keys()


def test_a_tiny_backbone_is_the_same_every_time_and_another_with_another_seed(tmp_path, family):
    one, same, other = (tiny_backbone(family, tmp_path / str(n), seed=n // 2) for n in range(3))
    bodies = [(folder / "model.safetensors").read_bytes() for folder in (one, same, other)]
    assert bodies[0] == bodies[1] != bodies[2]


def test_a_tiny_tokenizer_has_one_token_for_each_level_word_and_digit(backbone):
    for word in ("bad", "poor", "fair", "good", "excellent", "yes", "no"):
        assert len({backbone.token(form) for form in (word, f" {word}", word.capitalize())}) == 3
    assert len(set(backbone.digit_ids())) == 10
    text = "naïve 漢字 🎨\t\n<b>'\"{}"
    assert backbone.tokenizer.decode(backbone.tokens(text)) == text


@pytest.mark.parametrize("layer", [-1, -2, 0, [-1, 1]])
def test_llava_reads_the_layers_of_its_tower_that_its_configuration_names(folders, layer):
    """Against the tower's own list of all hidden states, of which one or two are needed."""
    backbone = Backbone.load(folders["llava_onevision"], device="cpu")
    inner, config = backbone.model.model, backbone.model.config
    tiles = torch.rand(2, 3, *[config.vision_config.image_size] * 2)
    read = []
    hook = inner.multi_modal_projector.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0]) or (kept,))
    kept = torch.zeros(2, 4, config.vision_config.hidden_size)
    before, config.vision_feature_layer = config.vision_feature_layer, layer
    try:
        with torch.no_grad():
            backbone.family._tile_features(backbone.model, tiles)
            states = inner.vision_tower(tiles, output_hidden_states=True).hidden_states
    finally:
        config.vision_feature_layer = before
        hook.remove()
    indices = [layer] if isinstance(layer, int) else layer
    assert torch.equal(read[0], torch.cat([states[index] for index in indices], -1))
    assert not any(part._forward_pre_hooks for part in inner.vision_tower.modules())
