"""Is one system better than another: against scipy, Holm's own procedure, and the comparison of two runs."""

import numpy as np
import pytest
from scipy import stats

from editmetrics.agreement.measure import AgreementError
from editmetrics.agreement.systems import DO_NOTHING, Scores, compare_systems, tasks_of
from editmetrics.runs.comparison import compare

from ..report.tables import column, table


def tasks(*systems, n):
    return tasks_of([f"{s}/{i}" for s in systems for i in range(n)], [s for s in systems for _ in range(n)],
                    [None] * n * len(systems), [None] * n * len(systems))  # fmt: skip


@pytest.mark.parametrize("higher", [True, False])
def test_two_systems_are_compared_as_the_paired_t_test_compares_them(higher):
    random = np.random.default_rng(0)
    hardness = random.normal(0, 10, 80)
    first, second = hardness + 0.5 + random.normal(0, 1, 80), hardness + random.normal(0, 1, 80)
    first[3] = np.nan  # is in neither mean
    found = compare_systems([Scores("m", np.concatenate([first, second]), higher)], tasks("a", "b", n=80))
    (line,) = found["m"].lines
    step = np.delete(first - second, 3)
    interval = stats.ttest_1samp(step, 0).confidence_interval()
    assert (line.system, line.other, line.n) == ("a", "b", 79)
    assert line.difference == pytest.approx(step.mean())
    assert line.effect == pytest.approx(step.mean() / step.std(ddof=1))
    # percentile ends of 1,000 resamples vary by some 5 % of the width, and are a little narrower than Student's
    assert (line.low, line.high) == pytest.approx(interval, abs=0.12 * (interval.high - interval.low))
    assert found.best == {"m": "a" if higher else "b"} == {"m": line.winner}
    assert str(found).endswith(f"p = {line.p:.2g}, {line.winner} is better")


def test_it_is_the_comparison_of_two_runs():
    """The same numbers as `compare`, of the table of one system with that of the other, to the last bit."""
    random = np.random.default_rng(1)
    values = random.normal(np.array([[0.4], [0]]), 1, (4, 2, 30))
    of_a, of_b = (table([column(f"m{k}", values[k, s]) for k in range(4)]) for s in (0, 1))
    found = compare_systems([Scores(f"m{k}", values[k].ravel()) for k in range(4)], tasks("a", "b", n=30))
    for contest, moved in zip(found, compare(of_b, of_a).moved, strict=True):
        (line,) = contest.lines
        names = ("mean_a", "mean_b", "difference", "low", "high", "p", "effect", "n", "better", "worse", "verdict")
        assert [getattr(line, name) for name in names] == [getattr(moved, name) for name in names]


def test_verdicts_are_after_holms_correction_for_all_lines():
    random = np.random.default_rng(9)
    shifts = np.linspace(0.2, 0.6, 8)
    columns = [Scores(f"m{k}", np.r_[random.normal(shift, 1, 40), np.zeros(40)]) for k, shift in enumerate(shifts)]
    found = compare_systems(columns, tasks("a", "b", n=40))
    p = {contest.column: contest.lines[0].p for contest in found}
    rejected, left = set(), sorted(p, key=p.get)
    while left and p[left[0]] * len(left) < 0.05:
        rejected.add(left.pop(0))
    assert {name for name, winner in found.best.items() if winner} == rejected
    # else the data would not show the correction, or not Holm's beside Bonferroni's
    assert any(value < 0.05 for name, value in p.items() if name not in rejected)
    assert any(p[name] > 0.05 / 8 for name in rejected)


def test_the_best_of_three_is_ahead_of_each_other_one_by_more_than_noise():
    random = np.random.default_rng(3)
    hardness = random.normal(0, 5, 40)
    low, near, top = (hardness + shift + random.normal(0, 0.1, 40) for shift in (0, 0.99, 1))
    of_three = tasks("low", "near", "top", n=40)
    close = compare_systems([Scores("m", np.r_[low, near, top])], of_three)["m"]
    assert (close.best, close.not_told_apart, close.closest.other) == (None, ["near"], "near")
    clear = compare_systems([Scores("m", np.r_[low, near - 0.5, top])], of_three)
    assert clear.best == {"m": "top"}
    assert [(line.system, line.other) for line in clear["m"].lines] == [("top", "low"), ("top", "near")]
    pair = compare_systems([Scores("m", np.r_[low, near, top])], of_three, systems=["low", "top"])
    assert (pair.systems, pair.best) == (["low", "top"], {"m": "top"})
    with pytest.raises(AgreementError, match="'lwo'; expected low, near, top"):
        compare_systems([], of_three, systems=["lwo"])


def test_doing_nothing_is_ranked_with_none():
    values = np.r_[np.full(20, 0.5), np.full(20, 0.4), np.ones(20)] + np.random.default_rng(4).normal(0, 0.01, 60)
    found = compare_systems([Scores("likeness", values)], tasks("a", "b", DO_NOTHING, n=20))
    assert (found.systems, found.best) == (["a", "b"], {"likeness": "a"})


def test_many_tests_have_resamples_enough_to_decide():
    """Fourteen others in 8 columns: 1,000 resamples can say no p below 2 / 1001, which 112 tests turn into .22."""
    random = np.random.default_rng(5)
    names = [f"s{k}" for k in range(15)]
    columns = [Scores(f"m{k}", random.normal(size=(15, 30)).ravel() + (np.arange(450) < 30) * 3) for k in range(8)]
    found = compare_systems(columns, tasks(*names, n=30))
    assert set(found.best.values()) == {"s0"}
    assert found.resampling.replicates > 2 * 112 / 0.05


def test_without_a_direction_or_a_common_sample_nothing_is_claimed():
    unknown = Scores("u", np.arange(40.0), known=False)
    assert len(compare_systems([unknown], tasks("a", "b", n=20))) == 0
    apart = tasks_of([f"{k}" for k in range(40)], ["a"] * 20 + ["b"] * 20, [f"{k}.png" for k in range(40)], [None] * 40)
    found = compare_systems([Scores("m", np.arange(40.0))], apart)
    assert (found["m"].lines[0].verdict, found["m"].best) == ("too few", None)
