"""Data sets of pairs: the published scripts' rules, written again here, on random scores with ties and gaps."""

import itertools
from types import SimpleNamespace

import numpy as np
import polars
import pytest

from editmetrics.agreement.columns import read_table
from editmetrics.agreement.protocols import PROTOCOLS
from editmetrics.benchmarks.benchmark import BenchmarkError
from editmetrics.benchmarks.catalogue import benchmark, published
from editmetrics.benchmarks.editreward_bench_editscore.reader import CATEGORIES
from editmetrics.benchmarks.evaluation import evaluate
from editmetrics.benchmarks.load import load
from editmetrics.benchmarks.stored_pairs import differences

EDITSCORE, TIGER = "editreward-bench-editscore", "editreward-bench-tiger"
TABLE = "data/train-00000-of-00001.parquet"


def part_of(copies, name):
    return load(name, copies[name]).chosen()


def changed(folder, row, **cells):
    """Change cells of one row of a copy's table."""
    rows = polars.read_parquet(folder / TABLE).to_dicts()
    rows[row] |= cells
    polars.DataFrame(rows).write_parquet(folder / TABLE)
    return folder


def test_editscore_is_the_mean_of_tasks_of_strictly_higher_scores(copies):
    part = part_of(copies, EDITSCORE)
    names = [sample.id for sample in part.edits()]
    rng = np.random.default_rng(3)
    scores = dict(zip(names, rng.integers(0, 3, len(names)).astype(float), strict=True))  # many ties
    result = evaluate(part, {"id": names, "mine.overall": [scores[name] for name in names]}).agreement
    rows = polars.read_parquet(copies[EDITSCORE] / TABLE).filter(dimension="overall").to_dicts()
    tasks = {}
    for row in rows:
        one, other = (scores[key] for key in row["key"])
        tasks.setdefault(row["task_type"], []).append(one > other)
    means = {task: np.mean(right) for task, right in tasks.items()}
    assert any(scores[one] == scores[other] for one, other in (row["key"] for row in rows))
    assert result.value("mine", "accuracy", "overall", "average over task") == pytest.approx(np.mean([*means.values()]))
    assert result.value("mine", "accuracy", "overall") == pytest.approx(np.mean(list(itertools.chain(*tasks.values()))))
    for category, inside in CATEGORIES.items():
        expected = np.mean([means[task] for task in inside])
        assert result.value("mine", "accuracy", "overall", f"category={category}") == pytest.approx(expected)
    assert {line.rating for line in result.lines} == {"overall"}
    line = result.line("mine", "accuracy", "overall")
    assert line.low < line.value < line.high


def test_a_pair_without_both_scores_is_counted_and_not_guessed(copies):
    part = part_of(copies, EDITSCORE)
    names = [sample.id for sample in part.edits()]
    scores = [float(number) for number in range(len(names))]
    scores[0] = None
    result = evaluate(part, {"id": names, "mine.overall": scores}).agreement
    line = result.line("mine", "accuracy", "overall")
    assert (line.n, line.excluded) == (38, 1)


def test_infinite_scores_are_equal_or_further_apart_than_any_others(copies):
    part = part_of(copies, TIGER)
    one, other, *names = [sample.id for sample in part.edits()]
    infinite = [float("inf"), float("inf"), *[0.0] * len(names)]
    gaps = differences(read_table({"id": [one, other, *names], "psnr": infinite}, "s"), part).columns["psnr"]
    assert gaps[0] == 0
    infinite[1] = -1e300
    gaps = differences(read_table({"id": [one, other, *names], "psnr": infinite}, "s"), part).columns["psnr"]
    assert 1e307 < gaps[0] < float("inf")


def ranked_sets(rng):
    """Sets of 2, 3 and 4 edits: a ranking, best first ("tie" of two), and scores with ties and a little sense."""
    for size, count in ((2, 60), (3, 50), (4, 40)):
        for number in range(count):
            ranking = tuple(rng.permutation(size).tolist())
            scores = np.round(rng.normal(0, 1, size) - 0.8 * np.argsort(ranking), 0 if number % 2 else 1)
            yield "tie" if size == 2 and number % 3 == 0 else ranking, scores


def accuracy_at(threshold, people, gaps):
    right = [abs(gap) <= threshold if h == 0 else abs(gap) > threshold and h * gap > 0 for h, gap in
             zip(people, gaps, strict=True)]  # fmt: skip
    return np.mean(right)


def best(people, gaps):
    """The best accuracy with ties, and the smallest threshold that has it."""
    thresholds = [0.0, *sorted({abs(gap) for gap in gaps})]
    values = [accuracy_at(threshold, people, gaps) for threshold in thresholds]
    return max(values), thresholds[int(np.argmax(values))]


