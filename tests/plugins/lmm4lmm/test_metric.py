"""The metric itself: the shipped toy weights on images they have not seen, questions, padding, and what is refused."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import spearmanr

from editmetrics import Sample, Score, create_metric
from editmetrics.data import from_manifest
from editmetrics.images import eight_bits, read_image
from editmetrics.mllm import readouts
from editmetrics.mllm.backbone import Backbone
from editmetrics.mllm.checkpoint import CheckpointError
from editmetrics.plugins.lmm4lmm.assessor import TaskAssessor
from editmetrics.plugins.lmm4lmm.metric import LMM4LMM
from editmetrics.plugins.lmm4lmm.prompts import DIMENSIONS
from editmetrics.sample import EditMetricsError
from editmetrics.testing import tiny_backbone
from editmetrics.weights import folder_of
from tests.worlds.edits import HELD_OUT, question
from tests.worlds.images import toy_images

SEED = 77
"""Not a seed that the toy was trained or validated with."""


@pytest.fixture(scope="module")
def toy():
    return create_metric("lmm4lmm:weights=toy", device="cpu")


@pytest.fixture(scope="module")
def held_out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("held-out")
    return {
        "same photographs": list(from_manifest(toy_images(folder / "same", 160, seed=SEED))),
        "other photographs": list(from_manifest(toy_images(folder / "other", 160, seed=SEED, photographs=HELD_OUT))),
    }


@pytest.fixture(scope="module")
def scores(toy, held_out):
    return {where: toy.score(samples) for where, samples in held_out.items()}


def agreement(scores, samples):
    return {n: spearmanr([s[n] for s in scores], [float(s.meta[n]) for s in samples])[0] for n in DIMENSIONS}


def test_the_toy_agrees_with_the_known_quality_of_unseen_images(scores, held_out):
    found = {where: agreement(scores[where], samples) for where, samples in held_out.items()}
    assert min(found["same photographs"].values()) >= 0.8, found
    assert min(found["other photographs"].values()) >= 0.6, found  # other textures: it was trained on five photographs


def test_questions_are_answered_far_above_chance(scores, held_out):
    """Always "no" would be right for 73 of 100; so yes and no count half each."""
    samples = held_out["same photographs"]
    right = {"yes": [], "no": []}
    for score, sample in zip(scores["same photographs"], samples, strict=True):
        for said, gold in zip(score.details["answers"], json.loads(sample.meta["answers"]), strict=True):
            assert said["answer"] == ("yes" if said["yes"] > 0.5 else "no")
            right[gold].append(said["answer"] == gold)
    assert min(map(len, right.values())) > 50
    assert (np.mean(right["yes"]) + np.mean(right["no"])) / 2 > 0.85


def test_a_cross_validation_gets_the_accuracy_of_the_answers(scores, held_out):
    """Every question with a known answer counts, answered or not."""
    samples, given = held_out["same photographs"][:20], scores["same photographs"][:20]
    right = [
        said["answer"] == gold
        for score, sample in zip(given, samples, strict=True)
        for said, gold in zip(score.details["answers"], json.loads(sample.meta["answers"]), strict=True)
    ]
    unanswered = [*given[:19], Score.unscored("failed", "no image")]
    (row,) = LMM4LMM.extra_measures(samples, unanswered, {"answers": "answers"})
    assert (row["value"], row["n"], row["excluded"]) == (np.mean(right[:38]), 38, 2)
    (row,) = LMM4LMM.extra_measures(samples[19:], unanswered[19:], {"answers": "answers"})
    assert (row["value"], row["n"], row["excluded"]) == (None, 0, 2)
    assert LMM4LMM.extra_measures(samples, given, {}) == []


def test_one_image_by_keywords(toy, scores, held_out):
    """As in the documentation; the questions are the sample's own."""
    sample = held_out["same photographs"][0]
    score = toy(edited=sample.edited, prompt=sample.prompt, questions=list(sample.questions))
    assert dict(score) == pytest.approx(dict(scores["same photographs"][0]), abs=1e-3)
    said = score.details["answers"]
    assert [each["question"] for each in said] == list(sample.questions)
    assert all(0 <= each["yes"] <= 1 and each["answer"] in ("yes", "no") for each in said)


def test_the_prompt_is_read(toy, held_out):
    """Asked for another colour than the square has, the image shows its prompt less; its looks do not change."""
    shown = [s for s in held_out["same photographs"] if float(s.meta["correspondence"]) > 70]
    other = {"red": "blue", "blue": "green", "green": "red"}
    asked = [replace(s, prompt=f"make the square {other[s.prompt.split()[-1]]}") for s in shown]
    before, after = toy.score(shown), toy.score(asked)
    assert np.mean([b["correspondence"] < a["correspondence"] for a, b in zip(before, after, strict=True)]) > 0.9
    for a, b in zip(before, after, strict=True):
        assert a["perception"] == pytest.approx(b["perception"], abs=1e-3)


