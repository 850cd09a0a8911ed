"""Equation 1 against torch, what a triplet is made of, and where its gradient goes."""

import numpy as np
import pytest
import torch

from editmetrics.mllm.backbone import Backbone
from editmetrics.mllm.features import picture_key
from editmetrics.mllm.lora import add_lora, remove_lora
from editmetrics.mllm.targets import Example, TargetError
from editmetrics.plugins.hpe_lsa.assessor import Assessor
from editmetrics.plugins.hpe_lsa.contrastive import Contrast, Triplets, collate, contrastive_loss
from editmetrics.plugins.hpe_lsa.labels import AUTHENTICITY, LABEL, Part, labelled


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
    return Assessor(Backbone.load("toy-internvl", device="cpu", image_tokens=1280))


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


def test_one_source_makes_no_triplet(assessor, samples):
    with pytest.raises(TargetError, match="one of another source"):
        Triplets(assessor, part_of(samples[:2]), seed=0)[0]


@pytest.mark.parametrize("parts", [{"vision"}, {"language"}, {"vision", "language"}])
def test_both_towers_learn_from_it_and_nothing_else_does(assessor, samples, parts):
    assessor.adapter = "try"
    add_lora(assessor.backbone, "try", parts=parts, dropout=0.0)
    try:
        contrast = Contrast(assessor, 0.07)
        for name, parameter in contrast.named_parameters():  # B is 0 at first, and stops the gradient of A
            if ".lora_B." in name:
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
