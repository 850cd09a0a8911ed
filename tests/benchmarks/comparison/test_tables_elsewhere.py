"""Tables of a data set that another data set's paper prints: LMM4LMM's Table 5, a column at a time."""

import numpy as np
import pytest

from editmetrics.benchmarks.benchmark import BenchmarkError
from editmetrics.benchmarks.catalogue import published
from editmetrics.benchmarks.comparison.paper_table import paper_tables
from editmetrics.benchmarks.comparison.redo import TableRequest, in_print

from .made_up import copy_of, redone, written

SETS = {"evalmuse-40k": "EvalMuse", "genai-bench-1600": "GenAI-Bench", "tifa-v1": "TIFA", "richhf-18k": "RichHF",
        "agiqa-3k": "AGIQA3K", "aigciqa2023": "AIGCIQA"}  # fmt: skip


@pytest.mark.parametrize("name", SETS)
def test_a_column_of_lmm4lmms_table_5_is_a_table_of_its_data_set(name):
    (result,) = in_print(name, TableRequest(tables=["Table 5"]))
    assert list(result.table.titles.values()) == [SETS[name]]
    own = {(row.method, row.measure): row.value for row in published(name) if row.table == "Table 5"}
    assert len(own) == 18
    assert {column.data for column in result.table.columns} == {name}
    assert {(m, c.measure): v for (m, c), v in result.table.values.items() if c.data == name} == own
    trained = {m.name: m.trained_on for m in result.table.methods if m.train}
    assert trained == {"LMM4LMM": "evalmi-50k", "LMM4LMM (trained on EvalMuse-40K)": "evalmuse-40k"}


def test_a_copy_of_the_paper_s_data_set_adds_its_column(tmp_path):
    rng = np.random.default_rng(0)
    ratings = rng.uniform(0, 5, (30, 2))
    agiqa = copy_of("agiqa-3k", [{"perception": p, "alignment": a} for p, a in ratings.tolist()], prompt="prompt {n}")
    evalmi = copy_of("evalmi-50k", [{"perception": 50.0, "correspondence": 50.0}] * 4, prompt="prompt {n}")
    path = written(tmp_path / "scores.csv", {"id": [s.id for s in agiqa.samples], "LMM4LMM.alignment": ratings[:, 1],
                                             "mine.alignment": -ratings[:, 1]})  # fmt: skip
    (alone,) = redone(agiqa, tmp_path / "1", path)
    both = redone(agiqa, tmp_path / "2", path, **{"evalmi-50k": evalmi})[0]
    assert [column.data for column in alone.table.columns] == ["agiqa-3k"] * 2
    assert [column.data for column in both.table.columns] == ["evalmi-50k"] * 2 + ["agiqa-3k"] * 2
    column = alone.table.columns[0]
    assert alone.value("LMM4LMM", column) == pytest.approx(1)
    assert alone.difference("LMM4LMM", column) == pytest.approx(1 - 0.8011)
    assert alone.ranks(column) == {"LMM4LMM": 1, "mine": 2}
    test = alone.tests["mine", column]
    assert (test.score, test.against, test.n) == ("mine", "LMM4LMM", 30)
    assert test.difference == pytest.approx(-2)


def test_a_data_set_without_any_table_says_what_can_be_done():
    assert not paper_tables("agiqa-1k")
    with pytest.raises(BenchmarkError, match=r"agiqa-1k is known here; .* '--table --also agiqa-1k=PATH' adds it"):
        in_print("agiqa-1k", TableRequest())