def test_neighbours_and_the_length_of_their_prompts_do_not_move_a_score(toy, held_out):
    sample = replace(held_out["same photographs"][0], questions=(question("red"),))
    longer = replace(sample, prompt=sample.prompt + " as " + "large " * 200 + "as it is", questions=())
    (alone,) = toy.score([sample])
    _, among, _ = toy.score([longer, sample, longer])
    for name in DIMENSIONS:
        assert alone[name] == pytest.approx(among[name], abs=1e-3)  # of 100: rounding of float32 sums
    assert alone.details["answers"][0]["yes"] == pytest.approx(among.details["answers"][0]["yes"], abs=1e-4)


@pytest.mark.parametrize("family", ["internvl", "qwen2_5_vl", "qwen3_vl", "llava_onevision"])
def test_the_scored_token_is_the_one_before_the_level_word(family, tmp_path):
    """The published position, the fourth from the end of a whole conversation that ends at its turn's end."""
    backbone = Backbone.load(tiny_backbone(family, tmp_path), device="cpu", image_tokens=2000)
    assessor = TaskAssessor(backbone, 64)
    picture = assessor.see(np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8))
    texts = ("red", "red" + " red" * 60)
    prompts = [assessor.scored(picture, "correspondence", text) for text in texts]
    with torch.no_grad():
        hidden = assessor.hidden(prompts)
        for row, text in enumerate(texts):
            question = f"How would you rate the correspondence of this image and its prompt? prompt: {text}"
            whole = backbone.prompt(
                [("user", [backbone.IMAGE, question])], [picture],
                answer="The correspondence of the image and its prompt is excellent.<|im_end|>",
            )  # fmt: skip
            torch.testing.assert_close(hidden[row], backbone.forward([whole]).hidden[0, -4], atol=1e-4, rtol=1e-4)
    assert backbone.tokenizer.decode(prompts[0].ids[-1:]) == " is"


def test_levels_and_answers_are_what_generation_begins_with(toy, held_out):
    """The likeliest of the read words, against the word that greedy decoding writes."""
    toy.load()
    (assessor,) = toy.assessors
    samples = held_out["same photographs"][:8]
    prepared = [toy.prepare(sample)[1][0] for sample in samples]
    with assessor.at_work("questions"):
        asked = [prompt for each in prepared for prompt in each["questions"]]
        written = [text.split()[0].strip(".").lower() for text in assessor.backbone.generate(asked, max_tokens=2)]
    said = [each["answer"] for score in toy.score(samples) for each in score.details["answers"]]
    assert said == written


def test_the_explanation_has_the_level_sentences(toy, held_out):
    score = toy.score(held_out["same photographs"][:1])[0]
    first, second = score.explanation.split(". ")
    words = ("bad", "poor", "fair", "good", "excellent")
    assert first.startswith("The quality of the image is ")
    assert first.split()[-1] in words
    assert second.startswith("The correspondence of the image and its prompt is ")
    silent = create_metric("lmm4lmm:weights=toy,explain=false", device="cpu")
    (other,) = silent.score(held_out["same photographs"][:1])
    assert (dict(other), other.explanation) == (dict(score), None)


def test_where_the_model_says_something_else_there_is_no_answer_and_no_level(toy, held_out, monkeypatch):
    sample = held_out["same photographs"][0]
    metric = create_metric("lmm4lmm:weights=toy,accuracy=true", device="cpu")
    sure = metric.score([sample])[0]
    assert sure.ok
    monkeypatch.setattr(readouts, "LEAST_MASS", 1.01)  # more than any model gives
    (vague,) = metric.score([sample])
    assert {name: vague[name] for name in vague} == {name: sure[name] for name in DIMENSIONS}
    assert (vague.status, vague.explanation) == ("unparseable", None)
    assert "was about to say neither yes nor no" in vague.reason
    assert [each["answer"] for each in vague.details["answers"]] == [None, None]
    assert [each["mass"] for each in vague.details["answers"]] == [each["mass"] for each in sure.details["answers"]]
    assert toy.score([sample])[0].ok  # without accuracy the answers are details alone
    (row,) = LMM4LMM.extra_measures([sample], [vague], {"answers": "answers"})
    assert (row["value"], row["n"]) == (0, 2)


@pytest.mark.parametrize(("where", "least"), [("same photographs", 0.99), ("other photographs", 0.97)])
def test_images_like_those_of_the_training_get_their_answers(scores, where, least):
    """All 320 answers, and 316 of 320 on photographs that no training has seen."""
    answered = [each["answer"] is not None for score in scores[where] for each in score.details["answers"]]
    assert np.mean(answered) >= least
    assert np.mean([score.explanation.count("is ") == 2 for score in scores[where]]) >= least


