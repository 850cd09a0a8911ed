"""The scripts that measure still run; their tables are for people. Sizes here are too small to mean anything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = {
    "classic": (["--sizes", "64", "--batches", "1", "--threads", "1", "--metrics", "psnr"], "| psnr |"),
    "engine": (["--pairs", "4", "--size", "192", "--rounds", "1", "--skip-memory"], "the command over decoding"),
    "learned": (["--side", "64", "--batch", "1", "--rounds", "1", "--cases", "hpe_lsa"], "hpe_lsa"),
    "training": (
        ["--size", "toy", "--side", "64", "--batch", "2", "--micro", "1", "--updates", "1", "--rounds", "1",
         "--no-memory", "--only", "ds_ieqa"],
        "s an update, plain",
    ),
}  # fmt: skip


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_runs_and_prints_its_table(script):
    arguments, expected = SCRIPTS[script]
    done = subprocess.run(
        [sys.executable, "-m", f"tests.speed.{script}", *arguments],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert expected in done.stdout
