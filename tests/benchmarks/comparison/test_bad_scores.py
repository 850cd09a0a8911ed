"""Files of scores that do not fit the data set, and data sets that lack something: each message has the remedy."""

from dataclasses import replace

import numpy as np
import pytest

from editmetrics.benchmarks.benchmark import BenchmarkError
from editmetrics.benchmarks.comparison.compute import Computation, ComputeOptions, NotComputedError
from editmetrics.benchmarks.comparison.layout import comparison_tables
from editmetrics.benchmarks.comparison.paper_table import TableMethod

from .made_up import copy_of, redone, written

RATINGS = np.random.default_rng(0).uniform(0, 5, (30, 2))


@pytest.fixture
def agiqa():
    return copy_of("agiqa-3k", [{"perception": p, "alignment": a} for p, a in RATINGS.tolist()], prompt="prompt {n}")


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["x", "y"], r"no id of .*scores.csv is a sample of AGIQA-3K: x, y; expected ids such as i0, i1"),
        (["i1", "i2", "i1"], r"scores.csv names 1 sample more than once: i1; keep one of each"),
    ],
)
def test_scores_of_nothing_or_of_something_twice_are_refused(agiqa, tmp_path, ids, message):
    path = written(tmp_path / "scores.csv", {"id": ids, "mine.alignment": range(len(ids))})
    with pytest.raises(BenchmarkError, match=message):
        redone(agiqa, tmp_path, path)


def test_rows_without_a_sample_count_nowhere_and_are_named(agiqa, tmp_path):
    ids = [sample.id for sample in agiqa.samples]
    path = written(tmp_path / "scores.csv", {"id": [*ids[:20], "z1", "z2"], "mine.alignment": [*RATINGS[:20, 1], 9, 9]})
    (result,) = redone(agiqa, tmp_path, path)
    line = result.lines["mine", result.table.columns[0]]
    assert (line.n, line.excluded) == (20, 10)
    assert line.value == pytest.approx(1)
    notes = [note for table in comparison_tables(result) for note in table.notes]
    assert f"of no evaluated sample: 2 rows of {path}: z1, z2" in notes


def test_nothing_is_told_of_how_scores_in_a_file_were_computed(agiqa, tmp_path):
    """VQAScore is asked of another model here, which says nothing about the scores of others, or about no score."""
    ids = [sample.id for sample in agiqa.samples]
    for name in ("VQAScore", "PickScore"):
        path = written(tmp_path / f"{name}.csv", {"id": ids, f"{name}.alignment": RATINGS[:, 1]})
        (result,) = redone(agiqa, tmp_path / name, path)
        assert not any("default model" in note for table in comparison_tables(result) for note in table.notes)


def test_methods_are_tested_on_the_samples_that_both_scored(agiqa, tmp_path):
    """The paper's method scored 20 images, another 15 of them and 10 more: the difference is that of the 15."""
    half = [None if n < 10 else value for n, value in enumerate(RATINGS[:, 1])]
    mine = [None if 10 <= n < 15 else 5 - value if n < 10 else value for n, value in enumerate(RATINGS[:, 1])]
    path = written(tmp_path / "scores.csv", {"id": [s.id for s in agiqa.samples], "LMM4LMM.alignment": half,
                                             "mine.alignment": mine})  # fmt: skip
    (result,) = redone(agiqa, tmp_path, path)
    column = result.table.columns[0]
    assert [result.lines[name, column].n for name in ("LMM4LMM", "mine")] == [20, 25]
    test = result.tests["mine", column]
    assert (test.n, test.difference) == (15, 0)
    assert result.value("mine", column) < 1


def test_three_rated_images_have_a_figure_and_no_test(agiqa, tmp_path):
    ids = [sample.id for sample in agiqa.samples[:3]]
    path = written(
        tmp_path / "scores.csv", {"id": ids, "LMM4LMM.alignment": RATINGS[:3, 1], "mine.alignment": [1, 2, 4]}
    )
    (result,) = redone(agiqa, tmp_path, path)
    line = result.lines["LMM4LMM", result.table.columns[0]]
    assert (line.value, line.n, line.excluded, line.low) == (pytest.approx(1), 3, 27, None)
    assert result.untested == "no paired tests against LMM4LMM: too few samples that both scored"
    two = written(tmp_path / "two.csv", {"id": ids[:2], "mine.alignment": [1, 2]})
    (result,) = redone(agiqa, tmp_path, two)
    line = result.lines["mine", result.table.columns[0]]
    assert (line.value, line.note) == (None, "n = 2; srcc requires at least 3 items")


def test_a_fold_that_no_file_names_is_named(tmp_path):
    rows = [{"perception": 50.0, "correspondence": 50.0, **({"fold": str(n % 5)} if n % 5 else {})} for n in range(20)]
    copy = copy_of("evalmi-50k", rows, prompt="prompt {n}")
    name = "evalmi-50k"
    computation = Computation({name: copy}, {name: copy.chosen()}, ComputeOptions(tmp_path))
    message = (
        r"^trained by fold, and 4 samples have none \(i0, i5, i10 and 1 more\); the copy has fold 1, 2, 3, 4; "
        r"add the file of each missing fold: .*evalmi-50k"
    )
    with pytest.raises(NotComputedError, match=message):
        computation.scores(TableMethod("LMM4LMM", "own", "mllm", train="lmm4lmm"), name, name)


def test_ratings_of_two_scales_are_not_learned_at_once(tmp_path):
    rows = [{"perception": 3.0, "correspondence": 50.0, "fold": str(n % 2)} for n in range(20)]
    copy = copy_of("evalmi-50k", rows, prompt="prompt {n}")
    ratings = copy.benchmark.ratings
    mixed = {**ratings, "perception": replace(ratings["perception"], low=1, high=5)}
    copy = replace(copy, benchmark=replace(copy.benchmark, ratings=mixed))
    computation = Computation({"evalmi-50k": copy}, {"evalmi-50k": copy.chosen()}, ComputeOptions(tmp_path))
    with pytest.raises(
        NotComputedError, match="perception 1 to 5, correspondence 0 to 100; 'editmetrics fit' trains it"
    ):
        computation.scores(TableMethod("LMM4LMM", "own", "mllm", train="lmm4lmm"), "evalmi-50k", "evalmi-50k")
