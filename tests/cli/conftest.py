"""The command line in this process: `run("score", ...)` gives its exit code, standard output and standard error."""

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


class Ran(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def run(monkeypatch, capsys):
    from editmetrics.cli import main

    monkeypatch.setenv("COLUMNS", "160")

    def go(*arguments) -> Ran:
        monkeypatch.setattr("sys.argv", ["editmetrics", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        return Ran(stopped.value.code, captured.out, captured.err)

    return go


@pytest.fixture
def folders(tmp_path):
    """Three of the example pairs in folders of their own."""
    names = sorted(path.name for path in (EXAMPLES / "source").iterdir())[:3]
    for name in ("source", "edited"):
        (tmp_path / name).mkdir()
        for stem in {Path(name).stem for name in names}:
            (found,) = (EXAMPLES / name).glob(f"{stem}.*")
            shutil.copy(found, tmp_path / name)
    return tmp_path
