"""Intervals of means against scipy's bootstrap and the normal theory; what few clusters may claim."""

import numpy as np
import pytest
from scipy import stats

from editmetrics.agreement.bootstrap import Resampling
from editmetrics.agreement.means import ResampledMeans


def estimate(values, clusters=None, **options):
    means = ResampledMeans(np.arange(len(values)) if clusters is None else clusters, Resampling(**options))
    return means.estimate(means.add(np.arange(len(values)), values))


def test_the_interval_is_that_of_scipy():
    values = np.random.default_rng(1).gamma(2, 3, 80)
    found = estimate(values, replicates=4000)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=2).confidence_interval
    # the ends of an interval of 4,000 resamples vary by some 4 % of its width from seed to seed
    width = theirs.high - theirs.low
    assert found.low == pytest.approx(theirs.low, abs=0.08 * width)
    assert found.high == pytest.approx(theirs.high, abs=0.08 * width)
    assert found.value == values.mean()


def test_copies_in_one_cluster_are_no_more_evidence():
    values = np.random.default_rng(2).normal(size=60)
    once = estimate(values)
    doubled = estimate(np.repeat(values, 2), np.repeat(np.arange(60), 2))
    pretended = estimate(np.repeat(values, 2))
    assert (doubled.low, doubled.high) == pytest.approx((once.low, once.high), abs=1e-12)
    assert pretended.high - pretended.low < 0.8 * (once.high - once.low)


def test_p_is_that_of_the_t_test_on_many_items():
    random = np.random.default_rng(3)
    for shift in (0.0, 0.15, 0.3):
        values = random.normal(shift, 1, 200)
        theirs = stats.ttest_1samp(values, 0).pvalue
        # of 4,000 resamples, p near .05 has a standard error of .005; at n = 200 the two tests differ little
        assert estimate(values, replicates=4000).p == pytest.approx(theirs, abs=0.03)


@pytest.mark.parametrize("clusters", [2, 4, 5, 6])
def test_few_clusters_claim_no_more_than_a_test_of_their_signs(clusters):
    """All differences are the same and positive: the resamples alone would say p = 2 / 1001."""
    found = estimate(np.ones(clusters))
    assert found.p == 2 / 2**clusters
    assert found.p == pytest.approx(stats.binomtest(clusters, clusters).pvalue)
    assert (found.low is not None) == (clusters >= 5)


def test_one_cluster_has_no_interval_and_decides_nothing():
    found = estimate(np.arange(5.0), np.zeros(5, int))
    assert (found.low, found.high, found.p) == (None, None, 1.0)


def test_a_seed_gives_the_same_numbers():
    values = np.random.default_rng(4).normal(size=30)
    assert estimate(values) == estimate(values)
    assert estimate(values, seed=1) != estimate(values)


def test_95_percent_intervals_hold_the_truth_about_95_times_of_100():
    random = np.random.default_rng(5)
    held = 0
    for _ in range(200):
        shared = random.normal(size=40)[:, None]
        values = (shared + random.normal(size=(40, 3))).ravel()  # three edits of each of 40 sources
        found = estimate(values, np.repeat(np.arange(40), 3), replicates=400)
        held += found.low <= 0 <= found.high
    assert stats.binom.ppf(0.001, 200, 0.93) <= held  # percentile intervals of 40 clusters hold it in 93 to 95 %
