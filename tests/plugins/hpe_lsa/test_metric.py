"""The metric itself: the shipped toy weights on unseen edits, single dimensions, fewer layers, no weights."""

import json

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, spearmanr

from editmetrics import Sample, create_metric
from editmetrics.bases.assessor import NoWeightsError
from editmetrics.data import from_manifest
from editmetrics.plugins.hpe_lsa.labels import LABEL, labelled
from editmetrics.plugins.hpe_lsa.metric import HPELSA
from editmetrics.sample import EditMetricsError
from tests.worlds.edits import HELD_OUT, toy_edits

from .conftest import TARGETS, needs_toy

QUALITY = {name: column for name, column in TARGETS.items() if name != "authenticity"}
SEED = 77
"""Not a seed that the toy was trained, validated or tested with."""

LEAST = {
    "same photographs": {"perceptual_quality": 0.85, "editing_alignment": 0.65, "attribute_preservation": 0.5},
    "other photographs": {"perceptual_quality": 0.4, "editing_alignment": 0.3, "attribute_preservation": 0.3},
}
"""SRCC; it was trained on five photographs, and knows little of the textures of others."""


@pytest.fixture(scope="module")
def toy():
    return create_metric("hpe_lsa:weights=toy", device="cpu")


@pytest.fixture(scope="module")
def held_out(tmp_path_factory):
    """New crops, new edits: 160 of the photographs that it was trained on, and 160 of others."""
    folder = tmp_path_factory.mktemp("held-out")
    return {
        "same photographs": list(from_manifest(toy_edits(folder / "same", 160, seed=SEED))),
        "other photographs": list(from_manifest(toy_edits(folder / "other", 160, seed=SEED, photographs=HELD_OUT))),
    }


@needs_toy
@pytest.mark.parametrize("where", LEAST)
def test_the_toy_agrees_with_the_known_quality_of_unseen_edits(toy, held_out, where):
    samples = held_out[where]
    scores = toy.score(samples)
    found = {
        name: spearmanr([s[name] for s in scores], [float(s.meta[column]) for s in samples])[0]
        for name, column in QUALITY.items()
    }
    assert all(found[name] >= LEAST[where][name] for name in found), found


@needs_toy
@pytest.mark.parametrize(("where", "least"), [("same photographs", 0.9), ("other photographs", 0.65)])
def test_the_toy_tells_real_from_edited_images_of_unseen_crops(held_out, where, least):
    metric = create_metric("hpe_lsa:weights=toy,dimension=authenticity", device="cpu")
    images = labelled(held_out[where])
    labels = [sample.meta[LABEL] for sample in images]
    found = [score["authenticity"] for score in metric.score([Sample(s.id, edited=s.edited) for s in images])]
    right = [(chance >= 0.5) == (label == 1) for chance, label in zip(found, labels, strict=True)]
    by_class = [np.mean([r for r, label in zip(right, labels, strict=True) if label == c]) for c in (0, 1)]
    assert np.mean(by_class) >= least, by_class
    of = [[chance for chance, label in zip(found, labels, strict=True) if label == c] for c in (1, 0)]
    assert mannwhitneyu(*of).statistic / (len(of[0]) * len(of[1])) >= least  # the area under the curve


@needs_toy
def test_one_dimension_is_that_of_all_four(toy, held_out):
    samples = held_out["same photographs"][:8]
    wanted = toy.score(samples)
    for name in TARGETS:
        one = create_metric(f"hpe_lsa:weights=toy,dimension={name}", device="cpu")
        assert [d.name for d in one.dimensions] == [name]
        assert [s[name] for s in one.score(samples)] == pytest.approx([s[name] for s in wanted], rel=1e-4)


def test_authenticity_needs_the_image_alone_and_quality_source_and_prompt():
    assert create_metric("hpe_lsa:dimension=authenticity").required() == {"edited"}
    assert create_metric("hpe_lsa:dimension=editing_alignment").required() == {"edited", "source", "prompt"}
    assert create_metric("hpe_lsa").required() == {"edited", "source", "prompt"}


@needs_toy
def test_authenticity_does_not_look_at_the_source(toy, held_out):
    samples = held_out["same photographs"][:8]
    alone = create_metric("hpe_lsa:weights=toy,dimension=authenticity", device="cpu").score(
        [Sample(s.id, edited=s.edited) for s in samples]
    )
    assert [s["authenticity"] for s in toy.score(samples)] == pytest.approx([float(s) for s in alone], rel=1e-4)


