"""Losses against numpy and scipy, gradients against closed forms, what they are invariant to, and what is refused."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm, pearsonr

from editmetrics import Sample
from editmetrics.mllm.losses import (
    RatingLoss,
    l1_loss,
    l2_loss,
    margin_loss,
    plcc_loss,
    rank_loss,
    soft_bins,
    soft_cross_entropy_of,
    soft_digits,
    soft_levels,
)
from editmetrics.mllm.raters import digest, rater_spreads, weights
from editmetrics.mllm.recipe import Recipe, RecipeError
from editmetrics.mllm.targets import Example, TargetError
from editmetrics.mllm.validation import mean_merit, merit

RNG = np.random.default_rng(4)
PREDICTED, RATINGS, WEIGHTS = RNG.normal(size=12), RNG.normal(size=12).round(1), RNG.uniform(0.2, 3, size=12)
RATINGS[3] = RATINGS[7]  # a pair that does not count
LOSSES = [l1_loss, l2_loss, plcc_loss, rank_loss, margin_loss]


def as_tensors(*arrays, **more):
    return [torch.tensor(array, dtype=torch.float32, **more) for array in arrays]


def slope(loss, predicted, ratings, weights=None):
    """The value and the gradient with respect to the predictions."""
    (x,) = as_tensors(predicted, requires_grad=True)
    value = loss(x, *as_tensors(ratings, *([] if weights is None else [weights])))
    value.backward()
    return value.item(), x.grad.numpy()


def test_plcc_is_one_minus_scipys_and_its_gradient_the_closed_form():
    value, gradient = slope(plcc_loss, PREDICTED, RATINGS)
    correlation = pearsonr(PREDICTED, RATINGS).statistic
    assert value == pytest.approx(1 - correlation, abs=1e-6)
    p, r = PREDICTED - PREDICTED.mean(), RATINGS - RATINGS.mean()
    closed = r / np.linalg.norm(p) / np.linalg.norm(r) - correlation * p / (p @ p)
    np.testing.assert_allclose(gradient, -closed, atol=1e-6)  # float32
    covariance = np.cov(PREDICTED, RATINGS, aweights=WEIGHTS)
    weighted = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    assert slope(plcc_loss, PREDICTED, RATINGS, WEIGHTS)[0] == pytest.approx(1 - weighted, abs=1e-6)


@pytest.mark.parametrize(("scale", "shift"), [(1e-3, 0.0), (1e3, 0.0), (1.0, 30.0), (0.5, -4.0)])
def test_plcc_is_invariant_to_scale_and_shift(scale, shift):
    value = slope(plcc_loss, PREDICTED, RATINGS)[0]
    assert slope(plcc_loss, scale * PREDICTED + shift, RATINGS)[0] == pytest.approx(value, abs=1e-5)
    assert slope(plcc_loss, PREDICTED, scale * RATINGS + shift)[0] == pytest.approx(value, abs=1e-5)
    assert slope(plcc_loss, -PREDICTED, RATINGS)[0] == pytest.approx(2 - value, abs=1e-6)


@pytest.mark.parametrize("alike", [np.full(12, 0.1), np.full(12, 61.3), np.zeros(12)])
def test_an_undefined_correlation_costs_one_and_pushes_nowhere(alike):
    for pair in ((alike, RATINGS), (PREDICTED, alike)):
        value, gradient = slope(plcc_loss, *pair)
        assert value == 1.0
        assert not gradient.any()


def pairs():
    return [(i, j) for i in range(12) for j in range(12) if RATINGS[i] > RATINGS[j]]


@pytest.mark.parametrize(
    ("loss", "cost", "push"),
    [
        (rank_loss, lambda p, _: np.log1p(np.exp(-p)), lambda p, _: -1 / (1 + np.exp(p))),
        (margin_loss, lambda p, r: max(0, r - p), lambda p, r: -float(r > p)),
    ],
    ids=["logistic", "hinge"],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_ranks_are_sums_over_pairs_written_out(loss, cost, push, weighted):
    share = WEIGHTS if weighted else np.ones(12)
    expected, slopes, total = 0.0, np.zeros(12), 0.0
    for i, j in pairs():
        p, r, w = PREDICTED[i] - PREDICTED[j], RATINGS[i] - RATINGS[j], share[i] * share[j]
        expected, total = expected + w * cost(p, r), total + w
        slopes[i] += w * push(p, r)
        slopes[j] -= w * push(p, r)
    value, gradient = slope(loss, PREDICTED, RATINGS, WEIGHTS if weighted else None)
    assert value == pytest.approx(expected / total, rel=1e-6)
    np.testing.assert_allclose(gradient, slopes / total, atol=1e-6)  # float32
    assert slope(loss, PREDICTED + 7, RATINGS)[0] == pytest.approx(slope(loss, PREDICTED, RATINGS)[0], rel=1e-5)
    assert slope(loss, PREDICTED, np.full(12, 3.0)) == (0.0, pytest.approx(np.zeros(12)))


def test_errors_are_weighted_means():
    error = PREDICTED - RATINGS
    for loss, each in ((l1_loss, abs(error)), (l2_loss, error**2)):
        assert slope(loss, PREDICTED, RATINGS)[0] == pytest.approx(each.mean(), rel=1e-6)
        assert slope(loss, PREDICTED, RATINGS, WEIGHTS)[0] == pytest.approx(np.mean(WEIGHTS * each), rel=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_prefers_the_right_order_and_is_float32(loss):
    right, wrong = (slope(loss, sign * RATINGS, RATINGS)[0] for sign in (1, -1))
    assert right < wrong
    with torch.autocast("cpu", torch.bfloat16):
        low = loss(*as_tensors(PREDICTED, RATINGS))
    assert low.dtype == torch.float32
    assert low.item() == slope(loss, PREDICTED, RATINGS)[0]


@pytest.mark.parametrize("loss", [plcc_loss, rank_loss, margin_loss])
def test_a_weight_counts_as_copies(loss):
    twice = np.where(np.arange(12) < 5, 2.0, 1.0)
    copies = np.repeat(np.arange(12), twice.astype(int))
    assert slope(loss, PREDICTED, RATINGS, twice)[0] == pytest.approx(
        slope(loss, PREDICTED[copies], RATINGS[copies])[0], rel=1e-5
    )


def test_a_sum_of_terms_is_read_and_added_up():
    tensors = as_tensors(PREDICTED, RATINGS, WEIGHTS)
    parts = RatingLoss.parse("l1 + 0.5*plcc+2*rank")(*tensors)
    expected = l1_loss(*tensors) + 0.5 * plcc_loss(*tensors) + 2 * rank_loss(*tensors)
    torch.testing.assert_close(parts["loss"], expected)
    assert parts.keys() == {"loss", "l1", "plcc", "rank"}
    assert RatingLoss.parse("l2")(*tensors).keys() == {"loss"}


@pytest.mark.parametrize("name", ["l1", "plcc", "rank"])
def test_groups_are_compared_among_themselves_and_weigh_by_their_size(name):
    """Of twelve examples three have no rating: they are compared with none, and the mean is over the twelve."""
    loss, groups = RatingLoss.parse(name), np.array([0, 1, 1, -1, 0, 1, 1, -1, 1, 0, -1, 0])
    predicted, ratings = as_tensors(PREDICTED, np.where(groups < 0, np.nan, RATINGS))
    expected = sum(
        (groups == group).sum() / 12 * loss(*as_tensors(PREDICTED[groups == group], RATINGS[groups == group]))["loss"]
        for group in (0, 1)
    )
    torch.testing.assert_close(loss(predicted, ratings, groups=torch.tensor(groups))["loss"], expected)


@pytest.mark.parametrize("text", ["", "l3", "l1+l1", "l1+", "-1*l1", "nan*l1", "x*l1", "0*plcc", "inf*l1", "l1*2"])
def test_other_sums_are_refused(text):
    with pytest.raises(RecipeError, match="not a sum of different terms"):
        RatingLoss.parse(text)


def test_a_loss_of_groups_needs_a_group():
    recipe = Recipe(batch_size=8, micro_batch_size=2)
    RatingLoss.parse("l1+rank").check(recipe, 1)
    with pytest.raises(RecipeError, match=r"compares 3 examples or more, and only 2 are .* micro_batch_size"):
        RatingLoss.parse("l1+plcc").check(recipe, 1)
    with pytest.raises(RecipeError, match="only 1"):
        RatingLoss.parse("rank").check(Recipe(batch_size=8, micro_batch_size=1), 1)
    RatingLoss.parse("plcc").check(recipe, 2)  # the examples of both processes are compared


# ---------------------------------------------------------------------- soft labels


@pytest.mark.parametrize(("centre", "spread"), [(1.2, 0.7), (-3.0, 1.0), (40.0, 3.0), (4.0, 0.01)])
def test_soft_bins_are_integrals_of_the_gaussian(centre, spread):
    edges = [0.0, 1.0, 2.5, 4.0]
    masses = [quad(norm(centre, spread).pdf, low, high, epsabs=0)[0] for low, high in pairwise(edges)]
    np.testing.assert_allclose(soft_bins(centre, spread, edges), np.array(masses) / sum(masses), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(("centre", "spread", "nearest"), [(2.5, 0.0, 1), (-9e9, 1.0, 0), (9e9, 1.0, 2), (2.0, 0, 1)])
def test_without_a_spread_or_far_away_the_nearest_bin_has_all(centre, spread, nearest):
    assert soft_bins(centre, spread, [0, 2, 3, 4]) == [float(k == nearest) for k in range(3)]


@pytest.mark.parametrize("number", [0.0, 4.38, 7.0, 9.99, 2.999])
def test_the_product_of_soft_digits_is_the_gaussian_on_steps_of_a_hundredth(number):
    """Of the numbers that share the true first digits: the others are never seen by a model taught the true answer."""
    spread = 0.7
    first, second, third = soft_digits(number, spread)
    centre = round(number, 2)
    steps = np.array([norm.cdf(n / 100 + 0.005, centre, spread) - norm.cdf(n / 100 - 0.005, centre, spread)
                      for n in range(1000)])  # fmt: skip
    tree = (steps / steps.sum()).reshape(10, 10, 10)
    whole = round(centre * 100)
    one, two = whole // 100, whole // 10 % 10
    np.testing.assert_allclose(first, tree.sum((1, 2)), rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(second, tree[one].sum(1) / tree[one].sum(), rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(third, tree[one, two] / tree[one, two].sum(), rtol=1e-6)


def test_soft_digits_without_a_spread_are_the_digits():
    for whole in range(1000):
        distributions = soft_digits(whole / 100, 0.0)
        assert [d.index(1.0) for d in distributions] == [whole // 100, whole // 10 % 10, whole % 10]


def test_soft_levels_are_symmetric_and_move_with_the_rating():
    assert soft_levels(50, 20, 0, 100) == pytest.approx(soft_levels(50, 20, 0, 100)[::-1])
    means = [np.dot(soft_levels(rating, 15, 0, 100), range(1, 6)) for rating in range(0, 101, 10)]
    assert (np.diff(means) > 0).all()


def test_soft_cross_entropy_is_the_hard_one_for_a_certain_target_and_its_gradient_p_minus_t():
    logits = torch.tensor(RNG.normal(size=9), dtype=torch.float32, requires_grad=True)
    ids = torch.tensor([7, 2, 5])
    certain = torch.nn.functional.cross_entropy(logits, ids[1])
    torch.testing.assert_close(soft_cross_entropy_of(logits, ids, torch.tensor([0.0, 1.0, 0.0])), certain)
    target = torch.tensor(RNG.dirichlet(np.ones(3)), dtype=torch.float32)
    soft_cross_entropy_of(logits, ids, target).backward()
    wanted = logits.softmax(-1).detach().clone()
    wanted[ids] -= target
    torch.testing.assert_close(logits.grad, wanted)


# ---------------------------------------------------------------------- raters


def rated(*spreads):
    return [
        Example(Sample(f"s{n}", edited=b"", meta={"mos": 3, "mos.sd": s}), {"q": 3.0}) for n, s in enumerate(spreads)
    ]


def test_spreads_become_weights_with_a_mean_of_one():
    assert weights([2.0, 2.0]) == weights([0.0, 0.0]) == [1.0, 1.0]
    found = weights([0.0, 1.0, 1.0, 3.0])
    assert np.mean(found) == pytest.approx(1)
    assert found[0] == pytest.approx(2 * found[1])  # at most twice the middle
    assert found[3] == pytest.approx(found[1] / 5)
    assert np.isfinite(weights([0.0, 0.0, 4.0])).all()


def test_spreads_are_read_by_sample_and_belong_to_the_identity():
    examples = rated(0.5, "1.25")
    spreads = rater_spreads(examples, {"q": "mos"}, ".sd")
    assert [spreads["q"][id(e.sample)] for e in examples] == [0.5, 1.25]
    other = rated(0.5, 1.26)
    assert digest(spreads, examples) != digest(rater_spreads(other, {"q": "mos"}, ".sd"), other)


@pytest.mark.parametrize("wrong", ["", None, "much", -0.1, float("nan"), float("inf")])
def test_a_spread_that_is_none_is_refused(wrong):
    with pytest.raises(TargetError, match=r"column 'mos\.sd'.* no number of 0 or more for 1 of 2 samples: s1"):
        rater_spreads(rated(0.5, wrong), {"q": "mos"}, ".sd")


def test_a_column_of_spreads_that_does_not_exist_is_refused():
    with pytest.raises(TargetError, match=r"'mos\.std'.* does not exist; .*mos\.sd"):
        rater_spreads(rated(0.5), {"q": "mos"}, ".std")


# ---------------------------------------------------------------------- selection


@pytest.mark.parametrize("nothing", [None, float("nan")])
def test_the_merit_is_srcc_or_the_mean_and_never_what_is_undefined(nothing):
    measures = {"srcc": 0.2, "plcc": 0.8, "n": 9}
    assert (merit(measures), merit(measures, "mean")) == (0.2, 0.5)
    assert merit({**measures, "srcc": nothing}) is merit({**measures, "plcc": nothing}, "mean") is None
    assert merit({**measures, "plcc": nothing}) == 0.2
    assert mean_merit([measures, {"srcc": 0.4, "plcc": 0.6}], "mean") == pytest.approx(0.5)
    assert mean_merit([measures, {**measures, "srcc": nothing}]) is mean_merit([]) is None
