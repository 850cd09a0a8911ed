"""NaN, infinity and overflow anywhere in a model cost the row that they are in, and never become a number."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace

import pytest
import torch
from safetensors.torch import load_file, save_file

import editmetrics
from editmetrics import create_metric
from editmetrics.data import from_manifest
from editmetrics.mllm import levels, readouts, states
from editmetrics.mllm.tensors import Picture
from editmetrics.sample import SampleError
from editmetrics.testing import offline_weights, tiny_backbone
from tests.worlds.edits import toy_edits

FAMILIES = ("internvl", "qwen2_5_vl", "qwen3_vl", "llava_onevision")
QUESTIONS = ("Is the square of the image red? Answer yes or no.",)

ASSESSORS = (
    "ds_ieqa:weights=toy",
    "ds_ieqa:weights=toy,read=expected",
    "ds_ieqa:backbone=toy-internvl",
    "epaiqa:weights=toy,max_tokens=4",
    "epaiqa:weights=toy,explain=false,region=model",
    "hpe_lsa:weights=toy",
    "hpe_lsa:weights=toy,dimension=authenticity",
    "lmm4lmm:weights=toy",
    "lmm4lmm:weights=toy,explain=false",
    "vqa_score:backbone=toy-internvl",
    "vqa_score:backbone=toy-internvl,among=yes_no",
    "lmm4edit:backbone=toy-internvl,dimension=visual_quality",
    "edit_hf:backbone=toy-internvl,dimension=visual_quality",
)
EMBEDDINGS = ("clip_score", "clip_text", "clip_image", "clip_direction:model=ViT-B-32", "dino_image")
CHECKPOINTS = ("clip-vit-b-32-openai", "dino-vit-s-16", "dino-vit-b-8", "lmm4edit.visual", "edit_hf.visual")


@pytest.fixture(scope="module", autouse=True)
def _random_weights():
    with offline_weights(CHECKPOINTS):
        yield


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    edits = list(from_manifest(toy_edits(tmp_path_factory.mktemp("edits"), 3, seed=5)))
    return [
        replace(sample, questions=QUESTIONS, source_prompt="a square", meta={"region": "0.5,0.5,0.5,0.5"})
        for sample in edits
    ]


def pixels_of(prepared) -> Iterator[torch.Tensor]:
    """The tensors of pixels in what `prepare` gave."""
    if isinstance(prepared, Picture):
        yield from (tensor for tensor in prepared.pixels.values() if tensor.is_floating_point())
    elif isinstance(prepared, torch.Tensor):
        yield from [prepared] if prepared.is_floating_point() else []
    elif isinstance(prepared, Mapping):
        for item in prepared.values():
            yield from pixels_of(item)
    elif isinstance(prepared, (list, tuple)):
        for item in prepared:
            yield from pixels_of(item)
    elif is_dataclass(prepared):
        for field in fields(prepared):
            yield from pixels_of(getattr(prepared, field.name))


def is_refused(score) -> bool:
    """Failed for what it is, without a number, and with details that JSON can hold."""
    json.dumps(score.details, allow_nan=False)
    assert (score.status, dict(score)) == ("failed", {}), score
    assert not score.uncertainty
    return "not finite" in score.reason


SPOILT = [(spec, math.nan) for spec in (*ASSESSORS, *EMBEDDINGS)]
SPOILT += [("ds_ieqa:weights=toy", math.inf), ("dino_image", math.inf)]


@pytest.mark.parametrize(("spec", "value"), SPOILT)
def test_a_picture_that_the_model_makes_nan_of_costs_its_row_alone(spec, samples, value):
    metric = create_metric(spec, device="cpu")
    metric.load()
    prepared = [metric.prepare(sample) for sample in samples]
    spoilt = list(pixels_of(prepared[1]))
    assert spoilt
    for tensor in spoilt:
        tensor.fill_(value)
    first, bad, last = metric.score_or_why_not(prepared)
    assert is_refused(bad), bad.reason
    assert {first.status, last.status} <= {"ok", "unparseable"}


def with_a_large_weight(family, folder):
    """A tiny backbone with a norm of weight 60,000: float32 holds what comes of it, float16 does not."""
    folder = tiny_backbone(family, folder, layers=2)
    file = folder / "model.safetensors"
    tensors = load_file(file)
    (name,) = [name for name in tensors if name.endswith("layers.0.input_layernorm.weight")]
    tensors[name].fill_(60000.0)
    save_file(tensors, file, metadata={"format": "pt"})
    return str(folder)


@pytest.mark.parametrize("family", FAMILIES)
def test_overflow_in_float16_is_failed_and_says_what_to_do(family, tmp_path, samples):
    backbone = with_a_large_weight(family, tmp_path / "backbone")
    for spec in ("ds_ieqa", "ds_ieqa:read=expected", "vqa_score", "vqa_score:among=yes_no"):
        scores = {
            dtype: create_metric(spec, backbone=backbone, dtype=dtype, device="cpu").score(samples[:2])
            for dtype in ("float16", "float32")
        }
        assert all(is_refused(score) for score in scores["float16"]), spec
        assert "use dtype=bfloat16 or float32" in scores["float16"][0].reason
        assert all(score.status in ("ok", "unparseable") for score in scores["float32"]), scores["float32"]


def test_a_run_goes_on_and_resumes_over_models_that_overflow(tmp_path, samples):
    backbone = with_a_large_weight("internvl", tmp_path / "backbone")
    metrics = ["psnr", create_metric("ds_ieqa", backbone=backbone, dtype="float16", device="cpu")]
    for _ in range(2):
        table = editmetrics.score(samples[:2], metrics, output=tmp_path / "scores.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
    assert len(rows) == 2
    assert all(row["psnr"] > 0 for row in rows)
    assert not any("ds_ieqa" in name and isinstance(value, float) for row in rows for name, value in row.items())
    assert table is not None


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_an_adapter_that_holds_nonsense_gives_no_number(value, samples):
    """In memory, behind whatever checks a file: one matrix of one dimension's adapter."""
    metric = create_metric("ds_ieqa:weights=toy", device="cpu")
    metric.load()
    (assessor,) = metric.assessors
    adapter = assessor.adapters["editing_fidelity"]
    matrices = [p for name, p in assessor.backbone.model.named_parameters() if f"lora_B.{adapter}" in name]
    kept = matrices[0].detach().clone()
    assert matrices
    try:
        matrices[0].data.fill_(value)
        (score,) = metric.score(samples[:1])
    finally:
        matrices[0].data.copy_(kept)
    json.dumps(score.details, allow_nan=False)
    assert score.status in ("failed", "unparseable")
    assert "editing_fidelity" not in score


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e30, -1e30])
@pytest.mark.parametrize("spec", ["lmm4lmm:weights=toy", "hpe_lsa:weights=toy", "lmm4edit:backbone=toy-internvl"])
def test_a_head_that_holds_nonsense_gives_no_number(spec, value, samples):
    """Not the end of the scale either, which is where a clamp puts infinity."""
    metric = create_metric(spec + (",dimension=visual_quality" if "lmm4edit" in spec else ""), device="cpu")
    metric.load()
    for head in heads_of(metric):
        head.layers[-1].bias.data.fill_(value)
    (score,) = metric.score(samples[:1])
    assert (score.status, dict(score)) == ("failed", {}), score
    assert "regression head gives" in score.reason


