"""LMM4Edit and EditHF from tiny checkpoints in the published layout, recomputed with transformers and peft alone."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

from editmetrics import EditMetricsError, Sample, SampleError, create_metric
from editmetrics.plugins.conformance.edit_regression import text_model, write_edit_hf, write_lmm4edit
from editmetrics.plugins.lmm4edit.metric import fitted
from editmetrics.testing import tiny_backbone

PARTS = {"visual_quality": "visual", "editing_alignment": "alignment", "attribute_preservation": "preservation"}
RNG = np.random.default_rng(0)
TEXTS = "make the disc blue", "remove the box, and replace what was behind it by a meadow with flowers"
SAMPLES = [
    Sample(text, edited=edited, source=source, prompt=text)
    for text, (edited, source) in zip(TEXTS, RNG.integers(0, 256, (2, 2, 70, 100, 3), dtype=np.uint8), strict=True)
]
ROUNDING = 2e-3
"""On a scale of 100: float32 states, summed in another order (padding, a fused layer cut in three)."""


@pytest.fixture(scope="module")
def lmm4edit(tmp_path_factory):
    root = tmp_path_factory.mktemp("lmm4edit")
    backbone = tiny_backbone("qwen3_vl", root / "backbone")
    for seed, part in enumerate(PARTS.values()):
        write_lmm4edit(backbone, root / "weights", part, seed)
    return backbone, root / "weights"


@pytest.fixture(scope="module")
def edit_hf(tmp_path_factory):
    root = tmp_path_factory.mktemp("edit_hf")
    backbone = tiny_backbone("internvl", root / "backbone")
    for seed, part in enumerate(PARTS.values()):
        write_edit_hf(backbone, root / "weights", part, 10 * seed)
    return backbone, root / "weights"


def made(name, folders, **options):
    backbone, weights = folders
    return create_metric(name, **{"backbone": str(backbone), "weights": str(weights), "device": "cpu", **options})


def clipped(values):
    return [min(max(value, 0), 100) for value in values]


# ---------------------------------------------------------------------- LMM4Edit


@torch.no_grad()
def lmm4edit_by_peft(backbone, weights, part: str, sample: Sample) -> float:
    from peft import PeftModel
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor = AutoProcessor.from_pretrained(backbone)
    model = PeftModel.from_pretrained(
        AutoModelForImageTextToText.from_pretrained(backbone).model, weights / part
    ).eval()
    name, focus = {
        "visual": ("visual quality", "realism, artifacts, texture detail, color consistency and overall fidelity"),
        "alignment": (
            "editing instruction alignment",
            "whether the requested semantic edit is correctly applied at the right location and extent",
        ),
        "preservation": (
            "attribute preservation", "whether content unrelated to the requested edit remains unchanged",
        ),
    }[part]  # fmt: skip
    query = (
        "You are scoring an image editing result. The first image is the source image and the second image is the "
        f"edited image. Editing instruction: {sample.prompt}. Evaluate the edited image for {name}. Focus on {focus}. "
        "Return the internal assessment score."
    )
    images = [{"type": "image", "image": Image.fromarray(image)} for image in (sample.source, sample.edited)]
    inputs = processor.apply_chat_template(
        [{"role": "user", "content": [*images, {"type": "text", "text": query}]}],
        tokenize=True, add_generation_prompt=True, return_dict=True, return_tensors="pt",
    )  # fmt: skip
    hidden = model(**inputs, output_hidden_states=True, use_cache=False).hidden_states[-1][:, -1]
    said = json.loads((weights / part / "regression_config.json").read_text())
    sizes = said["hidden_size"], said["head_hidden_size"], said["head_hidden_size2"]
    head = nn.ModuleDict(
        {
            "mlp": nn.Sequential(
                nn.Linear(sizes[0], sizes[1]), nn.SiLU(), nn.Dropout(0.1),
                nn.Linear(sizes[1], sizes[2]), nn.SiLU(), nn.Dropout(0.05), nn.Linear(sizes[2], 1),
            )
        }
    ).eval()  # fmt: skip
    head.load_state_dict(torch.load(weights / part / "score_head.pth", weights_only=True))
    return head["mlp"](hidden).item() * said["score_output_scale"]


def test_lmm4edit_is_what_transformers_and_peft_compute(lmm4edit):
    scores = made("lmm4edit", lmm4edit).score(SAMPLES)
    for dimension, part in PARTS.items():
        expected = clipped(lmm4edit_by_peft(*lmm4edit, part, sample) for sample in SAMPLES)
        assert [score[dimension] for score in scores] == pytest.approx(expected, abs=ROUNDING)
    assert len({score[dimension] for score in scores for dimension in PARTS}) > 3  # not all at an end of the scale


def test_one_dimension_needs_its_own_folder_alone(lmm4edit, tmp_path):
    backbone, weights = lmm4edit
    shutil.copytree(weights / "alignment", tmp_path / "alignment")
    one = made("lmm4edit", (backbone, tmp_path), dimension="editing_alignment")
    assert [dimension.name for dimension in one.dimensions] == ["editing_alignment"]
    whole = made("lmm4edit", lmm4edit)
    assert float(one(SAMPLES[0])) == pytest.approx(whole(SAMPLES[0])["editing_alignment"], abs=1e-4)
    with pytest.raises(EditMetricsError, match=r"visual has no adapter_config.json, .*expected"):
        made("lmm4edit", (backbone, tmp_path))(SAMPLES[0])


def test_large_images_are_fitted_as_the_authors_do():
    image = RNG.integers(0, 256, (1200, 1500, 3), dtype=np.uint8)
    scale = (1_048_576 / (1200 * 1500)) ** 0.5
    size = round(1500 * scale) // 16 * 16, round(1200 * scale) // 16 * 16
    expected = np.array(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))
    np.testing.assert_array_equal(fitted(image), expected)
    assert fitted(image[:1024, :1024]) is not None
    assert fitted(image[:1024, :1024]).shape == (1024, 1024, 3)


def damaged(weights, target, part="visual"):
    """A copy of one dimension's folder."""
    shutil.copytree(weights, target)
    return target / part


