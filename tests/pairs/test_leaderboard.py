"""Leaderboards: planted strengths, systems that cannot be compared, judges that say nothing, battles that are none."""

import itertools

import numpy as np
import pytest

from editmetrics.agreement.bootstrap import Resampling
from editmetrics.pairs import ArenaError, Battle, RankingOptions, battles_of, intransitive_triples, rank
from editmetrics.pairs.apart import letters_of, shared_groups, told_apart
from tests.pairs.planted import BATTLES

FEW = Resampling(replicates=200)


def fought(first, second, wins=0, losses=0, ties=0, inconsistent=0, **more):
    outcomes = ["win"] * wins + ["loss"] * losses + ["tie"] * ties + ["inconsistent"] * inconsistent
    return [Battle(first, second, outcome, **more) for outcome in outcomes]


def ranked(*battles, **options):
    return rank(battles_of([battle for some in battles for battle in some]), RankingOptions(resampling=FEW, **options))


def test_counts_add_up_and_the_order_is_by_rating():
    board = rank(battles_of(BATTLES), RankingOptions(resampling=FEW), by_task=True)
    assert [one.system for one in board.systems] == ["ada", "bob", "cyd", "dee", "eli"]
    assert sum(one.battles for one in board.systems) == 2 * board.battles == 800
    for one in board.systems:
        assert one.battles == one.wins + one.losses + one.ties + one.inconsistent
        assert one.low < one.rating < one.high
    assert np.mean([one.rating for one in board.systems]) == pytest.approx(1000)
    assert board.points.sum() == 400
    assert board.points[0].sum() == board["ada"].wins + board["ada"].ties / 2
    assert board.complete
    assert board.check == 1
    assert {task: one.battles for task, one in board.tasks.items()} == {"k": 200, "t": 200}
    assert len(board.table()) == 15


def test_an_anchor_moves_the_scale_and_nothing_else():
    plain, anchored = (ranked(BATTLES), ranked(BATTLES, anchor=("cyd", 1200.0)))
    assert anchored["cyd"].rating == anchored["cyd"].low == anchored["cyd"].high == pytest.approx(1200)
    for one in plain.systems:
        gap = one.rating - plain["cyd"].rating
        assert anchored[one.system].rating - 1200 == pytest.approx(gap)
        assert anchored[one.system].groups == one.groups
    with pytest.raises(ArenaError, match="Did you mean 'cyd'"):
        ranked(BATTLES, anchor=("cyb", 1000.0))


def test_systems_that_never_met_have_no_number_across_them():
    board = ranked(fought("a", "b", 6, 4), fought("c", "d", 4, 6), fought("e", "f", 1, 1))
    assert [[one.system for one in island] for island in board.islands] == [["a", "b"], ["d", "c"], ["e", "f"]]
    assert not board.complete
    assert any("3 groups never met" in note for note in board.notes)
    assert board["e"].low is None
    assert "fewer than 5" in board["e"].reason


def test_who_won_or_lost_every_battle_has_no_finite_rating():
    board = ranked(fought("a", "b", 6, 4), fought("top", "a", 5), fought("b", "last", 5, 0, 0, 2))
    assert [one.system for one in board.systems] == ["top", "a", "b", "last"]
    assert board["top"].rating is board["last"].rating is None
    assert board["top"].reason.startswith("won every battle")
    assert board["last"].reason.startswith("lost every battle")
    assert (board["last"].losses, board["last"].inconsistent) == (5, 2)
    assert board["a"].rating - board["b"].rating == pytest.approx(400 * np.log10(1.5))


def test_two_islands_of_one_sea_are_not_compared():
    """a and b beat c and d each time: how far they are apart is unknown."""
    across = [fought(one, other, 5) for one, other in itertools.product("ab", "cd")]
    board = ranked(fought("a", "b", 6, 4), fought("c", "d", 5, 5), *across)
    assert len(board.islands) == 2
    assert any("no finite number compares them" in note for note in board.notes)


