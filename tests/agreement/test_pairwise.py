"""Pairwise accuracy against a count of all pairs, one by one."""

import numpy as np
import pytest

from editmetrics.agreement import AgreementError, calibrated_tie_threshold, krcc, pairwise_accuracy
from editmetrics.agreement.pairwise import MOST_PAIRS, pairwise_measure


def counted(x, y, tie_threshold=0.0, rating_tie=0.0):
    """acc_eq as Deutsch, Foster & Freitag write it: (C + T_hm) / (C + D + T_h + T_m + T_hm), over all pairs."""
    i, j = np.triu_indices(len(x), 1)
    dx, dy = x[i] - x[j], y[i] - y[j]
    tied_x, tied_y = np.abs(dx) <= tie_threshold + 1e-9, np.abs(dy) <= rating_tie + 1e-9
    return np.mean(np.where(tied_y, tied_x, ~tied_x & (np.sign(dx) == np.sign(dy))))


def tied(n=120, seed=0):
    rng = np.random.default_rng(seed)
    x = np.round(rng.normal(size=n), 1)
    return x, np.round(1.5 * x + rng.normal(size=n))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("tie_threshold", [0.0, 0.1, 0.35, 10.0])
@pytest.mark.parametrize("rating_tie", [0.0, 1.0])
def test_as_counted(seed, tie_threshold, rating_tie):
    x, y = tied(seed=seed)
    ours = pairwise_accuracy(x, y, tie_threshold=tie_threshold, rating_tie=rating_tie)
    assert ours == pytest.approx(counted(x, y, tie_threshold, rating_tie), abs=1e-12)


@pytest.mark.parametrize("tie_threshold", [0.0, 0.3])
def test_resampled_counts_the_pairs_of_different_items(tie_threshold):
    x, y = tied(n=40)
    counts = np.random.default_rng(1).multinomial(40, np.full(40, 1 / 40), size=8)
    expected = []
    for c in counts:
        items = np.repeat(np.arange(40), c)
        i, j = np.triu_indices(len(items), 1)
        different = items[i] != items[j]
        dx, dy = (values[items[i]] - values[items[j]] for values in (x, y))
        tied_x, tied_y = np.abs(dx) <= tie_threshold + 1e-9, dy == 0
        right = np.where(tied_y, tied_x, ~tied_x & (np.sign(dx) == np.sign(dy)))
        expected.append(right[different].mean())
    np.testing.assert_allclose(pairwise_measure(tie_threshold).resampled(x, y, counts), expected, atol=1e-12)


def test_without_ties_it_is_krcc_in_other_words():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 500))
    assert pairwise_accuracy(x, y) == pytest.approx((krcc(x, y) + 1) / 2, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_no_threshold_is_better_than_the_calibrated_one(seed):
    rng = np.random.default_rng(seed)
    y = rng.integers(1, 4, size=80).astype(float)
    x = y + 0.3 * rng.normal(size=80)  # close scores for equal ratings: calling them ties pays
    threshold = calibrated_tie_threshold(x, y)
    grid = [0.0, *np.unique(np.abs(x[:, None] - x[None]))]
    best = max(counted(x, y, t) for t in grid)
    assert threshold > 0
    assert pairwise_accuracy(x, y, tie_threshold=threshold) == pytest.approx(best, abs=1e-12)
    assert best > pairwise_accuracy(x, y) + 0.1


def test_differences_that_rounding_made_different_are_one():
    x = np.array([0.1, 0.2, 0.3, 0.4, 1.4, 1.5])  # 0.1 apart, up to 1e-17
    y = np.array([1.0, 1.0, 1.0, 1.0, 2.0, 2.0])
    assert pairwise_accuracy(x, y, tie_threshold=calibrated_tie_threshold(x, y)) == 1.0
    assert pairwise_accuracy(x, y, tie_threshold=0.1) == pytest.approx(counted(x, y, 0.1))


@pytest.mark.parametrize("seed", range(5))
def test_of_rounded_scores_too(seed):
    x, y = tied(seed=seed)  # multiples of 0.1, whose differences are equal up to rounding
    threshold = calibrated_tie_threshold(x, y)
    best = max(counted(x, y, t) for t in np.arange(0, 60) / 10)
    assert pairwise_accuracy(x, y, tie_threshold=threshold) == pytest.approx(best, abs=1e-12)


def test_no_tie_is_called_where_that_would_cost_more_than_it_gains():
    assert calibrated_tie_threshold([1.0, 2.0, 3.0, 10.0], [1, 2, 3, 1]) == 0.0


def test_where_people_see_no_ties_none_is_called():
    rng = np.random.default_rng(0)
    assert calibrated_tie_threshold(rng.normal(size=50), rng.normal(size=50)) == 0.0


def test_many_items_are_calibrated_on_a_sample_of_pairs_and_measured_on_all():
    rng = np.random.default_rng(0)
    n = 2100
    assert n * (n - 1) // 2 > MOST_PAIRS
    y = rng.integers(1, 6, size=n).astype(float)
    x = y + 0.4 * rng.normal(size=n)
    threshold = calibrated_tie_threshold(x, y)
    value = pairwise_accuracy(x, y, tie_threshold=threshold)
    assert value == pytest.approx(counted(x, y, threshold), abs=1e-9)
    # 2e6 sampled pairs have a standard error of 0.0004; the best threshold on them loses no more than a few of these
    assert value > max(counted(x, y, t) for t in np.linspace(0.4, 1.4, 11)) - 0.002


@pytest.mark.parametrize("options", [{"tie_threshold": -1.0}, {"rating_tie": np.nan}])
def test_a_threshold_is_a_number_from_0(options):
    with pytest.raises(AgreementError, match="expected a number from 0"):
        pairwise_accuracy([1, 2, 3], [1, 2, 3], **options)