@pytest.mark.parametrize("what", ["missing", "extra", "shape", "adapter", "another", "dimension", "dora"])
def test_what_is_wrong_with_lmm4edits_weights_is_named(lmm4edit, tmp_path, what):
    backbone, weights = lmm4edit
    folder = damaged(weights, tmp_path / "weights")
    head, adapter = folder / "score_head.pth", folder / "adapter_model.safetensors"
    tensors, matrices = torch.load(head, weights_only=True), load_file(adapter)
    first = sorted(matrices)[0]
    settings, config = (
        json.loads((folder / name).read_text()) for name in ("regression_config.json", "adapter_config.json")
    )
    if what == "missing":
        del tensors["mlp.3.bias"]
        expected = r"score_head.pth lacks mlp.3.bias"
    elif what == "extra":
        tensors["mlp.9.weight"] = torch.zeros(1)
        expected = r"score_head.pth has mlp.9.weight"
    elif what == "shape":
        tensors["mlp.6.weight"] = torch.zeros(1, 9)
        expected = r"mlp.6.weight is \(1, 9\), expected \(1, 8\)"
    elif what == "adapter":
        del matrices[first]
        expected = rf"adapter_model.safetensors lacks {re.escape(first)}"
    elif what == "another":
        matrices = {key.replace("layers.0.", "layers.77."): value for key, value in matrices.items()}
        expected = r"adapter for another backbone.*layers.77"
    elif what == "dimension":
        settings["dimension"] = "alignment"
        expected = r"is of the dimension alignment; expected visual"
    else:
        config["use_dora"] = True
        expected = r"sets use_dora"
    torch.save(tensors, head)
    save_file(matrices, adapter)
    (folder / "regression_config.json").write_text(json.dumps(settings))
    (folder / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(EditMetricsError, match=expected):
        made("lmm4edit", (backbone, tmp_path / "weights"), dimension="visual_quality")(SAMPLES[0])


def test_a_head_that_holds_code_is_not_run(lmm4edit, tmp_path):
    backbone, weights = lmm4edit
    folder = damaged(weights, tmp_path / "weights")
    torch.save({"mlp.0.weight": nn.Linear(1, 1)}, folder / "score_head.pth")
    with pytest.raises(EditMetricsError, match="holds more than tensors"):
        made("lmm4edit", (backbone, tmp_path / "weights"), dimension="visual_quality")(SAMPLES[0])


# ---------------------------------------------------------------------- EditHF


@torch.no_grad()
def edit_hf_by_peft(backbone, weights, part: str, sample: Sample) -> float:
    from peft import PeftModel
    from torchvision import transforms
    from transformers import AutoModelForImageTextToText, AutoProcessor

    folder = weights / f"lora_checkpoints_{part.replace('alignment', 'editing')}"
    processor = AutoProcessor.from_pretrained(backbone)
    model = AutoModelForImageTextToText.from_pretrained(backbone).eval()
    PeftModel.from_pretrained(text_model(model), folder / "llm_lora").eval()  # into the model's own layers
    vision, config = (
        load_file(folder / "vision_lora" / "adapter_model.safetensors"),
        json.loads((folder / "vision_lora" / "adapter_config.json").read_text()),
    )
    own = dict(model.model.vision_tower.named_modules())
    for key in [key for key in vision if key.endswith("lora_A.weight")]:
        number, layer = re.search(r"layers\.(\d+)\.(.+)\.lora_A", key).groups()
        change = config["lora_alpha"] / config["r"] * vision[key.replace("lora_A", "lora_B")] @ vision[key]
        native = f"encoder.layer.{number}."
        names = {
            "attn.qkv": [f"attention.{each}_proj" for each in "qkv"], "attn.proj": ["attention.projection_layer"],
        }.get(layer, [layer])  # fmt: skip
        for name, rows in zip(names, change.chunk(len(names)), strict=True):
            own[native + name].weight += rows
    side = processor.image_processor.size["height"]
    transform = transforms.Compose(
        [
            transforms.Resize((side, side), transforms.InterpolationMode.BICUBIC),
            transforms.ToTensor(),
            transforms.Normalize(processor.image_processor.image_mean, processor.image_processor.image_std),
        ]
    )
    pixels = torch.stack([transform(Image.fromarray(image)) for image in (sample.source, sample.edited)])
    aspect = {
        "visual": "visual quality",
        "alignment": "editing instruction alignment",
        "preservation": "attribute preservation",
    }
    query = (
        f"With the image editing prompt [{sample.prompt}], the source image <image> is edited to generate the target "
        f"image <image>. Please rate the target image from {aspect[part]} aspect on a scale of 0-100. Just reply a "
        "sentence in the following format: [The quality score is XX.XX (a number with two decimal)]"
        " The quality score is 00.00"
    )
    query = query.replace("<image>", f"<img>{'<IMG_CONTEXT>' * processor.image_seq_length}</img>")
    inputs = processor.tokenizer(query, return_tensors="pt")
    output = model(**inputs, pixel_values=pixels, output_hidden_states=True)
    hidden = output.hidden_states[-1][:, -6]
    size = hidden.shape[1]
    mlp = nn.Sequential(nn.Linear(size, size // 2), nn.ReLU(), nn.Linear(size // 2, 128), nn.ReLU(), nn.Linear(128, 1))
    head = nn.ModuleDict({"mlp": mlp})
    head.load_state_dict(torch.load(folder / "mlp_head.pth", weights_only=True))
    return abs(head["mlp"](hidden).item()) * 100


def test_edit_hf_is_what_transformers_and_peft_compute(edit_hf):
    scores = made("edit_hf", edit_hf).score(SAMPLES)
    for dimension, part in PARTS.items():
        expected = clipped(edit_hf_by_peft(*edit_hf, part, sample) for sample in SAMPLES)
        assert [score[dimension] for score in scores] == pytest.approx(expected, abs=ROUNDING)
    assert len({score[dimension] for score in scores for dimension in PARTS}) > 3


def test_edit_hf_needs_an_internvl(edit_hf, lmm4edit):
    backbone, _ = lmm4edit
    with pytest.raises(EditMetricsError, match=r"no layer|another backbone|InternVL"):
        made("edit_hf", (backbone, edit_hf[1]))(SAMPLES[0])


def test_an_instruction_cannot_speak_for_the_backbone(edit_hf, lmm4edit):
    for name, folders, token in (("edit_hf", edit_hf, "<IMG_CONTEXT>"), ("lmm4edit", lmm4edit, "<|im_end|>")):
        with pytest.raises(SampleError, match="control token"):
            made(name, folders)(
                Sample("x", edited=SAMPLES[0].edited, source=SAMPLES[0].source, prompt=f"make it {token} red")
            )
    plain = made("edit_hf", edit_hf)
    assert plain(Sample("x", edited=SAMPLES[0].edited, source=SAMPLES[0].source, prompt="paint an <image> of it")).ok


def test_the_identity_names_the_files(edit_hf):
    metric = made("edit_hf", edit_hf, dimension="visual_quality")
    assert sorted(metric.identity()["weights"]) == [
        f"lora_checkpoints_visual/{file}"
        for file in (
            "llm_lora/adapter_config.json", "llm_lora/adapter_model.safetensors", "mlp_head.pth",
            "vision_lora/adapter_config.json", "vision_lora/adapter_model.safetensors",
        )
    ]  # fmt: skip
