"""Arenas: which pairs are asked about, what their answers become, and what an interrupted run costs."""

import itertools
import json
from collections import Counter

import numpy as np
import pytest

from editmetrics import Sample, create_metric, score
from editmetrics.agreement.bootstrap import Resampling
from editmetrics.judge import Answer, Judge
from editmetrics.pairs import Battle, RankingOptions, battles_of, rank, read_battles
from editmetrics.pairs.asking import balanced_order, most_informative
from editmetrics.pairs.judges import judge_agreement
from editmetrics.scoring.arena import ArenaOptions, arena
from editmetrics.scoring.results import PlanError

SYSTEMS = ("dim", "grey", "light", "bright")
TASKS = [f"t{n}" for n in range(6)]


def edit(system, task):
    """An edit that tells by its two pixels who made it, and of what."""
    return np.array([[[20 + 60 * SYSTEMS.index(system)] * 3, [TASKS.index(task)] * 3]], np.uint8)


def samples(systems=SYSTEMS, tasks=TASKS):
    source = np.zeros((1, 2, 3), np.uint8)
    return [
        Sample(f"{system}/{task}", edited=edit(system, task), source=source, prompt="brighter",
               meta={"system": system, "edit_type": "light" if task < "t3" else "dark"})
        for system in systems for task in tasks
    ]  # fmt: skip


class Scripted:
    """A judge that counts what it is asked, and answers with `choose(brightness of A, of B, task)`."""

    parallel, batch_size = 1, 1

    def __init__(self, choose=lambda a, b, task: "A" if a > b else "B"):
        self.choose, self.asked = choose, []

    def identity(self):
        return {"judge": "scripted"}

    def answer(self, questions, stop):
        (question,) = questions
        _, a, b = (image.pixels() for image in question.images())
        self.asked.append((int(a[0, 0, 0]), int(b[0, 0, 0]), int(a[0, 1, 0])))
        winner = self.choose(*self.asked[-1])
        return [Answer(json.dumps({"why": "", "winner": winner}) if winner in ("A", "B") else winner)]


def judged(judge):
    metric = create_metric("pair_judge")
    metric.use(Judge(judge))
    return metric


def test_all_pairs_are_asked_in_both_orders_and_ranked():
    judge = Scripted()
    ran = arena(samples(), judged(judge))
    assert len(judge.asked) == 2 * 6 * 6
    assert {(b, a, task) for a, b, task in judge.asked} == set(judge.asked)
    battles = ran.battles
    assert (len(battles), battles.count(0) + battles.count(1)) == (36, 36)
    assert set(battles.tasks.tolist()) == {"light", "dark"}
    board = rank(battles, RankingOptions(resampling=Resampling(20)))
    assert board.bias.consistency == 1
    assert board.bias.share == 0.5
    assert board["bright"].reason.startswith("won every battle")


def test_a_judge_that_always_says_a_ranks_nothing():
    ran = arena(samples(), judged(Scripted(lambda a, b, task: "A")))
    board = rank(ran.battles, RankingOptions(resampling=Resampling(20)))
    assert (board.bias.share, board.bias.answers) == (1.0, 72)
    assert {one.rating for one in board.systems} == {None}
    assert board.systems[0].inconsistent == 18


def test_a_pair_without_an_answer_is_no_battle():
    ran = arena(
        samples(), judged(Scripted(lambda a, b, task: "Both are fine." if task == 5 else "A" if a > b else "B"))
    )
    assert len(ran.battles) == 30
    ((label, battles),) = ran.by_judge()
    assert label == "pair_judge"
    assert battles.left_out == {"unparseable, by pair_judge": 6}


