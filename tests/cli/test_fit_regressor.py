"""`editmetrics fit image_regressor`: folds, a run that was interrupted, other scales, rows that cannot be used."""

from __future__ import annotations

import csv

import pytest
from PIL import Image

from editmetrics import create_metric
from editmetrics.mllm.checkpoint import read_checkpoint
from editmetrics.mllm.run_folder import RunFolder
from editmetrics.plugins.image_regressor.store import KeptFeatures
from tests.plugins.image_regressor.recipes import FROZEN, TINY, written
from tools.regressor_toy import rated_pictures

COLUMNS = ("id", "edited", "source", "mos")


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("EDITMETRICS_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def rated(tmp_path_factory):
    """The rows of a manifest of 40 rated edits of 8 sources, with files in one folder."""
    folder = tmp_path_factory.mktemp("rated")
    rows = []
    for sample in rated_pictures(8, side=32):
        files = {field: folder / f"{sample.id}_{field}.png" for field in ("edited", "source")}
        for field, file in files.items():
            Image.fromarray(getattr(sample, field)).save(file)
        rows.append({"id": sample.id, **files, "mos": sample.meta["mos"]})
    return rows


def fit(run, recipe, rows, output, *more):
    preset = written(output.parent, recipe)
    table = rows[-1]["edited"].with_name(f"{output.parent.name}_{output.name}.csv")
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return run("fit", "image_regressor", table, "--preset", preset, "-o", output, "--target", "visual_quality=mos",
               "--device", "cpu", *more)  # fmt: skip


def test_folds_test_each_image_once_and_compute_its_features_once(run, rated, tmp_path, monkeypatch):
    seen = []
    compute = KeptFeatures._compute
    monkeypatch.setattr(KeptFeatures, "_compute", lambda self, some: seen.append(len(some)) or compute(self, some))
    ran = fit(run, FROZEN, rated, tmp_path / "folds", "--folds", "3", "--set", "epochs=1")
    assert ran.code == 0, ran.err
    tested = []
    for fold in (1, 2, 3):
        with (tmp_path / "folds" / f"fold_{fold}.csv").open(encoding="utf-8") as file:
            tested += [row["id"] for row in csv.DictReader(file)]
    assert sorted(tested) == sorted(row["id"] for row in rated)
    assert sum(seen) == 40 + 3  # and in each fold one that says how large they are
    assert len(create_metric("image_regressor", weights=str(tmp_path / "folds")).members) == 3


@pytest.mark.parametrize("step", [3, 9])
def test_the_same_command_ends_as_an_uninterrupted_run(run, rated, tmp_path, monkeypatch, step):
    """Before the first checkpoint and behind it, in a network with batch norms; to the bit."""
    more = ("--set", "evaluate_every=4")
    assert fit(run, TINY, rated, tmp_path / "whole", *more).code == 0

    def interrupted(self, record, append=RunFolder.append):
        append(self, record)
        if record["step"] == step:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "append", interrupted)
        ran = fit(run, TINY, rated, tmp_path / "killed", *more)
    assert ran.code == 1
    assert "run the same command to resume" in ran.err
    assert fit(run, TINY, rated, tmp_path / "killed", *more).code == 0
    for name in ("part_network.safetensors", "history.jsonl"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_row_that_cannot_be_used_costs_itself_and_the_scale_is_the_labels(run, rated, tmp_path, caplog):
    """A file that is cut off and a rating that is missing; ratings of 1 to 5 train the network of those of 0 to 100."""
    rows = [dict(row) for row in rated]
    rows[0]["edited"] = rated[0]["edited"].with_name("cut.png")
    rows[0]["edited"].write_bytes(rated[0]["edited"].read_bytes()[:200])
    rows[1]["mos"] = ""
    ran = fit(run, TINY, rows, tmp_path / "hundred", "--set", "epochs=1")
    assert ran.code == 0, ran.err
    assert "1 image cannot be read:" in caplog.text
    assert "cut.png" in caplog.text
    left_out = read_checkpoint(tmp_path / "hundred").data["left_out"]
    assert left_out == {"no rating in mos": 1, "an image cannot be read": 1}
    for row in rows:
        row["mos"] = "" if row["mos"] == "" else 1 + row["mos"] / 25
    ran = fit(run, TINY, rows, tmp_path / "five", "--set", "epochs=1", "--label-scale", "1", "5")
    assert ran.code == 0, ran.err
    hundred, five = (create_metric("image_regressor", weights=str(tmp_path / name), device="cpu") for name in
                     ("hundred", "five"))  # fmt: skip
    assert [(d.low, d.high) for d in five.dimensions] == [(1, 5)]
    for row in rated[::7]:
        assert float(five(row["edited"])) == pytest.approx(1 + float(hundred(row["edited"])) / 25, abs=1e-4)
