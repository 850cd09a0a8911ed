"""Pictures of the made world: what is described, drawn and labelled agree."""

import json

import numpy as np
import pytest

from editmetrics.data import from_manifest
from tools.world.pictures import pictures, write_pictures
from tools.world.scenes import CELLS, COLOURS, FITTING, Backgrounds


@pytest.fixture(scope="module")
def made():
    return list(pictures(Backgrounds(FITTING, 20), 300, seed=3))


def described(picture):
    return {phrase.split(" at the ")[1]: phrase for phrase in picture.prompt.split(", ")}


def test_a_thing_that_is_asked_for_has_its_colour_if_the_answer_is_yes(made):
    """By the nearest of the colours to the middle of its cell; a wrong thing may have another."""
    right = {True: [], False: []}
    for picture in made:
        for question, answer in zip(picture.questions, picture.answers, strict=True):
            where = question.split(" at the ")[1].rstrip("?")
            top, left = divmod(CELLS.index(where), 2)
            middle = picture.image[32 * top + 14 :, 32 * left + 14 :][:5, :5].mean((0, 1))
            nearest = min(COLOURS, key=lambda name: np.abs(middle - COLOURS[name]).sum())
            right[answer].append(f" {nearest} " in question)
    assert np.mean(right[True]) > 0.75
    assert np.mean(right[False]) < 0.6


def test_the_correspondence_counts_the_answers_over_all_things(made):
    for picture in made:
        things = len(described(picture))
        count = picture.correspondence / 100 * things
        assert count == pytest.approx(round(count))
        if things == 2:
            assert sum(picture.answers) == round(count)


def test_labels_are_spread_and_independent(made):
    labels = np.array([[picture.perception, picture.correspondence] for picture in made])
    assert (labels.std(axis=0) > 15).all()
    assert abs(np.corrcoef(labels.T)[0, 1]) < 3 / len(made) ** 0.5


def test_the_manifest_lists_pictures_with_questions_and_answers(tmp_path):
    samples = list(from_manifest(write_pictures(tmp_path, 3, photographs=FITTING, seed=3)))
    assert len(samples) == 3
    assert len(samples[0].questions) == 2
    assert set(json.loads(samples[0].meta["answers"])) <= {"yes", "no"}
