"""A sample that kills the process does not end every run: it is tried alone, twice, and given up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import polars
import pytest

from editmetrics import score
from editmetrics.scoring.record import UnderWay, record_path

from .toys import Brightness, samples_of, write_images


class Deadly(Brightness):
    """Brightness that kills its process at the image of grey level 100, while `deadly` is in the prompt."""

    concurrent = True

    def prepare(self, sample):
        item = super().prepare(sample)
        if item.mean() == 100 and sample.prompt == "deadly":
            os.kill(os.getpid(), signal.SIGKILL)
        return item


PROGRAM = """
import sys
from pathlib import Path
from editmetrics import score
from tests.scoring.test_under_way import Deadly
from tests.scoring.toys import samples_of
folder, output, retry = sys.argv[1:]
samples = samples_of(sorted(Path(folder).iterdir()), prompt="deadly")
score(samples, Deadly(), output=output, workers=2, retry=retry.split())
"""


@pytest.fixture
def run(tmp_path):
    write_images(tmp_path / "images", 24)
    output = tmp_path / "scores.csv"

    def run(retry=""):
        command = [sys.executable, "-c", PROGRAM, str(tmp_path / "images"), str(output), retry]
        return subprocess.run(command, capture_output=True, text=True).returncode

    run.output = output
    return run


def left(output):
    return {path.name for path in output.parent.iterdir() if path.name.endswith(".under_way")}


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
def test_all_other_samples_are_scored_and_the_deadly_one_is_given_up(run):
    codes = [run() for _ in range(4)]
    assert codes == [-signal.SIGKILL] * 3 + [0]
    table = polars.read_csv(run.output)
    assert table["brightness"].drop_nulls().len() == 23
    (problem,) = [text for text in table["problems"] if text]
    assert "failed: the process was killed 2 times while it scored this sample alone" in problem
    assert not left(run.output)
    before = run.output.read_bytes()
    assert run() == 0  # taken over as any other failure
    assert run.output.read_bytes() == before
    assert run("failed") == -signal.SIGKILL  # as asked


def test_a_run_that_ends_by_itself_leaves_nothing(tmp_path):
    paths = write_images(tmp_path / "images", 3)

    def stop(*_):
        raise ValueError("in a callback")

    output = tmp_path / "scores.csv"
    with pytest.raises(ValueError, match="in a callback"):
        score(samples_of(paths), Deadly(), output=output, on_row=stop)
    assert not left(output)


@pytest.mark.parametrize("text", ["", '{"id": "00"', "nonsense\n", '{"id": "00", "alone": false}\n{"id": "01", "al'])
def test_a_file_that_was_cut_names_whom_it_can(tmp_path, text):
    record = record_path(tmp_path / "scores.csv")
    record.with_name(f".{record.name}.under_way").write_text(text)
    assert UnderWay(record).suspects(["00", "01"]) == ({"00"} if "false" in text else set())


def test_a_suspect_that_is_innocent_is_scored(tmp_path):
    paths = write_images(tmp_path / "images", 3)
    record = record_path(tmp_path / "scores.csv")
    record.with_name(f".{record.name}.under_way").write_text('{"id": "01", "alone": true}\n')
    results = score(samples_of(paths), Deadly(), output=tmp_path / "scores.csv")
    assert results.all_scored
    assert [float(s) for s in results["brightness"]] == [0, 10, 20]
