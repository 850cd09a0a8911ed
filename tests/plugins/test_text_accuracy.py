"""Text accuracy: closed forms, rapidfuzz's edit distance, Flow-GRPO's rule, and text that rapidocr really reads."""

from __future__ import annotations

import math
import random
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from editmetrics import Sample, create_metric, score
from editmetrics.plugins.ocr import TextReader
from editmetrics.plugins.text_accuracy import flow_grpo_reward, text_accuracy
from editmetrics.plugins.wanted_text import edit_distance, normalised, quoted, require_one_reading
from editmetrics.sample import EditMetricsError, SampleError

IMAGE = np.zeros((8, 8, 3), np.uint8)


def reading(*lines: str, spec: str = "text_accuracy"):
    metric = create_metric(spec)
    metric.use(lambda pixels: list(lines))
    return metric


def pairs_of_texts():
    draw = random.Random(0)
    for length in (0, 1, 3, 9, 30):
        for other in (0, 2, 8, 40):
            yield tuple("".join(draw.choices("abc é店", k=size)) for size in (length, other))


def test_edit_distance_is_rapidfuzzs():
    levenshtein = pytest.importorskip("rapidfuzz.distance").Levenshtein
    for wanted, read in pairs_of_texts():
        assert edit_distance(wanted, read) == levenshtein.distance(wanted, read), (wanted, read)


def test_the_nearest_part_is_the_best_of_all_parts():
    levenshtein = pytest.importorskip("rapidfuzz.distance").Levenshtein
    for wanted, read in pairs_of_texts():
        parts = {read[start:stop] for start in range(len(read) + 1) for stop in range(start, len(read) + 1)}
        assert edit_distance(wanted, read, anywhere=True) == min(levenshtein.distance(wanted, part) for part in parts)


@pytest.mark.parametrize(
    ("wanted", "read", "expected"),
    [
        (["a b c d"], ["a b c d"], (1, 1, 1)),
        (["a b c d"], [], (0, 0, 0)),
        (["the cat", "the dog"], ["xx the cat yy"], (2 / 4, 1 - 3 / 12, 1 / 2)),  # "thedog" nearest to "thecat"
        (["营业中"], ["营业 时间"], (2 / 3, 2 / 3, 0)),
        (["sale sale"], ["sale"], (1 / 2, 1 / 2, 0)),  # once is not twice
    ],
)
def test_closed_forms(wanted, read, expected):
    scores = text_accuracy(wanted, read)
    assert tuple(scores.values()) == pytest.approx(expected)


def test_extra_text_counts_as_f1_and_normalised_edit_distance():
    """F1 = 2 P R / (P + R) with P = 2/4, R = 2/3; 1 - 5/10 of the texts without spaces."""
    precision, recall = 2 / 4, 2 / 3
    scores = text_accuracy(["big red sign"], ["the red sign there"], extra=True)
    assert scores["words"] == pytest.approx(2 * precision * recall / (precision + recall))
    levenshtein = pytest.importorskip("rapidfuzz.distance").Levenshtein
    assert scores["characters"] == pytest.approx(levenshtein.normalized_similarity("bigredsign", "theredsignthere"))


@pytest.mark.parametrize(
    ("wanted", "read", "expected"),
    [
        ("Grand Opening", ["we are GRAND", "OPENING today"], 1.0),  # joined without a space
        ("hello", ["hallo"], 0.8),
        ("hello", ["something else altogether"], 0.0),  # capped at the length
        ("hello", [], 0.0),
    ],
)
def test_the_reward_of_flow_grpo(wanted, read, expected):
    """By hand from its rule at commit ac4c86e: distance 0 if contained, else Levenshtein, at most the length."""
    assert flow_grpo_reward(wanted, read) == pytest.approx(expected)
    metric = reading(*read, spec="text_accuracy:variant=flow-grpo")
    score = metric(IMAGE, prompt=f'a sign with "{wanted}" and "more"')
    assert (list(score), float(score)) == (["characters"], pytest.approx(expected))


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [
        ('a sign that says "OPEN"', ["OPEN"]),
        ("the dog's sign and the cats' one say 'DON'T PANIC' and ‘it’s me’", ["DON'T PANIC", "it’s me"]),
        ("„Hallo“ « salut » 「你好」『さようなら』 “hi”", ["Hallo", " salut ", "你好", "さようなら", "hi"]),
        ("写着'你好'的牌子", ["你好"]),
        ("the dog's bone", []),
        ('an unfinished "quote', []),
    ],
)
def test_quotes(prompt, texts):
    assert quoted(prompt) == texts


@pytest.mark.parametrize(
    ("prompt", "clear"),
    [
        ("change the text 'A' to 'B'", False),
        ("replace “A” with the words “B”", False),
        ("把「A」改成「B」", False),
        ("'A' and 'B'", True),
        ("'A' next to the door and 'B'", True),
        ("from 'A' on to the end: 'B'", True),
    ],
)
def test_a_prompt_that_replaces_a_text_says_not_which_is_wanted(prompt, clear):
    if clear:
        require_one_reading(prompt)
        return
    with pytest.raises(SampleError, match="quotes=last"):
        require_one_reading(prompt)
    assert reading("B", spec="text_accuracy:quotes=last")(IMAGE, prompt=prompt)["words"] == 1
    assert reading("B", spec="text_accuracy:quotes=all")(IMAGE, prompt=prompt)["words"] == 0.5