def test_inconsistent_is_not_a_tie():
    battles = (fought("a", "b", 30, 10, 5, 50),)
    board = ranked(*battles)
    assert board["a"].inconsistent == 50
    gap = board["a"].rating - board["b"].rating
    assert gap == pytest.approx(400 * np.log10(32.5 / 12.5))
    as_ties = ranked(*battles, inconsistent="tie")
    assert as_ties["a"].rating - as_ties["b"].rating == pytest.approx(400 * np.log10(57.5 / 37.5))
    assert as_ties["a"].inconsistent == 50, "counts say what was judged"


@pytest.mark.parametrize("orders", [(1, -1), (-1, 1)], ids=["first", "second"])
def test_a_judge_that_always_says_one_position_is_found_out(orders):
    battles = [Battle(a, b, "inconsistent", source=f"s{n}", orders=orders)
               for n, (a, b) in enumerate([*itertools.combinations("abcd", 2)] * 5)]  # fmt: skip
    board = rank(battles_of(battles), RankingOptions(resampling=FEW))
    assert board.bias.share == (1.0 if orders[0] > 0 else 0.0)
    assert board.bias.consistency == 0
    assert all(one.rating is None for one in board.systems)
    assert "position bias of 100 %" in board.notes[0]


def test_a_log_in_which_the_first_always_wins_is_not_ranked():
    """Asked in one order alone, a and b seem to be ranked; yet each wins wherever it stands first."""
    battles = fought("a", "b", 20) + fought("b", "a", 10)
    assert rank(battles_of(battles), RankingOptions(resampling=FEW))["a"].rating > 1000, "winners may be listed first"
    board = rank(battles_of(battles, positions=True), RankingOptions(resampling=FEW))
    assert board.bias.total
    assert all(one.rating is None for one in board.systems)


def test_position_bias_counts_answers_and_not_battles():
    consistent = Battle("a", "b", "win", orders=(1, 1))
    contradicting = Battle("a", "b", "inconsistent", orders=(1, -1))
    with_a_tie = Battle("a", "b", "inconsistent", orders=(0, -1))
    bias = rank(battles_of([consistent, contradicting, with_a_tie]), RankingOptions(resampling=FEW)).bias
    assert (bias.first, bias.answers) == (1 + 2 + 1, 2 + 2 + 1)
    assert bias.consistency == 1 / 3


def test_battles_that_are_none():
    battles = [
        Battle("a", "a", "win"), Battle("a", "b", "win", id="1"), Battle("b", "a", "loss", id="1"),
        Battle("a", "b", "win", id="2"), Battle("a", "b", "tie", id="2"), Battle("a", "b", "tie"),
        Battle("a", "b", "tie"), Battle("a", "b", "loss", id="1", judge="another"),
    ]  # fmt: skip
    arrays = battles_of(battles, left_out={"no winner": 3})
    assert len(arrays) == 4
    assert arrays.left_out == {
        "no winner": 3, "a system against itself": 1, "repeated": 1, "repeated with another outcome": 2,
    }  # fmt: skip
    with pytest.raises(ArenaError, match="1 a system against itself"):
        battles_of([Battle("a", "a", "win")])


def test_a_circle_is_no_order():
    board = ranked(fought("rock", "scissors", 9, 1), fought("scissors", "paper", 9, 1), fought("paper", "rock", 9, 1))
    assert (board.triples.intransitive, board.triples.comparable) == (1, 1)
    (circle,) = board.triples.examples
    names = [board.systems[n].system for n in circle]
    winners = {"rock": "scissors", "scissors": "paper", "paper": "rock"}
    assert [winners[name] for name in names] == [*names[1:], names[0]]
    assert len({one.groups for one in board.systems}) == 1


def test_triples_as_counted_one_by_one():
    points = np.random.default_rng(0).integers(0, 4, (9, 9)).astype(float)
    beats = points > points.T
    circles = comparable = 0
    for a, b, c in itertools.combinations(range(9), 3):
        comparable += all(beats[i, j] or beats[j, i] for i, j in ((a, b), (b, c), (a, c)))
        circles += (beats[a, b] and beats[b, c] and beats[c, a]) or (beats[b, a] and beats[c, b] and beats[a, c])
    triples = intransitive_triples(points, most=100)
    assert (triples.intransitive, triples.comparable) == (circles, comparable)
    assert len(triples.examples) == circles


