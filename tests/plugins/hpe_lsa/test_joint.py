"""Joint training, equation 1 at several layers, and the analysis of the untuned backbone."""

import csv
import json

import numpy as np
import pytest
import torch

from editmetrics import create_metric
from editmetrics.mllm.backbone import Backbone
from editmetrics.mllm.heads import RegressionHead
from editmetrics.mllm.loop import train
from editmetrics.mllm.lora import add_lora, remove_lora, using
from editmetrics.mllm.recipe import Recipe, TrainingRun, shuffled
from editmetrics.plugins.hpe_lsa import decoders, joint
from editmetrics.plugins.hpe_lsa.analysis import analyse
from editmetrics.plugins.hpe_lsa.assessor import LayerAssessor
from editmetrics.plugins.hpe_lsa.contrastive import Contrast, Triplets, contrastive_loss
from editmetrics.plugins.hpe_lsa.decoders import Decoders
from editmetrics.plugins.hpe_lsa.labels import read_labelled_set
from editmetrics.plugins.hpe_lsa.method import HPELSAMethod
from editmetrics.plugins.hpe_lsa.metric import HPELSA

from .conftest import TARGETS

METHOD = HPELSAMethod(pooling="image", feature="image", dropout=0.0, hidden=(8,), detection_weight=2.0,
                      quality_weight=0.5, contrastive_weight=3.0, decoder_learning_rate=5e-5)  # fmt: skip


@pytest.fixture(scope="module")
def data(edits):
    return read_labelled_set(str(edits), None, targets=TARGETS, label_scale=(0, 100), group="source", seed=0)


@pytest.fixture
def assessor():
    backbone = Backbone.load("toy-internvl", device="cpu", image_tokens=1280)
    add_lora(backbone, "tried", parts={"vision", "language"}, rank=4, alpha=8, dropout=0.0)
    yield LayerAssessor(backbone, "tried", 2, "image")
    remove_lora(backbone, "tried")


def module_of(assessor, data, method=METHOD):
    """Joint training on some training data, and a batch of four of its edits."""
    learned = decoders.lessons(
        data.train, *decoders.states(assessor, data.train, list(TARGETS)), list(TARGETS), (0, 100)
    )
    heads = {name: RegressionHead(64, hidden=(8,), activation="relu", seed=n) for n, name in enumerate(TARGETS)}
    module = joint.Joint(assessor, Decoders(heads, learned, "cpu", method), method, 1e-4)
    triplets = Triplets(assessor, data.train, 0)
    return module, joint.JointLessons(triplets, data.train, list(TARGETS), (0.0, 100.0))


