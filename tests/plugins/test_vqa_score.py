"""VQAScore against transformers' own forward, on a tiny backbone of each family."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from editmetrics import EditMetricsError, Sample, create_metric
from editmetrics.mllm.backbone import Backbone
from editmetrics.testing import tiny_backbone

TEXTS = ("a red disc", "two boxes under a blue sky, and rather more words than the other text has")


@pytest.fixture(scope="module", params=("internvl", "qwen3_vl"))
def folder(request, tmp_path_factory):
    return tiny_backbone(request.param, tmp_path_factory.mktemp("backbone") / request.param)


@torch.no_grad()
def native_probabilities(backbone, image: np.ndarray, question: str) -> torch.Tensor:
    chat = [
        {
            "role": "user",
            "content": [{"type": "image", "image": Image.fromarray(image)}, {"type": "text", "text": question}],
        }
    ]
    inputs = backbone.processor.apply_chat_template(
        chat, tokenize=True, add_generation_prompt=True, return_dict=True, return_tensors="pt"
    )
    return backbone.model(**inputs).logits[0, -1].float().softmax(-1)


def test_it_is_the_probability_of_yes(folder):
    image = np.random.default_rng(0).integers(0, 256, (64, 80, 3), dtype=np.uint8)
    backbone = Backbone.load(folder, device="cpu")
    samples = [Sample(text, edited=image, prompt=text) for text in TEXTS]
    expected = []
    for text in TEXTS:
        question = f'Does this figure show "{text}"? Please answer Yes or No.'
        chances = native_probabilities(backbone, image, question)
        expected.append([chances[backbone.token(word)].item() for word in ("Yes", "No")])
    found = create_metric("vqa_score", backbone=str(folder), device="cpu").score(samples)
    assert [float(score) for score in found] == pytest.approx([yes for yes, _ in expected], rel=1e-4)
    assert [score.details["mass"] for score in found] == pytest.approx([sum(pair) for pair in expected], rel=1e-4)
    of_two = create_metric("vqa_score:among=yes_no", backbone=str(folder), device="cpu")
    assert {score.status for score in of_two.score(samples)} == {"unparseable"}  # random weights answer anything
    of_two._backbone = backbone
    assert float(of_two._score(0.7, 0.9)) == 0.7


def test_a_template_without_the_prompt_is_refused():
    with pytest.raises(EditMetricsError, match="must contain"):
        create_metric("vqa_score", template="Is it good?")


def test_the_backbone_is_part_of_the_identity(folder):
    metric = create_metric("vqa_score", backbone=str(folder), device="cpu")
    assert metric.identity()["backbone"]["sha256"] == "unknown until loaded"
    metric.load()
    assert metric.identity()["backbone"]["sha256"] == Backbone.load(folder, device="cpu").identity()["sha256"]