@pytest.fixture(scope="module")
def of_layer_2(held_out, tmp_path_factory):
    """Weights that read layer 2 of 4, and the samples that they are from."""
    samples, folder = held_out["same photographs"][:48], tmp_path_factory.mktemp("layer") / "run"
    trained = HPELSA(backbone="toy-internvl").to("cpu").fit(
        samples, targets=TARGETS, output_dir=folder, preset="toy", steps=2, batch_size=4, decoder_steps=5, layer=2,
    )  # fmt: skip
    return trained, folder, samples


def test_layers_above_the_chosen_one_do_not_run_and_the_score_is_that_of_a_full_forward(of_layer_2):
    import torch

    from editmetrics.mllm.lora import using

    trained, _, samples = of_layer_2
    trained.load()
    assessor, ran = trained.assessors[0], []
    language = assessor.backbone.language
    hooks = [module.register_forward_hook(lambda *_, n=n: ran.append(n)) for n, module in enumerate(language.layers, 1)]
    hooks.append(language.norm.register_forward_hook(lambda *_: ran.append("norm")))
    try:
        scores = trained.score(samples[:3])
        assert set(ran) == {1, 2}
        caught = []
        hooks.append(language.layers[2].register_forward_pre_hook(lambda _, given: caught.append(given[0])))
        for sample, score in zip(samples[:3], scores, strict=True):
            prompt = assessor.single(sample.edited)
            with torch.inference_mode(), using(assessor.backbone, assessor.adapter):
                language(**assessor.backbone.batch([prompt]).inputs, use_cache=False)  # all four layers
                state = caught.pop()[0, : len(prompt)]
            state = state[prompt.ids == assessor.backbone.model.config.image_token_id].mean(0)
            chance = float(assessor.heads["authenticity"](state[None]).detach().sigmoid())
            assert score["authenticity"] == pytest.approx(chance, rel=1e-4)
        assert 4 in ran
    finally:
        for hook in hooks:
            hook.remove()


def test_with_the_needed_layers_alone_scores_are_the_same(of_layer_2):
    """Half of the layers are not in memory, and no number changes."""
    trained, folder, samples = of_layer_2
    part = create_metric("hpe_lsa", weights=str(folder), layers="needed", device="cpu")
    assert [dict(s) for s in part.score(samples[:6])] == [
        pytest.approx(dict(s), rel=1e-5) for s in trained.score(samples[:6])
    ]
    assert len(part.assessors[0].backbone.language.layers) == 2
    sizes = [sum(p.numel() for p in of.assessors[0].backbone.language.layers.parameters() if not p.requires_grad)
             for of in (part, trained)]  # fmt: skip
    assert 0 < sizes[0] <= 0.51 * sizes[1]
    assert part.identity()["weights"] == trained.identity()["weights"]


def test_without_weights_it_says_how_to_get_some(held_out):
    metric = create_metric("hpe_lsa", device="cpu")
    for ask in (metric.load, lambda: metric.score(held_out["same photographs"][:1])):
        with pytest.raises(NoWeightsError, match="editmetrics fit hpe_lsa"):
            ask()


def test_a_dimension_that_was_not_trained_is_refused(tmp_path, samples):
    trained = HPELSA(backbone="toy-internvl").to("cpu").fit(
        samples, targets={"authenticity": "authenticity"}, output_dir=tmp_path / "run", preset="toy", steps=2,
        batch_size=4, decoder_steps=5, layer=1,
    )  # fmt: skip
    assert list(trained.score([Sample("a", edited=samples[0].edited)])[0]) == ["authenticity"]
    with pytest.raises(EditMetricsError, match="not trained for perceptual_quality"):
        _ = create_metric("hpe_lsa", weights=str(tmp_path / "run"), dimension="perceptual_quality").dimensions


@needs_toy
def test_the_identity_says_layer_prompts_and_weights(toy):
    toy.load()
    said = toy.identity()
    assert json.loads(json.dumps(said)) == said
    assert said["layer"] == toy.checkpoint.settings["layer"]
    assert said["weights"] == toy.checkpoint.digest
    assert len(said["backbone"]["sha256"]) == 64
