"""EPAIQA's Table 3: regressors of the scores that other rows have, against scikit-learn and on data made to deceive."""

import csv

import numpy as np
import pytest
from scipy.stats import spearmanr

from editmetrics.agreement.splits import split
from editmetrics.benchmarks.comparison.compute import Computation, ComputeOptions, NotComputedError
from editmetrics.benchmarks.comparison.layout import comparison_tables
from editmetrics.benchmarks.comparison.paper_table import paper_tables
from editmetrics.combining import regressors

from .made_up import copy_of, redone, written

pytest.importorskip("sklearn")
FR, NR, TYPES = "Best competitor (FR-IQA)", "Best competitor (NR-IQA)", ("style change", "object operation")


@pytest.fixture(autouse=True)
def _few_trees(monkeypatch):
    monkeypatch.setattr(regressors, "TREES", 10)


def made(rng, count=80, overall=None, edits=4):
    """Edits of sources, every tenth not completed; TOPIQ-FR's two scores are their ratings and noise."""
    harmony, natural = rng.uniform(1, 5, (2, count))
    overall = (harmony + natural) / 2 if overall is None else overall
    rows = [
        {"edit_type": TYPES[n % 2], "split": "test", "prompt_completion": "2" if n % 10 == 9 else "3",
         "harmony": harmony[n], "local_naturalness": natural[n], "overall_quality": overall[n]}
        for n in range(count)
    ]  # fmt: skip
    copy = copy_of("epaiqa-15k", rows, edits, source="{group}.png", prompt="edit {n}")
    scores = {"id": [sample.id for sample in copy.samples]}
    for name, values in (("harmony", harmony), ("local_naturalness", natural)):
        scores[f"TOPIQ-FR.{name}"] = values + rng.normal(0, 0.3, count)
    return copy, scores


def line_of(result, method, measure="srcc"):
    (column,) = [c for c in result.table.columns if (c.group, c.measure) == ("all", measure)]
    return result.lines[method, column], result.difference(method, column)


def test_the_forest_is_scikit_learns_fitted_to_the_other_sources(tmp_path):
    from sklearn.ensemble import RandomForestRegressor

    copy, scores = made(np.random.default_rng(0))
    (result,) = redone(copy, tmp_path, written(tmp_path / "scores.csv", scores), "Table 3")
    line, difference = line_of(result, FR)
    used = [n for n, sample in enumerate(copy.samples) if sample.meta["prompt_completion"] == "3"]
    x = np.stack([scores["TOPIQ-FR.harmony"], scores["TOPIQ-FR.local_naturalness"]], axis=1)[used]
    y = np.array([copy.samples[n].meta["overall_quality"] for n in used])
    sources = [copy.samples[n].source for n in used]
    fold, predicted = split(sources, (1,) * 5), np.empty(len(y))
    for number in range(5):
        held = fold == number
        assert not {s for s, out in zip(sources, held, strict=True) if out} & {
            s for s, out in zip(sources, held, strict=True) if not out
        }
        forest = RandomForestRegressor(10, min_samples_leaf=5, max_features=1, random_state=0)
        predicted[held] = forest.fit(x[~held], y[~held]).predict(x[held])
    assert (line.n, line.excluded) == (72, 0)
    assert line.value == pytest.approx(spearmanr(predicted, y)[0])
    assert difference == pytest.approx(line.value - 0.462)  # as printed
    assert result.specs[FR] == "forest of TOPIQ-FR"
    notes = [note for table in comparison_tables(result) for note in table.notes]
    assert any(note.startswith(f"{FR}: fitted to other sources of the evaluated edits") for note in notes)
    assert result.reasons[NR, "epaiqa-15k"].startswith(
        "it combines scores of q-align-onealign (7B), which has none: not in "
    )


def test_a_source_is_never_learned_by_heart(tmp_path):
    """Ratings that only the source decides, and scores that name the source: nothing can be known of another."""
    overall = np.repeat(np.random.default_rng(4).uniform(1, 5, 20), 8)
    values = []
    for edits in (8, 1):  # as if each edit had a source of its own, the forest knows the ratings of others
        copy, scores = made(np.random.default_rng(4), 160, overall, edits)
        scores |= {"TOPIQ-FR.harmony": np.arange(160) // 8, "TOPIQ-FR.local_naturalness": -(np.arange(160) // 8)}
        (result,) = redone(copy, tmp_path, written(tmp_path / "scores.csv", scores), "Table 3")
        values.append(line_of(result, FR)[0].value)
    assert values[0] < 0.4
    assert values[1] > 0.6


def test_scores_that_are_missing_are_left_out_and_too_few_are_refused(tmp_path):
    copy, scores = made(np.random.default_rng(0))
    scores["TOPIQ-FR.harmony"] = [None if n < 20 else "inf" if n == 20 else v
                                  for n, v in enumerate(scores["TOPIQ-FR.harmony"])]  # fmt: skip
    (result,) = redone(copy, tmp_path, written(tmp_path / "scores.csv", scores), "Table 3")
    line, _ = line_of(result, FR)
    assert (line.n, line.excluded) == (53, 19)
    scores["TOPIQ-FR.harmony"][:60] = [None] * 60
    (result,) = redone(copy, tmp_path, written(tmp_path / "scores.csv", scores), "Table 3")
    assert result.reasons[FR, "epaiqa-15k"] == (
        "18 of 72 samples with a rating have all scores that it combines; 20 are required"
    )
    latex = (tmp_path / "tables.tex").read_text(encoding="utf-8")
    assert r"\multicolumn{12}{l}{\textbf{regressors of two scores}} \tabularnewline" in latex
    with (tmp_path / "numbers.csv").open(newline="", encoding="utf-8") as file:
        assert "20 are required" in next(row for row in csv.DictReader(file) if row["method"] == FR)["reason"]


def test_a_row_that_lacks_a_method_computes_none_of_the_others(tmp_path):
    copy, _ = made(np.random.default_rng(0))
    methods = {method.name: method for table in paper_tables("epaiqa-15k") for method in table.methods}
    part = {"epaiqa-15k": copy.chosen()}
    computation = Computation({"epaiqa-15k": copy}, part, ComputeOptions(tmp_path), methods=methods)
    with pytest.raises(NotComputedError, match="it combines scores of JOINT, which has none: no recipe of its network"):
        computation.scores(methods[NR], "epaiqa-15k", "epaiqa-15k")
