"""mPLUG-Owl2: what the authors' code computes from the same tiny checkpoint, and folders that are not as published.

`mplug_owl2.json` was recorded with the code of Q-Future/Q-Align at 14dfdff on transformers 4.36.1 in float32 with its
eager attention: it loaded the folder of the fixture `folder` with no key missing or unexpected, and read its
`tokenizer.model` with the package sentencepiece 0.2.3. DeQA-Score's code at 8e4abc8 gave the same numbers.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from editmetrics.mllm import loading
from editmetrics.mllm.backbone import IMAGE, Backbone, BackboneError
from editmetrics.mllm.checkpoint_writing import save_model
from editmetrics.mllm.layers import states_of_all_layers
from editmetrics.mllm.lora import PARTS
from editmetrics.mllm.mplug_owl2.loading import published, read_config
from editmetrics.plugins.conformance.level_words import QUESTIONS
from editmetrics.sample import SampleError
from editmetrics.testing import tiny_backbone
from editmetrics.testing.mplug_owl2_backbone import sentencepiece_model

from .native import noise

RECORDED = json.loads(Path(__file__).with_name("mplug_owl2.json").read_text(encoding="utf-8"))
IMAGES = [noise(height, width, seed) for seed, (height, width) in enumerate(RECORDED["sizes"])]
ROUNDING = 1e-5
"""float32 numbers up to 10, in another order of summation, and recorded with six digits."""

QUALITY = ["USER: How would you rate the quality of this image?\n", "\nASSISTANT: The quality of the image is"]
TEXTS = {
    "quality": QUALITY,
    "aesthetics": [text.replace("quality", "aesthetics") for text in QUALITY],
    "evaluation": [QUALITY[0], QUALITY[1].replace("\n", " ")],
    "two": ["USER: ", "and ", "good?"],
    "none": ["USER: only text?"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_backbone("mplug_owl2", tmp_path_factory.mktemp("owl"), layers=2, corpus=QUESTIONS)


@pytest.fixture
def copy(folder, tmp_path):
    """A folder that a test may change."""
    return Path(shutil.copytree(folder, tmp_path / "copy"))


@pytest.fixture(scope="module")
def backbone(folder):
    return Backbone.load(folder, device="cpu")


def prompts_of(backbone, name):
    texts = TEXTS[name]
    images = {1: [], 2: [[image] for image in IMAGES], 3: [IMAGES[:2]]}[len(texts)]
    return [
        backbone.plain_prompt(texts, [backbone.see(image, among=len(of_prompt)) for image in of_prompt])
        for of_prompt in images or [[]]
    ]


def close(actual, recorded):
    torch.testing.assert_close(actual, torch.tensor(recorded), rtol=0, atol=ROUNDING)


# ---------------------------------------------------------------------- as the authors have it


def test_pixels_are_those_of_the_authors(backbone):
    made = [backbone.see(image).pixels["pixel_values"].numpy() for image in IMAGES]
    assert [hashlib.sha256(pixels.tobytes()).hexdigest() for pixels in made] == RECORDED["pixels"]
    close(torch.stack([features.tokens[:, 0] for features in backbone.look([*map(backbone.see, IMAGES)])]),
          RECORDED["features"])  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_tokens_states_and_logits_are_those_of_the_authors(backbone, name):
    prompts, recorded = prompts_of(backbone, name), RECORDED[name]
    marked = [token for id_ in recorded["ids"] for token in ([0] * 5 if id_ == -200 else [id_])]
    assert all(prompt.ids.tolist() == marked for prompt in prompts)
    logits = backbone.next_logits(prompts)[:, RECORDED["words"]]
    close(logits, recorded["logits"] if len(prompts) > 1 else [recorded["logits"]])
    if "states" in recorded:
        states = states_of_all_layers(backbone, prompts)
        close(states[:, :-1, :3].transpose(0, 1), recorded["states"])


def test_unequal_prompts_in_a_batch_are_those_of_the_authors(backbone):
    names = ["two", "none", "quality"]
    logits = backbone.next_logits([prompts_of(backbone, name)[0] for name in names])[:, RECORDED["words"]]
    close(logits, [RECORDED["two"]["logits"], RECORDED["none"]["logits"], RECORDED["quality"]["logits"][0]])


def test_a_prompt_that_is_continued_is_the_whole(backbone):
    (whole, *_) = prompts_of(backbone, "quality")
    (start, *_) = [backbone.plain_prompt([QUALITY[0], ""], whole.pictures)]
    reading = backbone.read([start])
    reading.extend([whole.ids[len(start) :].tolist()])
    close(reading.logits[:, RECORDED["words"]], RECORDED["quality"]["logits"][:1])


def test_the_chat_is_that_of_the_authors_evaluation(backbone):
    picture = backbone.see(IMAGES[0])
    chat = [("user", ["How would you rate the quality of this image?\n", IMAGE])]
    prompt = backbone.prompt(chat, [picture], answer="The quality of the image is")
    assert prompt.ids.tolist() == prompts_of(backbone, "evaluation")[0].ids.tolist()
    assert backbone.tokenizer.decode(prompt.ids[prompt.answer_start :]) == "The quality of the image is"


@pytest.mark.parametrize(("text", "ids"), RECORDED["texts"])
def test_words_become_the_tokens_of_sentencepiece(backbone, text, ids):
    assert backbone.tokenizer(text)["input_ids"] == ids
    assert [backbone.token(word) for word in ("excellent", "good", "fair", "poor", "bad")] == RECORDED["words"]


def test_the_full_model_has_the_published_tensors(tmp_path):
    """The names and shapes are those of the authors' classes with their own defaults; in two bytes each, the numbers
    are the 16.41 GB of the published files."""
    from editmetrics.mllm.mplug_owl2.language import MplugOwl2

    (tmp_path / "config.json").write_text('{"model_type": "mplug_owl2"}', encoding="utf-8")
    with torch.device("meta"):
        state = MplugOwl2(read_config(tmp_path)).state_dict()
    lines = sorted(f"{published(name)} {tuple(tensor.shape)}" for name, tensor in state.items())
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == (
        "834b647bbf9ad72bcbbd66f95ef66806ceed2f91062e16282849f0a66140bd7d"
    )
    assert sum(tensor.numel() for tensor in state.values()) == 8_204_550_144


# ---------------------------------------------------------------------- a backbone like any other


def test_the_first_layers_alone_give_the_states_of_the_whole(backbone, folder):
    short = Backbone.load(folder, device="cpu", layers=1)
    prompts = prompts_of(backbone, "quality")
    with torch.no_grad():
        close(short.forward(prompts, layer=1).at(-1)[:, :3], RECORDED["quality"]["states"][0])
    with pytest.raises(BackboneError, match=r"layers=3 of .*; expected 1 to 2"):
        Backbone.load(folder, device="cpu", layers=3)


def test_adapters_go_on_all_linear_layers_of_their_part(backbone):
    linear = {name for name, module in backbone.model.named_modules() if isinstance(module, nn.Linear)}
    for part, start in zip(PARTS, ("model.", "vision_model."), strict=False):
        pattern = backbone.family.lora_targets["language" if start == "model." else "vision"]
        assert {name for name in linear if re.fullmatch(pattern, name)} == {
            name for name in linear if name.startswith(start)
        }, part


@pytest.mark.parametrize("size", [(1, 1), (3, 1), (3, 3), (1, 200)])
def test_tiny_and_long_images_are_seen(backbone, size):
    picture = backbone.see(noise(*size))
    assert picture.size == size
    assert backbone.look([picture])[0].tokens.shape == (picture.tokens, backbone.hidden_size) == (5, 64)


def test_an_image_too_long_for_its_square_is_refused_before_it_is_padded(backbone):
    with pytest.raises(SampleError, match=r"16385x1 pixels is padded to a square.*at most 16384"):
        backbone.see(np.zeros((1, 16385, 3), np.uint8))


def test_a_budget_too_small_for_an_image_is_refused(folder):
    with pytest.raises(BackboneError, match="image_tokens=4 is too few: an image takes at least 5"):
        Backbone.load(folder, device="cpu", image_tokens=4)


def test_a_model_that_was_trained_further_is_written_and_read(backbone, tmp_path):
    save_model(backbone.model, backbone.processor, tmp_path)
    again = Backbone.load(tmp_path, device="cpu")
    prompts = prompts_of(again, "quality")
    assert torch.equal(prompts[0].ids, prompts_of(backbone, "quality")[0].ids)
    close(again.next_logits(prompts)[:, RECORDED["words"]], RECORDED["quality"]["logits"])


# ---------------------------------------------------------------------- folders


def test_code_that_a_folder_names_is_neither_run_nor_asked_about(copy, monkeypatch, capsys):
    for name in ("configuration_mplug_owl2", "modeling_mplug_owl2"):
        (copy / f"{name}.py").write_text("raise SystemExit('it ran')", encoding="utf-8")
    assert json.loads((copy / "config.json").read_text(encoding="utf-8"))["auto_map"]
    settings = {"auto_map": {"AutoTokenizer": ["tokenization.Own", None]}}
    (copy / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("it asked"))
    assert Backbone.load(copy, device="cpu").num_layers == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors.pop("model.visual_abstractor.vit_eos"),
         r"copy lacks model\.visual_abstractor\.vit_eos \(1 tensor of \d+\)"),
        (lambda tensors: tensors.pop("model.layers.1.self_attn.k_proj.multiway.1.weight"),
         r"copy lacks model\.layers\.1\.self_attn\.k_proj\.multiway\.1\.weight"),
        (lambda tensors: tensors.update({"model.layers.1.self_attn.k_proj.bias": torch.zeros(64)}),
         r"copy holds model\.layers\.1\.self_attn\.k_proj\.bias, which the model of its config\.json does not have"),
        (lambda tensors: tensors.update({"model.vision_model.embeddings.cls_token": torch.zeros(1, 1, 65)}),
         r"copy: model\.vision_model\.embeddings\.cls_token is \(1, 1, 65\), expected \(1, 1, 64\)"),
        (lambda tensors: tensors.update({"lm_head.weight": tensors["lm_head.weight"].to(torch.int8)}),
         r"quantised: its tensor lm_head\.weight is int8"),
        (lambda tensors: tensors["model.norm.weight"].fill_(float("nan")), r"model\.norm\.weight holds NaN"),
    ],
)  # fmt: skip
def test_a_tensor_that_is_not_as_published_is_named(copy, change, message):
    tensors = load_file(copy / "model.safetensors")
    change(tensors)
    save_file(tensors, copy / "model.safetensors")
    with pytest.raises(BackboneError, match=message):
        Backbone.load(copy, device="cpu")


def shards(folder, tensors):
    """Write tensors as two files of torch, and the list of them; returns the second file."""
    names = sorted(tensors)
    files = {"pytorch_model-00001-of-00002.bin": names[::2], "pytorch_model-00002-of-00002.bin": names[1::2]}
    for file, own in files.items():
        torch.save({name: tensors[name] for name in own}, folder / file)
    index = {"weight_map": {name: file for file, own in files.items() for name in own}}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index), encoding="utf-8")
    return folder / file


class Code:
    def __reduce__(self):
        return print, ("it ran",)


def test_shards_of_torch_are_read_for_their_tensors_alone(copy, backbone, monkeypatch, capsys):
    tensors = load_file(copy / "model.safetensors")
    (copy / "model.safetensors").unlink()
    frequencies = {f"model.layers.{layer}.self_attn.rotary_emb.inv_freq": torch.ones(8) for layer in range(2)}
    last = shards(copy, tensors | frequencies)  # as an older transformers saved them
    asked = []
    monkeypatch.setattr(loading, "_from_hub", lambda model, revision, files: asked.append(files) or copy)
    read = Backbone.load("owner/model", device="cpu")
    assert asked == [loading.SMALL_FILES, ("*.bin",)]
    close(read.next_logits(prompts_of(read, "quality"))[:, RECORDED["words"]], RECORDED["quality"]["logits"])
    assert read.identity()["sha256"] != backbone.identity()["sha256"]
    kept = last.read_bytes()
    last.write_bytes(pickle.dumps({"lm_head.weight": Code()}, protocol=2))
    with pytest.raises(BackboneError, match=r"00002.*is not loaded: it is damaged, or holds more than tensors"):
        Backbone.load(copy, device="cpu")
    last.write_bytes(kept[: len(kept) // 2])
    with pytest.raises(BackboneError, match=r"00002"):
        Backbone.load(copy, device="cpu")
    last.unlink()
    with pytest.raises(BackboneError, match=r"is incomplete: pytorch_model-00002-of-00002\.bin is missing"):
        Backbone.load(copy, device="cpu")
    assert capsys.readouterr().out == ""


def test_shards_of_torch_of_another_family_are_refused(copy):
    shards(copy, load_file(copy / "model.safetensors"))
    (copy / "model.safetensors").unlink()
    config = json.loads((copy / "config.json").read_text(encoding="utf-8"))
    config = {"model_type": "internvl", "vision_config": {}, "vocab_size": config["vocab_size"]}
    (copy / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(BackboneError, match=r"weights in pytorch_model-00001-of-00002\.bin, a pickle"):
        Backbone.load(copy, device="cpu")


def edit(file, **changes):
    settings = json.loads(file.read_text(encoding="utf-8")) | changes
    file.write_text(json.dumps(settings), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda copy: (copy / "tokenizer.model").unlink(), r"tokenizer\.model cannot be read .*fetch it again"),
        (lambda copy: (copy / "tokenizer.model").write_bytes((copy / "tokenizer.model").read_bytes()[:-9]),
         r"tokenizer\.model cannot be read as a SentencePiece model"),
        (lambda copy: (copy / "tokenizer.model").write_bytes(b"\x0a\xff\xff"), r"tokenizer\.model cannot be read"),
        (lambda copy: (copy / "tokenizer.model").write_bytes(sentencepiece_model([(b"<unk>", 0.0, 2)], kind=1)),
         r"tokenizer\.model is not a SentencePiece model of the kind BPE"),
        (lambda copy: (copy / "tokenizer.model").write_bytes(sentencepiece_model([(b"<unk>", 0.0, 2)])),
         r"lacks <unk>, <s> or </s>"),
        (lambda copy: edit(copy / "config.json", vocab_size=700), r"tokenizer of \d+ tokens, and its config.json says"),
        (lambda copy: edit(copy / "config.json", visual_config=7), r"config\.json is not that of an mPLUG-Owl2"),
        (lambda copy: edit(copy / "config.json", visual_config={"visual_model": {"image_size": 64}}),
         r"a vision tower of 4 patches a side, and an abstractor of 32"),
        (lambda copy: edit(copy / "preprocessor_config.json", size={"shortest_edge": 224}),
         r"preprocessor_config\.json has the sizes 224 and 64; expected 64"),
        (lambda copy: edit(copy / "preprocessor_config.json", image_std=0.5), r"no image_mean and image_std of three"),
        (lambda copy: edit(copy / "config.json", quantization_config={"bits": 4}), r"is quantised"),
    ],
)  # fmt: skip
def test_small_files_that_are_not_as_published_are_named(copy, change, message):
    change(copy)
    with pytest.raises(BackboneError, match=message):
        Backbone.load(copy, device="cpu")
