"""Losses beside the paper's, one adapter for all dimensions, and the read-out that validation chooses."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax
from scipy.stats import norm, pearsonr

from editmetrics import create_metric
from editmetrics.mllm.lora import using
from editmetrics.mllm.recipe import RecipeError
from editmetrics.plugins.ds_ieqa.digit_loss import DigitLoss, soft_cross_entropy_of_answers
from editmetrics.plugins.ds_ieqa.learner import ReadAgreement
from editmetrics.plugins.ds_ieqa.metric import DSIEQA
from editmetrics.plugins.ds_ieqa.tdrl import tdrl
from tests.plugins.ds_ieqa import test_losses as papers
from tests.plugins.native_losses import END, ROUNDING, answered, before_each_stage

DIGITS, POINT = range(10), 10
ANSWER = torch.tensor([[4, POINT, 3, 8]])


@torch.no_grad()
def logits_of_answer(backbone, sample, written):
    """What predicts each token of the answer, the token, and the ids of the digits; of transformers' own forward."""
    inputs = answered(backbone, papers.question(sample), f"Visual quality score: {written}{END}")
    labels = inputs.pop("labels")[0].numpy()
    logits = backbone.model(**inputs).logits[0].double().numpy()
    digits = [backbone.tokenizer(str(digit), add_special_tokens=False)["input_ids"][0] for digit in range(10)]
    positions = np.flatnonzero(labels >= 0)
    return logits[positions - 1], labels[positions], digits


# ---------------------------------------------------------------------- pure functions


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("tdlr", "begins with 'tdlr'"),
        ("plcc", "begins with 'plcc'"),
        ("tdrl+", "not a sum of different terms"),
        ("tdrl+l1", "l1 compares the integer digit with the whole number"),
        ("tdrl+2*plcc+plcc", "not a sum of different terms"),
    ],
)
def test_other_losses_are_refused_before_anything_is_trained(text, why, backbones, tmp_path):
    with pytest.raises(RecipeError, match=why.replace("*", r"\*")):
        papers.fit(backbones["internvl"], tmp_path / "run", papers.rows(1), papers.rows(2), loss=text)
    assert not (tmp_path / "run").exists()


def test_soft_cross_entropy_has_a_gradient_where_tdrl_has_none():
    """A wrong digit that is 15 above the true one: P - t over the whole vocabulary, against nearly nothing."""
    logits = torch.zeros(1, 4, 12)
    logits[0, range(4), [9, POINT, 3, 8]] = 15.0
    soft = torch.tensor([[[float(k == d) for k in range(10)] for d in (4, 3, 8)]])
    gradients = {}
    for name in ("soft", "tdrl"):
        x = logits.clone().requires_grad_()
        loss = DigitLoss(name).of_answers(x, ANSWER, DIGITS, soft)["loss"]
        loss.backward()
        gradients[name] = x.grad[0, 0].double().numpy()
    p = softmax(logits[0, 0].double().numpy())
    np.testing.assert_allclose(gradients["soft"], (p - (np.arange(12) == 4)) / 4, atol=1e-7)
    assert abs(gradients["soft"][4]) > 1e3 * np.abs(gradients["tdrl"]).max()


def test_a_weighted_loss_is_the_mean_of_its_answers_by_their_weights():
    random = torch.Generator().manual_seed(0)
    logits, weights = torch.randn(3, 4, 12, generator=random), torch.tensor([0.5, 2.0, 0.5])
    answers = torch.tensor([[4, POINT, 3, 8], [0, POINT, 9, 9], [1, POINT, 1, 1]])
    soft = torch.rand(3, 3, 10, generator=random)
    for base in ("tdrl", "cross_entropy", "soft"):
        loss = DigitLoss(base)
        alone = [
            loss.of_answers(logits[k : k + 1], answers[k : k + 1], DIGITS, soft[k : k + 1])["loss"] for k in range(3)
        ]
        both = loss.of_answers(logits, answers, DIGITS, soft, weights)["loss"]
        assert both.item() == pytest.approx(np.average(alone, weights=weights), rel=1e-5)
        torch.testing.assert_close(loss.of_answers(logits, answers, DIGITS, soft)["loss"], torch.stack(alone).mean())
    one_hot = torch.nn.functional.one_hot(answers[:, [0, 2, 3]], 10)
    hard = DigitLoss("cross_entropy").of_answers(logits, answers, DIGITS)["loss"]
    torch.testing.assert_close(soft_cross_entropy_of_answers(logits, answers, DIGITS, one_hot), hard)


def test_the_better_read_out_is_the_papers_unless_another_is_better():
    low, high, none = ({"n": 9, "srcc": v, "plcc": v} for v in (0.5, 0.6, None))
    pairs = (low, high), (high, low), (low, low), (none, low), (none, none)
    better = [ReadAgreement(*pair, 0).better for pair in pairs]
    assert better == ["expected", "generated", "generated", "expected", "generated"]
    both = ReadAgreement(low, high, 2)
    assert both.of("auto") == high
    assert both.all("generated") == {**low, "unparseable": 2, "generated_srcc": 0.5, "generated_plcc": 0.5,
                                     "expected_srcc": 0.6, "expected_plcc": 0.6}  # fmt: skip


