"""TDRL and the definition value against sums written out by hand, and what their gradients push at."""

import math

import pytest
import torch

from editmetrics.plugins.ds_ieqa.fdmpo import definition_value
from editmetrics.plugins.ds_ieqa.tdrl import tdrl

DIGITS = range(10)
POINT, SCORE, OTHER = 10, 11, 12  # a vocabulary of the ten digits, ".", "score:" and a word that is neither
ANSWER = torch.tensor([[SCORE, 4, POINT, 3, 8]])  # "score: 4.38"


def logits_of(*distributions):
    """Logits (1, positions, 13) of distributions given as {token: probability}; the rest is shared out evenly."""
    rows = []
    for given in distributions:
        rest = (1 - sum(given.values())) / (13 - len(given))
        rows.append([math.log(given.get(token, rest)) for token in range(13)])
    return torch.tensor([rows], dtype=torch.float64)


PREDICTED = logits_of(
    {SCORE: 0.8},
    {4: 0.5, 6: 0.25, OTHER: 0.1},  # the rest, 0.15, lies evenly on 10 tokens: 0.015 each
    {POINT: 0.9},
    {3: 0.7},  # 0.025 on each of the other 12
    {8: 0.4, 7: 0.2},  # 0.4 / 11 on each of the others
)


def expected_distance(probabilities, truth):
    return sum(p * abs(k - truth) for k, p in enumerate(probabilities))


def digit_probabilities():
    first = [0.015] * 10
    first[4], first[6] = 0.5, 0.25
    second = [0.025] * 10
    second[3] = 0.7
    third = [0.4 / 11] * 10
    third[8], third[7] = 0.4, 0.2
    return first, second, third


def test_the_terms_are_those_of_equations_3_to_5():
    loss = tdrl(PREDICTED, ANSWER, DIGITS)
    words = -(math.log(0.8) + math.log(0.9)) / 2
    score = 0.0
    for place, (probabilities, truth) in enumerate(zip(digit_probabilities(), (4, 3, 8), strict=True)):
        renormalised = [p / sum(probabilities) for p in probabilities]
        score += 10**-place * expected_distance(renormalised, truth)
    assert loss.cross_entropy.item() == pytest.approx(words, rel=1e-6)  # float32 inside
    assert loss.score.item() == pytest.approx(score, rel=1e-6)
    assert loss.loss.item() == pytest.approx(words + score, rel=1e-6)


def test_the_loss_is_float32_under_autocast():
    """A product of matrices would be rounded to bfloat16: three digits, of a loss that tells 4.38 from 4.39."""
    at_digits = PREDICTED[:, [1, 3, 4]], ANSWER[:, [1, 3, 4]], DIGITS
    with torch.autocast("cpu", torch.bfloat16):
        low, value = tdrl(PREDICTED, ANSWER, DIGITS), definition_value(*at_digits)
    assert {part.dtype for part in (*low, value)} == {torch.float32}
    assert (low, value) == (tdrl(PREDICTED, ANSWER, DIGITS), definition_value(*at_digits))


def test_the_literal_variant_takes_the_whole_vocabulary():
    score = sum(
        10**-place * expected_distance(probabilities, truth)
        for place, (probabilities, truth) in enumerate(zip(digit_probabilities(), (4, 3, 8), strict=True))
    )
    assert tdrl(PREDICTED, ANSWER, DIGITS, vocabulary="all").score.item() == pytest.approx(score, rel=1e-6)


def test_cross_entropy_may_include_the_digits():
    everything = -sum(math.log(p) for p in (0.8, 0.5, 0.9, 0.7, 0.4)) / 5
    loss = tdrl(PREDICTED, ANSWER, DIGITS, cross_entropy_on_digits=True)
    assert loss.cross_entropy.item() == pytest.approx(everything, rel=1e-6)


@pytest.mark.parametrize("on_digits", [False, True])
def test_cross_entropy_may_be_the_sum_of_equation_4(on_digits):
    probabilities = (0.8, 0.5, 0.9, 0.7, 0.4) if on_digits else (0.8, 0.9)
    both = torch.cat([PREDICTED, PREDICTED]), torch.cat([ANSWER, ANSWER])  # the mean over answers all the same
    loss = tdrl(*both, DIGITS, cross_entropy_on_digits=on_digits, cross_entropy_over_tokens="sum")
    assert loss.cross_entropy.item() == pytest.approx(-sum(map(math.log, probabilities)), rel=1e-6)
    assert loss.score == tdrl(*both, DIGITS).score