def as_table(sets):
    table = {name: [] for name in ("k", "item", "rating.preference", "score.preference")}
    for number, (ranking, scores) in enumerate(sets):
        for i, j in itertools.combinations(range(len(scores)), 2):
            better = 0 if ranking == "tie" else 1 if ranking.index(i) < ranking.index(j) else -1
            for name, cell in zip(table, (len(scores), f"{number}", better, scores[i] - scores[j]), strict=True):
                table[name].append(cell)
    return table


def test_tiger_is_the_script_s_ranking_by_scores_and_its_tie_threshold():
    sets = list(ranked_sets(np.random.default_rng(0)))
    table = as_table(sets)
    lines = {(line.group, line.measure): line for line in PROTOCOLS[TIGER].run(table)}
    sizes, people, gaps = (np.array(table[name]) for name in ("k", "rating.preference", "score.preference"))
    two_with_ties, threshold = best(people[sizes == 2], gaps[sizes == 2])
    assert threshold > 0
    assert lines["k=2", "pairs_with_ties"].value == pytest.approx(two_with_ties)
    assert lines["all", "pairs_with_ties"].value == pytest.approx(best(people, gaps)[0])
    decided = people != 0
    assert lines["all", "pairs_without_ties"].value == pytest.approx((people * gaps > 0)[decided].mean())
    assert lines["all", "pairs_without_ties"].n == decided.sum() < len(people)
    for size in (3, 4):
        right = people[sizes == size] * gaps[sizes == size] > 0
        assert lines[f"k={size}", "pairs_without_ties"].value == pytest.approx(right.mean())
    correct, strict = {2: [], 3: [], 4: []}, []
    for ranking, scores in sets:
        if ranking == "tie":
            right = whole = abs(scores[0] - scores[1]) <= threshold
        else:
            right = tuple(np.argsort(scores)[::-1]) == ranking  # of equal scores the later one is first
            whole = right and len(set(scores)) == len(scores)
        correct[len(scores)].append(right)
        strict.append(whole)
    for size, right in correct.items():
        assert lines[f"k={size}", "ranking_accuracy"].value == pytest.approx(np.mean(right))
        assert lines[f"k={size}", "ranking_accuracy"].n == len(right)
    total = np.concatenate([*correct.values()])
    assert lines["all", "ranking_accuracy"].value == pytest.approx(total.mean())
    assert lines["all", "ranking_accuracy_ties_wrong"].value == pytest.approx(np.mean(strict))
    assert np.mean(strict) < total.mean()


def test_a_set_with_a_pair_without_a_score_has_no_ranking():
    sets = [((0, 1, 2), np.array([3.0, 2.0, 1.0])), ((0, 1, 2), np.array([3.0, 2.0, 1.0]))]
    table = as_table(sets)
    table["score.preference"][1] = None
    line = next(line for line in PROTOCOLS[TIGER].run(table) if line.measure == "ranking_accuracy")
    assert (line.value, line.n, line.excluded) == (1.0, 1, 1)
    fewer = {name: cells[1:] for name, cells in as_table(sets).items()}  # a part that lacks a pair
    line = next(line for line in PROTOCOLS[TIGER].run(fewer) if line.measure == "ranking_accuracy")
    assert (line.value, line.n, line.excluded) == (1.0, 1, 1)


def test_the_outcome_of_a_judge_of_pairs_is_its_choice(copies):
    """A contradiction is right in no pair, not even in one that people tie; no threshold makes a tie of a choice."""
    part = part_of(copies, TIGER)
    samples = part.samples
    outcomes = [{1.0: "win", -1.0: "loss", 0.0: "tie"}[sample.meta["preference"]] for sample in samples]
    preferences = [{"win": 0.5, "loss": -0.5, "tie": 0.0}[outcome] for outcome in outcomes]
    scores = {"id": [s.id for s in samples], "judge.preference": preferences, "judge.consistent": [1] * len(samples),
              "judge.outcome": outcomes}  # fmt: skip
    right = evaluate(part, scores).agreement
    assert {line.value for line in right.lines} == {1.0}
    assert {line.score for line in right.lines} == {"judge"}
    scores["judge.outcome"] = ["inconsistent"] * len(samples)
    scores["judge.preference"] = [0.0] * len(samples)
    contradictory = evaluate(part, scores).agreement
    assert 0.0 in {sample.meta["preference"] for sample in samples}
    assert {line.value for line in contradictory.lines} == {0.0}
    scores["judge.outcome"] = ["tie"] * len(samples)
    undecided = evaluate(part, scores).agreement  # the later edit of a tie does not win, as it does for scores
    tied = np.mean([s.meta["preference"] == 0 for s in samples if s.meta["k"] == 2])
    assert undecided.value("judge", "ranking_accuracy", "preference", "k=2") == pytest.approx(tied)
    assert undecided.value("judge", "ranking_accuracy", "preference", "k=3") == 0


