"""Synthetic copies of every layout, made once; the command line in this process."""

import csv
import shutil
from pathlib import Path

import pytest

from editmetrics.benchmarks.catalogue import BENCHMARKS
from editmetrics.benchmarks.ebench_18k import reader as ebench_18k
from editmetrics.benchmarks.ebench_18k.small_copy import lines_of
from editmetrics.benchmarks.small_copies import write_copy, write_json_lines
from tests.cli.conftest import run  # noqa: F401
from tests.worlds.edits import edits

LMM4EDIT = Path(__file__).parents[1] / "agreement" / "data" / "lmm4edit.csv"


@pytest.fixture(scope="session")
def copies(tmp_path_factory):
    """A folder with a copy of each data set, by name; not to be changed."""
    root = tmp_path_factory.mktemp("copies")
    return {name: write_copy(name, root / name, edits, each=3) for name in BENCHMARKS}


@pytest.fixture
def copy_of(copies, tmp_path):
    """A copy that a test may spoil."""
    return lambda name: Path(shutil.copytree(copies[name], tmp_path / name))


@pytest.fixture(scope="session")
def real_ebench(tmp_path_factory):
    """The whole test part of EBench-18K with the real ratings; its scenes, prompts and order of tasks are made up, and
    there are no images."""
    folder = tmp_path_factory.mktemp("ebench")
    high = [f"H_{task:02}_{scene:02}" for task in range(len(ebench_18k.HIGH)) for scene in range(8)]
    low = [f"L_{task:02}_{scene:02}" for task in range(len(ebench_18k.LOW)) for scene in range(14)]
    with LMM4EDIT.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    scene_of = dict(zip(sorted({row["source"] for row in rows}), high + low, strict=True))
    lines = []
    for row in rows:
        scene, system = scene_of[row["source"]], f"model{row['system'][1:]}"
        images = [f"{kind}img_{scene[0].lower()}/{system}/{scene}.jpg" for kind in ("source", "target")]
        ratings = [float(row[name]) for name in ("quality", "alignment", "preservation")]
        lines.append(lines_of(f"edit {scene}", images, ratings, row["answer"]))
    for letter in ebench_18k.FILES:
        write_json_lines(folder / "data" / f"test_{letter}.json", (line[letter] for line in lines))
    return folder
