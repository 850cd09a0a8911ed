"""The studies of the made world: settings that their metrics know, and results that are kept and shown once each."""

import json

import pytest

import editmetrics
from tools.evidence import PAGE, SETTINGS, STUDIES, Training, tables, trainings, with_tables
from tools.evidence_results import BASELINE, FULL, WHOLE, Table


@pytest.mark.parametrize("name", STUDIES)
def test_each_variant_changes_a_setting_of_its_metric(name):
    study = STUDIES[name]
    metric = editmetrics.create_metric(name)
    whole = metric.effective_settings({"preset": "toy", **study.settings(WHOLE)})
    for variant, changes in study.variants.items():
        own = metric.effective_settings({"preset": "toy", **study.settings(variant)})
        assert {key: own[key] for key in changes} == changes
        assert own != whole


def rows_of(dimension, value, measure="srcc"):
    row = {"dimension": dimension, "value": value, "n": 9, "excluded": 0}
    return [{**row, "measure": one} for one in (measure, "plcc")]


def test_a_training_is_in_the_table_once_and_is_there_when_read_again(tmp_path):
    table = Table(tmp_path / "new" / "results.csv")
    of_seed = [Training("lmm4lmm", FULL, seed) for seed in range(3)]
    for value, one in zip((0.5, 0.6), of_seed, strict=False):
        rows = rows_of("perception", value) + rows_of("correspondence", 0.1)
        other = Table(table.path)  # another process, that has begun the same training
        table.add(one, rows, updates=7)
        other.add(one, rows, updates=7)
    again = Table(tmp_path / "new" / "results.csv")
    assert [again.has(one) for one in of_seed] == [True, True, False]
    assert not again.has(Training("lmm4lmm", WHOLE, 0))
    assert not again.has(Training("epaiqa", FULL, 0))
    summary = again.of("lmm4lmm", FULL, "perception", {of_seed[0].setting})
    assert summary.cells() == ["0.550", "0.500, 0.600", "2"]
    assert again.of("lmm4lmm", FULL, "perception", {"of another setting"}) is None


def test_a_training_with_another_setting_is_trained_again(tmp_path, monkeypatch):
    table, training = Table(tmp_path / "results.csv"), Training("lmm4lmm", FULL, 0)
    table.add(training, rows_of("perception", 0.5) + rows_of("correspondence", 0.5))
    assert table.has(Training("lmm4lmm", FULL, 0))
    monkeypatch.setitem(STUDIES["lmm4lmm"].full, "steps", 599)
    assert not table.has(Training("lmm4lmm", FULL, 0))


def test_a_mean_over_seeds_counts_as_all_of_them(tmp_path):
    table, training = Table(tmp_path / "results.csv"), Training("lmm4lmm", FULL, 0)
    mean = {**rows_of("perception", 0.5)[0], "least": 0.4, "greatest": 0.7}
    table.add(training, [mean])
    table.path.write_text(table.path.read_text().replace("full,0,", "full,0 1 2,"))
    summary = Table(table.path).of("lmm4lmm", FULL, "perception", {training.setting})
    assert summary.cells(bold=True) == ["**0.500**", "0.400, 0.700", "3"]


def test_a_label_without_a_value_is_kept_and_not_shown(tmp_path):
    table = Table(tmp_path / "results.csv")
    table.add(Training("hpe_lsa", FULL, 0), rows_of("authenticity", None, "auc"))
    assert [len(Table(table.path).rows), len(Table(table.path).with_value())] == [1, 0]


def test_trainings_have_folders_of_their_own(tmp_path):
    every = list(trainings())
    assert len({one.folder(tmp_path) for one in every}) == len(every) == 3 * sum(len(s.names) for s in STUDIES.values())
    assert [one.variant for one in trainings("hpe_lsa", WHOLE, [1])] == [WHOLE]


def test_the_results_say_what_they_are_of_and_the_page_shows_them():
    table, known = Table(), json.loads(SETTINGS.read_text(encoding="utf-8"))
    assert {row["setting"] for row in table.rows} <= set(known)
    keys = [tuple(row[key] for key in ("metric", "variant", "seeds", "dimension", "setting")) for row in table.rows]
    assert len(set(keys)) == len(keys)
    now = [Training(name, variant, 0) for name, study in STUDIES.items() for variant in (BASELINE, *study.names)]
    assert all(known[one.setting] == one.about for one in now if one.setting in known)
    page = PAGE.read_text(encoding="utf-8")
    made = tables(table)
    assert with_tables(page, made) == page, "python -m tools.evidence FOLDER --tables makes them anew"
    assert all(text in page for text in made.values())
