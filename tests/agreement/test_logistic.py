"""The curve against known curves, another optimiser, ordinary regression, and itself on other scales."""

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import curve_fit

from editmetrics.agreement import AgreementError, UndefinedError, fit_logistic, plcc, srcc


def four(x, b1, b2, b3, b4):
    return b2 + (b1 - b2) / (1 + np.exp(-(x - b3) / np.abs(b4)))


def five(x, b1, b2, b3, b4, b5):
    return b1 * (0.5 - 1 / (1 + np.exp(b2 * (x - b3)))) + b4 * x + b5


CURVES = [(four, (85.0, 15.0, 0.3, 0.7)), (four, (15.0, 85.0, 0.3, 0.7)), (five, (30.0, 2.0, 0.2, 3.0, 50.0))]


def noisy(curve, truth, n=400, noise=5.0, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return x, curve(x, *truth) + noise * rng.normal(size=n)


def squared_error(predicted, y):
    return float(np.sum((predicted - y) ** 2))


@pytest.mark.parametrize(("curve", "truth"), CURVES)
def test_an_exact_curve_is_found(curve, truth):
    x, y = noisy(curve, truth, noise=0.0)
    fit = fit_logistic(x, y, len(truth))
    np.testing.assert_allclose(fit.parameters, truth, rtol=1e-3)  # the optimiser stops at a loss of 1e-9 or so
    assert fit.converged
    assert fit.direction == ("increasing" if curve(1.0, *truth) > curve(0.0, *truth) else "decreasing")


@pytest.mark.parametrize(("curve", "truth"), CURVES)
@pytest.mark.parametrize("seed", range(3))
def test_no_other_optimiser_finds_a_better_curve(curve, truth, seed):
    x, y = noisy(curve, truth, seed=seed)
    other, _ = curve_fit(curve, x, y, p0=truth, maxfev=20_000)
    fit = fit_logistic(x, y, len(truth))
    ours, theirs = squared_error(fit(x), y), squared_error(curve(x, *other), y)
    monotone = len(other) == 4 or other[0] * other[1] * other[3] >= 0
    assert ours <= theirs * (1 + 1e-6) or not monotone
    np.testing.assert_allclose(fit(x), curve(x, *fit.parameters), rtol=1e-9)  # the formula is the documented one


@pytest.mark.parametrize("parameters", [4, 5])
@pytest.mark.parametrize(("scale", "offset"), [(100.0, 0.0), (-100.0, 50.0), (1e-6, 3.0), (1e6, -1e7)])
def test_the_scale_of_the_scores_changes_nothing(parameters, scale, offset):
    x, y = noisy(four, (85.0, 15.0, 0.3, 0.7), n=300)
    plain, scaled = fit_logistic(x, y, parameters), fit_logistic(x * scale + offset, y, parameters)
    # two searches stop at losses that differ by 1e-8 at most, which is 1e-4 of a curve's height
    np.testing.assert_allclose(scaled(x * scale + offset), plain(x), atol=0.01)
    assert plcc(scaled(x * scale + offset), y) == pytest.approx(plcc(plain(x), y), abs=1e-7)
    assert plain.direction == "increasing"
    assert scaled.direction == ("increasing" if scale > 0 else "decreasing")


def test_it_is_not_caught_where_the_usual_first_guess_is():
    """With a first guess of ones, a search on a 0-100 score stops early; ours gives the PLCC of the 0-1 score."""
    rng = np.random.default_rng(0)
    quality = rng.uniform(size=300)
    score, y = 100 * quality, 100 / (1 + np.exp(-12 * (quality - 0.5))) + 5 * rng.normal(size=300)
    with np.errstate(over="ignore"):
        caught, _ = curve_fit(five, score, y, p0=np.ones(5), maxfev=100_000)
    ours = plcc(fit_logistic(score, y, 5)(score), y)
    assert ours > plcc(five(score, *caught), y) + 0.005
    assert ours == pytest.approx(plcc(fit_logistic(quality, y, 5)(quality), y), abs=1e-6)


@pytest.mark.parametrize("parameters", [4, 5])
@pytest.mark.parametrize("seed", range(5))
def test_the_curve_is_monotone_and_keeps_the_ranks(parameters, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=60), rng.normal(size=60)
    fit = fit_logistic(x, y, parameters)
    steps = np.diff(fit(np.linspace(-4, 4, 500)))
    assert (steps >= -1e-9).all() if fit.direction == "increasing" else (steps <= 1e-9).all()
    assert plcc(fit(x), y) >= abs(plcc(x, y)) - 0.002  # a line is (up to 0.002) among the curves


@pytest.mark.parametrize("parameters", [4, 5])
@pytest.mark.parametrize("seed", [39, 86])
def test_the_search_is_not_lured_into_rounding(parameters, seed):
    """On these few items, sigmoids that are constant but for their last digits once passed for the best curves."""
    x, y = np.random.default_rng(seed).normal(size=(2, 12))
    assert plcc(fit_logistic(x, y, parameters)(x), y) >= abs(plcc(x, y)) - 0.002


def test_a_curve_told_to_go_the_wrong_way_is_no_curve():
    x = np.linspace(0, 1, 50)
    with pytest.raises(UndefinedError, match="no decreasing curve"):
        fit_logistic(x, x**2, direction="decreasing")
    assert fit_logistic(x, x**2, direction="increasing").direction == "increasing"


def test_a_straight_line_is_said_to_be_one_and_its_interval_is_that_of_regression():
    rng = np.random.default_rng(3)
    x = rng.uniform(-1, 1, size=2000)
    y = 3 * x + rng.normal(size=2000)
    fit = fit_logistic(x, y)
    assert plcc(fit(x), y) == pytest.approx(plcc(x, y), abs=1e-3)
    line = stats.linregress(x, y)
    at = np.array([-0.5, 0.0, 0.5])
    low, high = fit.interval(at)
    np.testing.assert_allclose((low + high) / 2, line.intercept + line.slope * at, atol=0.12)
    half = 1.96 * np.sqrt(1 / 2000 + (at - x.mean()) ** 2 / (2000 * x.var()))  # of the line, at a noise of 1
    assert (high - low > 1.9 * half).all()  # a curve with two more parameters is no surer
    assert (high - low < 6 * half).all()


def test_the_interval_covers_the_curve_as_often_as_it_says():
    at = np.array([-1.0, 0.0, 1.0])
    inside = []
    for seed in range(120):
        x, y = noisy(four, (85.0, 15.0, 0.3, 0.7), n=200, seed=seed)
        low, high = fit_logistic(x, y).interval(at)
        truth = four(at, 85.0, 15.0, 0.3, 0.7)
        inside.append((low <= truth) & (truth <= high))
    assert 0.91 <= np.mean(inside) <= 0.985  # 95 % of 360: two standard errors are 2.3 %, and points share samples


def test_clusters_widen_the_interval_by_what_they_hold():
    x, y = noisy(four, (85.0, 15.0, 0.3, 0.7), n=300)
    alone = fit_logistic(x, y).interval(0.0)
    copies = fit_logistic(np.repeat(x, 4), np.repeat(y, 4), clusters=np.repeat(np.arange(300), 4)).interval(0.0)
    # four copies of each item are no more evidence than one; the correction of few parameters differs by 1 %
    assert copies[1] - copies[0] == pytest.approx(alone[1] - alone[0], rel=0.02)


def test_a_search_that_did_not_settle_says_so():
    """On noise the best curve may be one of several poor ones, found from one start alone; a clear one never is."""
    converged = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        converged.append(fit_logistic(rng.normal(size=25), rng.normal(size=25)).converged)
    assert not all(converged)
    assert all(fit_logistic(*noisy(four, (85.0, 15.0, 0.3, 0.7), seed=seed)).converged for seed in range(20))


def test_real_ratings(rated):
    """Preservation predicts quality on a curve, about as well as the ranks do; 5 parameters do no worse than 4."""
    x, y = rated["preservation"], rated["quality"]
    fits = {p: fit_logistic(x, y, p) for p in (4, 5)}
    assert all(fit.converged and fit.direction == "increasing" for fit in fits.values())
    assert plcc(x, y) <= plcc(fits[4](x), y) + 1e-6 <= plcc(fits[5](x), y) + 2e-6
    assert plcc(fits[4](x), y) == pytest.approx(srcc(x, y), abs=0.05)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (([1, 2, 3, 4], [1, 2, 3, 5]), "more than 4 items"),
        (([1] * 9, list(range(9))), "all scores are 1"),
        ((list(range(9)), [2] * 9), "all ratings are 2"),
        ((list(range(9)), list(range(9)), 3), "expected 4 or 5"),
        ((list(range(9)), list(range(9)), 4, "up"), "increasing, decreasing"),
    ],
)
def test_what_cannot_be_fitted_is_an_error(arguments, said):
    with pytest.raises(AgreementError, match=said):
        fit_logistic(*arguments)
