"""Qwen2-VL and Qwen3.5 do what the other families do: the tests of those, for these two."""

from __future__ import annotations

import pytest
import torch

from editmetrics.mllm.backbone import Backbone
from editmetrics.mllm.layers import states_of_all_layers
from editmetrics.testing import tiny_backbone

from .native import CASES, ROUNDING, all_prompts, native_inputs, native_logits
from .test_backbone import (  # noqa: F401 - collected here with this module's families
    test_a_batch_of_unequal_prompts_gives_the_native_logits_of_each,
)
from .test_families import (  # noqa: F401
    test_lora_patterns_match_all_linear_layers_of_their_part_and_no_other,
    test_token_for_token_and_pixel_for_pixel_what_the_native_processor_gives,
)
from .test_prefix_cache import (  # noqa: F401
    test_a_prompt_cut_after_its_images_and_continued_is_the_whole_prompt,
    test_a_reading_extended_is_the_native_forward_over_the_whole_text,
    test_readings_of_one_prompt_grow_apart,
)

FAMILIES = ("qwen2_vl", "qwen3_5")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("more")
    return {family: tiny_backbone(family, root / family) for family in FAMILIES}


@pytest.fixture(params=FAMILIES)
def backbone(request, folders):
    return Backbone.load(folders[request.param], device="cpu")


def test_the_state_after_each_layer_is_the_native_one(backbone):
    states = states_of_all_layers(backbone, all_prompts(backbone))
    for row, case in enumerate(CASES.values()):
        native = native_logits(backbone, *case, output_hidden_states=True).hidden_states
        wanted = torch.stack([state[0, -1] for state in native[1:-1]])
        torch.testing.assert_close(states[row, :-1], wanted, rtol=0, atol=20 * ROUNDING)


def test_the_first_layers_alone_give_the_states_of_the_whole(backbone, folders):
    folder = next(folder for name, folder in folders.items() if name == backbone.family.name)
    short = Backbone.load(folder, device="cpu", layers=2)
    prompts = all_prompts(backbone)[:2]
    with torch.no_grad():
        torch.testing.assert_close(
            short.forward(prompts, layer=2).at(-1), backbone.forward(prompts, layer=2).at(-1), rtol=0, atol=ROUNDING
        )


def test_continuations_are_the_native_forward_over_the_whole_text(backbone):
    texts = [[backbone.tokens(text) for text in of_row] for of_row in (["4.38", " excellent, and more"], ["no"])]
    reading = backbone.read(all_prompts(backbone)[:2])
    for case, of_row, results in zip(CASES.values(), texts, reading.continued(texts), strict=False):
        for ids, logits in zip(of_row, results, strict=True):
            wanted = native_logits(backbone, *case, ids)[-len(ids) - 1 : -1]
            torch.testing.assert_close(logits, wanted, rtol=0, atol=ROUNDING)


def test_an_answer_is_the_native_one(backbone):
    case = CASES["two images"]
    inputs = native_inputs(backbone, *case)
    written = backbone.model.generate(**inputs, max_new_tokens=6, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    wanted = backbone.tokenizer.decode(written, skip_special_tokens=True)
    assert backbone.generate([all_prompts(backbone)[1], all_prompts(backbone)[0]], max_tokens=6)[1] == wanted


@torch.no_grad()
def test_a_layout_that_is_derived_on_the_host_changes_nothing(backbone):
    """On a device the tower is given it, and waits for nothing."""
    pictures = all_prompts(backbone)[0].pictures
    grids = torch.cat([picture.pixels["image_grid_thw"] for picture in pictures])
    patches = torch.cat([picture.pixels["pixel_values"] for picture in pictures])
    layout = backbone.family._layout(backbone.model, grids)
    assert {"cu_seqlens", "position_ids"} <= layout.keys()
    assert ("interp_indices" in layout) == (backbone.family.name == "qwen3_5")
    given = backbone.model.model.get_image_features(patches, grids, **layout).pooler_output
    for ours, native in zip(given, backbone.model.model.get_image_features(patches, grids).pooler_output, strict=True):
        assert torch.equal(ours, native)