def test_what_is_compared():
    assert normalised("ＯＰＥＮ\u00a024/7 – Café!") == "open 247 café"
    assert normalised("Hi!", case=True, punctuation=True) == "Hi!"
    strict = reading("hi", spec="text_accuracy:case=keep,punctuation=keep")
    assert strict(IMAGE, prompt='"Hi!"')["words"] == 0
    assert reading("hi")(IMAGE, prompt='"Hi!"')["words"] == 1


@pytest.mark.parametrize(
    ("prompt", "meta", "wanted"),
    [
        ('"no"', {"text": "yes\nand more"}, ["yes", "and more"]),
        ('"no"', {"text": 2024.0}, ["2024"]),
        ('"no"', {"text": ["a", "b"]}, ["a", "b"]),
        ('"yes"', {"text": math.nan}, ["yes"]),
        ('"yes"', {"text": " "}, ["yes"]),
        (None, {"text": "yes"}, ["yes"]),
    ],
)
def test_a_column_goes_before_the_prompt(prompt, meta, wanted):
    (score,) = reading("x").score([Sample("x", edited=IMAGE, prompt=prompt, meta=meta)])
    assert score.details["wanted"] == wanted


def test_a_resumed_run_compares_with_a_changed_column(tmp_path):
    def run(text: str) -> float:
        sample = Sample("x", edited=IMAGE, prompt='"no"', meta={"text": text})
        return float(score([sample], metrics=[reading("hello you")], output=tmp_path / "s.csv")["text_accuracy"][0])

    assert [run("hello"), run("hello there")] == [1, 0.5]


@pytest.mark.parametrize(
    ("prompt", "meta", "reason"),
    [
        ("make it red", {}, "no text is wanted"),
        (None, {}, "no text is wanted"),
        ('say "!!!"', {}, "no letter that is compared"),
        (None, {"text": {}}, "expected the wanted text"),
    ],
)
def test_without_a_wanted_text_nothing_is_scored(prompt, meta, reason):
    (score,) = reading("x").score([Sample("x", edited=IMAGE, prompt=prompt, meta=meta)])
    assert (score.status in ("skipped", "failed"), reason in score.reason) == (True, True)


def test_letters_that_the_reader_does_not_know_are_not_scored_zero():
    metric = create_metric("text_accuracy")
    metric.load = lambda: None  # it is refused before anything is read
    for text in ("открыто", "open 영업"):
        (score,) = metric.score([Sample("x", edited=IMAGE, prompt=f'"{text}"')])
        assert (score.status, "does not read" in score.reason) == ("skipped", True)


def test_nothing_that_can_be_read_scores_zero():
    score = reading()(IMAGE, prompt='"OPEN"')
    assert (score["words"], score["characters"], score["phrases"], score.explanation) == (0, 0, 0, None)


def test_without_rapidocr_it_says_what_to_install(monkeypatch, tmp_path):
    from editmetrics import registry, weights
    from editmetrics.weights import WeightsUnavailableError

    monkeypatch.setattr(registry, "_installed", lambda package: False)
    with pytest.raises(EditMetricsError, match="pip install rapidocr onnxruntime"):
        create_metric("text_accuracy")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("sysconfig.get_path", lambda scheme: str(tmp_path))
    assert weights.find("pp-ocr-v6-small") is None
    with pytest.raises(WeightsUnavailableError, match="pip install rapidocr"):
        weights.path("pp-ocr-v6-small", "PP-OCRv6_rec_small.onnx")


def test_the_reader_gets_opencvs_order_of_colours():
    reader, seen = object.__new__(TextReader), []
    reader._engine = lambda pixels: (seen.append(pixels.tolist()), SimpleNamespace(txts=None))[1]
    assert (reader.read(np.array([[[1, 2, 3]]], np.uint8)), seen) == ([], [[[[3, 2, 1]]]])

    with pytest.raises(SampleError, match="300 x 2 pixels"):
        reader.read(np.zeros((2, 300, 3), np.uint8))


def test_the_identity_has_the_reader():
    metric = create_metric("text_accuracy")
    assert metric.identity()["reader"].startswith("rapidocr ")
    assert metric.checkpoints() == ("pp-ocr-v6-small",)
    metric.use(lambda pixels: [])
    assert metric.identity()["reader"] == "a stand-in"


# ---------------------------------------------------------------------- the real reader


@pytest.fixture(scope="module")
def metric():
    pytest.importorskip("rapidocr")
    made = create_metric("text_accuracy", device="cpu")
    made.load()
    return made


def test_rendered_text_is_read(metric):
    image = Image.new("RGB", (400, 400), "white")
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(("GRAND OPENING", "Fresh coffee, 24/7")):
        draw.text((30, 120 + 70 * number), line, font=ImageFont.load_default(36), fill=(20, 20, 90))
    score = metric(image, prompt="a sign with 'Grand Opening' and 'Fresh tea'")
    assert score.explanation == "GRAND OPENING\nFresh coffee, 24/7"
    assert dict(score) == pytest.approx({"words": 3 / 4, "characters": 1 - 3 / 20, "phrases": 1 / 2})  # without "tea"


def test_an_image_of_one_pixel_has_no_text(metric):
    assert set(metric(np.full((1, 1, 3), 255, np.uint8), prompt='"OPEN"').values()) == {0}
