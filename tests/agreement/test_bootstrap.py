"""Intervals against scipy's bootstrap, a closed form, and themselves: clusters, chunks, threads."""

import numpy as np
import pytest
from scipy import stats

from editmetrics.agreement import AgreementError, bootstrap, bootstrap_interval, krcc, plcc, srcc
from editmetrics.agreement.bootstrap import Resampling, cluster_codes, percentile_interval, resample


def related(n=300, slope=0.7, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return x, slope * x + rng.normal(size=n)


@pytest.mark.parametrize(
    ("measure", "statistic"),
    [(plcc, lambda x, y: stats.pearsonr(x, y).statistic), (srcc, lambda x, y: stats.spearmanr(x, y).statistic)],
)
def test_as_scipys_percentile_bootstrap(measure, statistic):
    x, y = related()
    theirs = stats.bootstrap(
        (x, y),
        statistic,
        paired=True,
        vectorized=False,
        n_resamples=1500,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    ours = bootstrap_interval(measure, x, y, resampling=Resampling(3000))
    # a percentile of 1500 replicates has a standard error of about 0.1 of the interval's half width, which is 0.08
    assert ours.low == pytest.approx(theirs.low, abs=0.02)
    assert ours.high == pytest.approx(theirs.high, abs=0.02)


def test_the_width_is_that_of_the_closed_form():
    """The standard error of r follows from the influence of each item, zx zy - r (zx^2 + zy^2) / 2."""
    x, y = related(n=2000)
    low, high = bootstrap_interval(plcc, x, y, resampling=Resampling(2000))
    r, zx, zy = plcc(x, y), stats.zscore(x), stats.zscore(y)
    influence = zx * zy - r * (zx**2 + zy**2) / 2
    # three standard errors of a width from 2000 replicates are 7 %
    assert (high - low) / 2 == pytest.approx(1.96 * influence.std() / np.sqrt(2000), rel=0.07)


@pytest.mark.parametrize("measure", [srcc, krcc, plcc], ids=lambda measure: measure.name)
def test_copies_in_one_cluster_are_one_item(measure):
    x, y = related(n=50)
    alone = bootstrap_interval(measure, x, y, resampling=Resampling(200))
    copies = bootstrap_interval(
        measure, np.repeat(x, 3), np.repeat(y, 3), clusters=np.repeat(np.arange(50), 3), resampling=Resampling(200)
    )
    assert copies == pytest.approx(alone, abs=1e-12)
    pretended = bootstrap_interval(measure, np.repeat(x, 3), np.repeat(y, 3), resampling=Resampling(200))
    assert pretended.high - pretended.low < 0.7 * (alone.high - alone.low)  # 1 / sqrt(3) = 0.58


def test_every_replicate_holds_whole_clusters_and_as_many_as_there_are():
    clusters = cluster_codes(["b", "a", "b", "c", "a", "a"], 6)
    seen = []
    resample(clusters, lambda counts: seen.append(counts.copy()) or np.zeros((1, len(counts))), 50, seed=0)
    for row in np.concatenate(seen):
        per_cluster = [set(row[clusters == code]) for code in range(3)]
        assert all(len(count) == 1 for count in per_cluster)
        assert sum(count.pop() for count in per_cluster) == 3


def test_neither_chunks_nor_threads_change_a_number(monkeypatch):
    x, y = related(n=70)
    whole = bootstrap_interval(srcc, x, y, resampling=Resampling(101))
    monkeypatch.setattr(bootstrap, "CHUNK", 200)
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    assert bootstrap_interval(srcc, x, y, resampling=Resampling(101)) == whole
    assert bootstrap_interval(srcc, x, y, resampling=Resampling(101, seed=1)) != whole


def test_an_interval_needs_replicates_that_are_defined():
    values = np.append(np.linspace(0, 1, 95), [np.nan] * 5)
    assert percentile_interval(values, 0.9) == pytest.approx((0.05, 0.95))
    assert percentile_interval(np.append(values, np.nan)) is None
    scores = [0.0] * 30 + [1.0]  # a third of the resamples lack the only different item
    with pytest.raises(AgreementError, match="undefined in"):
        bootstrap_interval(srcc, scores, np.arange(31.0), resampling=Resampling(100))


def test_clusters_of_another_length_are_an_error():
    with pytest.raises(AgreementError, match="expected one for each item"):
        bootstrap_interval(srcc, [1, 2, 3], [1, 2, 3], clusters=["a", "b"])
    with pytest.raises(AgreementError, match="0 replicates"):
        bootstrap_interval(srcc, [1, 2, 3], [1, 2, 3], resampling=Resampling(0))