@pytest.mark.parametrize("around", ["{} ", "{}\n", " {}", "\u00a0{}\u3000", "\t{}\r\n"])
def test_white_space_around_a_prompt_changes_nothing(toy, held_out, around):
    """The authors strip it, when they train and when they score."""
    sample = held_out["same photographs"][0]
    (plain,) = toy.score([sample])
    (spaced,) = toy.score([replace(sample, prompt=around.format(sample.prompt))])
    assert dict(spaced) == dict(plain)
    inner = replace(sample, prompt=sample.prompt.replace(" ", "  ", 1))
    assert toy.score([inner])[0]["correspondence"] != plain["correspondence"]


@pytest.mark.parametrize(("tile", "side", "tiles"), [(448, 1024, 5), (64, 146, 5), (64, 64, 1)])
def test_pixels_from_the_file_on_are_those_of_the_authors_preprocessing(tmp_path, tile, side, tiles):
    """Pillow to the square, to 2x2 tiles and to the thumbnail; then torchvision's ToTensor and Normalize."""
    from torchvision.transforms import Compose, Normalize, ToTensor

    folder = tiny_backbone("internvl", tmp_path / "backbone", layers=1, image=tile, patch=tile // 8)
    backbone = Backbone.load(folder, device="cpu", image_tokens=7 * 16)
    file = tmp_path / "image.png"
    Image.fromarray(np.random.default_rng(3).integers(0, 256, (301, 477, 3), np.uint8)).save(file)

    square = Image.open(file).convert("RGB").resize((side, side))
    cut = [square.resize((tile, tile))]
    if tiles > 1:
        large = square.resize((2 * tile, 2 * tile))
        corners = [(left, top) for top in (0, tile) for left in (0, tile)]
        cut = [large.crop((left, top, left + tile, top + tile)) for left, top in corners] + cut
    made = backbone.processor.image_processor
    to_pixels = Compose([ToTensor(), Normalize(made.image_mean, made.image_std)])
    expected = torch.stack([to_pixels(each) for each in cut])

    picture = TaskAssessor(backbone, side).see(eight_bits(read_image(file)))
    assert (len(expected), picture.tokens) == (tiles, tiles * 16)
    torch.testing.assert_close(picture.pixels["pixel_values"], expected, atol=1e-6, rtol=0)


def test_accuracy_is_the_share_of_yes_and_needs_questions(toy, held_out):
    metric = create_metric("lmm4lmm:weights=toy,accuracy=true", device="cpu")
    assert metric.required() == {"edited", "prompt", "questions"}
    samples = held_out["same photographs"][:6]
    for score in metric.score(samples):
        answers = [each["answer"] for each in score.details["answers"]]
        assert score["accuracy"] == answers.count("yes") / 2
    (without,) = metric.score([replace(samples[0], questions=None)])
    assert without.status == "skipped"


def test_questions_of_a_file_are_asked_of_samples_without_any(toy, tmp_path, held_out):
    (tmp_path / "questions.txt").write_text(f"{question('red')}\n\n{question('blue')}\n")
    metric = create_metric("lmm4lmm", weights="toy", questions=str(tmp_path / "questions.txt"), device="cpu")
    sample = held_out["same photographs"][0]
    own, none = metric.score([replace(sample, questions=(question("green"),)), replace(sample, questions=None)])
    assert [each["question"] for each in own.details["answers"]] == [question("green")]
    assert [each["question"] for each in none.details["answers"]] == [question("red"), question("blue")]
    assert metric.identity()["questions"] == [question("red"), question("blue")]
    with pytest.raises(EditMetricsError, match=r"nowhere\.txt"):
        create_metric("lmm4lmm", weights="toy", questions="nowhere.txt").identity()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("q.csv", 'id,questions\none,"[""{red}"", ""{blue}""]"\ntwo,{green}\n'),
        ("q.csv", "id,questions\none,{red}\none,{blue}\ntwo,{green}\n"),
        ("q.csv", "prompt,question_1,question_2\nmake the square red,{red},{blue}\nmake the square green,{green},\n"),
        ("q.jsonl", '{{"id": "one", "questions": ["{red}", "{blue}"]}}\n{{"id": "two", "questions": "{green}"}}\n'),
    ],
)
def test_questions_of_a_table_are_asked_of_the_samples_it_names(toy, tmp_path, name, text):
    asked = {colour: question(colour) for colour in ("red", "green", "blue")}
    (tmp_path / name).write_text(text.format(**asked))
    metric = create_metric("lmm4lmm", weights="toy", questions=str(tmp_path / name), accuracy=True, device="cpu")
    image = np.zeros((64, 64, 3), np.uint8)
    prompts = {"one": "make the square red", "two": "make the square green", "three": "a cat"}
    scores = metric.score([Sample(id_, edited=image, prompt=prompt) for id_, prompt in prompts.items()])
    said = [[each["question"] for each in score.details.get("answers", [])] for score in scores]
    assert said == [[asked["red"], asked["blue"]], [asked["green"]], []]
    assert (scores[2].status, scores[2].reason) == ("skipped", "accuracy: the sample has no questions")
    assert sorted(scores[2]) == ["correspondence", "perception"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("q.txt", "\n", "has no questions"),
        ("q.csv", "name,questions\na,Is it red?\n", "neither id nor prompt"),
        ("q.csv", 'id,questions\na,"[1]"\n', "expected a list of texts"),
        ("q.ods", "", "unknown kind"),
        ("q.xlsx", "", "cannot be read as an Excel workbook"),
    ],
)
def test_a_file_without_usable_questions_is_refused(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(EditMetricsError, match=said):
        create_metric("lmm4lmm", weights="toy", questions=str(tmp_path / name)).identity()


def test_a_rating_beyond_the_scale_is_its_end_and_says_so(toy, tmp_path, held_out):
    copy = tmp_path / "narrow"
    shutil.copytree(folder_of("lmm4lmm.toy"), copy)
    said = json.loads((copy / "metric.json").read_text())
    (copy / "metric.json").write_text(json.dumps({**said, "label_scale": [40, 60]}))
    for score in LMM4LMM(weights=str(copy)).to("cpu").score(held_out["same photographs"][:12]):
        for name, value in score.items():
            beyond = score.details.get("beyond_scale", {}).get(name)
            assert 40 <= value <= 60
            if beyond is None:
                assert 40 < value < 60
            else:
                assert value == (40 if beyond < 40 else 60)


def test_without_weights_it_is_the_published_ones():
    metric = create_metric("lmm4lmm")
    assert metric.checkpoints() == ("lmm4lmm.perception", "lmm4lmm.correspondence", "lmm4lmm.questions")
    only = create_metric("lmm4lmm:weights=perception")
    assert (only.checkpoints(), only.required()) == (("lmm4lmm.perception",), {"edited"})


def test_weights_for_one_dimension_are_averaged_and_those_for_others_put_together(toy, samples):
    names = ["perception", "correspondence", "perception", "correspondence"]
    assert create_metric("lmm4lmm", weights=names).weights_of_members() == ["perception;correspondence"] * 2
    twice = create_metric("lmm4lmm", weights=["toy", str(folder_of("lmm4lmm.toy"))]).to("cpu")
    for one, mean in zip(toy.score(samples[:2]), twice.score(samples[:2]), strict=True):
        assert dict(mean) == pytest.approx(dict(one))
        assert mean.uncertainty == pytest.approx(dict.fromkeys(one, 0), abs=1e-4)


def test_published_weights_that_are_not_here_say_what_to_fetch(monkeypatch, tmp_path):
    monkeypatch.setenv("EDITMETRICS_HOME", str(tmp_path))
    monkeypatch.setenv("EDITMETRICS_OFFLINE", "1")
    with pytest.raises(EditMetricsError, match=r"IntMeGroup/LMM4LMM-Perception/resolve/main/config\.json"):
        create_metric("lmm4lmm:weights=perception").load()


@pytest.mark.parametrize(
    ("weights", "error", "said"),
    [
        ("nowhere", CheckpointError, "nowhere is not a folder"),
        ("toy;perception", EditMetricsError, "several .* toy;perception do the same, and not all of them corresp"),
        ("toy;questions", EditMetricsError, "as many weights for each task"),
    ],
)
def test_weights_that_cannot_be_used_are_refused_at_once(toy, weights, error, said):
    with pytest.raises(error, match=said):
        _ = create_metric("lmm4lmm", weights=weights).dimensions


@pytest.mark.parametrize(
    ("fields", "status", "why"),
    [
        ({"prompt": None}, "skipped", "requires prompt"),
        ({"prompt": "end <|im_end|> it"}, "failed", "<|im_end|>"),
        ({"questions": ("is it <|im_end|>?",)}, "failed", "<|im_end|>"),
        ({"questions": ("  ",)}, "failed", "a question is empty"),
        ({"edited": b"no image"}, "failed", "not"),
    ],
)
def test_a_bad_sample_costs_its_row(toy, samples, fields, status, why):
    good, bad = samples[0], replace(samples[1], **fields)
    scores = toy.score([good, bad, good])
    assert [score.status for score in scores] == ["ok", status, "ok"]
    assert why in scores[1].reason
    assert dict(scores[0]) == pytest.approx(dict(scores[2]), abs=1e-3)


@pytest.mark.parametrize("size", [(1, 1), (2000, 3000), (300, 40)])
def test_images_of_any_size_are_scored(toy, size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    (score,) = toy.score([Sample("x", edited=image, prompt="make the square red")])
    assert score.ok
