"""The read-out "levels", from a file of conventions like Q-Align's: what native logits give."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from editmetrics import Sample, weights
from editmetrics.conventions import metric_class_of
from editmetrics.conventions.reading import ConventionsError, read_conventions
from editmetrics.mllm import readouts
from editmetrics.testing import tiny_backbone
from tests.mllm.test_peft_folders import adapter_of

QUESTION = "How would you rate the quality of this image?"
WORDS = {" excellent": 5, " good": 4, " fair": 3, " poor": 2, " bad": 1}
EDITED = np.random.default_rng(0).integers(0, 256, (64, 72, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_backbone("qwen2_5_vl", tmp_path_factory.mktemp("base"))


def conventions(folder, base, **levels):
    """A file of conventions; `levels` are keys of its table."""
    table = {
        "answer": '"The quality of the image is"',
        "among": '"words"',
        "weights": str(list(WORDS.values())),
    } | levels
    (folder / "rated.toml").write_text(
        f"""
name = "rated"
version = 1
title = "quality by level words"
summary = "Quality of the edited image, 1 to 5; higher is better."
readout = "levels"
requires = ["edited"]
[origin]
paper = "none"
repository = "nobody/nothing"
commit = "0000000000000000000000000000000000000000"
read_on = "2026-11-30"
code_licence = "MIT"
prompt_licence = "MIT"
weights_licence = "MIT"
[[models]]
name = "tiny"
family = "qwen2_5_vl"
base = "{base}"
[prompts.question]
sha256 = "{hashlib.sha256(QUESTION.encode()).hexdigest()}"
text = "{QUESTION}"
[[questions]]
name = "question"
texts = ["question"]
images = ["edited"]
[levels]
value = "quality"
words = {list(WORDS)}
{chr(10).join(f"{key} = {value}" for key, value in table.items())}
[[dimensions]]
name = "quality"
values = ["quality"]
description = "how good it looks"
low = 0
high = 5
""",
        encoding="utf-8",
    )
    return folder / "rated.toml"


@torch.no_grad()
def native_chances(base):
    """The probability of each word after the beginning of the answer, by transformers alone."""
    model, processor = AutoModelForImageTextToText.from_pretrained(base), AutoProcessor.from_pretrained(base)
    content = [{"type": "image", "image": Image.fromarray(EDITED)}, {"type": "text", "text": QUESTION}]
    chat = [{"role": "user", "content": content}]
    written = processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    inputs = processor(
        text=[written + "The quality of the image is"], images=[Image.fromarray(EDITED)], return_tensors="pt"
    )
    chances = model(**inputs).logits[0, -1].softmax(-1)
    ids = [processor.tokenizer(word)["input_ids"] for word in WORDS]
    assert all(len(each) == 1 for each in ids)
    return chances[[each[0] for each in ids]].double().numpy()


def test_the_number_is_the_mean_of_the_weights_by_native_probabilities(base, tmp_path, monkeypatch):
    chances, numbers = native_chances(base), np.array(list(WORDS.values()))
    sample = Sample("one", edited=EDITED)
    whole = metric_class_of(conventions(tmp_path, base, among='"vocabulary"'), __name__)().to("cpu")(sample)
    assert whole["quality"] == pytest.approx(chances @ numbers, rel=1e-5)
    assert whole.details["mass"] == pytest.approx(chances.sum(), rel=1e-5)
    alone = metric_class_of(conventions(tmp_path, base), __name__)().to("cpu")
    refused = alone(sample)
    assert (refused.status, "none of the words" in refused.reason) == ("unparseable", True)
    monkeypatch.setattr(readouts, "LEAST_MASS", 0.0)
    rated = alone(sample)
    share = chances / chances.sum()
    assert rated["quality"] == pytest.approx(share @ numbers, rel=1e-5)
    assert rated.uncertainty["quality"] == pytest.approx(np.sqrt(share @ numbers**2 - (share @ numbers) ** 2), rel=1e-4)


def test_an_adapter_of_the_checkpoint_is_active_for_its_own_metric_alone(base, tmp_path, monkeypatch):
    file = conventions(tmp_path, base, among='"vocabulary"')
    plain = metric_class_of(file, __name__)().to("cpu")
    text = file.read_text(encoding="utf-8").replace(f'base = "{base}"', f'base = "{base}"\nweights = "mps"')
    file.write_text(text, encoding="utf-8")  # any entry of the registry whose files are replaced
    layers = {"model.layers.1.mlp.up_proj": (64, 128), "visual.blocks.0.attn.qkv": (64, 192)}
    folder = adapter_of(tmp_path / "adapter", layers)
    (folder / "model.safetensors").write_bytes(b"")
    sample = Sample("one", edited=EDITED)
    with weights.substitute("mps", folder):
        adapted = metric_class_of(file, __name__)().to("cpu")
        before, changed, after = plain(sample), adapted(sample), plain(sample)
    assert before == after != changed


@pytest.mark.parametrize(
    ("levels", "problem"),
    [({"weights": "[1, 2]"}, "expected 5, one for each of the words"), ({"among": '"digits"'}, "expected words or")],
)
def test_a_mistake_in_the_table_is_named_with_its_line(base, tmp_path, levels, problem):
    with pytest.raises(ConventionsError, match=rf"line \d+: levels\.\w+: .*{problem}"):
        read_conventions(conventions(tmp_path, base, **levels))