@pytest.mark.parametrize(("over_tokens", "gathers"), [("mean", True), ("sum", False)])
def test_without_knowledge_the_mean_gathers_all_digits_on_the_median_and_the_sum_does_not(over_tokens, gathers):
    """Answers 0.--, 3.-- and 9.-- by 35, 25 and 40 %, and a distribution that has 90 % on the median, 3, already."""
    first = torch.tensor([0] * 7 + [3] * 5 + [9] * 8)
    words = torch.full((20, 9), POINT)
    answers = torch.cat([words[:, :7], first[:, None], words[:, :2]], 1)
    at_digit = logits_of({0: 0.045, 3: 0.9, 9: 0.045})[0, 0].requires_grad_()
    logits = 50.0 * torch.nn.functional.one_hot(answers, 13).double()
    logits[:, 7] = at_digit
    tdrl(logits, answers, DIGITS, cross_entropy_on_digits=True, cross_entropy_over_tokens=over_tokens).loss.backward()
    assert (at_digit.grad[3].item() < 0) is gathers  # a step against the gradient adds to the median


def test_a_batch_is_the_mean_of_its_items():
    other = torch.tensor([[SCORE, 0, POINT, 9, 9]])
    both = tdrl(PREDICTED.expand(2, -1, -1), torch.cat([ANSWER, other]), DIGITS)
    one, two = (tdrl(PREDICTED, answer, DIGITS) for answer in (ANSWER, other))
    assert both.loss.item() == pytest.approx((one.loss + two.loss).item() / 2, rel=1e-6)


def test_a_nearer_wrong_digit_costs_less_as_cross_entropy_does_not_know():
    def certain_of(first_digit):
        return logits_of({SCORE: 0.99}, {first_digit: 0.99}, {POINT: 0.99}, {3: 0.99}, {8: 0.99})

    near, far = (tdrl(certain_of(digit), ANSWER, DIGITS) for digit in (5, 9))
    assert far.score / near.score > 4  # 5 against 1 steps away, but for the one percent elsewhere
    near, far = (
        tdrl(certain_of(digit), ANSWER, DIGITS, cross_entropy_on_digits=True).cross_entropy for digit in (5, 9)
    )
    assert near.item() == pytest.approx(far.item(), rel=1e-6)


def test_only_the_literal_variant_rewards_not_writing_a_digit():
    """What the default is for: moving probability from digits to another word must not lower the loss."""
    for vocabulary, rewarded in (("digits", False), ("all", True)):
        logits = PREDICTED.clone().requires_grad_()
        tdrl(logits, ANSWER, DIGITS, vocabulary=vocabulary).score.backward()
        slope = logits.grad[0, 1, OTHER].item()  # at the first digit, towards the word
        assert (slope < -1e-3) is rewarded
        assert rewarded or abs(slope) < 1e-7  # float32 rounding


@pytest.mark.parametrize("answers", [[[SCORE, POINT]], [[SCORE, 4, POINT], [SCORE, OTHER, POINT]]])
def test_answers_without_equally_many_digits_are_refused(answers):
    answers = torch.tensor(answers)
    with pytest.raises(ValueError, match="the same number of digits"):
        tdrl(torch.zeros(*answers.shape, 13), answers, DIGITS)


def test_the_definition_value_is_equation_2():
    at_digits = PREDICTED[:, [1, 3, 4]]
    truth = torch.tensor([[4, 3, 8]])
    assert definition_value(at_digits, truth, DIGITS).item() == pytest.approx(0.5 + 0.07 + 0.004, rel=1e-6)
    first, second, third = digit_probabilities()
    renormalised = 0.5 / sum(first) + 0.1 * 0.7 / sum(second) + 0.01 * 0.4 / sum(third)
    found = definition_value(at_digits, truth, DIGITS, vocabulary="digits").item()
    assert found == pytest.approx(renormalised, rel=1e-6)


def test_the_definition_value_tells_pairs_apart_and_ends_at_1_11():
    sure = torch.full((2, 3, 13), -50.0)
    for place, digit in enumerate((4, 3, 8)):
        sure[:, place, digit] = 50.0
    values = definition_value(sure, torch.tensor([[4, 3, 8], [5, 3, 8]]), DIGITS)
    assert values.tolist() == pytest.approx([1.11, 0.11], abs=1e-6)
