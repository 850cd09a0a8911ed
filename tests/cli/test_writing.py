"""What commands write: whole or not at all, over nothing that is not theirs, and what they say of a full disk."""

import ast
import csv
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from editmetrics.cli import explained
from editmetrics.files.writing import replacing

PACKAGE = Path(__file__).parents[2] / "editmetrics"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Scores, ratings and raw ratings of 60 items, and two images."""
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    tables = {
        "scores.csv": [["id", "psnr", "ssim"], *((f"i{n}", rng.normal(), rng.normal()) for n in range(60))],
        "ratings.csv": [["id", "mos", "group"], *((f"i{n}", rng.normal(), n // 3) for n in range(60))],
        "raw.csv": [["subject", "item", "value"],
                    *((f"s{s}", f"i{n}", int(rng.integers(1, 6))) for s in range(4) for n in range(60))],
        "manifest.csv": [["id", "source", "edited"], *((f"i{n}", f"g{n // 2}.png", "b.png") for n in range(60))],
    }  # fmt: skip
    for name, rows in tables.items():
        with (folder / name).open("w", newline="") as file:
            csv.writer(file).writerows(rows)
    for name, level in (("a", 3), ("b", 9)):
        Image.new("RGB", (16, 16), (level, level, level)).save(folder / f"{name}.png")
    return folder


PLOT = "evaluate scores.csv ratings.csv --pair psnr=mos --plot {out}"
WRITING = {
    "agreement.json": "evaluate scores.csv ratings.csv --pair psnr=mos --pair ssim=mos --group-by group -o {out}",
    "agreement.csv": "evaluate scores.csv ratings.csv --pair psnr=mos --pair ssim=mos --group-by group -o {out}",
    "moved.json": "compare scores.csv scores.csv --movers 50 -o {out}",
    "moved.csv": "compare scores.csv scores.csv -o {out}",
    "mos.csv": "ratings mos raw.csv -o {out}",
    "mos.parquet": "ratings mos raw.csv -o {out}",
    "report.html": "report scores.csv -q -o {out}",
    "report.md": "report scores.csv -q -o {out}",
    "plot.png": PLOT,
    "plot.svg": PLOT,
    "plot.pdf": PLOT,
}


def command(files, line, limit=None):
    def set_limit():
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    environment = {
        **os.environ,
        "PYTHONPATH": str(PACKAGE.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.run(
        [sys.executable, "-m", "editmetrics", *line.split()], cwd=files, env=environment, preexec_fn=set_limit,
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize("name", WRITING)
def test_a_full_disk_loses_nothing_and_says_what_to_do(files, tmp_path, name):
    """`ulimit -f` stops a write in its middle, as a full disk does."""
    if name.startswith("plot"):
        pytest.importorskip("matplotlib")
    line = WRITING[name].format(out=tmp_path / name)
    assert command(files, line).returncode in (0, 3)
    before = (tmp_path / name).read_bytes()
    ran = command(files, line, limit=max(100, len(before) // 3))
    assert ran.returncode == 1, ran.stderr
    assert "Traceback" not in ran.stderr
    assert f"aborted: {tmp_path / name}: " in ran.stderr
    assert "run the same command again" in ran.stderr
    assert (tmp_path / name).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [name]
    again = command(files, line)
    assert again.returncode in (0, 3)


@pytest.mark.parametrize("name", ["agreement.json", "agreement.csv", "moved.json", "moved.csv", "mos.csv", "plot.png"])
@pytest.mark.parametrize("content", ["my notes\n", "", '{"id": 5}', "[1, 2]", "a,b\n1,2\n"])
def test_a_file_of_somebody_else_is_not_replaced(run, files, tmp_path, name, content, monkeypatch):
    if name.startswith("plot"):
        pytest.importorskip("matplotlib")
    monkeypatch.chdir(files)
    file = tmp_path / name
    file.write_text(content)
    line = WRITING[name].format(out=file).split()
    ran = run(*line)
    assert ran.code == 2
    assert f"{file} exists and is not a " in ran.err
    assert "--overwrite" in ran.err
    assert file.read_text() == content
    assert run(*line, "--overwrite").code in (0, 3)
    assert file.read_bytes() != content.encode()
    assert run(*line).code in (0, 3)  # its own may be replaced


@pytest.mark.parametrize("name", ["report.html", "report.md", "report.tex"])
@pytest.mark.parametrize("content", ["# My notes\n", "<!doctype html>\n<p>mine", "% mine\n", ""])
def test_a_report_replaces_reports_alone(run, files, tmp_path, name, content):
    file = tmp_path / name
    file.write_text(content)
    line = ["report", files / "scores.csv", "-q", "-o", file]
    ran = run(*line)
    assert ran.code == 2
    assert f"{file} exists and is not a report of editmetrics" in ran.err
    assert file.read_text() == content
    assert run(*line, "--overwrite").code == 0
    assert run(*line).code == 0


def test_raw_ratings_are_not_replaced_by_their_mos(run, files, tmp_path):
    raw = tmp_path / "raw.csv"
    raw.write_bytes((files / "raw.csv").read_bytes())
    assert run("ratings", "mos", raw, "-o", raw).code == 2
    assert raw.read_bytes() == (files / "raw.csv").read_bytes()


def test_what_fails_in_the_middle_leaves_the_file_and_names_it(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(OSError, match="full") as raised:  # noqa: PT012, SIM117 - the error comes in the middle
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise OSError(28, "full")
    assert raised.value.filename == str(path)
    assert "a.txt: full; the disk is full; free some space" in explained(raised.value)
    assert path.read_text() == "old"
    assert [*tmp_path.iterdir()] == [path]
    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:
        raise KeyboardInterrupt
    assert [*tmp_path.iterdir()] == [path]
    with pytest.raises(FileNotFoundError) as raised, replacing(tmp_path / "no" / "b.txt"):
        pass
    assert raised.value.filename == str(tmp_path / "no" / "b.txt")


@pytest.mark.parametrize("number", [28, 27, 30, 13, 24, 12, 122])
def test_each_fault_of_the_machine_says_what_to_do(number):
    said = explained(OSError(number, os.strerror(number), "out.csv"))
    assert said.startswith(f"out.csv: {os.strerror(number)}; ")
    assert "run the same command again" in said


def test_no_memory_is_a_fault_of_the_machine_too():
    assert "memory" in explained(MemoryError())


def test_an_unknown_fault_is_said_as_it_is():
    assert explained(OSError("odd")) == "odd"


STREAMING = {
    "files/writing.py": "the journals grow by whole lines, and a cut last line is removed",
    "mllm/run_folder.py": "the history grows by whole lines",
    "scaffold.py": "a new folder, and nothing is overwritten",
    "command_line/output.py": "/dev/null",
    "report/pictures.py": "into memory",
    "publishing/record.py": "a temporary folder, read at once",
    "selftest/training.py": "a temporary folder, read at once",
}
"""Files that write otherwise than through `replacing`, and why they may."""


def test_every_file_is_written_in_one_stroke():
    """What writes a file stands in `with replacing(...)`, or beside an `os.replace`, or in the list above."""
    for path in PACKAGE.rglob("*.py"):
        where = path.relative_to(PACKAGE).as_posix()
        if where in STREAMING or where.startswith(("testing/", "templates/")) or "small_cop" in where:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.Lambda))]:
            text = ast.unparse(function)
            guarded = any(word in text for word in ("replacing(", "os.replace(", ".replace(path)"))
            guarded = guarded or where.startswith(("mllm/", "plugins/"))  # their owners': folders with a temporary name
            for call in [node for node in ast.walk(function) if isinstance(node, ast.Call)]:
                if _writes(call) and not guarded:
                    pytest.fail(
                        f"{where}:{call.lineno} writes a file that a full disk cuts; use files.writing.replacing"
                    )


def _writes(call):
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name in ("write_text", "write_bytes"):
        return isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) != "super()"
    if name in ("savefig", "write_csv", "write_parquet", "save_file"):
        return True
    if name != "open":
        return False
    modes = [arg.value for arg in [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
             if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]  # fmt: skip
    return any(set(mode) <= set("rwaxbt+") and set(mode) & set("wax") for mode in modes)
