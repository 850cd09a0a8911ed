"""The notebooks of examples/ run from top to bottom, and hold the outputs of a run without an error."""

import contextlib
import io
import json

import pytest

from .world import ROOT

NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


def code_cells(path):
    return [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


def test_there_are_four():
    assert len(NOTEBOOKS) == 4


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_prints_what_it_holds(path, monkeypatch):
    """Numbers may differ in their last digits between machines, so the lines are compared without numbers."""
    monkeypatch.chdir(path.parent)
    names = {"__name__": "__main__"}
    for number, cell in enumerate(code_cells(path)):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile("".join(cell["source"]), f"{path.name}, cell {number}", "exec"), names)
        held = "".join("".join(out["text"]) for out in cell["outputs"] if out.get("name") == "stdout")
        assert words(printed.getvalue()) == words(held)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_executed(path):
    cells = code_cells(path)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert not [out for cell in cells for out in cell["outputs"] if out["output_type"] == "error"]


def words(text):
    return [[word for word in line.split() if word.isalpha()] for line in text.splitlines()]
