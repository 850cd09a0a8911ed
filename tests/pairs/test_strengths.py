"""Strengths against closed forms, scipy's optimiser, choix and GenArena's own code."""

import itertools

import numpy as np
import pytest
from scipy.optimize import linprog, minimize
from scipy.stats import norm

from editmetrics.pairs import ArenaError, battles_of, bradley_terry, davidson, rank_centrality, thurstone
from editmetrics.pairs.strengths import ELO, connected, islands, meeting
from tests.pairs.planted import BATTLES


@pytest.fixture(scope="module")
def counted():
    arrays = battles_of(BATTLES)
    return arrays.wins(), arrays.ties()


@pytest.mark.parametrize(("won", "lost"), [(7, 3), (1, 1), (99_999, 1), (0.5, 12)])
def test_two_systems_are_400_log10_of_their_odds(won, lost):
    """Bradley and Terry's likelihood of one pair is that of a coin, and its maximum the odds."""
    first, second = ELO * bradley_terry([[0, won], [lost, 0]])
    assert first - second == pytest.approx(400 * np.log10(won / lost), abs=1e-6)
    one, other = thurstone([[0, won], [lost, 0]])
    assert one - other == pytest.approx(norm.ppf(won / (won + lost)), abs=1e-8)


def test_genarena_gives_the_same_elo(counted):
    """genarena 0.1.2: compute_bt_elo_ratings of these battles (max_iters=100000, tol=1e-15), moved to mean 1000."""
    wins, ties = counted
    expected = [1112.148094, 1071.315586, 1013.889691, 956.917085, 845.729544]
    np.testing.assert_allclose(1000 + ELO * bradley_terry(wins + ties / 2), expected, atol=1e-5)  # its own rounding


def test_choix_gives_the_same_strengths(counted):
    """choix 0.4.1 on the battles that are no ties: opt_pairwise, and its rank_centrality."""
    wins, _ = counted
    expected = [0.8162415, 0.4754326, 0.0930093, -0.3101021, -1.0745813]
    np.testing.assert_allclose(bradley_terry(wins), expected, atol=2e-7)
    expected = [0.813204, 0.500378, 0.061654, -0.285599, -1.089636]
    np.testing.assert_allclose(rank_centrality(wins), expected, atol=1e-6)


def test_davidson_and_thurstone_are_scipys_maximum(counted):
    """Likelihoods as the papers write them, maximised by BFGS: equal to its tolerance."""
    wins, ties = counted

    def davidsons(unknown):
        p, nu = np.exp(unknown[:5]), np.exp(unknown[5])
        total = 0.0
        for i, j in itertools.permutations(range(5), 2):
            both = p[i] + p[j] + nu * np.sqrt(p[i] * p[j])
            total += wins[i, j] * np.log(p[i] / both) + ties[i, j] / 2 * np.log(nu * np.sqrt(p[i] * p[j]) / both)
        return -total

    best = minimize(davidsons, np.zeros(6), method="BFGS", options={"gtol": 1e-7}).x
    strengths = davidson(wins, ties)
    np.testing.assert_allclose(strengths.values, best[:5] - best[:5].mean(), atol=1e-5)
    assert strengths.tie == pytest.approx(best[5], abs=1e-5)
    points = wins + ties / 2
    best = minimize(lambda t: -(points * norm.logcdf(t[:, None] - t)).sum(), np.zeros(5), options={"gtol": 1e-7}).x
    np.testing.assert_allclose(thurstone(points), best - best.mean(), atol=1e-5)


def test_davidson_without_ties_is_bradley_terry_and_with_nothing_else_has_no_value(counted):
    wins, _ = counted
    strengths = davidson(wins, np.zeros((5, 5)))
    np.testing.assert_allclose(strengths.values, bradley_terry(wins), atol=1e-9)
    assert strengths.tie == -np.inf
    assert np.isnan(davidson(np.zeros((2, 2)), np.array([[0, 5], [5, 0]])).values).all()


def test_davidson_has_a_value_unless_the_likelihood_grows_for_ever():
    """By linear programming: a direction in which each battle's outcome stays the likeliest, and one gets likelier."""
    draw = np.random.default_rng(5)
    unbound = 0
    for _ in range(60):
        wins = (draw.random((4, 4)) < 0.35) * (1.0 - np.eye(4))
        ties = np.triu(draw.random((4, 4)) < 0.5, 1).astype(float)
        ties[0, 1] = 1.0
        ties += ties.T
        rows = []  # of half the differences of strengths, and of log nu
        for i, j in itertools.permutations(range(4), 2):
            half = (np.eye(4)[i] - np.eye(4)[j]) / 2
            rows += [[*half, -1], [*half, 0]] if wins[i, j] else []
            rows += [[*half, 1]] if ties[i, j] else []
        best = linprog(-np.sum(rows, axis=0), -np.array(rows), np.zeros(len(rows)), bounds=[(-1, 1)] * 5)
        grows = -best.fun > 1e-9
        unbound += grows and bool(connected((wins + ties)[None])[0])
        assert np.isnan(davidson(wins, ties).values).all() == grows
    assert unbound > 5, "else only systems that never met have none"


def test_many_replicates_are_each_as_alone(counted):
    wins, ties = counted
    unbeaten = wins.copy()
    unbeaten[:, 0] = 0
    tables = np.stack([wins, unbeaten, wins + 3 * ties])
    for fit in (bradley_terry, thurstone, rank_centrality):
        together = fit(tables)
        assert np.isnan(together[1]).all(), "a system that lost no battle has no finite strength, nor have the others"
        np.testing.assert_allclose(together[[0, 2]], [fit(tables[0]), fit(tables[2])], atol=1e-9)


def test_shares_of_a_perfect_model_give_its_strengths_back():
    """With points equal to the model's probabilities, all three estimators return the truth."""
    true = np.array([1.5, 0.2, -0.4, -1.3])
    logistic = 1 / (1 + np.exp(true[None] - true[:, None]))
    np.testing.assert_allclose(bradley_terry(logistic), true, atol=1e-9)
    np.testing.assert_allclose(rank_centrality(logistic), true, atol=1e-9)
    np.testing.assert_allclose(thurstone(norm.cdf(true[:, None] - true[None])), true, atol=1e-8)


def test_who_can_be_compared():
    points = np.zeros((6, 6))
    points[0, 1] = points[1, 2] = points[2, 0] = 1  # a circle
    points[0, 3] = 4  # 3 lost all it had
    points[4, 5] = points[5, 4] = 2  # two that met nobody else
    assert islands(points) == [[0, 1, 2], [4, 5], [3]]
    assert meeting(points) == [[0, 1, 2, 3], [4, 5]]
    assert connected(points[None, :3, :3]).all()
    assert not connected(points[None]).any()


@pytest.mark.parametrize("points", [[[0, 1, 2], [1, 0, 1]], [[0, -1], [1, 0]], [[0, np.nan], [1, 0]]])
def test_tables_that_are_none(points):
    with pytest.raises(ArenaError, match="points"):
        bradley_terry(points)
