"""What a report claims: who is ahead, what disagrees, what failed."""

import numpy as np
import polars
import pytest
from scipy import stats

from editmetrics.agreement.bootstrap import Resampling
from editmetrics.agreement.columns import read_table
from editmetrics.report.content import correlations, histogram, report_content
from editmetrics.report.leaderboard import boards, grouping_columns
from editmetrics.report.standing import orders, shown_rows, standing
from editmetrics.runs.scored_table import ScoresError

from .tables import column, table


def two_systems(gap, n=40, noise=0.1, higher=True, seed=0):
    """Two systems on the same `n` sources, which differ much more than the systems do."""
    random = np.random.default_rng(seed)
    sources = random.normal(0, 5, n)
    values = np.concatenate([sources + gap + random.normal(0, noise, n), sources + random.normal(0, noise, n)])
    return table([column("m", values, higher=higher)], ["a"] * n + ["b"] * n, [*range(n), *range(n)])


def best(board):
    return [line.system for line in board.lines for cell in line.cells if cell.best]


def test_a_small_lead_on_the_same_sources_is_seen_by_the_paired_test():
    made = two_systems(gap=0.1)
    (board,) = boards(made)
    first, second = (line.cells[0] for line in board.lines)
    assert first.low < second.mean < first.high  # the intervals overlap widely, and the paired test decides
    assert best(board) == ["a"]
    paired = stats.ttest_rel(made.columns[0].values[:40], made.columns[0].values[40:])
    assert paired.pvalue < 0.05


def test_a_lead_is_claimed_where_there_is_none_as_seldom_as_the_level_says():
    claimed = sum(
        bool(best(boards(two_systems(gap=0.0, seed=seed), resampling=Resampling(replicates=200))[0]))
        for seed in range(150)
    )
    assert claimed <= stats.binom.ppf(0.999, 150, 0.06)  # 5 %, and a little for 40 items and 200 resamples


def test_lower_is_better_turns_the_lead():
    assert best(boards(two_systems(gap=0.1, higher=False))[0]) == ["b"]


def test_of_four_items_nothing_is_claimed():
    assert best(boards(two_systems(gap=10, n=4))[0]) == []
    assert best(boards(two_systems(gap=10, n=8))[0]) == ["a"]


def test_a_system_that_fails_on_hard_samples_does_not_win_by_it():
    n = 40
    hardness = np.linspace(0, 10, n)
    honest = hardness + 0.01
    picky = np.where(hardness > 5, hardness, np.nan)  # its mean is higher; on the same samples it is always behind
    made = table([column("m", [*honest, *picky])], ["honest"] * n + ["picky"] * n, [*range(n), *range(n)])
    (board,) = boards(made)
    assert board.lines[1].cells[0].mean > board.lines[0].cells[0].mean
    assert board.lines[1].cells[0].unscored == {"failed": 20}
    assert best(board) == ["honest"]


def test_one_system_is_never_ranked():
    made = table([column("m", np.arange(30.0))])
    assert best(boards(made)[0]) == []
    assert not report_content(made).compared


def test_infinite_scores_are_counted_and_left_out_of_the_mean():
    made = table([column("m", [1.0, 2.0, np.inf, np.nan])])
    (line,) = boards(made)[0].lines
    cell = line.cells[0]
    assert (cell.mean, cell.n, cell.infinite, cell.unscored) == (1.5, 3, 1, {"failed": 1})


def test_groups_have_lines_of_their_own():
    made = two_systems(gap=1, n=20)
    kinds = ["colour", "object"] * 20
    made = table(made.columns, made.systems, made.items, other={"edit_type": kinds, "seed": ["1"] * 40})
    assert grouping_columns(made) == ["edit_type"]
    board = boards(made, ["edit_type"])[1]
    assert [(line.group, line.system, line.samples) for line in board.lines] == [
        ("colour", "a", 10), ("colour", "b", 10), ("object", "a", 10), ("object", "b", 10)
    ]  # fmt: skip
    for line in board.lines:
        inside = [k == line.group and s == line.system for k, s in zip(kinds, made.systems, strict=True)]
        assert line.cells[0].mean == pytest.approx(made.columns[0].values[inside].mean())
    with pytest.raises(ScoresError, match=r"no column 'kind'.*edit_type"):
        grouping_columns(made, ["kind"])


