"""The scripts that measure still run; their tables are for people. Sizes here are too small to mean anything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = {
    "classic": (["--sizes", "64", "--batches", "1", "--threads", "1", "--metrics", "psnr"], "| psnr |"),
    "busy": (["--sizes", "64", "--rounds", "1", "--metrics", "psnr"], "| psnr | 64 |"),
    "engine": (["--pairs", "4", "--size", "192", "--rounds", "1", "--skip-memory"], "the command over decoding"),
    "arena": (["--battles", "200", "--systems", "5", "--replicates", "10", "--loop", "1"], "| a loop of numpy |"),
    "tables": (["--methods", "0", "--rows", "100", "--columns", "2"], "| ridge: one fit of 21 |"),
    "sets": (["--images", "1", "--rounds", "1", "--features", "60"], "| editmetrics, clean |"),
    "learned": (["--side", "64", "--batch", "1", "--rounds", "1", "--cases", "hpe_lsa"], "hpe_lsa"),
    "reward_models": (["--few", "--pairs", "1", "--rounds", "1", "--metrics", "edit_reward"], "| edit_reward | 2 |"),
    "text_readouts": (
        ["--few", "--pairs", "1", "--rounds", "1", "--tokens", "4", "--side", "112", "--cases", "mllm_rating"],
        "| mllm_rating | 3 |",
    ),
    "training": (
        ["--size", "toy", "--side", "64", "--batch", "2", "--micro", "1", "--updates", "1", "--rounds", "1",
         "--no-memory", "--only", "ds_ieqa"],
        "s an update, plain",
    ),
}  # fmt: skip


GPU = ["--rehearse", "--first", "1", "--only", "classic", "memory"]


@pytest.mark.slow
def test_the_rows_of_a_gpu_are_rehearsed_written_and_resumed(tmp_path):
    """Rows of assessors and trainings take minutes here: run them by hand."""
    results, command = tmp_path / "gpu.json", [sys.executable, "-m", "tests.speed.gpu", *GPU]

    def run(*arguments):
        done = subprocess.run(
            [*command, "--output", str(results), *arguments],
            cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    run("--minutes", "0")
    rows = json.loads(results.read_text())["rows"]
    assert {kind: [row.keys() for row in each.values()] for kind, each in rows.items()} == {
        kind: [{"left out"}] for kind in ("classic", "memory")
    }
    assert len(run().splitlines()) == 2  # what was left out is measured by the same command
    rows = json.loads(results.read_text())["rows"]
    assert rows["classic"]["psnr, 192 pixels"]["ms a pair"] > 0
    assert rows["memory"]["ds_ieqa, validation"]["computed GB"] > 0
    assert "| psnr, 192 pixels | " in results.with_suffix(".md").read_text()
    assert run() == ""  # and nothing twice


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_runs_and_prints_its_table(script):
    arguments, expected = SCRIPTS[script]
    done = subprocess.run(
        [sys.executable, "-m", f"tests.speed.{script}", *arguments],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert expected in done.stdout
