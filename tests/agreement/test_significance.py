"""The paired test and Williams' against their promises: how often they reject where there is nothing, and something."""

import numpy as np
import pytest
from scipy import stats

from editmetrics.agreement import UndefinedError, paired_test, plcc, rmse, srcc, williams_test
from editmetrics.agreement.bootstrap import Resampling


def three(n, better=0.0, seed=0):
    """Two scores of one noise each (the second's larger by `better`), and ratings."""
    rng = np.random.default_rng(seed)
    y = rng.normal(size=n)
    shared = 0.5 * rng.normal(size=n)
    return y + shared + rng.normal(size=n), y + shared + (1 + better) * rng.normal(size=n), y


def test_williams_gives_the_published_example():
    """Correlations .4 and .5 with a third, .1 with each other, 103 items: t = -0.89, p = .37 (Steiger 1980, case A)."""
    rng = np.random.default_rng(0)
    drawn = rng.normal(size=(103, 3))
    drawn -= drawn.mean(axis=0)
    white = np.linalg.qr(drawn)[0]  # uncorrelated in the sample itself
    a, b, y = np.linalg.cholesky([[1, 0.1, 0.4], [0.1, 1, 0.5], [0.4, 0.5, 1]]) @ white.T
    t, p = williams_test(a, b, y)
    assert (round(t, 2), round(p, 2)) == (-0.89, 0.37)


def test_williams_rejects_the_truth_as_often_as_it_says():
    p = np.array([williams_test(*three(40, seed=seed))[1] for seed in range(1500)])
    assert np.mean(p < 0.05) == pytest.approx(0.05, abs=0.017)  # three standard errors of 1500 trials
    assert np.mean(p < 0.5) == pytest.approx(0.5, abs=0.04)


def test_the_paired_bootstrap_rejects_the_truth_about_as_often():
    p = np.array(
        [paired_test(*three(80, seed=seed), measure=plcc, resampling=Resampling(199)).p for seed in range(200)]
    )
    assert 0.01 <= np.mean(p <= 0.05) <= 0.10


@pytest.mark.parametrize("seed", range(4))
def test_both_tests_agree_on_normal_scores(seed):
    a, b, y = three(300, better=0.3, seed=seed)
    found = paired_test(a, b, y, measure=plcc, resampling=Resampling(2000))
    t, _ = williams_test(a, b, y)
    assert found.difference == pytest.approx(plcc(a, y) - plcc(b, y), abs=1e-12)
    assert np.sign(found.difference) == np.sign(t)
    # of z = 1 to 5 the bootstrap's p, at least 1 / 1000, must be Williams' up to a tenth or so of z
    ours = stats.norm.isf(found.p / 2)
    assert ours == pytest.approx(min(abs(t), stats.norm.isf(0.0005)), abs=0.35)


def test_the_detectable_difference_is_found_in_four_of_five_trials():
    n, better = 150, 0.7
    found = [paired_test(*three(n, better, seed), resampling=Resampling(199)) for seed in range(150)]
    true = np.mean([test.difference for test in found])
    detectable = np.mean([test.minimum_detectable for test in found])
    power = np.mean([test.p <= 0.05 for test in found])
    # what a test of normal differences with this standard error would find
    expected = stats.norm.cdf(true / (detectable / 2.8016) - 1.95996)
    assert power == pytest.approx(expected, abs=0.1)  # three standard errors of 150 trials
    assert 0.5 < power < 0.95


def test_the_score_itself_is_no_better_than_itself():
    a, _, y = three(50)
    found = paired_test(a, a, y, resampling=Resampling(100))
    assert (found.difference, found.p, found.low, found.high) == (0.0, 1.0, 0.0, 0.0)
    with pytest.raises(UndefinedError, match="straight line"):
        williams_test(a, 2 * a, y)


def test_what_two_scores_share_cancels():
    """Paired resamples know that two similar scores err together: the interval is far below that of two alone."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=200)
    a = y + rng.normal(size=200)
    b = a + 0.1 * rng.normal(size=200)
    found = paired_test(a, b, y, measure=srcc)
    other = paired_test(a, y + rng.normal(size=200), y, measure=srcc)
    assert found.high - found.low < 0.4 * (other.high - other.low)


def test_of_errors_the_smaller_is_better():
    y = np.arange(30.0)
    close, far = y + np.tile([1, -1], 15), y + np.tile([3, -3], 15)
    found = paired_test(close, far, y, measure=rmse, lower_is_better=True, resampling=Resampling(200))
    assert found.difference == pytest.approx(2.0)
    assert found.p < 0.02


def test_copies_in_one_cluster_are_no_evidence():
    a, b, y = three(60, better=0.3)
    alone = paired_test(a, b, y, resampling=Resampling(500))
    copies = [np.repeat(values, 5) for values in (a, b, y)]
    clustered = paired_test(*copies, clusters=np.repeat(np.arange(60), 5), resampling=Resampling(500))
    assert clustered.p == pytest.approx(alone.p)
    assert clustered.minimum_detectable == pytest.approx(alone.minimum_detectable)
    assert paired_test(*copies, resampling=Resampling(500)).minimum_detectable < 0.6 * alone.minimum_detectable