def test_correlations_are_spearmans_turned_so_that_better_is_more():
    random = np.random.default_rng(0)
    x = random.normal(size=50)
    y = -x + random.normal(size=50)
    x[3], y[4] = np.inf, np.nan
    found = correlations([column("x", x), column("y", y, higher=False), column("constant", np.ones(50))])
    there = ~np.isnan(y)
    assert found[0][1].value == pytest.approx(stats.spearmanr(x[there], -y[there])[0])
    assert found[0][1].n == 49
    assert found[1][0] == found[0][1]
    assert found[0][2].value is None
    assert found[0][2].note
    assert found[0][0].value == pytest.approx(1)


def test_the_worst_the_best_and_the_most_disputed():
    good = column("good", [1.0, 2, 3, 4, 5])
    errors = column("errors", [5.0, 4, 3, 2, 1], higher=False)
    odd = column("odd", [1.0, 2, 3, 5, 4])
    found = standing([good, errors, odd])
    assert orders(found)["worst"][0] == 0
    assert orders(found)["best"][0] in (3, 4)
    assert set(orders(found)["disputed"][:2]) == {3, 4}
    assert found.disputants[3] == "odd at 90 %, good at 70 %"
    assert found.disputants[0] == ""


def test_with_ratings_the_disputed_are_those_where_people_differ():
    metric = column("metric", [1.0, 2, 3, 4, 5, np.nan])
    people = column("mos", [1.0, 2, 3, 5, 0, 3])
    found = standing([metric], [(people, [metric])])
    assert orders(found)["disputed"][0] == 4
    assert "people's mos" in found.disputants[4]
    assert np.isnan(found.dispute[5])
    assert 5 not in orders(found)["disputed"]


def test_a_gallery_of_few_takes_from_every_end():
    values = np.random.default_rng(0).normal(size=500)
    other = np.random.default_rng(1).normal(size=500)
    values[77] = np.nan
    found = standing([column("x", values), column("y", other)])
    rows = shown_rows(found, np.isnan(values), 12)
    assert len(rows) == 12 == len(set(rows))
    for order in orders(found).values():
        assert set(order[:3]) <= set(rows)
    assert 77 in rows
    assert shown_rows(found, np.isnan(values), 500) == list(range(500))


def test_histograms_count_every_finite_score_once():
    values = np.concatenate([np.random.default_rng(0).gamma(2, 3, 300), [np.inf, np.nan]])
    made = table([column("x", values)], ["a", "b"] * 151)
    found = histogram(made.columns[0], made)
    assert sum(map(sum, found.counts.values())) == 300
    assert (found.edges[0], found.edges[-1]) == pytest.approx((values[:300].min(), values[:300].max()))
    assert 8 <= len(found.edges) - 1 <= 24
    assert histogram(column("none", [np.nan]), table([column("none", [np.nan])])) is None
    beyond = column("beyond", [1e308, -1e308])
    assert histogram(beyond, table([beyond])) is None


def test_failures_that_are_alike_are_one():
    lost = [np.nan, 1, np.nan]
    made = table([column("x", lost), column("y", lost), column("z", [1, 1, np.nan], statuses="refused")])
    found = report_content(made).failures
    assert [(f.metrics, f.status, list(f.rows)) for f in found] == [("x, y", "failed", [0, 2]), ("z", "refused", [2])]
    assert report_content(table([column("x", lost), column("y", lost)])).failures[0].metrics == "all metrics"


def test_ratings_join_by_id_and_agree_as_evaluate_says(tmp_path):
    random = np.random.default_rng(0)
    people = random.normal(size=60)
    made = table([column("x", people + random.normal(size=60)), column("y", -people, higher=False)])
    order = random.permutation(60)
    polars.DataFrame({"id": [str(n) for n in order], "mos": people[order]}).write_csv(tmp_path / "mos.csv")
    found = report_content(made, ratings=tmp_path / "mos.csv")
    assert found.agreement.value("x", "srcc") == pytest.approx(stats.spearmanr(made.columns[0].values, people)[0])
    assert found.agreement.value("y", "srcc") == pytest.approx(-1)
    assert found.agreement.line("x", "srcc").low is not None
    assert found.ratings[0].values == pytest.approx(people)
    assert found.correlations[1][2].value == pytest.approx(1)  # turned: y agrees with people
    assert read_table(tmp_path / "mos.csv", "mos").measured() == ["mos"]
