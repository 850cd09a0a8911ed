"""Table 2 of the paper by one command."""

import csv
import json
import logging

from click.testing import CliRunner

from editmetrics.cli.fit import fit
from editmetrics.plugins.ds_ieqa import definitions
from editmetrics.plugins.ds_ieqa.metric import DSIEQA
from editmetrics.studies import ablation_trainings
from tests.plugins.ds_ieqa.test_fit import Scripted


def test_ablations_are_the_rows_of_table_2_on_each_backbone(edits, tmp_path, monkeypatch, backbones):
    monkeypatch.setattr(definitions, "_optimiser", lambda assessor, method: Scripted("[[Rate how sharp it is.]]"))
    output, other = tmp_path / "table", backbones["internvl"]
    arguments = [
        "ds_ieqa", edits, "-o", output, "--ablations", "--backbone", "toy-internvl", "--also-backbone", other,
        "--target", "visual_quality=visual_quality", "--preset", "toy", "-q", "--device", "cpu",
    ]  # fmt: skip
    settings = {"optimiser": "scripted", "trials": 1, "pairs": 3, "definition_margin": 0, "steps": 2, "batch_size": 4}
    arguments += [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    done = CliRunner().invoke(fit, [str(argument) for argument in arguments])
    assert done.exit_code == 0, (done.output, done.exception)
    with (output / "ablations.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["ablation"] for row in rows] == ["full method", "without FDMPO", "without TDRL", f"on {other}"]
    assert {"visual_quality generated_srcc", "visual_quality expected_srcc"} <= rows[0].keys()
    trained = [json.loads((output / name / "metric.json").read_text()) for name in
               ("full_method", "without_FDMPO", "without_TDRL")]  # fmt: skip
    assert [one["recipe"]["optimiser"] for one in trained] == ["scripted", None, "scripted"]
    assert [one["recipe"]["loss"] for one in trained] == ["tdrl", "tdrl", "cross_entropy"]
    assert [(output / name / "definitions").exists() for name in ("full_method", "without_FDMPO")] == [True, False]


def test_an_ablation_that_changes_nothing_is_left_out_with_a_word(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "editmetrics"):
        plain = ablation_trainings(DSIEQA(), "train.csv", tmp_path, {})
    assert list(plain) == ["full method", "without TDRL"]
    assert "'without FDMPO' is left out, because the full method has optimiser=none already" in caplog.text
    assert list(ablation_trainings(DSIEQA(), "train.csv", tmp_path, {"preset": "paper"})) == list(DSIEQA.ablations)
