"""The prompts are the strings of the paper's supplement, with the images where it has them, on the real chat template.

`tiny_backbone("llava_onevision")` has a chat template that behaves as the hub's: a turn's images first, then each of
its texts on a line of its own.
"""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from editmetrics.mllm.backbone import IMAGE, Backbone
from editmetrics.plugins.epaiqa.assessor import ExplainingAssessor
from editmetrics.plugins.epaiqa.box import Box
from editmetrics.plugins.epaiqa.metric import EPAIQA
from editmetrics.testing import tiny_backbone

SUPPLEMENT = {
    "grounding": "The original image is: [image], the image after partial editing is: [image]. Please output the "
    "representation of the local editing area. It is expressed as four decimals in the range [0,1] (as a percentage of "
    "the image), where the first two digits are the horizontal/vertical coordinates of the center point of the editing "
    "area, and the last two digits are the width/height coordinates of the size of the editing area",
    "harmony": "The image after partial editing is: [image]. Please rate the harmony between the edited area and the "
    "overall edited image (There are 5 levels in total: bad, poor, fair, good, excellent). Then output the harmony "
    "level.",
    "naturalness": "The editing area of image after partial editing is: [image]. Please rate the naturalness of the "
    "edited area (There are 5 levels in total: bad, poor, fair, good, excellent). Then output the naturalness level.",
    "explained": "The original image is: [image], the image after partial editing is: [image]. The partial editing "
    "prompt is: make it red. First, determine whether the prompt is followed. If not, analyze it and directly give the "
    "overall quality level as bad. If partially followed, analyze it and directly give the overall quality level as "
    "poor. If followed, first analyze the prompt completion, the local naturalness of the edited area and the overall "
    "harmony, then please give the final overall editing quality level based on the analysis and the overall "
    "presentation quality of the edited image.",
}
ANSWERS = {
    "grounding": "The four coefficients representing the editing area are:",
    "harmony": "Harmony level is:",
    "naturalness": "Naturalness level is:",
    "explained": "The prompt completion is",
}


@pytest.fixture(scope="module")
def backbone(random_backbone):
    return Backbone.load(random_backbone, device="cpu", image_tokens=EPAIQA.IMAGE_TOKENS)


def prepared(assessor):
    black, white = np.zeros((64, 64, 3), np.uint8), np.full((64, 64, 3), 255, np.uint8)
    return assessor.prepare(black, white, "make it red", Box(0.5, 0.5, 0.5, 0.5))


def written(backbone, prompt):
    """The text that the backbone reads, each run of image tokens as one [image]."""
    return re.sub(r"(<image>)+", "[image]", backbone.tokenizer.decode(prompt.ids))


def test_the_template_moves_images_as_the_hubs_does(backbone):
    pictures = [backbone.see(np.zeros((64, 64, 3), np.uint8), among=2) for _ in range(2)]
    prompt = backbone.prompt([("user", ["One: ", IMAGE, ", two: ", IMAGE, "?"])], pictures)
    assert written(backbone, prompt).replace("[image]", "") == (
        "<|im_start|>user \nOne: \n, two: \n?<|im_end|><|im_start|>assistant\n"
    )


@pytest.mark.parametrize("kind", SUPPLEMENT)
def test_each_image_stands_where_the_supplement_has_it(backbone, kind):
    text = written(backbone, getattr(prepared(ExplainingAssessor(backbone)), kind))
    assert text == f"<|im_start|>user \n{SUPPLEMENT[kind]}<|im_end|><|im_start|>assistant\n{ANSWERS[kind]}"


def test_the_source_is_the_first_image_and_the_edited_one_the_second(backbone):
    both = prepared(ExplainingAssessor(backbone))
    for prompt in (both.grounding, both.explained):
        source, edited = (float(picture.pixels["pixel_values"].mean()) for picture in prompt.pictures)
        assert source < edited  # black, white
    (whole,), (cut,) = both.harmony.pictures, both.naturalness.pictures
    assert whole.pixels["pixel_values"].min() == cut.pixels["pixel_values"].max()  # white


@pytest.mark.parametrize("family", ["internvl", "qwen3_vl"])
def test_templates_that_leave_images_in_place_write_the_same_with_and_without(tmp_path, family):
    other = Backbone.load(tiny_backbone(family, tmp_path, layers=1), device="cpu")
    one, two = (prepared(ExplainingAssessor(other, inline=inline)) for inline in (True, False))
    assert all(a.ids.tolist() == b.ids.tolist() for a, b in zip(one.prompts(), two.prompts(), strict=True))


def test_weights_of_earlier_versions_keep_their_prompts_and_their_identity(backbone):
    old, new = EPAIQA(weights="toy"), EPAIQA(backbone="toy-llava")
    assert ("images" in old.identity(), new.identity()["images"]) == (False, "inline")
    text = written(backbone, prepared(ExplainingAssessor(backbone, inline=False)).explained)
    assert re.match(r"<\|im_start\|>user \[image\]\nThe original image is: \n", text)


def test_a_training_records_where_its_images_stand(edits, tmp_path):
    new, old = {"backbone": "toy-llava"}, {"weights": "toy"}
    for name, options, more in (("new", new, {}), ("old", old, {}), ("started", new, {"start_from": "toy"})):
        EPAIQA(**options).to("cpu").fit(
            edits, targets={"harmony": "harmony"}, label_scale=(1, 5), output_dir=tmp_path / name, preset="toy",
            stages=("quantitative",), quantitative_steps=1, batch_size=2, **more,
        )  # fmt: skip
    settings = {
        name: json.loads((tmp_path / name / "metric.json").read_text())["settings"]
        for name in ("new", "old", "started")
    }
    assert settings["new"]["images"] == "inline"
    assert not {"images"} & {*settings["old"], *settings["started"]}  # they continue with the prompts they know
    metric = EPAIQA(weights=str(tmp_path / "new")).to("cpu")
    metric.load()
    assert metric.assessors[0].inline