def test_a_run_resumes_and_its_log_is_read_back(tmp_path):
    log = tmp_path / "log.csv"
    first = Scripted()
    ran = arena(samples(), judged(first), output=log)
    again = Scripted()
    resumed = arena(samples(), judged(again), output=log)
    assert (len(first.asked), len(again.asked)) == (72, 0)
    read = read_battles(log)
    for battles in (resumed.battles, read):
        assert (battles.outcome == ran.battles.outcome).all()
        assert [battles.systems[n] for n in battles.first] == [ran.battles.systems[n] for n in ran.battles.first]
    assert (read.shown_first.sum(), read.shown_second.sum()) == (36, 36)


def test_a_sampled_part_is_balanced_and_repeatable():
    judge, other = Scripted(), Scripted()
    options = ArenaOptions("sampled", budget=15, seed=3)
    ran = arena(samples(), judged(judge), options)
    arena(samples(), judged(other), options)
    assert judge.asked == other.asked
    duels = Counter(tuple(sorted((a, b))) for a, b, _ in judge.asked)
    assert sorted(duels.values()) == [4, 4, 4, 6, 6, 6]
    assert len(ran.battles) == 15


def test_adaptive_questions_go_to_close_systems_and_keep_to_the_budget(tmp_path):
    """light and bright are a toss-up, all else is clear; an interrupted run asks only what is missing."""

    def close(a, b, task):
        better = a > b if {a, b} != {140, 200} else (a > b) == (task % 2 == 0)
        return "A" if better else "B"

    many = [f"t{n}" for n in range(6)]
    options = ArenaOptions("adaptive", budget=24)
    judge = Scripted(close)
    ran = arena(samples(tasks=many), judged(judge), options, output=tmp_path / "log.csv")
    assert len(judge.asked) == 48 == 2 * len(ran.results)
    duels = Counter(tuple(sorted((a, b))) for a, b, _ in judge.asked)
    assert duels[140, 200] == 12, "all six tasks of the closest two"
    assert duels[20, 200] < 12, "and not all of the farthest"

    part, calls, rest = tmp_path / "part.csv", [], Scripted(close)

    def stopped(rows, metrics):
        calls.append(len(rows))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return score(rows, metrics, output=part)

    with pytest.raises(KeyboardInterrupt):
        arena(samples(tasks=many), judged(Scripted(close)), options, run=stopped)
    resumed = arena(samples(tasks=many), judged(rest), options, output=part)
    assert len(rest.asked) == 48 - 2 * calls[1]
    assert [s.id for s in resumed.results.samples] == [s.id for s in ran.results.samples]


def test_scores_of_single_images_give_pairs_for_free():
    ran = arena(samples(), ["mse", "psnr"], ArenaOptions(tie_threshold=1e-9))
    by_judge = dict(ran.by_judge())
    assert by_judge.keys() == {"mse", "psnr"}
    for battles in by_judge.values():  # nearer to black is nearer to the source, in both directions of a score
        board = rank(battles, RankingOptions(resampling=Resampling(0)))
        assert board["dim"].wins == board["bright"].losses == 18
        assert not battles.both_orders.any()
    tied = arena(samples(), "mse", ArenaOptions(tie_threshold=1e9)).battles
    assert tied.count(2) == 36
    (line,) = judge_agreement(ran.battles)
    assert (line.battles, line.share) == (36, 1.0)


def test_kappa_is_agreement_beyond_chance():
    """Cohen's formula, written with counts; one battle more is turned round, and was answered inconsistently."""
    one, other = "wwwllltttw", "wwlllttwtl"
    words = {"w": "win", "l": "loss", "t": "tie"}
    rows = [Battle("a", "b", words[o], id=str(n), judge=judge)
            for judge, outcomes in (("j", one), ("k", other)) for n, o in enumerate(outcomes)]  # fmt: skip
    rows += [Battle("b", "a", "win", id="x", judge="j"), Battle("a", "b", "inconsistent", id="x", judge="k")]
    (line,) = judge_agreement(battles_of(rows))
    observed = np.mean([a == b for a, b in zip(one, other, strict=True)])
    chance = sum(one.count(c) * other.count(c) for c in "wlt") / 100
    assert (line.battles, line.inconsistent, line.share) == (10, 1, pytest.approx(observed))
    assert line.kappa == pytest.approx((observed - chance) / (1 - chance))


