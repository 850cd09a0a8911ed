"""Q-Align and DeQA-Score from their files of conventions: what the authors' code asks and computes, on tiny weights."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from editmetrics import Sample, create_metric
from editmetrics.conventions import FOLDER
from editmetrics.conventions.reading import ConventionsError, read_conventions
from editmetrics.plugins.conformance.level_words import QUESTIONS
from editmetrics.testing import tiny_backbone
from tests.mllm.test_mplug_owl2 import IMAGES, RECORDED, ROUNDING

ASKED = {"q_align": "quality", "q_align_aesthetics": "aesthetics", "deqa_score": "quality"}
"""For each metric the name of what was recorded of the authors' code: see `tests/mllm/test_mplug_owl2.py`."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_backbone("mplug_owl2", tmp_path_factory.mktemp("owl"), layers=2, corpus=QUESTIONS)


@pytest.fixture(params=ASKED)
def metric(request, folder):
    return create_metric(request.param, backbone=str(folder), device="cpu")


def test_tokens_scores_and_mass_are_those_of_the_authors(metric):
    recorded, samples = RECORDED[ASKED[metric.name]], [Sample(str(row), edited=im) for row, im in enumerate(IMAGES)]
    metric.load()
    (prompt,) = metric.prepare(samples[0]).values()
    shown = prompt.ids == 0
    assert prompt.ids[~shown].tolist() == [id_ for id_ in recorded["ids"] if id_ != -200]
    assert shown.nonzero().flatten().tolist() == [recorded["ids"].index(-200) + place for place in range(5)]
    together = metric.score(samples)
    for row, score in enumerate(together):
        assert float(score) == pytest.approx(recorded["score"][row], abs=ROUNDING)
        assert score.details["mass"] == pytest.approx(recorded["mass"][row], abs=ROUNDING)
        chances, weights = torch.tensor(recorded["logits"][row]).softmax(0), torch.tensor([5.0, 4, 3, 2, 1])
        spread = (chances @ weights**2 - (chances @ weights) ** 2).sqrt()
        assert score.uncertainty[ASKED[metric.name]] == pytest.approx(float(spread), abs=ROUNDING)
        assert float(metric(samples[row])) == pytest.approx(float(score), abs=ROUNDING)
    assert [float(score) for score in metric.score(samples)] == [float(score) for score in together]


def test_grey_and_transparent_images_are_read_as_by_any_metric(folder, tmp_path):
    metric = create_metric("q_align", backbone=str(folder), device="cpu")
    picture = Image.fromarray(IMAGES[0])
    grey = picture.convert("L")
    for name, image in {"grey": grey, "same": grey.convert("RGB"), "clear": picture.convert("RGBA")}.items():
        image.save(tmp_path / f"{name}.png")
    read = {name: float(metric(Sample("one", edited=tmp_path / f"{name}.png"))) for name in ("grey", "same", "clear")}
    assert read["grey"] == read["same"] != read["clear"] == float(metric(Sample("one", edited=IMAGES[0])))


def test_a_model_that_would_write_something_else_has_no_score(folder, tmp_path):
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    for name in folder.iterdir():
        (tmp_path / name.name).write_bytes(name.read_bytes())
    tensors["lm_head.weight"][RECORDED["words"]] *= -1
    save_file(tensors, tmp_path / "model.safetensors")
    score = create_metric("q_align", backbone=str(tmp_path), device="cpu")(Sample("one", edited=IMAGES[0]))
    assert score.status == "unparseable"
    assert score.details["mass"] < 0.01


def test_the_beginning_of_an_answer_goes_with_a_chat_alone(tmp_path):
    text = (FOLDER / "q_align.toml").read_text(encoding="utf-8")
    file = tmp_path / "q_align.toml"
    file.write_text(text.replace("chat = false", 'chat = false\nanswer = "It is"'), encoding="utf-8")
    with pytest.raises(ConventionsError, match=r"line \d+: levels\.answer: with chat = false it is the end of the"):
        read_conventions(file)
