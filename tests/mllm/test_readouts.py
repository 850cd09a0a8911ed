"""Read-outs against sums written out, and a scripted reading that records what it is extended by."""

import math

import pytest
import torch

from editmetrics.mllm.levels import read_levels, read_yes_no
from editmetrics.mllm.readouts import read_number


def logits_of(probabilities):
    return torch.tensor(probabilities, dtype=torch.float64).log()


def test_levels_are_the_expectation_over_the_five_words():
    """Vocabulary: the five words in another order than bad to excellent, and a word with half of the probability."""
    logits = logits_of([[0.05, 0.10, 0.02, 0.08, 0.25, 0.50], [0.2, 0.2, 0.2, 0.2, 0.2, 0.0 + 1e-30]])
    words = [4, 3, 2, 1, 0]  # bad has 0.25, poor 0.08, fair 0.02, good 0.10, excellent 0.05
    read = read_levels(logits, words)
    shares = [p / 0.5 for p in (0.25, 0.08, 0.02, 0.10, 0.05)]
    mean = sum(level * share for level, share in enumerate(shares, 1))
    variance = sum((level - mean) ** 2 * share for level, share in enumerate(shares, 1))
    assert read.probabilities[0].tolist() == pytest.approx(shares, rel=1e-5)
    assert read.expectation.tolist() == pytest.approx([mean, 3.0], rel=1e-5)
    assert read.spread.tolist() == pytest.approx([math.sqrt(variance), math.sqrt(2)], rel=1e-5)
    assert read.mass.tolist() == pytest.approx([0.5, 1.0], rel=1e-5)


def test_yes_and_no_are_summed_over_their_forms():
    read = read_yes_no(logits_of([[0.3, 0.1, 0.05, 0.05, 0.5]]), yes=[0, 2], no=[1, 3])
    assert read.yes.item() == pytest.approx(0.35 / 0.5, rel=1e-5)
    assert read.mass.item() == pytest.approx(0.5, rel=1e-5)


def test_the_read_outs_are_differentiable():
    logits = torch.zeros(2, 6, requires_grad=True)
    (read_levels(logits, range(5)).expectation.sum() + read_yes_no(logits, [0], [1]).yes.sum()).backward()
    assert logits.grad.abs().sum() > 0


class Scripted:
    """Stands for a reading of two texts: gives fixed logits, and keeps what it is extended by."""

    def __init__(self, *steps):
        self.steps, self.extensions = [logits_of(step) for step in steps], []

    @property
    def logits(self):
        return self.steps[len(self.extensions)]

    def extend(self, tokens):
        self.extensions.append([list(row) for row in tokens])


def digits_with(probabilities, mass):
    """A distribution over ten digits (tokens 0 to 9), the point (10) and a word (11), digits having `mass` together."""
    rest = (mass - sum(probabilities.values())) / (10 - len(probabilities))
    return [probabilities.get(digit, rest) for digit in range(10)] + [(1 - mass) / 2] * 2


def test_a_number_is_read_digit_by_digit():
    reading = Scripted(
        [digits_with({4: 0.7, 5: 0.2}, 0.9), digits_with({0: 0.5}, 0.6)],
        [digits_with({3: 0.9}, 0.95), digits_with({9: 0.9}, 0.99)],
        [digits_with({8: 0.6}, 0.7), digits_with({0: 0.4}, 0.5)],
    )
    read = read_number(reading, range(10), 10)
    assert reading.extensions == [[[4, 10], [0, 10]], [[3], [9]]]
    assert read.value.tolist() == [4.38, 0.90]
    assert read.mass[0].tolist() == pytest.approx([0.9, 0.95, 0.7], rel=1e-5)

    places = [digits_with({4: 0.7, 5: 0.2}, 0.9), digits_with({3: 0.9}, 0.95), digits_with({8: 0.6}, 0.7)]
    expected = variance = 0.0
    for place, step in enumerate(places):
        shares = [p / sum(step[:10]) for p in step[:10]]
        mean = sum(digit * share for digit, share in enumerate(shares))
        expected += 10**-place * mean
        variance += 10 ** (-2 * place) * sum((digit - mean) ** 2 * share for digit, share in enumerate(shares))
    assert read.expectation[0].item() == pytest.approx(expected, rel=1e-5)
    assert read.spread[0].item() == pytest.approx(math.sqrt(variance), rel=1e-5)


def test_only_digits_compete():
    """A word that is likelier than every digit changes the mass, not the number."""
    sure, unsure = (Scripted(*[[digits_with({7: 0.8 * mass}, mass)]] * 3) for mass in (0.99, 0.01))
    read = [read_number(reading, range(10), 10) for reading in (sure, unsure)]
    assert read[0].value.item() == read[1].value.item() == 7.77
    assert read[0].expectation.item() == pytest.approx(read[1].expectation.item(), rel=1e-5)
    assert read[1].mass.max() == pytest.approx(0.01, rel=1e-4)


def test_rows_are_a_part_of_the_items():
    read = read_number(Scripted(*[[digits_with({d: 0.8}, 0.9) for d in (1, 2, 3)]] * 3), range(10), 10)
    assert read.rows(slice(1, None)).value.tolist() == [2.22, 3.33]