# ---------------------------------------------------------------------- the training

OF_PAPER = {"cross_entropy_on_digits": False, "cross_entropy_over_tokens": "mean"}
"""Of the toy preset's settings, those that the sums by hand do not have."""


def fit(backbone, folder, monkeypatch, expected, rows=papers.rows, **settings):
    """Compare the loss of each stage with `expected(backbone, samples)`."""
    train, compared = rows(1), []

    def compare(stage, module, lessons, value):
        compared.append(stage)
        assert value == pytest.approx(expected(module.assessor.backbone, train), rel=ROUNDING)

    before_each_stage(monkeypatch, compare)
    metric = papers.fit(backbone, folder, train, rows(2), **OF_PAPER, **settings)
    return metric, compared


def test_comparing_terms_are_of_the_expected_integer_digit(backbones, tmp_path, monkeypatch):
    def expected(backbone, train):
        losses, firsts = [], []
        for sample, written in zip(train, papers.WRITTEN, strict=True):
            logits, tokens, digits = logits_of_answer(backbone, sample, written)
            losses.append(papers.tdrl(backbone, sample, written))
            at = int(np.flatnonzero(np.isin(tokens, digits))[0])
            firsts.append(softmax(logits[at, digits]) @ np.arange(10))
        return np.mean(losses) + 0.5 * (1 - pearsonr(firsts, [float(w) for w in papers.WRITTEN]).statistic)

    backbone, folder = backbones["internvl"], tmp_path / "run"
    _, compared = fit(backbone, folder, monkeypatch, expected, loss="tdrl+0.5*plcc", batch_size=3)
    assert compared == ["visual_quality"]
    with pytest.raises(RecipeError, match="compares 3 examples or more, and only 2"):
        fit(backbone, tmp_path / "small", monkeypatch, expected, loss="tdrl+plcc", batch_size=2)


@pytest.mark.parametrize("column", [False, True])
def test_soft_labels_are_gaussians_of_the_raters_or_of_the_setting(backbones, tmp_path, monkeypatch, column):
    widths = [0.3, 0.5, 0.01, 1.2, 0.7] if column else [0.2 * (5 - 1)] * 5

    def rows(seed):
        return [replace(s, meta={**s.meta, "visual_quality.sd": w})
                for s, w in zip(papers.rows(seed), widths, strict=True)]  # fmt: skip

    def expected(backbone, train):
        losses = []
        for sample, written, width in zip(train, papers.WRITTEN, widths, strict=True):
            logits, tokens, digits = logits_of_answer(backbone, sample, written)
            costs, start, step = [], 0.0, 1.0
            for predicting, token in zip(log_softmax(logits, axis=-1), tokens, strict=True):
                if token not in digits:
                    costs.append(-predicting[token])
                    continue
                edges = start + step * np.arange(11) - 0.005
                masses = np.diff(norm.cdf(edges, float(written), width))
                costs.append(-(masses / masses.sum()) @ predicting[digits])
                start, step = start + step * digits.index(token), step / 10
            losses.append(np.mean(costs))
        return np.mean(losses)

    settings = {"rater_spread": ".sd"} if column else {"soft_width": 0.2}
    fit(backbones["internvl"], tmp_path / "run", monkeypatch, expected, rows, loss="soft", **settings)


def test_the_spread_of_raters_is_a_weight_and_part_of_the_identity(backbones, tmp_path, monkeypatch):
    spreads = [0.5, 0.5, 0.5, 1.5, 0.1]

    def rows(seed, last=0.1):
        return [replace(s, meta={**s.meta, "visual_quality.sd": w})
                for s, w in zip(papers.rows(seed), [*spreads[:4], last], strict=True)]  # fmt: skip

    def expected(backbone, train):
        weights = 1 / (np.array(spreads) ** 2 + 0.5**2)
        losses = [papers.tdrl(backbone, *row) for row in zip(train, papers.WRITTEN, strict=True)]
        return np.average(losses, weights=weights)

    folder = tmp_path / "run"
    fit(backbones["internvl"], folder, monkeypatch, expected, rows, rater_spread=".sd")
    from editmetrics.mllm.checkpoint import CheckpointError

    with pytest.raises(CheckpointError, match=r"another training .*spreads"):
        papers.fit(backbones["internvl"], folder, rows(1, 0.2), rows(2), rater_spread=".sd", **OF_PAPER)


# ---------------------------------------------------------------------- together, and what is read


def two(seed):
    """Rated in two dimensions, whose answers have different lengths."""
    return [replace(s, meta={**s.meta, "content_preservation": rating})
            for s, rating in zip(papers.rows(seed), ("2", "4.1", "1.5", "3", "5"), strict=True)]  # fmt: skip


