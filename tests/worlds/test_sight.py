"""Sight of the made world: what is asked about a cell is what was drawn there, and a vision tower learns to answer."""

import numpy as np
import pytest
import torch

from editmetrics.mllm.backbone import Backbone
from editmetrics.testing import tiny_backbone
from tools.world.questions import STRONG, WEAK
from tools.world.scenes import COLOURS, FITTING, Backgrounds, Flaw, Thing
from tools.world.sight import NAMES, UNASKED, SightLearner, Sights, answers_about, by_cell


@pytest.fixture(scope="module")
def sights():
    return Sights(Backgrounds(FITTING, 20), 400, seed=3)


def test_the_colour_that_is_asked_for_is_seen_in_the_middle_of_its_cell(sights):
    """By the nearest of the colours to the mean of the middle pixels, in cells without a broken look."""
    right = []
    for number in range(150):
        seen = sights[number]
        for cell, (shape, colour, look, square) in enumerate(seen.answers):
            assert (shape == 0) == (colour == 0)
            if shape and look == 0 and square == 0:
                top, left = 32 * (cell // 2) + 14, 32 * (cell % 2) + 14
                middle = seen.image[top : top + 5, left : left + 5].mean((0, 1))
                nearest = min(COLOURS, key=lambda name: np.abs(middle - COLOURS[name]).sum())
                right.append(nearest == NAMES["colour"][colour])
    assert len(right) > 100
    assert np.mean(right) > 0.9


@pytest.mark.parametrize(
    ("strength", "step", "answers"),
    [(WEAK, 9.0, [1, 1, 0, 1]), (STRONG, -9.0, [1, 1, 2, 2]), ((WEAK + STRONG) / 2, 9.0, [1, 1, UNASKED, 1])],
)
def test_a_look_between_weak_and_strong_is_not_asked_for(strength, step, answers):
    thing = Thing("circle", "red", 9.0, 0.0, 0.0)
    assert answers_about(thing, Flaw((0, 0, 9, 9), "blurred", strength, step)) == answers
    assert answers_about(None, None) == [0, 0, 0, 0]


def test_the_tokens_of_a_cell_are_those_of_its_quarter():
    rows, columns = np.divmod(np.arange(64), 8)
    quarters = by_cell(torch.arange(64.0)[None, :, None])[0].int().numpy()
    for cell, tokens in enumerate(quarters):
        assert set(rows[tokens] // 4) == {cell // 2}
        assert set(columns[tokens] // 4) == {cell % 2}


def test_a_tower_that_sees_tells_colours_of_new_photographs_apart(sights, tmp_path):
    """After 60 steps; always answering the most frequent, nothing, would be right in 41 % of the cells."""
    backbone = Backbone.load(tiny_backbone("internvl", tmp_path), device="cpu", own=True)
    learner = SightLearner(backbone)
    batches = [learner.collate([sights[first + k] for k in range(40)]) for first in range(0, 400, 40)]
    optimiser = torch.optim.AdamW([*learner.parameters()], 2e-3)
    for step in range(60):
        learner(**batches[step % len(batches)])["loss"].backward()
        optimiser.step()
        optimiser.zero_grad()
    others = Sights(Backgrounds(("coffee", "cell"), 20), 100, seed=4)
    batch = learner.collate([others[number] for number in range(100)])
    assert float(learner(**batch)["colour"]) > 0.7
    assert learner.accuracy(batch) > 0.6
