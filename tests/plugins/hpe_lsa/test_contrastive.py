"""Equation 1 against torch, what a triplet is made of, and where its gradient goes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from editmetrics.mllm.backbone import Backbone
from editmetrics.mllm.features import picture_key
from editmetrics.mllm.lora import add_lora, remove_lora
from editmetrics.mllm.pictures import PreparedPictures
from editmetrics.mllm.targets import Example
from editmetrics.plugins.hpe_lsa.assessor import LayerAssessor
from editmetrics.plugins.hpe_lsa.contrastive import Contrast, Triplets, another_view, collate, contrastive_loss
from editmetrics.plugins.hpe_lsa.labels import AUTHENTICITY, LABEL, Part, labelled
from editmetrics.plugins.hpe_lsa.method import HPELSAMethod


@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_equation_1_is_cross_entropy_over_positive_and_negative(temperature):
    anchor, positive, negative = torch.randn(3, 16, 8, generator=torch.Generator().manual_seed(0)).double()
    unit = [each / each.norm(dim=1, keepdim=True) for each in (anchor, positive, negative)]
    logits = torch.stack([(unit[0] * unit[1]).sum(1), (unit[0] * unit[2]).sum(1)], 1) / temperature
    wanted = torch.nn.functional.cross_entropy(logits, torch.zeros(16, dtype=torch.long), reduction="none")
    torch.testing.assert_close(contrastive_loss(anchor, positive, negative, temperature), wanted)


def test_its_gradient_moves_the_positive_nearer_and_the_negative_away():
    anchor, positive, negative = torch.randn(3, 4, 8, generator=torch.Generator().manual_seed(1))
    positive.requires_grad_(), negative.requires_grad_()
    contrastive_loss(anchor, positive, negative).sum().backward()
    similarity = torch.nn.functional.cosine_similarity
    with torch.no_grad():
        nearer = positive - 1e-3 * positive.grad / positive.grad.norm()
        farther = negative - 1e-3 * negative.grad / negative.grad.norm()
        assert (similarity(anchor, nearer) >= similarity(anchor, positive)).all()
        assert (similarity(anchor, farther) <= similarity(anchor, negative)).all()


def part_of(samples):
    return Part([Example(sample, {AUTHENTICITY: sample.meta[LABEL]}) for sample in labelled(samples)], [])


@pytest.fixture
def assessor():
    return LayerAssessor(Backbone.load("toy-internvl", device="cpu", image_tokens=1280))


def test_a_triplet_is_the_edits_source_another_source_and_the_edit(assessor, samples):
    triplets = Triplets(assessor, part_of(samples), seed=0)
    keys = [{name: picture_key(assessor.single(getattr(sample, name)).pictures[0]) for name in ("source", "edited")}
            for sample in samples]  # fmt: skip
    sources = {key["source"] for key in keys}
    assert len(triplets) == len(samples)
    drawn = set()
    for triplet, key in zip((triplets[n] for n in range(12)), keys, strict=False):
        anchor, positive, negative = (picture_key(prompt.pictures[0]) for prompt in triplet[1:])
        assert (anchor, negative) == (key["source"], key["edited"])
        assert positive in sources - {anchor}
        drawn.add(positive)
    assert len(drawn) > 3
    again = Triplets(assessor, part_of(samples), seed=0)[5]
    assert picture_key(again.positive.pictures[0]) == picture_key(triplets[5].positive.pictures[0])


def test_with_the_batchs_negatives_it_is_cross_entropy_over_positive_and_all_edits():
    anchor, positive, negative = torch.randn(3, 6, 8, generator=torch.Generator().manual_seed(2)).double()
    unit = [each / each.norm(dim=1, keepdim=True) for each in (anchor, positive, negative)]
    logits = torch.cat([(unit[0] * unit[1]).sum(1, keepdim=True), unit[0] @ unit[2].T], 1) / 0.07
    wanted = torch.nn.functional.cross_entropy(logits, torch.zeros(6, dtype=torch.long), reduction="none")
    torch.testing.assert_close(contrastive_loss(anchor, positive, negative, in_batch=True), wanted)
    alone = contrastive_loss(anchor[:1], positive[:1], negative[:1])
    torch.testing.assert_close(contrastive_loss(anchor[:1], positive[:1], negative[:1], in_batch=True), alone)


@pytest.mark.parametrize("positive", ["other", "view"])
def test_another_view_of_the_source_stands_in_where_there_is_no_other(assessor, samples, positive):
    """Of one source alone, or when asked for; one and the same whenever that triplet is asked for."""
    part = part_of(samples if positive == "view" else samples[:2])
    triplets = Triplets(assessor, part, 0, positive)
    drawn = [triplets[n].positive.pictures[0] for n in (0, 0, 1)]
    keys = [picture_key(picture) for picture in drawn]
    assert keys[0] == keys[1] != keys[2]  # both edits are of one source, whose views are two
    assert keys[0] not in {picture_key(assessor.single(sample.edited).pictures[0]) for sample in part.real()}


def test_a_view_is_a_mirrored_or_straight_crop():
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    views = [another_view(image, np.random.default_rng(n)) for n in range(20)]
    mirrored = 0
    for view in views:
        height, width = view.shape[:2]
        assert 32 <= height <= 40
        assert 48 <= width <= 60
        windows = np.lib.stride_tricks.sliding_window_view(image, view.shape)[:, :, 0]
        straight, turned = ((windows == of).all((2, 3, 4)).any() for of in (view, view[:, ::-1]))
        assert straight or turned
        mirrored += not straight
    assert 3 <= mirrored <= 17
    assert another_view(image[:1, :1], np.random.default_rng(0)).shape == (1, 1, 3)


def test_f_is_the_normed_state_at_the_last_token_or_a_mean_over_image_tokens(assessor, samples):
    backbone = assessor.backbone
    prompts = [assessor.single(sample.edited) for sample in samples[:2]]
    with torch.no_grad():
        found = {feature: assessor.embed(prompts, feature) for feature in ("last", "image", "projected")}
        for row, prompt in enumerate(prompts):
            alone = backbone.forward([prompt]).hidden[0]
            is_image = prompt.ids == backbone.model.config.image_token_id
            torch.testing.assert_close(found["last"][row], alone[-1], rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(found["image"][row], alone[is_image].mean(0), rtol=1e-4, atol=1e-4)
            (seen,) = backbone.look(prompt.pictures)
            torch.testing.assert_close(found["projected"][row], seen.tokens.mean(0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("parts", [{"vision"}, {"language"}, {"vision", "language"}])
def test_both_towers_learn_from_it_and_nothing_else_does(assessor, samples, parts):
    assessor.adapter = "try"
    add_lora(assessor.backbone, "try", parts=parts, dropout=0.0)
    try:
        contrast = Contrast(assessor, HPELSAMethod())
        for name, parameter in contrast.named_parameters():  # B is 0, and stops the gradient of A
            if ".lora_B.try." in name:  # other adapters on the shared backbone stay as they are
                parameter.data.normal_(0, 0.01, generator=torch.Generator().manual_seed(0))
        triplets = Triplets(assessor, part_of(samples), seed=0)
        contrast(**collate([triplets[0], triplets[9]]))["loss"].backward()
        moved = {name for name, parameter in contrast.named_parameters() if parameter.grad is not None}
        assert moved
        assert all(".lora_" in name for name in moved)
        towers = {"vision" if "vision_tower" in name else "language" for name in moved}
        assert towers == parts
        gradients = [p.grad.abs().max() for p in contrast.parameters() if p.grad is not None]
        assert np.mean([float(size) > 0 for size in gradients]) > 0.9
    finally:
        remove_lora(assessor.backbone, "try")
        assessor.backbone.model.requires_grad_(False)


@pytest.mark.parametrize("size", [1, 4, 1000])
def test_a_validation_reads_each_image_once_in_batches_and_means_over_the_triplets(
    assessor, samples, monkeypatch, size
):
    """Its means are those over triplets that are read alone."""
    add_lora(assessor.backbone, "validated", dropout=0.0)
    assessor = replace(assessor, adapter="validated")
    triplets = Triplets(assessor, part_of(samples[:12]), seed=0)
    read = []
    embed = LayerAssessor.embed
    monkeypatch.setattr(
        LayerAssessor, "embed", lambda self, prompts, *how: read.append(prompts) or embed(self, prompts, *how)
    )
    try:
        contrast = Contrast(assessor, HPELSAMethod(), size).eval()
        margin, chance = contrast.margin(triplets), contrast.chance(triplets)
        images = [[picture_key(prompt.pictures[0]) for prompt in batch] for batch in read]
        with torch.no_grad():
            states = [embed(assessor, list(triplet[1:])) for triplet in triplets]
    finally:
        remove_lora(assessor.backbone, "validated")
    together = [image for batch in images for image in batch]
    assert len(together) == 2 * len(set(together))  # once for each of the two measures
    assert len(set(together)) < 3 * len(triplets)
    assert max(map(len, images)) < size + 3
    near, far = (torch.stack([torch.cosine_similarity(s[0], s[k], dim=0) for s in states]) for k in (1, 2))
    assert margin == pytest.approx(float((near - far).mean()), abs=1e-5)
    assert chance == pytest.approx(float(((near - far) / 0.07).sigmoid().mean()), abs=1e-4)


def test_kept_pictures_give_the_same_triplets(assessor, samples, monkeypatch):
    kept = replace(assessor, pictures=PreparedPictures(assessor.backbone))
    prepared = []
    see = Backbone.see
    monkeypatch.setattr(Backbone, "see", lambda self, image, among=1: prepared.append(among) or see(self, image, among))
    plain, cached = (Triplets(each, part_of(samples[:8]), seed=0) for each in (assessor, kept))
    for _ in range(2):
        for one, other in zip(plain, cached, strict=True):
            assert [picture_key(p.pictures[0]) for p in one[1:]] == [picture_key(p.pictures[0]) for p in other[1:]]
    plainly = len(prepared)
    list(plain)
    assert plainly < 2 * (len(prepared) - plainly) + 8 + 8 + 1  # two epochs of the plain ones, and each image once
    views = Triplets(kept, part_of(samples[:8]), seed=0, positive="view")
    held = len(kept.pictures._kept)
    list(views)
    assert len(kept.pictures._kept) == held
