"""How sure a score is, against scipy and against what is known in closed form."""

import numpy as np
import pytest
from scipy.stats import binomtest

from editmetrics.agreement.shares import effective_number, paired_difference, wilson_interval


@pytest.mark.parametrize(("right", "n"), [(0, 5), (5, 5), (3, 18), (491, 848), (1, 1)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_zeros_and_ones_have_wilsons_interval(right, n, level):
    expected = binomtest(right, n).proportion_ci(level, method="wilson")
    found = wilson_interval([1] * right + [0] * (n - right), range(n), level)
    assert found == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_half_points_are_taken_as_if_they_were_whole():
    """Their variance is below m(1 - m), so the interval is wider than it need be, never narrower."""
    halves = wilson_interval([0.5] * 20, range(20))
    assert halves == pytest.approx(wilson_interval([1, 0] * 10, range(20)))


def test_questions_that_are_answered_alike_count_once():
    """Each of 40 images with three equal answers: as sure as 39 questions (the n - 1 of the variance)."""
    values = np.random.default_rng(0).integers(0, 2, 40).astype(float)
    assert effective_number(np.repeat(values, 3), np.repeat(np.arange(40), 3)) == pytest.approx(39)
    assert effective_number(np.ones(120), np.repeat(np.arange(40), 3)) == 40


def test_the_interval_covers_the_truth_as_often_as_it_says():
    """Two questions an image, answered alike half the time; without the clusters it would be 89 percent."""
    random = np.random.default_rng(1)
    covered = []
    for _ in range(1500):
        first = random.random(60) < 0.6
        second = np.where(random.random(60) < 0.5, first, random.random(60) < 0.6)
        low, high = wilson_interval(np.concatenate([first, second]).astype(float), [*range(60)] * 2)
        covered.append(low <= 0.6 <= high)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.017)  # three standard errors of 1,500 draws


def test_a_paired_difference_is_that_of_its_questions():
    random = np.random.default_rng(2)
    first, second = random.integers(0, 2, 400).astype(float), random.integers(0, 2, 400).astype(float)
    gap, low, high = paired_difference(first, second, range(400))
    error = np.std(first - second, ddof=1) / 20
    assert gap == pytest.approx((first - second).mean())
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.08)  # 2,000 replicates