def test_without_ids_one_source_and_two_systems_are_one_battle():
    """s1 and, turned round, s2 are shared; k judged s3 twice, so that neither of its battles is the same as j's."""
    rows = [("a", "b", "win", "s1", "j"), ("a", "b", "tie", "s2", "j"), ("a", "b", "win", "s3", "j"),
            ("a", "b", "win", "s1", "k"), ("b", "a", "win", "s2", "k"), ("a", "b", "win", "s3", "k"),
            ("a", "b", "loss", "s3", "k"), ("a", "c", "win", "s1", "l")]  # fmt: skip
    lines = judge_agreement(battles_of(Battle(a, b, o, source=s, judge=j) for a, b, o, s, j in rows))
    assert [(one.judge, one.other, one.battles, one.share) for one in lines] == [
        ("j", "k", 2, 0.5), ("j", "l", 0, None), ("k", "l", 0, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "metrics", "options", "message"),
    [
        (samples(SYSTEMS[:1]), "mse", {}, "two systems or more"),
        (samples(SYSTEMS[:1], TASKS[:2]) + samples(SYSTEMS[1:2], TASKS[3:]), "mse", {}, "no two systems have a task"),
        (samples(), ["mse", "pair_judge"], {}, "one kind in a run"),
        (samples(), "mse", {"ask": "sampled", "budget": 3}, "at no cost"),
        (samples(), "mse", {"task": "edit_typ"}, "Did you mean 'edit_type'"),
    ],
)
def test_arenas_that_cannot_be(rows, metrics, options, message):
    with pytest.raises(PlanError, match=message):
        arena(rows, metrics, ArenaOptions(**options))


@pytest.mark.parametrize("options", [{"ask": "sampled"}, {"budget": 5}, {"ask": "adaptive", "budget": 0}, {"ask": "x"}])
def test_a_part_has_a_budget(options):
    with pytest.raises(PlanError, match=r"budget|ask is"):
        ArenaOptions(**options)


def test_the_most_informative_pairs_are_those_of_a_brute_force():
    """The determinant of the information after each possible battle, computed for each."""
    rng = np.random.default_rng(0)
    points = rng.integers(0, 5, (5, 5)).astype(float)
    np.fill_diagonal(points, 0)
    from editmetrics.pairs.asking import PRIOR, _posterior

    strengths, covariance = _posterior(points)
    gains = {}
    for i, j in itertools.combinations(range(5), 2):
        win = 1 / (1 + np.exp(strengths[j] - strengths[i]))
        along = np.zeros(5)
        along[i], along[j] = 1, -1
        information = np.linalg.inv(covariance) + win * (1 - win) * np.outer(along, along)
        gains[i, j] = np.linalg.slogdet(information)[1]
    assert most_informative(points, dict.fromkeys(gains, 1), 1) == [max(gains, key=gains.get)]
    assert sorted(most_informative(points, dict.fromkeys(gains, 1), 99)) == sorted(gains), "each as often as it is left"
    games = points + points.T
    slope = (points - games / (1 + np.exp(strengths[None] - strengths[:, None]))).sum(axis=1) - strengths / PRIOR**2
    np.testing.assert_allclose(slope, 0, atol=1e-8)


def test_each_beginning_of_the_order_is_balanced():
    tasks = {duel: [f"t{n}" for n in range(5)] for duel in itertools.combinations(range(4), 2)}
    order = balanced_order(tasks, seed=1)
    assert len(set(order)) == 30
    for length in range(1, 31):
        counts = Counter(duel for duel, _ in order[:length])
        assert max(counts.values()) - min(counts.get(duel, 0) for duel in tasks) <= 1