def test_groups_say_who_cannot_be_told_apart_and_nothing_else():
    """Two systems share a letter if and only if they are not told apart, for random patterns of certainty."""
    rng = np.random.default_rng(1)
    for _ in range(30):
        values = rng.normal(size=6)
        better = (values[:, None] - values[None] > 0) & (rng.random((6, 6)) < 0.6)
        groups = shared_groups(better, np.argsort(-values).tolist())
        for one, other in itertools.combinations(range(6), 2):
            together = any(one in group and other in group for group in groups)
            assert together == (not better[one, other] and not better[other, one])
        assert not any(set(a) < set(b) for a, b in itertools.permutations(groups, 2))
    assert letters_of([[0], [1]], 3) == ["a", "b", ""]


def test_equal_systems_are_rarely_told_apart():
    """Simultaneous at 95 %: in 300 studies of 8 equal systems, 5 to 28 claim a difference (0.001 tails)."""
    rng = np.random.default_rng(2)
    wrong = 0
    for _ in range(300):
        values = rng.normal(size=8)
        wrong += bool(told_apart(values, values + rng.normal(size=(300, 8))).any())
    assert 5 <= wrong <= 28


def test_resamples_that_are_all_alike_tell_nobody_apart():
    """Five sources with the same battles: the bootstrap sees no variation, which is no certainty."""
    same = [b for n in range(5) for b in fought("a", "b", 3, 1, source=f"s{n}")]
    for one in ranked(same, anchor=("a", 1100.0)).systems:
        assert (one.low, one.high, one.groups) == (None, None, "")
        assert one.reason == "no interval: all resamples are alike"


def test_davidson_gives_no_number_where_ties_leave_it_open():
    """b never beat a, so that the larger nu, the likelier; of `close` that is so in some resamples alone."""
    board = ranked(fought("a", "b", 5, 0, 9), fought("c", "d", 4, 6, 2), model="davidson")
    assert board["a"].rating is board["b"].rating is None
    assert board["a"].reason.startswith("too many ties")
    assert board["c"].rating < board["d"].rating
    assert ranked(fought("a", "b", 3, 0, 9), fought("b", "a", 0, 2))["a"].rating > 1000
    close = ranked(fought("a", "b", 1, 1, 20), model="davidson")
    assert close["a"].rating == pytest.approx(1000)
    assert "of the resamples" in close["a"].reason


def test_who_beat_some_and_lost_to_others_each_time_does_not_stand_first():
    board = ranked(fought("z", "m", 5), fought("m", "a", 5), fought("z", "y", 4, 6))
    assert [one.system for one in board.systems] == ["y", "z", "a", "m"]


@pytest.mark.slow
@pytest.mark.parametrize("model", ["bradley-terry", "davidson"])
def test_intervals_cover_planted_strengths(model):
    """95 % intervals hold the true rating in 90 to 97 % of 200 studies. Each battle stands three times in its source:
    battles that are alike must not be counted as three."""
    rng = np.random.default_rng(3)
    true = np.array([0.8, 0.5, 0.2, 0.0, -0.4, -1.1])
    ratings = 1000 + 400 / np.log(10) * (true - true.mean())
    names, covered = [f"s{n}" for n in range(6)], []
    for _ in range(200):
        battles = []
        for source in range(60):
            for a, b in itertools.combinations(range(6), 2):
                odds = np.exp(true[a] - true[b])
                nu = 0.5 * np.sqrt(odds) if model == "davidson" else 0.0
                outcome = rng.choice(["win", "tie", "loss"], p=np.array([odds, nu, 1.0]) / (odds + nu + 1))
                battles += [Battle(names[a], names[b], outcome, source=str(source))] * 3
        board = rank(battles_of(battles), RankingOptions(model=model, resampling=FEW))
        covered += [board[name].low <= rating <= board[name].high for name, rating in zip(names, ratings, strict=True)]
    assert 0.90 <= np.mean(covered) <= 0.97, np.mean(covered)
