"""The studies of the made world: settings that their metrics know, and a table that holds each training once."""

import pytest

import editmetrics
from tools.evidence import FULL, STUDIES, Table, Training, trainings


@pytest.mark.parametrize("name", STUDIES)
def test_each_variant_changes_a_setting_of_its_metric(name):
    study = STUDIES[name]
    metric = editmetrics.create_metric(name)
    full = metric.effective_settings({"preset": "toy", **study.settings(FULL)})
    for variant, changes in study.variants.items():
        own = metric.effective_settings({"preset": "toy", **study.settings(variant)})
        assert {key: own[key] for key in changes} == changes
        assert own != full


def test_a_training_is_in_the_table_once_and_is_there_when_read_again(tmp_path):
    table = Table(tmp_path / "evidence.csv")
    rows = [{"dimension": "quality", "measure": measure, "value": value, "n": 9, "excluded": 0}
            for measure, value in (("srcc", 0.5), ("plcc", 0.7))]  # fmt: skip
    table.add(Training("a", FULL, 0, {"quality": "mos"}), rows)
    table.add(Training("a", FULL, 1, {"quality": "mos"}), [{**row, "value": 0.6} for row in rows])
    table.add(Training("c", FULL, 0, {"real": "label"}), [{**rows[0], "dimension": "real", "value": None}])
    again = Table(tmp_path / "evidence.csv")
    assert [len(again.rows), len(again.with_value())] == [3, 2]
    assert again.has(Training("a", FULL, 0, {"quality": "mos"}))
    assert not again.has(Training("a", FULL, 0, {"quality": "mos", "harmony": "h"}))
    assert not again.has(Training("a", FULL, 2, {"quality": "mos"}))
    assert not again.has(Training("b", FULL, 0, {"quality": "mos"}))
    assert "| a | quality | full | 0.550 | 0.50, 0.60 |" in again.summary()


def test_trainings_have_folders_of_their_own_and_together_all_dimensions(tmp_path):
    every = list(trainings())
    assert len({one.folder(tmp_path) for one in every}) == len(every)
    for name, study in STUDIES.items():
        full = [one for one in every if (one.name, one.variant, one.seed) == (name, FULL, 0)]
        assert [dimension for one in full for dimension in one.targets] == list(study.targets)
    chosen = list(trainings("ds_ieqa", FULL, [1], "visual_quality"))
    assert [(one.seed, list(one.targets)) for one in chosen] == [(1, ["visual_quality"])]
