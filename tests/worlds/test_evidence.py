"""The studies of the made world: settings that their metrics know, and a table that holds each training once."""

import pytest

import editmetrics
from tools.evidence import FULL, STUDIES, Table


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
    table.add("a", FULL, 0, rows)
    table.add("a", FULL, 1, [{**row, "value": 0.6} for row in rows])
    again = Table(tmp_path / "evidence.csv")
    assert again.has("a", FULL, 0)
    assert not again.has("a", FULL, 2)
    assert not again.has("b", FULL, 0)
    assert "| a | quality | full | 0.550 | 0.50, 0.60 |" in again.summary()
