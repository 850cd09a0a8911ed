"""Suites of benchmarks: what they hold, what they ask for, and a run of one."""

from __future__ import annotations

import json

import numpy as np
import polars
import pytest
from PIL import Image

from editmetrics import create_metric
from editmetrics.suites import SUITES
from editmetrics.testing import offline_weights, toys


@pytest.fixture
def folders(tmp_path):
    for seed in (0, 1):
        sample = toys.sample(seed, 192, 192)
        for name in ("source", "edited", "mask", "reference"):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(getattr(sample, name)).save(tmp_path / name / f"{seed}.png")
    (tmp_path / "prompts.json").write_text(json.dumps({"0": "a [blue] disc", "1": "clouds"}))
    return tmp_path


@pytest.mark.parametrize("name", SUITES)
def test_every_spec_of_a_suite_is_a_metric(name):
    for spec in SUITES[name].specs:
        assert create_metric(spec).required()


def test_pie_bench_runs_its_seven_columns(run, folders):
    output = folders / "scores.csv"
    with offline_weights(["lpips-squeezenet", "clip-vit-l-14-openai", "dino-vit-b-8"]):
        done = run(
            *("score", folders / "source", folders / "edited", "--suite", "pie-bench", "-q", "--device", "cpu"),
            *("--masks", folders / "mask", "--prompts", folders / "prompts.json", "-o", output),
        )
    assert done.code == 0, done.err
    table = polars.read_csv(output)
    expected = [create_metric(spec).label for spec in SUITES["pie-bench"].specs]
    assert [column for column in table.columns if column in expected] == expected
    images = [np.asarray(Image.open(folders / name / "0.png")).astype(float) for name in ("source", "edited", "mask")]
    kept = images[2] == 0
    kept[[0, -1]], kept[:, [0, -1]] = False, False
    error = (((images[0] - images[1]) / 255 * kept[..., None]) ** 2).mean()
    label = create_metric("psnr:variant=pie-bench,region=outside").label
    found = dict(zip(table["id"].cast(polars.String), table[label], strict=True))["0"]
    assert found == pytest.approx(-10 * np.log10(error), abs=1e-3)


def test_what_a_suite_lacks_is_said_before_the_run(run, folders):
    done = run("score", folders / "source", folders / "edited", "--suite", "pie-bench", "-q")
    assert done.code != 0
    assert "mask: give --masks FOLDER" in done.err
    assert "prompt: give --prompts FILE" in done.err


def test_an_unknown_suite_is_answered_with_the_nearest(run, folders):
    done = run("score", folders / "source", folders / "edited", "--suite", "magic-brush", "-q")
    assert "Did you mean 'magicbrush'" in done.err


def test_suites_are_listed_and_shown(run):
    assert all(name in run("list").out for name in SUITES)
    assert "structure_distance:variant=pie-bench" in run("info", "pie-bench").out
    described = json.loads(run("info", "pie-bench", "--json").out)
    assert [column["spec"] for column in described["columns"]] == [*SUITES["pie-bench"].specs]
    assert [suite["name"] for suite in json.loads(run("list", "--json").out)["suites"]] == list(SUITES)
