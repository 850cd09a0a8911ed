"""Lessons of the made world: true, free of labels, and written as a backbone's own chat."""

import re

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from editmetrics.mllm.backbone import IMAGE, Backbone
from editmetrics.mllm.levels import LEVELS
from editmetrics.mllm.recipe import Recipe
from editmetrics.plugins.epaiqa.prompts import EXPLAINED, explained_chat
from editmetrics.testing import tiny_backbone
from tools.pretrain_scenes import Phase, SceneLearner, any_order, pretrain
from tools.world.lessons import Mixture, SceneLessons, piece
from tools.world.questions import ONE, STRONG, WEAK, WORDS, Shown, about_one, about_piece, numbers
from tools.world.scenes import CELLS, LOOKS, PRETRAINING, Backgrounds, Flaw, Thing


@pytest.fixture(scope="module")
def lessons():
    return SceneLessons(Backgrounds(PRETRAINING, 20), 1000, seed=5)


def test_answers_describe_and_never_rate(lessons):
    """Words of things, cells, looks and changes, counts and boxes: no level, no score, no word on authenticity."""
    descriptions = "nothing plain bright dark none same became is gone came and went to the pale at yes no"
    known = {*" ".join(WORDS).split(), *descriptions.split()}
    ratings = {*LEVELS, "real", "edited", "quality", "score", "rate", "preserved", "followed"}
    for number in range(300):
        for question, answer in lessons[number].asked:
            if not (re.fullmatch(r"[0-4]", answer) or re.fullmatch(r"\((\d\.\d\d, ){3}\d\.\d\d\)", answer)):
                assert set(re.findall(r"[a-z]+|\d", answer)) <= known, answer
            asked = set(re.findall(r"[a-z]+", question.lower()))
            assert not asked & ratings, question


def test_an_image_without_its_neighbour_says_nothing_of_which_it_is(lessons):
    """Flaws are as frequent in sources as in targets, else "edited" could be learned here."""
    first, second = Mixture(0.0, 0.0), []
    for number in range(150):
        pair = SceneLessons(lessons.backgrounds, 1000, 6, first)[number].images.astype(float)
        second.append(np.abs(np.diff(pair, axis=1)).mean((1, 2, 3)))
    one, two = np.array(second).T
    assert abs(np.mean(one - two)) < 3 * np.std(one - two) / len(second) ** 0.5


THINGS = (Thing("circle", "red", 8.0, 0.0, 0.0), None, Thing("cross", "red", 8.0, 0.0, 0.0), None)
TRUTHS = {
    "Describe the image.": "red circle, nothing, red cross, nothing",
    "How many red things are in the image?": "2",
    "How many circles are in the image?": "1",
    "Which colour is the circle of the image?": "red",
    "Where is the red cross of the image?": "bottom left",
    "Give the box of the circle of the image.": "(0.25, 0.25, 0.25, 0.25)",
    "Is there a red cross in the image? Answer yes or no.": "yes",
    "Is there a blue cross in the image? Answer yes or no.": "no",
    "How does the top left of the image look?": "plain",
}


def test_the_answers_about_an_image_are_true():
    random, shown = np.random.default_rng(0), Shown("the image", THINGS, {})
    answers = dict(about_one(shown, random) for _ in range(1500))
    assert {question: answers[question] for question in TRUTHS} == TRUTHS
    assert len(ONE) == 9
    assert CELLS[2] == "bottom left"


def test_numbers_and_levels_are_those_of_the_pixels():
    random, shown = np.random.default_rng(0), Shown("the image", THINGS, {})
    flat, striped = np.full((64, 64, 3), 118, np.uint8), np.full((64, 64, 3), 60, np.uint8)
    striped[::2] = 180
    for image, brightness, contrast in ((flat, 9.99 * 43 / 85, "bad"), (striped, 9.99 * 45 / 85, "excellent")):
        answers = dict(numbers(shown, image, random) for _ in range(60))
        assert float(answers["Give the brightness of the image."]) == pytest.approx(brightness, abs=0.006)
        assert answers["How is the contrast of the image?"] == f"The contrast of the image is {contrast}"
        assert answers["How many things are in the image?"] == "2"


def test_questions_for_numbers_are_asked_only_where_a_mixture_has_them(lessons):
    def shares(mixture):
        some = SceneLessons(lessons.backgrounds, 1000, 6, mixture)
        asked = [question for number in range(60) for question, _ in some[number].asked]
        return np.mean([question.startswith(("Give the brightness", "How is the contrast")) for question in asked])

    assert shares(Mixture(descriptive=0.0)) == 0
    assert shares(Mixture(descriptive=0.0, numbers=1.0)) > 0.25


def test_a_lesson_asks_to_repeat_words_of_the_texts_and_of_no_other(lessons):
    texts = ["The quality of the image is good.", "score: 4.38"]
    some = SceneLessons(lessons.backgrounds, 1000, 6, Mixture(descriptive=0.0, repeats=0.5), texts)
    repeated = [asked for number in range(40) for asked in some[number].asked if asked[0].startswith("Repeat: ")]
    assert 0.3 < len(repeated) / 200 < 0.7
    for question, answer in repeated:
        assert question == f"Repeat: {answer}"
        assert any(answer in text for text in texts)