@pytest.fixture(scope="module")
def together(backbones, tmp_path_factory):
    folder = tmp_path_factory.mktemp("together") / "run"
    both = {name: name for name in ("visual_quality", "content_preservation")}
    DSIEQA(backbone=str(backbones["qwen3_vl"])).to("cpu").fit(
        two(1), two(2), targets=both, label_scale=(1, 5), output_dir=folder, preset="toy", batch_size=4, steps=3,
        loss="soft+0.1*rank", together=True, learning_rate=1e-2,
    )  # fmt: skip
    return folder


def test_together_there_is_one_adapter_and_its_loss_is_the_mean_of_the_dimensions(together, backbones):
    description = json.loads((together / "metric.json").read_text())
    assert description["adapters"] == ["together"]
    assert set(description["validation"]) == set(description["settings"]["read"]) == {
        "visual_quality", "content_preservation"
    }  # fmt: skip
    metric = create_metric("ds_ieqa", weights=str(together), device="cpu")
    metric.load()
    (assessor,) = metric.assessors
    from editmetrics.mllm.lessons import Lesson
    from editmetrics.mllm.targets import Example
    from editmetrics.plugins.ds_ieqa.learner import DigitLearner, Pairs, collate
    from editmetrics.plugins.ds_ieqa.method import DSIEQAMethod

    learner = DigitLearner(assessor, DSIEQAMethod(together=True), None).eval()
    pairs, lessons = Pairs(assessor, None), {}
    for name in assessor.definitions:
        examples = [Example(s, {name: float(s.meta[name])}) for s in two(1)]
        lessons[name] = [learner.lesson(pairs, example, name) for example in examples]
    lengths = {len(ls[0].prompt) - ls[0].prompt.answer_start for ls in lessons.values()}
    assert len(lengths) == 2
    assert isinstance(lessons["visual_quality"][0], Lesson)

    def loss(some):
        with torch.no_grad():
            return float(learner(**collate(some))["loss"])

    mixed = [lesson for pair in zip(*lessons.values(), strict=True) for lesson in pair]
    assert loss(mixed) == pytest.approx(np.mean([loss(some) for some in lessons.values()]), rel=ROUNDING)


def test_together_reads_as_each_prompt_alone(together):
    metric = create_metric("ds_ieqa", weights=str(together), read="expected", device="cpu")
    metric.load()
    (assessor,) = metric.assessors
    prepared = [metric.prepare(sample) for sample in two(3)]
    from editmetrics.mllm.readouts import read_number

    numbers = assessor.read(prepared)
    for name in assessor.definitions:
        with using(assessor.backbone, assessor.adapters[name]):
            alone = read_number(
                assessor.backbone.read([prompts[name] for prompts in prepared]), assessor.digits,
                assessor.backbone.token("."),
            )  # fmt: skip
        torch.testing.assert_close(numbers[name].expectation, alone.expectation, rtol=0, atol=1e-4)


def test_auto_takes_what_the_checkpoint_records_for_each_dimension(together, monkeypatch):
    from editmetrics.mllm import readouts

    monkeypatch.setattr(readouts, "LEAST_MASS", 0.0)
    file = together / "metric.json"
    description = json.loads(file.read_text())
    for recorded in ({"visual_quality": "expected", "content_preservation": "generated"}, None):
        settings = {**description["settings"], "read": recorded or {}}
        file.write_text(json.dumps({**description, "settings": settings}))
        scores = {
            read: create_metric("ds_ieqa", weights=str(together), read=read, device="cpu").score(two(3)[:2])
            for read in ("generated", "expected", "auto")
        }
        for name in ("visual_quality", "content_preservation"):
            other = (recorded or {}).get(name, "generated")
            assert [s[name] for s in scores["auto"]] == [s[name] for s in scores[other]]
            assert [s[name] for s in scores["expected"]] != [s[name] for s in scores["generated"]]
    file.write_text(json.dumps(description))


def test_a_model_that_is_not_about_to_write_digits_is_told_and_gives_no_score(backbones, tmp_path, caplog):
    """A random model: a mass of 10 in some hundred tokens, and three steps of TDRL that do not raise it."""
    with caplog.at_level(logging.WARNING, "editmetrics"):
        metric = papers.fit(backbones["qwen3_vl"], tmp_path / "run", papers.rows(1), papers.rows(2), steps=3)
    assert "for 5 of 5 validation samples the trained model is not about to write a digit" in caplog.text
    assert json.loads((tmp_path / "run/metric.json").read_text())["validation"]["visual_quality"]["unparseable"] == 5
    for score in metric.score(papers.rows(3)):
        assert (score.status, dict(score)) == ("unparseable", {})


def test_tdrl_itself_takes_weights():
    logits = torch.randn(2, 4, 12, generator=torch.Generator().manual_seed(1))
    answers = ANSWER.repeat(2, 1)
    even = tdrl(logits, answers, DIGITS, weights=torch.ones(2))
    torch.testing.assert_close(even.loss, tdrl(logits, answers, DIGITS).loss)
    first = tdrl(logits, answers, DIGITS, weights=torch.tensor([2.0, 0.0]))
    torch.testing.assert_close(first.loss, tdrl(logits[:1], answers[:1], DIGITS).loss)
