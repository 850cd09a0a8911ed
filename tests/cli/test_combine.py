"""`editmetrics combine` as it is typed: pictures, refusals, and predictions for tables without ratings."""

import csv

import pytest

from tests.combining.test_combining import made


@pytest.fixture
def tables(tmp_path):
    for name, columns in zip(("scores", "ratings"), made(40), strict=True):
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([list(columns), *zip(*columns.values(), strict=True)])
    return tmp_path


QUICK = ("--bootstrap", 100, "--regressor", "ridge", "--no-baseline", "--metric", "lpips", "--metric", "psnr")


def test_a_picture_is_drawn(run, tables):
    ran = run("combine", tables / "scores.csv", tables / "ratings.csv", *QUICK, "--plot", tables / "parts.svg")
    assert ran.code == 0, ran.err
    drawn = (tables / "parts.svg").read_text()
    assert drawn.startswith("<?xml")
    assert drawn.count("<!-- psnr -->") == 2  # a row in each picture


def test_a_row_without_a_score_gives_code_3(run, tables):
    assert (
        run("combine", tables / "scores.csv", tables / "ratings.csv", *QUICK, "--save", tables / "m.safetensors").code
        == 0
    )
    (tables / "new.csv").write_text("id,lpips,psnr\na,0.1,0.2\nb,,0.3\n")
    ran = run("combine", tables / "new.csv", "--apply", tables / "m.safetensors", "--output", tables / "p.csv")
    assert ran.code == 3
    assert "1 of 2 rows have a prediction\n1 without: combined: lpips is missing" in ran.out
    assert (tables / "p.csv").read_text().splitlines()[2].startswith("b,,0.3,,sha256:")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "RATINGS is missing"),
        (("ratings.csv", "--apply", "m"), "--apply takes no RATINGS"),
        (("--apply", "m"), "name it with -o"),
        (("--apply", "m", "-o", "p.csv", "--folds", "3"), "--folds cannot be used with --apply"),
        (("--apply", "scores.csv", "-o", "p.csv"), "cannot be read as a combination"),
        (("ratings.csv", "-o", "numbers.txt"), "cannot write"),
        (("ratings.csv", "--save", "m.pkl"), "cannot write a combination"),
    ],
)
def test_what_does_not_go_together_is_refused(run, tables, monkeypatch, arguments, message):
    monkeypatch.chdir(tables)
    (tables / "m").write_bytes(b"")
    ran = run("combine", "scores.csv", *arguments)
    assert ran.code == 2
    assert message in " ".join(ran.err.split())
