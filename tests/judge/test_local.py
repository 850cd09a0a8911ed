"""A judge that runs on this machine: what it is shown, what it is asked together, and what one bad question costs."""

from dataclasses import replace

import numpy as np
import pytest

from editmetrics import SampleError
from editmetrics.judge import ChatModel, JudgeError, JudgeUnavailableError, Message, Question, open_judge
from editmetrics.judge.answers import whole_text
from editmetrics.judge.chat import Image
from editmetrics.judge.local import CutOff

PIXELS = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)


class Echo:
    """A backbone that answers with what it was asked, and remembers the calls."""

    IMAGE = object()

    def __init__(self):
        self.calls = []

    def see(self, image, among=1):
        return f"{image.shape} of {among}"

    def prompt(self, chat, pictures=()):
        pictures = iter(pictures)
        return [(role, [next(pictures) if part is self.IMAGE else part for part in parts]) for role, parts in chat]

    def generate(self, prompts, max_tokens=256, temperature=0.0, seed=0):
        texts = [prompt[-1][1][-1] for prompt in prompts]
        self.calls.append((texts, max_tokens, temperature, seed))
        if "explode" in texts:
            raise RuntimeError("broken")
        if "too big" in texts:
            raise MemoryError("cannot allocate 253 MiB")
        if "too big for the GPU" in texts:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        if "too long" in texts:
            raise SampleError("the prompt has too many tokens", "skipped")
        words = {"say nothing": "", "say 8": "8", "begin with 8": CutOff("8")}
        return [words.get(text, str(prompt)) for text, prompt in zip(texts, prompts, strict=True)]

    def identity(self):
        return {"model": "echo", "sha256": "00"}


def test_a_chat_with_its_pictures_reaches_the_model():
    message = Message("user", (Image(PIXELS), "between", Image(PIXELS[:2]), "?"))
    answer = open_judge(backbone=Echo()).ask(Question((Message("system", ("s",)), message)))
    assert answer.text == str([("system", ["s"]), ("user", ["(4, 5, 3) of 2", "between", "(2, 5, 3) of 2", "?"])])
    assert (answer.model, answer.served, answer.finish) == ("echo", "echo", None)


def test_greedy_questions_share_batches_and_keep_their_order():
    echo = Echo()
    answers = open_judge(backbone=echo, batch_size=4).ask_all([Question.of(str(number)) for number in range(10)])
    assert [answer.text for answer in answers] == [str([("user", [str(number)])]) for number in range(10)]
    assert [len(texts) for texts, *_ in echo.calls] == [4, 4, 2]


def test_with_a_temperature_each_is_asked_alone_with_its_own_seed():
    echo = Echo()
    judge = open_judge(backbone=echo, temperature=0.7, seed=5, max_tokens=9)
    list(judge.ask_all([Question.of("?", round=number) for number in range(3)]))
    assert echo.calls == [(["?"], 9, 0.7, 5), (["?"], 9, 0.7, 6), (["?"], 9, 0.7, 7)]


def test_rounds_of_a_question_are_drawn_together_and_other_questions_apart():
    echo = Echo()
    judge = open_judge(backbone=echo, temperature=0.7, seed=5, max_tokens=9, batch_size=4)
    item = [Question.of(text, [PIXELS]).decoded() for text in ("how?", "why?")]
    answers = list(judge.ask_all([replace(question, round=number) for number in range(2) for question in item]))
    assert echo.calls == [(["how?", "how?"], 9, 0.7, [5, 6]), (["why?", "why?"], 9, 0.7, [5, 6])]
    assert [answer.text for answer in answers] == [str([("user", ["(4, 5, 3) of 1", word])]) for word in
                                                   ("how?", "why?", "how?", "why?")]  # fmt: skip


@pytest.mark.parametrize(
    ("bad", "status", "said"),
    [
        ("explode", "failed", "RuntimeError: broken"),
        ("too big", "unavailable", "this machine has too little memory for it: MemoryError: cannot allocate 253 MiB"),
        (
            "too big for the GPU",
            "unavailable",
            "this machine has too little memory for it: RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB",
        ),
        ("too long", "skipped", "the prompt has too many tokens"),
        ("say nothing", "unparseable", "the model answered nothing"),
    ],
)
def test_a_bad_question_costs_itself_only(bad, status, said):
    texts = ["a", "b", bad, "c", "d"]
    answers = list(open_judge(backbone=Echo()).ask_all([Question.of(text) for text in texts]))
    assert [answer.status for answer in answers] == ["ok", "ok", status, "ok", "ok"]
    assert (answers[2].text, answers[2].reason) == (None, said)


def test_an_answer_that_was_cut_off_is_no_number(home):
    """ "8" may be the beginning of "85"; a server says "length" of it."""
    judge = open_judge(backbone=Echo())
    assert whole_text(judge.ask("say 8")) == "8"
    for _ in range(2):  # also from the cache
        cut = judge.ask("begin with 8")
        assert (cut.text, cut.cut_off) == ("8", True)
        with pytest.raises(SampleError, match="the model was cut off"):
            whole_text(cut)


def test_a_machine_that_is_too_small_for_all_is_said_once():
    echo = Echo()
    with pytest.raises(JudgeUnavailableError, match="too little memory"):
        list(open_judge(backbone=echo, batch_size=1).ask_all([Question.of("too big", round=n) for n in range(50)]))
    assert len(echo.calls) < 10


def test_a_real_backbone_is_a_judge(tmp_path):
    from editmetrics.mllm.backbone import IMAGE, Backbone
    from editmetrics.testing.backbones import tiny_backbone

    backbone = Backbone.load(tiny_backbone("llava_onevision", tmp_path), device="cpu")
    image, texts = PIXELS.repeat(8, 0).repeat(8, 1), ("Sharp?", "Is it better?")
    pictures = [backbone.see(image, among=2)] * 2
    prompts = [backbone.prompt([("system", ["s"]), ("user", [IMAGE, IMAGE, text])], pictures) for text in texts]
    expected = [backbone.generate([prompt], max_tokens=4)[0] for prompt in prompts]
    judge = open_judge(backbone=backbone, max_tokens=4)
    answers = list(judge.ask_all([Question.of(text, [image] * 2, system="s") for text in texts]))
    assert [answer.text or "" for answer in answers] == [text if text.strip() else "" for text in expected]
    assert any(expected)


def test_its_answers_are_kept(home):
    for cached in (False, True):
        assert open_judge(backbone=Echo()).ask("?").cached is cached
    assert not open_judge(backbone=Echo(), temperature=1.0).ask("?").cached


def test_a_backbone_takes_no_endpoint():
    with pytest.raises(JudgeError, match="one of the two"):
        open_judge(backbone=Echo(), endpoint="http://localhost:1/v1")


def test_it_is_a_chat_model():
    model: ChatModel = open_judge(backbone=Echo())
    assert model.identity() == {
        "judge": "local",
        "backbone": {"model": "echo", "sha256": "00"},
        "temperature": 0.0,
        "max_tokens": 1024,
        "seed": 0,
        "cut_off": "told",
    }
