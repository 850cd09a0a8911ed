"""`editmetrics fit` as its users meet it: from a manifest to a checkpoint that scores, resumed, and what is refused."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path

import pytest

from editmetrics import create_metric
from editmetrics.cli.fit import _fit_options
from editmetrics.command_line import TrainingProgress
from editmetrics.mllm.checkpoint import read_checkpoint
from editmetrics.mllm.fitting import settings_of
from editmetrics.options import OptionError, checked_value
from editmetrics.registry import BUILTIN, metric_class
from tests.mllm.processes import launched
from tests.tracking.event_files import scalars
from tests.worlds.edits import toy_edits

ROOT = Path(__file__).parents[2]
QUICK = ("--set", "steps=60", "--set", "learning_rate=0.01")


@pytest.fixture(scope="session")
def ratings(tmp_path_factory):
    """A manifest of 240 rated edits of 60 sources."""
    return toy_edits(tmp_path_factory.mktemp("toy"), 240, per_source=4)


@pytest.fixture(autouse=True)
def learned(monkeypatch):
    """A small learned metric, registered."""
    monkeypatch.setitem(BUILTIN, "image_statistics", "tests.mllm.image_statistics:ImageStatistics")


def rows(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_from_a_manifest_to_scores(run, ratings, tmp_path):
    ran = run("fit", "image_statistics", ratings, "-o", tmp_path / "trained", *QUICK)
    assert ran.code == 0, ran.err
    said = read_checkpoint(tmp_path / "trained")
    quality = said.validation["visual_quality"]
    assert quality["srcc"] > 0.8
    assert quality["n"] == 48
    assert f"{quality['srcc']:.4g}" in ran.out
    assert "trained on 192 samples; none was left out" in ran.out
    assert "step 60 of 60: loss" in ran.err
    assert f"  or: editmetrics score SOURCES EDITS -m image_statistics:weights={tmp_path / 'trained'}" in ran.out

    (command,) = re.findall(r"^next: editmetrics (.*)$", ran.out, re.MULTILINE)
    out = tmp_path / "scores.csv"
    assert run(*shlex.split(command), "-o", out).code == 0
    scores = rows(out)
    assert len(scores) == 240
    assert scores[0]["image_statistics:weights=" + str(tmp_path / "trained") + ".visual_quality"]
    again = create_metric("image_statistics", weights=str(tmp_path / "trained"))
    first = rows(ratings)[0]
    score = again(ratings.parent / first["source"], ratings.parent / first["edited"])
    column = next(name for name in scores[0] if name.endswith(".visual_quality") and "=" in name)
    assert float(scores[0][column]) == pytest.approx(score["visual_quality"], abs=1e-3)

    names = {name: name for name in said.validation}  # in Python, with its own defaults, the same training
    create_metric("image_statistics").fit(
        str(ratings), targets=names, output_dir=tmp_path / "python", steps=60, learning_rate=0.01
    )
    other = read_checkpoint(tmp_path / "python")
    assert (other.validation, other.recipe, other.fit) == (said.validation, said.recipe, said.fit)


def test_the_same_command_finds_it_finished_and_another_is_refused(run, ratings, tmp_path):
    command = (
        "fit",
        "image_statistics",
        ratings,
        "-o",
        tmp_path / "trained",
        "--target",
        "visual_quality=visual_quality",
    )
    first = run(*command, "--set", "steps=5")
    digest = read_checkpoint(tmp_path / "trained").digest
    again = run(*command, "--set", "steps=5")
    assert (again.code, again.out) == (0, first.out)
    assert "step" not in again.err
    other = run(*command, "--set", "steps=6")
    assert other.code == 2
    assert "another training (recipe.steps was 5 and is 6); name another folder, or start afresh" in other.err
    assert run(*command, "--set", "steps=6", "--overwrite").code == 0
    assert read_checkpoint(tmp_path / "trained").digest != digest


@pytest.mark.parametrize("step", [13, 29])
def test_the_same_command_goes_on_after_a_stop(run, ratings, tmp_path, monkeypatch, step):
    command = ("fit", "image_statistics", ratings, *QUICK, "-o")
    assert run(*command, tmp_path / "whole").code == 0
    call = TrainingProgress.__call__

    def interrupted(self, now, *said):
        call(self, now, *said)
        if now == step:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TrainingProgress, "__call__", interrupted)
        stopped = run(*command, tmp_path / "stopped")
    assert stopped.code == 1
    assert "interrupted; run the same command to resume" in stopped.err
    assert not (tmp_path / "stopped" / "metric.json").exists()
    resumed = run(*command, tmp_path / "stopped")
    assert resumed.code == 0
    assert f"step {step // 6 * 6} of" not in resumed.err
    whole, found = (read_checkpoint(tmp_path / name) for name in ("whole", "stopped"))
    assert found.files == whole.files


def test_a_validation_set_a_scale_and_a_preset(run, ratings, tmp_path, caplog):
    table = rows(ratings)
    for name, part in (("train", table[:200]), ("val", table[200:])):
        with (ratings.parent / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "source", "edited", "mos"])
            for index, row in enumerate(part):
                mos = "" if index == 3 else str(1 + 4 * float(row["visual_quality"]) / 100)
                writer.writerow([row["id"], row["source"], row["edited"], mos])
    ran = run(
        "fit", "image_statistics", ratings.parent / "train.csv", "--val", ratings.parent / "val.csv",
        "-o", tmp_path / "t", "--target", "visual_quality=mos", "--label-scale", 1, 5, "--preset", "quick",
        "--set", "seed=3", "--set", "hidden=5", "-q",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert "step" not in ran.err
    assert "2 left out, no rating in mos: 0000_3, 0050_3" in caplog.text
    said = read_checkpoint(tmp_path / "t")
    assert said.label_scale == (1, 5)
    assert said.data == {"train": 199, "validation": 39, "left_out": {"no rating in mos": 2}}
    assert said.heads["scores"]["hidden"] == [5]
    assert (said.recipe["steps"], said.recipe["seed"]) == (20, 3)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--set", "learning_rat=1"), "Did you mean 'learning_rate'?"),
        (("--set", "learning_rate=fast"), "option learning_rate is 'fast'; expected float, over 0"),
        (("--set", "hidden=few"), "option hidden is 'few'; expected int"),
        (("--set", "steps"), "'steps': expected NAME=VALUE"),
        (("--set", "steps=1", "--set", "steps=2"), "steps is given twice"),
        (("--preset", "papre"), "Did you mean 'paper'?"),
        (("--target", "visual_qualty=mos"), "Did you mean 'visual_quality'?"),
        (("--target", "visual_quality=mos"), "no column 'mos', which is to rate visual_quality"),
        (("--label-scale", "0", "10"), "are outside the label scale 0 to 10"),
        (("--group", "system"), "no 'system' to be grouped by"),
        (("--backbone", "some/model"), "no option 'backbone'"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_trained(run, ratings, tmp_path, more, message):
    ran = run("fit", "image_statistics", ratings, "-o", tmp_path / "t", *more)
    assert ran.code == 2
    assert message in " ".join(ran.err.split())
    assert not (tmp_path / "t").exists()


SETTING = re.compile(r"--set '?(\w+)=([^\s'`]+)")


@pytest.mark.parametrize("page", ["ds_ieqa", "epaiqa", "hpe_lsa", "lmm4lmm"])
def test_every_setting_that_a_metric_s_page_shows_is_one(page):
    """As the command line reads them: their names, and values such as `[quantitative,explained]`."""
    cls = metric_class(page)
    options = _fit_options(cls)
    shown = SETTING.findall((ROOT / "docs" / "metrics" / f"{page}.md").read_text(encoding="utf-8"))
    assert shown
    for name, value in shown:
        if not name.isupper() and value not in ("...", "N", "K"):
            checked_value(cls, options[name], value)


@pytest.mark.parametrize(
    ("metric", "name", "text", "value"),
    [
        ("epaiqa", "stages", "[quantitative,explained]", ("quantitative", "explained")),
        ("epaiqa", "stages", '["grounding"]', ("grounding",)),
        ("lmm4lmm", "answer_words", "[yes, no]", ("yes", "no")),
        ("lmm4lmm", "hidden", "[64,16]", (64, 16)),
    ],
)
def test_lists_need_no_quotes(metric, name, text, value):
    assert checked_value(metric_class(metric), _fit_options(metric_class(metric))[name], text) == value


@pytest.mark.parametrize("metric", ["ds_ieqa", "epaiqa", "hpe_lsa", "lmm4lmm"])
def test_the_ablations_of_each_method_are_settings_of_it(metric):
    cls = metric_class(metric)
    assert {} in cls.ablations.values()
    for preset in cls.presets():
        for changes in cls.ablations.values():
            method, recipe = settings_of(metric, cls.presets(), preset, changes)
            assert all(getattr(method, name, getattr(recipe, name, None)) == value for name, value in changes.items())


def test_a_wrong_list_is_answered_with_what_it_may_hold():
    option = _fit_options(metric_class("epaiqa"))["stages"]
    with pytest.raises(OptionError, match=r"expected \[grounding \| quantitative \| explained, \.\.\.\]$"):
        checked_value(metric_class("epaiqa"), option, "[grounding,explaned]")


def test_a_metric_that_is_not_learned_and_one_that_is_not_there(run, ratings, tmp_path):
    ran = run("fit", "psnr", ratings, "-o", tmp_path / "t")
    assert ran.code == 2
    assert "psnr is not a learned metric; these are: " in ran.err
    assert "image_statistics" in ran.err
    assert "Did you mean 'psnr'" in run("fit", "pnsr", ratings, "-o", tmp_path / "t").err


def test_validation_of_the_training_data_is_refused_unless_allowed(run, ratings, tmp_path):
    command = ("fit", "image_statistics", ratings, "--val", ratings, "-o", tmp_path / "t", "--set", "steps=2")
    refused = run(*command)
    assert refused.code == 2
    assert "240 of 240 validation samples share their source" in refused.err
    assert run(*command, "--group", "none").code == 0


def test_progress_tells_each_validation_and_each_training_of_several(capsys):
    with TrainingProgress() as progress:
        for step in (1, 2, 3):
            progress(step, 3, 0.5, {"l1": 0.25}, None if step < 2 else 0.75)
        progress(1, 2, 0.9, {}, None)
        progress(2, 2, 0.8, {}, 0.75)
    assert capsys.readouterr().err.splitlines() == [
        "step 2 of 3: loss 0.5, l1 0.25, validation 0.7500",
        "step 3 of 3: loss 0.5, l1 0.25, validation 0.7500",
        "step 2 of 2: loss 0.8, validation 0.7500",
    ]


@pytest.mark.slow
def test_two_processes_of_the_program_fit_as_one_does(run, ratings, tmp_path):
    """`-m editmetrics fit` under a launcher, with the metric found as one of another package."""
    package = tmp_path / "toy_statistics-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-statistics\nVersion: 1.0\n")
    point = "[editmetrics.metrics]\nimage_statistics = tests.mllm.image_statistics:ImageStatistics\n"
    (package / "entry_points.txt").write_text(point)
    arguments = ["fit", "image_statistics", str(ratings), "--set", "steps=20", "--device", "cpu", "-o"]
    assert run(*arguments, tmp_path / "one").code == 0
    out, err = launched(["-m", "editmetrics", *arguments, str(tmp_path / "two")], tmp_path)
    assert out.count("trained on 192 samples") == 1
    assert err.count("step 20 of 20") == 1
    one, two = (read_checkpoint(tmp_path / name) for name in ("one", "two"))
    for x, y in zip(one.history().losses, two.history().losses, strict=True):
        assert y == pytest.approx(x, rel=1e-4)  # float32, means of two halves
    assert json.loads((tmp_path / "two" / "metric.json").read_text())["fit"] == dict(one.fit)
    assert two.validation["visual_quality"]["srcc"] == pytest.approx(one.validation["visual_quality"]["srcc"], abs=0.01)


def test_columns_of_other_headings_are_chosen_before_anything_is_trained(run, ratings, tmp_path):
    ran = run("fit", "image_statistics", ratings, "-o", tmp_path / "x", "--map", "visual_quality=MOS")
    assert (ran.code, "no column 'MOS' to read as visual_quality; its columns are id, edited" in ran.err) == (2, True)
    mapped = ("--map", "mine=visual_quality", "--target", "visual_quality=mine", "--set", "steps=1")
    ran = run("fit", "image_statistics", ratings, "-o", tmp_path / "x", *mapped)
    assert ran.code == 0, ran.err
    assert read_checkpoint(tmp_path / "x").data["columns_read_as"] == {"mine": "visual_quality"}


def test_each_step_and_the_validation_go_to_the_trackers(run, ratings, tmp_path):
    pytest.importorskip("tensorboard")
    ran = run("fit", "image_statistics", ratings, "-o", tmp_path / "t", "--set", "steps=3", "--set", "evaluate_every=3",
              "--track", f"tensorboard:{tmp_path / 'events'}")  # fmt: skip
    assert ran.code == 0, ran.err
    logged = scalars(tmp_path / "events")
    assert [step for step, _ in logged["fit/loss"]][:3] == [1, 2, 3]
    losses = [json.loads(line) for path in (tmp_path / "t").rglob("*.jsonl") for line in path.open()]
    assert logged["fit/loss"][0][1] == pytest.approx(losses[0]["loss"], rel=1e-6)  # float32 in event files
    assert logged["fit/validation"]
