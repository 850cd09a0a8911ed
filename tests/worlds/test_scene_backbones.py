"""The shipped backbones of the made world answer questions that no training of theirs asked."""

import numpy as np
import pytest

from editmetrics.mllm.backbone import Backbone
from tools.pretrain_scenes import HELD_OUT, SceneLearner, by_question
from tools.world.lessons import Mixture, SceneLessons
from tools.world.scenes import PRETRAINING, Backgrounds


@pytest.fixture(scope="module")
def answered():
    """The share of answers that are right in every token, by the first two words of their question."""
    backgrounds = Backgrounds(PRETRAINING)

    def shares(name, mixture):
        backbone = Backbone.load(name, device="cpu", own=True)
        backbone.model.float()
        lessons = SceneLessons(backgrounds, 80, HELD_OUT, mixture)
        right = by_question(SceneLearner(backbone), lessons)
        return {words: float(np.mean(answers)) for words, answers in right.items()}

    return shares


@pytest.mark.parametrize(
    ("name", "last", "least"),
    [("toy-scenes", 0.0, 0.6), ("toy-scenes-any-order", 1.0, 0.7), ("toy-scenes-any-order", 0.0, 0.7)],
)
def test_it_tells_what_changed(answered, name, last, least):
    """Some 60 answers of four parts each: the standard error of such a share is 0.06."""
    assert answered(name, Mixture(0.0, 0.5, last=last))["What changed?"] > least


def test_instructions_behind_the_images_are_what_the_second_one_learned(answered):
    assert answered("toy-scenes", Mixture(0.0, 0.5, last=1.0))["What changed?"] < 0.3


def test_the_second_one_knows_a_piece_of_an_image(answered):
    shares = answered("toy-scenes-any-order", Mixture(1.0, pieces=1.0))
    assert shares["Describe the"] > 0.85
    assert shares["How does"] > 0.65