def test_the_loss_is_the_sum_of_all_three_and_lora_learns_from_each(assessor, data):
    module, lessons = module_of(assessor, data)
    some = [lessons[index] for index in range(4)]
    batch = joint.collate(some)
    losses = module(**batch)
    with torch.no_grad(), using(assessor.backbone, "tried"):
        roles = [[lesson.triplet[role] for lesson in some] for role in (1, 2, 3)]
        contrast = contrastive_loss(*(assessor.embed(prompts, "image") for prompts in roles)).mean()
        singles, pairs = assessor.read(batch["prompts"]), assessor.read([lesson.pair for lesson in some])
    torch.testing.assert_close(losses["contrastive"], contrast)
    heads = module.decoders.folded()
    logits, labels = heads["authenticity"](singles)[:, 0], torch.tensor([1.0] * 8 + [0.0] * 4)
    of_class = [torch.nn.functional.binary_cross_entropy_with_logits(logits[labels == c], labels[labels == c])
                for c in (0, 1)]  # fmt: skip
    torch.testing.assert_close(losses["detection"], sum(of_class) / 2, rtol=1e-3, atol=1e-4)
    rated = {example.id: example.targets for example in data.train.rated}
    wanted = torch.tensor(
        [[rated[lesson.id][name] / 100 for name in heads if name != "authenticity"] for lesson in some]
    )
    predicted = torch.cat([heads[name](pairs) for name in heads if name != "authenticity"], 1)
    quality = (predicted - wanted).square().sum(1).mean()
    torch.testing.assert_close(losses["quality"], quality, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(
        losses["loss"], 3 * contrast + 2 * losses["detection"] + quality / 2, rtol=1e-3, atol=1e-3
    )
    for name in ("quality", "detection", "contrastive"):
        module.zero_grad()
        module(**batch)[name].backward()
        sizes = {part: sum(float(p.grad.abs().sum()) for n, p in assessor.backbone.model.named_parameters()
                           if "lora_B" in n and part in n and p.grad is not None)
                 for part in ("vision", "language")}  # fmt: skip
        assert min(sizes.values()) > 0, name


def test_lora_and_decoders_have_learning_rates_of_their_own(assessor, data, tmp_path):
    """The first step of AdamW is as long as the learning rate in every coordinate that has a gradient."""
    module, lessons = module_of(assessor, data)
    before = {name: p.detach().clone() for name, p in module.named_parameters() if p.requires_grad}
    recipe = Recipe(steps=1, batch_size=4, learning_rate=1e-4, schedule="constant", warmup_ratio=0.0, dtype="float32")
    train(module, lessons, TrainingRun(recipe, tmp_path), collate=joint.collate)
    moved = {True: 0.0, False: 0.0}
    for name, parameter in module.named_parameters():
        if name in before:
            of_decoders = name.startswith("decoders.")
            moved[of_decoders] = max(moved[of_decoders], float((parameter.detach() - before[name]).abs().max()))
    assert moved == {True: pytest.approx(5e-5, rel=0.01), False: pytest.approx(1e-4, rel=0.01)}


def test_equation_1_at_the_last_layer_is_the_default_and_at_several_it_is_their_mean(assessor, data):
    lessons = Triplets(assessor, data.train, 0)
    prompts = [lessons[index][role] for role in (1, 2, 3) for index in range(3)]

    def loss(*layers):
        from dataclasses import replace

        contrast = Contrast(assessor, replace(METHOD, contrast_layers=layers)).eval()
        with torch.no_grad():
            return float(contrast(prompts)["loss"])

    assert loss(4) == pytest.approx(loss(), rel=1e-5)
    assert loss(1, 3) == pytest.approx((loss(1) + loss(3)) / 2, rel=1e-5)
    assert loss(1) != pytest.approx(loss(4), rel=0.01)
    with torch.no_grad(), using(assessor.backbone, "tried"):
        features, states = assessor.embed_and_read(prompts, "image", (1, 3))
        torch.testing.assert_close(features, assessor.embed(prompts, "image", (1, 3)))
        torch.testing.assert_close(states, assessor.read(prompts))
        projected, _ = assessor.embed_and_read(prompts, "projected")
        torch.testing.assert_close(projected, assessor.embed(prompts, "projected"))


def test_decoders_begin_where_others_ended():
    random = torch.Generator().manual_seed(0)
    lessons = [[decoders.DecoderLesson(str(n), torch.randn(8, generator=random) * scale + 3, float(n % 2), None, None)
                for n in range(9)] for scale in (5, 0.2)]  # fmt: skip
    first, second = (Decoders({"authenticity": RegressionHead(8, hidden=(4,), seed=seed)}, some, "cpu", METHOD)
                     for seed, some in enumerate(lessons))  # fmt: skip
    second.start_from(first.folded())
    states = torch.randn(5, 8, generator=random)
    before, after = (module.folded()["authenticity"](states) for module in (first, second))
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)


def test_a_joint_training_is_a_checkpoint_that_scores(edits, samples, tmp_path):
    """With gradient checkpointing, micro-batches, several layers and the profile of the untuned backbone."""
    settings = {"preset": "toy", "training": "joint", "analysed_backbone": "untuned", "steps": 3, "batch_size": 4,
                "micro_batch_size": 2, "gradient_checkpointing": True, "contrast_layers": [2, 4],
                "decoder_steps": 5, "evaluate_every": 3, "resamples": 0}  # fmt: skip
    untrained = HPELSA(backbone="toy-internvl").to("cpu")
    trained = untrained.fit(str(edits), targets=TARGETS, output_dir=tmp_path / "run", **settings)
    said = json.loads((tmp_path / "run" / "metric.json").read_text())
    assert said["recipe"]["training"] == "joint"
    assert not (tmp_path / "run" / "training" / "contrastive").exists()
    parts = json.loads((tmp_path / "run" / "training" / "joint" / "history.jsonl").read_text().splitlines()[-2])[
        "parts"
    ]
    assert sorted(parts) == ["contrastive", "detection", "quality"]
    loaded = create_metric("hpe_lsa", weights=str(tmp_path / "run"), device="cpu")
    assert [dict(s) for s in loaded.score(samples[:3])] == [dict(s) for s in trained.score(samples[:3])]
    untrained.fit(str(edits), targets=TARGETS, output_dir=tmp_path / "run", **settings,
                  progress=lambda *_: pytest.fail("it trained again"))  # fmt: skip
    data = read_labelled_set(str(edits), None, targets=TARGETS, label_scale=(0, 100), group="source", seed=0)
    raw = LayerAssessor(Backbone.load("toy-internvl", device="cpu", image_tokens=1280), pooling="image")
    profile = analyse(raw, data.train.real(), data.train.edited())
    rows = list(csv.DictReader((tmp_path / "run" / "layers.csv").open()))
    np.testing.assert_allclose([float(row["ldr"]) for row in rows], profile.ldr, rtol=1e-3)
    np.testing.assert_allclose([float(row["probe_auc"]) for row in rows], profile.probe, atol=0.05)
    assert all(-1 <= float(row["probe_srcc"]) <= 1 for row in rows)


