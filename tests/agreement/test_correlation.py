"""The correlations against scipy, with ties and without; their resampled forms against scipy on repeated rows."""

import numpy as np
import pytest
from scipy import stats

from editmetrics.agreement import AgreementError, UndefinedError, krcc, mae, plcc, rmse, srcc

SCIPY = {
    srcc: lambda x, y: stats.spearmanr(x, y).statistic,
    krcc: lambda x, y: stats.kendalltau(x, y).statistic,
    plcc: lambda x, y: stats.pearsonr(x, y).statistic,
    rmse: lambda x, y: np.sqrt(np.mean((x - y) ** 2)),
    mae: lambda x, y: np.mean(np.abs(x - y)),
}
ROUNDING = 1e-12
"""Both sides compute in float64; their sums differ in order only."""

by_measure = pytest.mark.parametrize("measure", SCIPY, ids=lambda measure: measure.name)


def arrays(n, ties, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    y = 0.6 * x + rng.normal(size=n)
    return (np.round(x, 1), np.round(y)) if ties else (x, y)


@by_measure
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n", [3, 4, 17, 300, 3000])
def test_as_scipy(measure, ties, n):
    x, y = arrays(n, ties, seed=n)
    assert measure(x, y) == pytest.approx(SCIPY[measure](x, y), abs=ROUNDING)


@by_measure
@pytest.mark.parametrize("ties", [False, True])
def test_resampled_is_scipy_on_repeated_rows(measure, ties):
    x, y = arrays(200, ties)
    rng = np.random.default_rng(1)
    counts = rng.multinomial(250, np.full(200, 1 / 200), size=20)  # replicates need not be as large as the sample
    expected = [SCIPY[measure](np.repeat(x, c), np.repeat(y, c)) for c in counts]
    np.testing.assert_allclose(measure.resampled(x, y, counts), expected, atol=ROUNDING, rtol=0)


@pytest.mark.parametrize("measure", [srcc, krcc, plcc], ids=lambda measure: measure.name)
def test_a_replicate_without_variation_has_no_value_and_costs_itself_only(measure):
    counts = [[4, 0, 0, 0], [1, 1, 1, 1]]
    first, second = measure.resampled([0.1, 2.0, 3.0, 4.0], [1, 2, 3, 5], counts)
    assert np.isnan(first)
    assert second > 0.9


@pytest.mark.parametrize("offset", [1e6, -1e8])
def test_an_offset_costs_plcc_no_digits(offset):
    x, y = arrays(500, ties=False)
    # rounding the shifted scores alone changes r by about eps * offset
    assert plcc(x + offset, y) == pytest.approx(plcc(x, y), abs=1e-15 * abs(offset))


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_a_scale_neither_overflows_nor_vanishes(scale):
    x, y = arrays(50, ties=False)
    assert plcc(x * scale, y) == pytest.approx(plcc(x, y), abs=ROUNDING)


def test_a_replicate_without_the_outlier_is_measured_to_its_own_scale():
    x, y = arrays(50, ties=False)
    far = np.append(x, 1e4), np.append(y, 1e4)
    without = np.append(np.ones(50, int), 0)
    assert plcc.resampled(*far, without[None])[0] == pytest.approx(plcc(x, y), abs=1e-6)  # eps * 1e4^2, and some


def test_krcc_of_more_items_than_16_bits_count():
    x, y = arrays(140_000, ties=False)  # halves of whose ranks exceed 16 bits, too
    assert krcc(x, y) == pytest.approx(SCIPY[krcc](x, y), abs=ROUNDING)


def test_krcc_of_many_items_counts_beyond_32_bits():
    n = 100_000  # 5e9 pairs
    x = np.arange(n)
    assert krcc(x, x) == 1.0
    assert krcc(x, -x) == -1.0


@by_measure
@pytest.mark.parametrize(
    ("scores", "ratings", "said"),
    [
        ([1, np.nan, 3], [1, 2, 3], "1 of 3 scores are NaN"),
        ([1, 2, 3], [1, np.inf, 3], "1 of 3 ratings are NaN or infinite"),
        ([1, 2, 3], [1, 2, 3, 4], r"shapes \(3,\) and \(4,\)"),
        ([[1, 2, 3]], [[1, 2, 3]], "expected"),
    ],
)
def test_what_cannot_be_measured_is_an_error(measure, scores, ratings, said):
    with pytest.raises(AgreementError, match=said):
        measure(scores, ratings)


@by_measure
def test_each_measure_states_how_many_items_it_needs(measure):
    """A correlation of two items can only be 1, -1 or undefined; an error of one item is an error."""
    fewest = {"rmse": 1, "mae": 1}.get(measure.name, 3)
    assert np.isfinite(measure(range(fewest), range(fewest)))
    with pytest.raises(UndefinedError, match=f"n = {fewest - 1}; {measure.name} requires at least {fewest} item"):
        measure(range(fewest - 1), range(fewest - 1))
    with pytest.raises(UndefinedError, match="requires at least"):
        measure.resampled(range(fewest - 1), range(fewest - 1), np.ones((2, fewest - 1)))


@pytest.mark.parametrize("measure", [srcc, krcc, plcc], ids=lambda measure: measure.name)
@pytest.mark.parametrize(
    ("x", "y", "said"), [([0.1] * 7, range(7), "all scores are 0.1"), (range(7), [0.3] * 7, "all rat")]
)
def test_constants_are_an_error_that_names_them(measure, x, y, said):
    with pytest.raises(UndefinedError, match=said):
        measure(list(x), list(y))