def test_metrics_of_one_edit_and_of_two_are_run_apart(copies):
    part = part_of(copies, TIGER)
    single, double = (SimpleNamespace(name=name, needs=needs) for name, needs in
                      (("one", {"edited"}), ("two", {"edited", "rival"})))  # fmt: skip
    assert [s.rival is None for s in part.samples_for([single])] == [True] * 27  # 3 sets of 2, 3 and 4
    assert [s.rival is None for s in part.samples_for([double])] == [False] * 30
    assert not any("preference" in sample.meta for sample in part.samples_for([double]))
    with pytest.raises(BenchmarkError, match="two compare two edits"):
        part.samples_for([single, double])
    with pytest.raises(BenchmarkError, match="neither the pairs of EditReward-Bench"):
        evaluate(part, {"id": ["x", "y"], "mine": [1, 2]})


@pytest.mark.parametrize(("ranking", "preference"), [("A>B", 1), ("A<B", -1), ("B>A", -1), ("A=B=Good", 0)])
def test_a_ranking_is_read_in_every_spelling(copy_of, ranking, preference):
    copy = load(TIGER, changed(copy_of(TIGER), 0, ranking=ranking), images=False)
    assert copy.samples[0].meta["preference"] == preference
    assert copy.complete


def test_the_name_of_both_names_both():
    with pytest.raises(BenchmarkError, match=f"{EDITSCORE} .* or {TIGER} "):
        benchmark("EditReward-Bench")


def test_a_metric_is_scored_on_each_edit_once(run, copies, tmp_path):
    arguments = ("benchmark", TIGER, copies[TIGER], "-m", "mae", "-o", tmp_path / "s.csv")
    first = run(*arguments)
    assert first.code == 0, first.err
    assert "mae" in first.out
    assert "0.3842" in first.out  # EditReward's own
    assert polars.read_csv(tmp_path / "s.csv").height == 27
    refused = run("benchmark", TIGER, copies[TIGER], "--manifest", copies[TIGER] / "m.csv")
    assert refused.code == 2
    assert "inside its parquet files" in refused.err


@pytest.mark.parametrize(
    ("name", "cells", "problem"),
    [
        (EDITSCORE, {"key": ["a", "a"]}, "expected the names of two edits"),
        (EDITSCORE, {"task_type": "dancing"}, "task_type is 'dancing'"),
        (EDITSCORE, {"dimension": None}, "dimension is empty"),
        (EDITSCORE, {"input_image": {"bytes": b"\x89PNG\r\n\x1a\n cut", "path": None}}, "is damaged"),
        (EDITSCORE, {"input_image": None}, "input_image is empty"),
        (TIGER, {"ranking": "A>C"}, "expected which of A and B is better, or a tie"),
        (TIGER, {"comparison_type": "BvsA"}, "expected an id, 2pair, 3pair or 4pair"),
        (TIGER, {"id": "set1_AB"}, "occurs 2 times"),
    ],
)
def test_what_is_wrong_with_a_row_spoils_that_row(copy_of, name, cells, problem):
    copy = load(name, changed(copy_of(name), 0, **cells))
    assert problem in copy.report()
    with pytest.raises(BenchmarkError, match="not a complete copy"):
        copy.chosen()
    part = copy.chosen(partial=True)
    assert len(part.samples) < {EDITSCORE: 3 * 39, TIGER: 30}[name]
    assert part.caveat is not None


def test_the_published_means_of_editscore_are_those_of_its_categories():
    values = {(row.method, row.rating, row.group): row.value for row in published(EDITSCORE)}
    assert len(values) == 12 * 3 * 5
    for method, rating, group in values:
        if group == "average over task":
            mean = sum(values[method, rating, f"category={c}"] * len(tasks) for c, tasks in CATEGORIES.items()) / 13
            assert values[method, rating, group] == pytest.approx(mean, abs=1e-3)  # printed to three decimals


def test_the_published_overall_of_tiger_is_that_of_its_parts_or_noted():
    """Within one set of 484: 186 pairs, 150 sets of three and 148 of four, which all of Random's figures imply."""
    values = {(row.method, row.group): row for row in published(TIGER)}
    for (method, group), row in values.items():
        if group == "all":
            parts = sum(values[method, f"k={k}"].value * count for k, count in ((2, 186), (3, 150), (4, 148))) / 484
            assert (abs(parts - row.value) > 1 / 484) is (row.note is not None), method