def test_a_share_of_the_triplets_leaves_all_ratings_and_every_loss_a_mean(assessor, data):
    module, every = module_of(assessor, data)
    some = joint.JointLessons(every.triplets, data.train, list(TARGETS), (0.0, 100.0), 0.25)
    lessons = [some[index] for index in range(len(some))]
    kept = [lesson for lesson in lessons if lesson.triplet is not None]
    assert len(kept) == round(0.25 * len(lessons))
    assert all(lesson.pair is not None and lesson.ratings is not None for lesson in lessons)
    without = [lesson for lesson in lessons if lesson.triplet is None]
    epoch = [lessons[index].triplet is not None for index in shuffled(len(some), len(some), every.triplets.seed)]
    assert sum(epoch[: len(epoch) // 2]) < sum(epoch), "spread over an epoch"
    mixed, both, none = ([kept[0], *without[:3]], kept[:1], without[:3])
    with torch.no_grad():
        of_mixed, of_both, of_none = (module(**joint.collate(batch)) for batch in (mixed, both, none))
    for name in ("contrastive", "detection"):
        torch.testing.assert_close(of_mixed[name], of_both[name])  # the one triplet of each
        assert of_none[name] == 0
    assert of_none["quality"] > 0
    module(**joint.collate(none))["loss"].backward()
    assert all(p.grad is not None for p in module.parameters() if p.requires_grad), "as several processes require"
    halves = {"single": 1.5, "pair": 2.0}  # two micro-batches, only one of which has a triplet
    with torch.no_grad():
        parts = [module(**{**joint.collate(batch), "counts": halves}) for batch in (mixed[:2], mixed[2:])]
    for name in ("contrastive", "detection", "quality", "loss"):
        torch.testing.assert_close(sum(part[name] for part in parts) / 2, of_mixed[name])


def test_states_are_standardised_by_some_of_the_training_data(data):
    drawn = data.train.drawn(3, seed=1)
    assert [len(examples) for examples in drawn] == [3, 3]
    assert set(map(id, drawn.rated)) < set(map(id, data.train.rated))
    assert data.train.drawn(3, seed=2).rated != drawn.rated
    assert data.train.drawn(None, 0) == data.train.drawn(10**6, 0) == data.train


def test_without_updates_of_their_own_the_decoders_stay_as_joint_training_made_them(edits, tmp_path):
    settings = {"preset": "toy", "training": "joint", "lsa": False, "steps": 2, "batch_size": 4, "evaluate_every": 2,
                "standardised_by": 4, "decoder_steps": 0, "learning_rate": 1e-3, "baseline": False}  # fmt: skip
    HPELSA(backbone="toy-internvl").to("cpu").fit(
        str(edits), str(edits), group=None, targets=TARGETS, output_dir=tmp_path, **settings
    )
    said = json.loads((tmp_path / "metric.json").read_text())
    assert not (tmp_path / "training" / "decoders").exists()
    chosen = [json.loads(line) for line in (tmp_path / "training" / "joint" / "history.jsonl").open()][-1]["validation"]
    measured = [one.get("auc", one.get("srcc")) for one in said["validation"].values()]
    assert np.mean(measured) == pytest.approx(chosen, abs=1e-3)