def heads_of(metric):
    if metric.name == "lmm4lmm":
        return [head for assessor in metric.assessors for head in assessor.heads.values()]
    return (
        list(metric.assessors[0].heads.values())
        if metric.name == "hpe_lsa"
        else [part.head for part in metric._parts.values()]
    )


def test_an_embedding_without_direction_is_like_nothing(samples):
    """The cosine of a vector of zeros is 0 by the formula, and no score."""
    metric = create_metric("dino_image", device="cpu")
    metric.load()
    network = metric._module
    for change in (lambda found: 0 * found, lambda found: 1e30 * found):
        metric._module = lambda images, change=change: change(network(images))
        (score,) = metric.score(samples[:1])
        assert score.status == "failed"
        assert "embedding is all zeros, or too large" in score.reason


def test_keys_without_direction_are_no_layout(monkeypatch, samples):
    """Two images whose keys vanish would be alike in every part."""
    from editmetrics.plugins import structure_distance

    keys = structure_distance.last_keys
    metric = create_metric("structure_distance", device="cpu")
    assert metric.score(samples[:1])[0].ok
    monkeypatch.setattr(structure_distance, "last_keys", lambda *given: 0 * keys(*given))
    (score,) = metric.score(samples[:1])
    assert score.status == "failed"
    assert "a key of the network is all zeros" in score.reason


# ---------------------------------------------------------------------- the functions themselves


class Scripted:
    """A reading of one text whose logits are these, whatever it is extended by."""

    def __init__(self, *steps):
        self.steps, self.extended = steps, 0

    @property
    def logits(self):
        return self.steps[self.extended]

    def extend(self, _):
        self.extended += 1


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 11], ids=["among the tokens that are read", "anywhere else"])
def test_logits_that_are_not_finite_are_refused(value, place):
    good = torch.zeros(2, 12)
    bad = good.clone()
    bad[1, place] = value
    for read in (
        lambda logits: levels.read_levels(logits, range(5)),
        lambda logits: levels.read_yes_no(logits, [0], [1]),
        lambda logits: readouts.read_number(Scripted(good, good, logits), range(10), 10),
        lambda logits: readouts.read_number(Scripted(logits, good, good), range(10), 10),
    ):
        read(good)
        with pytest.raises(SampleError, match="not finite") as refused:
            read(bad)
        assert refused.value.status == "failed"


def test_what_a_head_gives_is_refused_where_it_cannot_be_a_rating():
    def head(states):
        return states[:, :1]

    assert states.read_head(head, torch.tensor([[250.0, 1.0], [-3.0, 1.0]])).tolist() == [250, -3]
    for state in ([math.nan, 1.0], [1.0, math.inf], [0.0, 0.0], [1e30, 1.0], [1e13, 1.0]):
        with pytest.raises(SampleError):
            states.read_head(head, torch.tensor([[1.0, 2.0], state]))
