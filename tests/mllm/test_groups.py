"""Grouping by several columns: test and training rows share neither source nor system, and no row is lost unseen."""

import numpy as np
import pytest

from editmetrics.agreement.splits import SplitError
from editmetrics.mllm.folds import folds
from editmetrics.mllm.groups import TargetError
from editmetrics.mllm.targets import read_training_set, set_aside
from editmetrics.sample import Sample


def crossed(sources=12, systems=6):
    """Every system has edited every source."""
    pictures = [np.full((4, 4, 3), number, np.uint8) for number in range(sources)]
    return [Sample(f"{a}_{b}", edited=pictures[a], source=pictures[a],
                   meta={"system": f"editor {b}", "mos": a + b / 10})
            for a in range(sources) for b in range(systems)]  # fmt: skip


def values(samples):
    return {id(s.source) for s in samples}, {s.meta["system"] for s in samples}


def test_a_fold_tests_rows_whose_source_and_system_are_both_unseen():
    samples = crossed()
    made = folds(samples, 3, group="source,system", seed=2)
    for fold in made:
        assert (len(fold.test), len(fold.train), len(fold.left_out)) == (4 * 2, 8 * 4, 4 * 4 + 8 * 2)
        assert sorted(s.id for part in fold for s in part) == sorted(s.id for s in samples)
        for tested, trained in zip(values(fold.test), values(fold.train), strict=True):
            assert not tested & trained
        of_test = values(fold.test)  # what is left out shares exactly one of the two with a test row
        assert all((id(s.source) in of_test[0]) != (s.meta["system"] in of_test[1]) for s in fold.left_out)
    assert [len(set.union(*each)) for each in zip(*(values(fold.test) for fold in made), strict=True)] == [12, 6]
    again = folds(samples[::-1], 3, group="source, system", seed=2)
    assert [sorted(s.id for s in fold.test) for fold in again] == [sorted(s.id for s in fold.test) for fold in made]


def test_one_column_leaves_nothing_out():
    for group in ("source", "system", None):
        made = folds(crossed(), 3, group=group)
        assert [len(fold.left_out) for fold in made] == [0, 0, 0]
        assert sum(len(fold.test) for fold in made) == 72


def test_a_training_set_by_source_and_system_counts_its_conflicts():
    samples = crossed(20, 10)
    data = read_training_set(samples, targets={"quality": "mos"}, group="source,system", seed=1)
    train, validation = ([example.sample for example in part] for part in (data.train, data.validation))
    for one, other in zip(values(train), values(validation), strict=True):
        assert not one & other
    (reason,) = data.left_out
    assert reason == "in conflict: of source and system, not all are on one side"
    assert len(data.left_out[reason]) + len(train) + len(validation) == 200
    assert len(data.left_out[reason]) > 0 < len(validation) < len(train)
    both = set_aside(samples, group="source,system", seed=1)
    assert [sorted(s.id for s in part) for part in both] == [sorted(s.id for s in part) for part in (train, validation)]


def test_given_validation_data_that_share_either_are_refused():
    samples = crossed()
    apart = [s for s in samples if int(s.id.split("_")[0]) < 6 and s.meta["system"] < "editor 3"]
    for condition, shared in (
        (lambda a, b: a >= 6 and b >= 3, None), (lambda a, b: a >= 6, 18), (lambda a, b: b >= 3, 18),
    ):  # fmt: skip
        val = [s for s in samples if condition(*map(int, s.id.split("_"))) and s not in apart]
        if shared is None:
            read_training_set(apart, val, targets={"quality": "mos"}, group="source,system")
            continue
        with pytest.raises(
            TargetError, match=rf"^{shared} of {len(val)} validation samples share their source or system"
        ):
            read_training_set(apart, val, targets={"quality": "mos"}, group="source,system")


def test_a_row_without_a_system_is_grouped_by_its_source(caplog):
    samples = [*crossed(), Sample("real", edited=crossed()[0].source, source=crossed()[0].source, meta={"mos": 1.0})]
    made = folds(samples, 3, group="source,system")
    assert sum("real" in {s.id for s in fold.test} for fold in made) == 1
    assert sum("real" in {s.id for s in fold.train} for fold in made) == 2
    assert "1 of 73 rows have no 'system' and are grouped without it" in caplog.text


@pytest.mark.parametrize(
    ("group", "error", "message"),
    [
        ("source,sytem", TargetError, r"72 of 72 rows have no 'sytem'.*Did you mean 'system'"),
        ("sorce,system", TargetError, r"have no 'sorce'.*Did you mean 'source'"),
        ("source,", TargetError, "expected a column, or different columns separated by commas"),
        ("source,source", TargetError, "different columns"),
    ],
)
def test_columns_that_do_not_exist_are_errors(group, error, message):
    with pytest.raises(error, match=message):
        folds(crossed(), 3, group=group)


def test_too_few_values_of_either_are_errors():
    with pytest.raises(SplitError, match=r"^system: 2 groups cannot be split into 3 parts"):
        folds(crossed(systems=2), 3, group="source,system")
    diagonal = [s for s in crossed(6, 6) if len(set(s.id.split("_"))) == 1]  # each source has one system
    with pytest.raises(SplitError, match="fold 1 of 6 by source,system has no rows to train or to test; make fewer"):
        folds(diagonal, 6, group="source,system")
