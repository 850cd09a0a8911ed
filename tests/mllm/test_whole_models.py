"""Published reward models, from tiny random checkpoints in their layout, recomputed with transformers alone."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

from editmetrics import SampleError
from editmetrics.mllm.backbone import IMAGE, BackboneError
from editmetrics.mllm.families import BackboneUnavailableError
from editmetrics.mllm.heads import HeadError, published_head
from editmetrics.mllm.prompts import write_prompt
from editmetrics.mllm.states import cut_at_token, read_state, states_of
from editmetrics.mllm.whole_models import WholeLayout, backbone_of, load_whole_model
from editmetrics.plugins.conformance.reward_models import EDIT_REWARD_HEADS, HPSV3_HEADS, TOKEN, write_reward_model
from editmetrics.testing import tiny_backbone

from .native import noise

ROUNDING = 1e-5
"""float32 numbers of a head, about 1, in another order of summation."""

END = f"\nPlease provide the overall ratings of this image: {TOKEN}\n\nEND\n"
QUESTIONS = ["\nHow well is the instruction followed?" + END, "\nHow real does the edited image look?" + END]
LAYOUTS = {
    "qwen2_vl": WholeLayout("qwen2_vl", ("rm_head.",), (TOKEN,)),
    "qwen2_5_vl": WholeLayout("qwen2_5_vl", ("rm_heads.head_0.", "rm_heads.head_1."), (TOKEN,)),
}
HEADS = {"qwen2_vl": HPSV3_HEADS, "qwen2_5_vl": EDIT_REWARD_HEADS}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """For each family: the folder of its base, and the file of a checkpoint."""
    root = tmp_path_factory.mktemp("rewards")
    made = {}
    for family, heads in HEADS.items():
        base = tiny_backbone(family, root / family)
        name = "HPSv3.safetensors" if family == "qwen2_vl" else "model.pth"
        made[family] = base, write_reward_model(base, root / name, heads, older_names=family == "qwen2_vl")
    return made


def loaded(checkpoints, family, file=None, **change):
    base, own_file = checkpoints[family]
    options = {"device": torch.device("cpu"), "dtype": torch.float32, **change}
    return load_whole_model(file or own_file, LAYOUTS[family], str(options.pop("base", base)), **options)


@torch.no_grad()
def by_the_authors(base, file, images, text, head):
    """What the authors' code computes, written down with transformers: the whole chat with the control token in it, its
    embeddings handed to the language model (which therefore counts positions from 0), the head on each token, and the
    numbers at the control token."""
    tensors = load_file(file) if file.suffix == ".safetensors" else torch.load(file, weights_only=True)
    processor = AutoProcessor.from_pretrained(base)
    processor.tokenizer.add_special_tokens({"additional_special_tokens": [TOKEN]})
    config = AutoConfig.from_pretrained(base)
    config.text_config.vocab_size = len(processor.tokenizer)
    model = AutoModelForImageTextToText.from_config(config).eval()
    names = {name for name, _ in model.named_parameters()}
    own = {}
    for name, tensor in tensors.items():
        native = name if name in names else "model." + name if name.startswith("visual.") else (
            name.replace("model.", "model.language_model.", 1))  # fmt: skip
        own[native] = tensor
    assert model.load_state_dict(own, strict=False).missing_keys == []
    pictures = [{"type": "image", "image": Image.fromarray(image)} for image in images]
    chat = [{"role": "user", "content": [*pictures, {"type": "text", "text": text}]}]
    written = processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    batch = processor(text=[written], images=[picture["image"] for picture in pictures], return_tensors="pt")
    embedded = model.get_input_embeddings()(batch["input_ids"])
    seen = model.model.visual(batch["pixel_values"], grid_thw=batch["image_grid_thw"]).pooler_output
    embedded = embedded.masked_scatter((batch["input_ids"] == config.image_token_id)[..., None], seen)
    states = model.model(inputs_embeds=embedded, attention_mask=batch["attention_mask"]).last_hidden_state
    hidden = states
    for layer in (0, 3, 5):
        hidden = F.linear(hidden, tensors[f"{head}.{layer}.weight"], tensors[f"{head}.{layer}.bias"])
        hidden = F.relu(hidden) if layer < 5 else hidden
    place = batch["input_ids"] == processor.tokenizer.convert_tokens_to_ids(TOKEN)
    return batch["input_ids"][0], states[place][0], hidden[place][0]


def asked(backbone, pictures, text):
    chat = [("user", [*[IMAGE] * len(pictures), text])]
    whole = write_prompt(backbone.family, backbone.processor, chat, pictures, allowed=[TOKEN])
    return whole, cut_at_token(whole, backbone.token(TOKEN), TOKEN)


@pytest.mark.parametrize("family", HEADS)
def test_states_and_numbers_are_those_of_the_authors(checkpoints, family):
    """Two samples of two questions each in a batch, whose common beginnings are computed once."""
    base, file = checkpoints[family]
    whole = loaded(checkpoints, family)
    backbone = backbone_of(whole, plain_positions=True)
    images = [[noise(64, 96, 1), noise(64, 96, 2)], [noise(96, 64, 3), noise(48, 64, 4)]]
    seen = [[backbone.see(image, among=2) for image in of_sample] for of_sample in images]
    prompts = [[asked(backbone, pictures, text)[1] for pictures in seen] for text in QUESTIONS]
    states = states_of(backbone, prompts)
    for number, text in enumerate(QUESTIONS):
        head = "rm_head" if family == "qwen2_vl" else f"rm_heads.head_{number}"
        own = {name: tensor for name, tensor in whole.heads.items() if name.startswith(f"{head}.")}
        layers = {name: size for name, size in HEADS[family].items() if name.startswith(f"{head}.")}
        network = published_head(own, layers, inputs=backbone.hidden_size, origin=file)
        read = read_state(network, states[number], ("mean", "log_std"))
        for row in range(2):
            ids, state, (mean, log_std) = by_the_authors(base, file, images[row], text, head)
            assert asked(backbone, seen[row], text)[0].ids.tolist() == ids.tolist()
            torch.testing.assert_close(states[number][row], state, rtol=0, atol=2 * ROUNDING)
            assert float(read.mean[row]) == pytest.approx(float(mean), abs=ROUNDING)
            assert float(read.spread[row]) == pytest.approx(math.exp(log_std), abs=ROUNDING)


def test_the_familys_own_positions_give_other_states(checkpoints):
    backbone = backbone_of(loaded(checkpoints, "qwen2_vl"))
    plain = backbone_of(loaded(checkpoints, "qwen2_vl"), plain_positions=True)
    prompt = asked(backbone, [backbone.see(noise(64, 96))], QUESTIONS[0])[1]
    own, counted = (states_of(each, [[prompt]])[0] for each in (backbone, plain))
    assert (own - counted).abs().max() > 20 * ROUNDING


def test_questions_with_other_pictures_are_read_each_by_itself(checkpoints):
    """The second shows the edited image alone; it is still looked at once."""
    backbone = backbone_of(loaded(checkpoints, "qwen2_5_vl"), plain_positions=True)
    source, edited = (backbone.see(noise(64, 96, seed), among=2) for seed in (1, 2))
    alone = replace(edited, among=1)
    prompts = [[asked(backbone, [source, edited], QUESTIONS[0])[1]], [asked(backbone, [alone], QUESTIONS[1])[1]]]
    for states, prompt in zip(states_of(backbone, prompts), prompts, strict=True):
        with torch.no_grad():
            torch.testing.assert_close(states, backbone.forward(prompt).at(-1), rtol=0, atol=2 * ROUNDING)


def test_equal_arguments_share_one_model(checkpoints):
    assert loaded(checkpoints, "qwen2_vl") is loaded(checkpoints, "qwen2_vl")


def test_a_text_that_holds_the_control_token_is_refused(checkpoints):
    backbone = backbone_of(loaded(checkpoints, "qwen2_vl"))
    with pytest.raises(SampleError, match=r"holds <\|Reward\|> 2 times; expected once"):
        asked(backbone, [], f"a fox {TOKEN}" + END)
    with pytest.raises(SampleError, match=r"holds <\|im_end\|>, a control token"):
        asked(backbone, [], "a fox <|im_end|>" + END)


def without(tensors, name):
    return {key: tensor for key, tensor in tensors.items() if key != name}


LAYER = "model.layers.1.mlp.up_proj.weight"
DAMAGE = {
    "missing": (lambda t: without(t, LAYER), r"lacks model\.language_model\.layers\.1\.mlp\.up_proj\.weight"),
    "extra": (lambda t: t | {"model.layers.9.x": torch.zeros(1)}, r"holds model\.language_model\.layers\.9\.x, which"),
    "shape": (lambda t: t | {LAYER: t[LAYER][:-1]}, r"up_proj\.weight is \(127, 64\), expected \(128, 64\)"),
    "twice": (lambda t: t | {"model.visual.patch_embed.proj.weight": torch.zeros(1)}, r"embed\.proj\.weight twice"),
    "no head": (lambda t: {k: v for k, v in t.items() if "rm_head" not in k}, r"has no head: .* begins with rm_head"),
    "quantised": (lambda t: t | {LAYER: t[LAYER].to(torch.int8)}, r"is quantised: its tensor model\..* is int8"),
    "NaN": (lambda t: t | {LAYER: t[LAYER] * float("nan")}, r"up_proj\.weight holds NaN"),
    "vocabulary": (
        lambda t: t | {name: t[name][:-1] for name in ("model.embed_tokens.weight", "lm_head.weight")},
        r"has embeddings of \d+ tokens, and the tokenizer of .* it was trained from another base",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGE)
def test_what_is_wrong_with_a_checkpoint_is_named(checkpoints, tmp_path, kind):
    change, message = DAMAGE[kind]
    save_file(change(load_file(checkpoints["qwen2_vl"][1])), tmp_path / "HPSv3.safetensors")
    with pytest.raises(BackboneError, match=message):
        loaded(checkpoints, "qwen2_vl", tmp_path)


def test_a_base_of_another_family_or_size_is_refused(checkpoints, tmp_path):
    with pytest.raises(BackboneError, match=r"trained from a qwen2_vl, and .* is a qwen2_5_vl; name its own base"):
        loaded(checkpoints, "qwen2_vl", base=checkpoints["qwen2_5_vl"][0])
    wider = tiny_backbone("qwen2_vl", tmp_path, hidden=96)
    with pytest.raises(BackboneError, match=r"is \(64, 256\), expected \(96, 256\).*a base of another size than"):
        loaded(checkpoints, "qwen2_vl", base=wider)


def test_a_revision_of_a_folder_is_refused(checkpoints):
    with pytest.raises(BackboneError, match=r"revision='main' is for models of the hub, and .* is a folder"):
        loaded(checkpoints, "qwen2_vl", revision="main")


def test_too_little_memory_is_said_before_the_model_is_made(checkpoints, monkeypatch):
    monkeypatch.setattr("editmetrics.mllm.into_memory.free_memory", lambda device: 1000)
    with pytest.raises(BackboneUnavailableError, match=r"HPSv3\.safetensors takes 0\.0 GB in float64, and 0\.0 GB are"):
        loaded(checkpoints, "qwen2_vl", dtype=torch.float64)


def test_files_that_are_no_whole_model_are_refused(checkpoints, tmp_path):
    file = checkpoints["qwen2_vl"][1]
    with pytest.raises(BackboneError, match=r"nowhere does not exist"):
        loaded(checkpoints, "qwen2_vl", tmp_path / "nowhere")
    with pytest.raises(BackboneError, match=r"holds no tensors: expected model\.safetensors"):
        loaded(checkpoints, "qwen2_vl", tmp_path)
    for name in ("a.safetensors", "b.safetensors"):
        (tmp_path / name).symlink_to(file)
    with pytest.raises(BackboneError, match=r"several files of tensors, a\.safetensors, b\.safetensors"):
        loaded(checkpoints, "qwen2_vl", tmp_path)
    (tmp_path / "adapter_config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(BackboneError, match="holds an adapter; expected a whole model"):
        loaded(checkpoints, "qwen2_vl", tmp_path)


def test_a_pickle_of_more_than_tensors_is_not_run(checkpoints, tmp_path):
    torch.save({"weights": print}, tmp_path / "model.pth")
    with pytest.raises(BackboneError, match="not loaded: it is damaged, or holds more than tensors"):
        loaded(checkpoints, "qwen2_vl", tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: without(t, "rm_head.3.bias"), r"head\.pth lacks rm_head\.3\.bias"),
        (lambda t: t | {"rm_head.7.bias": torch.zeros(1)}, r"head\.pth has rm_head\.7\.bias"),
        (lambda t: t | {"rm_head.5.bias": torch.zeros(3)}, r"rm_head\.5\.bias is \(3,\), expected \(2,\)"),
    ],
)
def test_a_head_is_loaded_strictly(checkpoints, change, message):
    heads = loaded(checkpoints, "qwen2_vl").heads
    with pytest.raises(HeadError, match=message):
        published_head(change(heads), HPSV3_HEADS, inputs=64, origin="head.pth")


def test_a_spread_is_of_a_standard_deviation_or_of_a_variance():
    states = torch.tensor([[0.5, np.log(4.0)]])
    for output, wanted in (("log_std", 4.0), ("log_variance", 2.0)):
        assert float(read_state(lambda hidden: hidden, states, ("mean", output)).spread) == pytest.approx(wanted)
    assert read_state(lambda hidden: hidden, states, ("mean", "ignored")).spread is None
    with pytest.raises(SampleError, match=r"deviation .* cannot be a rating"):
        read_state(lambda hidden: hidden, torch.tensor([[0.5, 60.0]]), ("mean", "log_std"))