def test_a_lesson_is_written_as_the_backbones_own_chat(lessons, tmp_path):
    backbone = Backbone.load(tiny_backbone("internvl", tmp_path, layers=1), device="cpu", own=True)
    learner = SceneLearner(backbone)
    for number in range(6):
        lesson = lessons[number]
        ids, marks = learner.tokens(lesson)
        pictures = [backbone.see(image, among=len(lesson.images)) for image in lesson.images]
        parts = [IMAGE if part is None else part for part in lesson.opening]
        (question, answer), *_ = lesson.asked
        prompt = backbone.prompt([("user", [*parts[:-1], parts[-1] + question])], pictures, answer=answer)
        assert ids[: len(prompt)] == prompt.ids.tolist()
        assert marks.index(True) == prompt.answer_start
        taught = backbone.tokenizer.decode([each for each, mark in zip(ids, marks, strict=True) if mark])
        assert taught == "".join(f"{answer}<|im_end|>" for _, answer in lesson.asked)
        pixels = learner.collate([lesson])["pixels"].numpy()
        shown = np.concatenate([picture.pixels["pixel_values"].numpy() for picture in pictures])
        np.testing.assert_allclose(pixels, shown, atol=1e-4)


def test_an_instruction_behind_the_images_stands_where_epaiqa_has_it(lessons):
    def openings(last):
        some = SceneLessons(lessons.backgrounds, 1000, 6, Mixture(alone=0.0, last=last))
        return [opening for number in range(10) if None in (opening := some[number].opening)]

    before, behind = openings(0.0), openings(1.0)
    assert sum(one != other for one, other in zip(before, behind, strict=True)) > 5  # the others are no edits
    for first, last in zip(before, behind, strict=True):
        if first != last:
            prompt = first[0].split("[")[1].split("]")[0]
            ((_, parts),) = explained_chat(None, prompt)
            assert last == (*parts[:-1], parts[-1].removesuffix(EXPLAINED))


def test_a_piece_is_the_square_of_a_cell_and_nothing_else():
    image = np.zeros((64, 64, 3), np.uint8)
    image[5:27, 5:27] = 200  # the square of a thing of radius 8 in the middle of the first cell, with a margin of 3
    assert (piece(image, THINGS[0], 0) == 200).all()
    assert (piece(image, None, 3) == 0).all()
    image[26, 26] = 255
    assert piece(image, THINGS[0], 0).shape == image.shape
    assert piece(image, THINGS[0], 0)[-1, -1, 0] > 230


@pytest.mark.parametrize("look", LOOKS)
def test_the_answers_about_a_piece_are_true_and_tell_no_strength(look):
    def answers(cell, strength):
        return [answer for _, answer in about_piece(Shown("the image", THINGS, {0: flaw(strength)}), cell)]

    def flaw(strength):
        return Flaw((5, 5, 27, 27), look, strength, 20.0)

    assert answers(0, STRONG) == answers(0, 1.0) == ["red circle", look]
    assert answers(0, 0.0) == answers(0, WEAK) == ["red circle", "plain"]
    assert answers(0, (STRONG + WEAK) / 2) == ["red circle"]
    assert answers(1, 1.0) == ["nothing", "plain"]


def test_pieces_are_shown_so_often_as_a_mixture_says(lessons):
    def asked(mixture):
        some = SceneLessons(lessons.backgrounds, 1000, 6, mixture)
        return [some[number].asked[0][0] == "Describe the piece of the image." for number in range(100)]

    assert not any(asked(Mixture(alone=1.0)))
    assert 0.35 < np.mean(asked(Mixture(alone=1.0, pieces=0.5))) < 0.65
    assert not any(asked(Mixture(alone=0.0, pieces=1.0)))


@pytest.mark.slow
def test_one_call_writes_a_backbone_and_another_finds_it_finished(tmp_path):
    recipe = Recipe(steps=3, batch_size=4, learning_rate=1e-2, evaluate_every=3)
    phases = [Phase("look", 0, Mixture(1.0, 1.0), recipe), Phase("ask", 1, Mixture(), recipe)]
    sizes = {"hidden": 32, "layers": 1, "vision_hidden": 32, "vision_layers": 1}
    folder = pretrain(tmp_path, recipe, phases, sizes)
    written = (folder / "model.safetensors").read_bytes()
    backbone = Backbone.load(folder, device="cpu")
    assert backbone.generate([backbone.prompt([("user", ["Describe the image."])])], max_tokens=2)
    assert pretrain(tmp_path, recipe, phases, sizes) == folder
    assert (folder / "model.safetensors").read_bytes() == written
    again = any_order(str(folder), tmp_path, Phase("order", 2, Mixture(last=1.0, pieces=0.5), recipe, sees=True))
    first, second = load_file(folder / "model.safetensors"), load_file(again / "model.safetensors")
    tower = [name for name in first if "vision_tower" in name]
    assert any(not torch.equal(first[name], second[name]) for name in tower)
    assert any(not torch.equal(first[name], second[name]) for name in first.keys() - set(tower))
    assert (again / "tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()
