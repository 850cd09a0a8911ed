"""`--map`: one option for every table that is read, with the numbers of Python's `columns=`."""

from __future__ import annotations

import csv

from tests.cli.conftest import EXAMPLES


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_score_reads_a_manifest_of_other_headings(run, tmp_path):
    (tmp_path / "m.csv").write_text(
        f"was;now;Note;Edit Instruction\n{EXAMPLES}/source/cat.jpg;{EXAMPLES}/edited/cat.jpg;3,5;Blue eyes\n"
    )
    options = ("--root", EXAMPLES, "-m", "mae", "-q", "-o", tmp_path / "s.csv")
    ran = run("score", tmp_path / "m.csv", *options, "--map", "source=was", "--map", "edited=now")
    assert ran.code == 0
    (row,) = rows_of(tmp_path / "s.csv")
    assert (row["prompt"], row["Note"]) == ("Blue eyes", "3.5")
    ran = run("score", tmp_path / "m.csv", *options, "--map", "source=Was")
    assert ran.code == 2
    assert "no column 'Was' to read as source; its columns are was, now, Note, Edit Instruction" in ran.err
    ran = run("score", tmp_path / "m.csv", *options, "--map", "source")
    assert (ran.code, "--map 'source': expected NAME=COLUMN" in ran.err) == (2, True)


def test_score_reads_prompts_of_other_headings(run, tmp_path, folders):
    names = sorted(path.name for path in (folders / "source").iterdir())
    (tmp_path / "p.csv").write_text("picture,task\n" + "".join(f"data/{name},Do {name}\n" for name in names))
    options = ("-m", "mae", "-q", "-o", tmp_path / "s.csv", "--prompts", tmp_path / "p.csv")
    paths = folders / "source", folders / "edited"
    assert run("score", *paths, *options, "--map", "name=picture", "--map", "prompt=task").code == 0
    assert [row["prompt"] for row in rows_of(tmp_path / "s.csv")] == [f"Do {name}" for name in names]
