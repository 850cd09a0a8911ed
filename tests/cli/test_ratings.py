"""`editmetrics ratings`: files in, files out, and a summary that says what was left out."""

from __future__ import annotations

import csv
import json

import numpy as np
import polars
import pytest


def write(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def raw(tmp_path):
    rng = np.random.default_rng(0)
    rows = [(f"s{s}", f"i{i}", int(rng.integers(1, 6))) for i in range(20) for s in range(8)]
    return write(tmp_path / "raw.csv", ("subject", "item", "value"), [*rows, ("s0", "i0b", ""), ("once", "i0", 3)])


def test_mos_of_z_scores(run, raw, tmp_path):
    ran = run("ratings", "mos", raw, "-o", tmp_path / "mos.csv", "--subjects", tmp_path / "subjects.jsonl")
    assert ran.code == 0, ran.err
    rows = read(tmp_path / "mos.csv")
    assert [*rows[0]] == ["id", "mos", "mos.count", "mos.sd", "mos.low", "mos.high"]
    assert len(rows) == 20
    given = [r for r in read(raw) if r["value"] and r["subject"] != "once"]
    z = []
    for subject in {r["subject"] for r in given}:
        own = [float(r["value"]) for r in given if r["subject"] == subject]
        (at,) = [float(r["value"]) for r in given if (r["subject"], r["item"]) == (subject, "i0")]
        z.append(100 * ((at - np.mean(own)) / np.std(own, ddof=1) + 3) / 6)
    assert float(rows[0]["mos"]) == pytest.approx(np.mean(z))
    assert rows[0]["mos.count"] == "8"
    said = " ".join(ran.out.split())
    assert "160 ratings of 20 items by 8 subjects" in said
    assert "left out 1 rating: the cell is empty (s0 on i0b (line 162))" in said
    assert "only rating" in said
    subjects = [json.loads(line) for line in (tmp_path / "subjects.jsonl").read_text().splitlines()]
    assert {row["subject"]: row["kept"] for row in subjects}["once"] == 0


def test_epaiqas_processing(run, tmp_path):
    """Mean after the interquartile rule; completion by votes, without those given beside an outlier."""
    overall, completion = [3, 3, 4, 4, 3, 4, 3, 1], "22222333"
    rows = [(f"s{k}", "x", o, c) for k, (o, c) in enumerate(zip(overall, completion, strict=True))]
    raw = write(tmp_path / "raw.csv", ("rater", "image", "overall", "completion"), rows)
    columns = ["--subject", "rater", "--item", "image", "--rating", "overall", "--vote", "completion:overall"]
    ran = run("ratings", "mos", raw, *columns, "--method", "mean", "--screen", "iqr", "-o", tmp_path / "mos.parquet")
    assert ran.code == 0, ran.err
    (row,) = polars.read_parquet(tmp_path / "mos.parquet").to_dicts()
    assert row["overall"] == pytest.approx(24 / 7)
    assert (row["overall.count"], row["completion"], row["completion.count"]) == (7, "2", 7)
    assert row["completion.share"] == pytest.approx(5 / 7)


def test_an_item_without_a_verdict_is_exit_code_3(run, tmp_path):
    raw = write(tmp_path / "raw.csv", ("subject", "item", "done"), [("a", "x", "yes"), ("b", "x", "no")])
    ran = run("ratings", "mos", raw, "--vote", "done", "-o", tmp_path / "out.csv")
    assert ran.code == 3
    assert "1 item without a label" in ran.out
    assert read(tmp_path / "out.csv") == [{"id": "x", "done": "", "done.count": "2", "done.share": "0.5"}]


def test_evaluate_reads_what_it_writes(run, raw, tmp_path):
    run("ratings", "mos", raw, "-o", tmp_path / "mos.csv")
    scores = [(f"i{k}", k) for k in range(20)]
    ran = run("evaluate", write(tmp_path / "scores.csv", ("id", "psnr"), scores), tmp_path / "mos.csv")
    assert ran.code == 0, ran.err
    assert "mos.count" not in ran.out


@pytest.fixture
def manifest(tmp_path):
    rows = [(f"e/{k}.png", f"s/{k % 12}.png", "a, b", k) for k in range(60)]
    return write(tmp_path / "rated.csv", ("edited", "source", "prompt", "mos"), rows)


def test_split_into_three(run, manifest, tmp_path):
    ran = run("ratings", "split", manifest)
    assert ran.code == 0, ran.err
    parts = {name: read(tmp_path / f"rated.{name}.csv") for name in ("train", "val", "test")}
    assert {name: len(rows) for name, rows in parts.items()} == {"train": 40, "val": 10, "test": 10}
    sources = [{row["source"] for row in rows} for rows in parts.values()]
    assert sum(map(len, sources)) == len(set.union(*sources)) == 12
    assert sorted((r for rows in parts.values() for r in rows), key=lambda r: int(r["mos"])) == read(manifest)
    again = run("ratings", "split", manifest)
    assert again.code == 2
    assert "--overwrite" in again.err
    assert run("ratings", "split", manifest, "--overwrite", "--ratio", "4:1").code == 0
    assert run("ratings", "split", manifest, "--ratio", "4:1").code == 2


def test_folds_in_another_folder(run, manifest, tmp_path):
    (tmp_path / "folds").mkdir()
    ran = run("ratings", "split", manifest, "--folds", "3", "-o", tmp_path / "folds")
    assert ran.code == 0, ran.err
    assert f"--root {tmp_path}" in ran.out.replace("\n", "")
    tests = [read(tmp_path / "folds" / f"rated.fold{k}.test.csv") for k in (1, 2, 3)]
    assert sorted(row["edited"] for rows in tests for row in rows) == sorted(row["edited"] for row in read(manifest))
    for k, rows in enumerate(tests, 1):
        train = read(tmp_path / "folds" / f"rated.fold{k}.train.csv")
        assert len(train) + len(rows) == 60
        assert not {row["source"] for row in train} & {row["source"] for row in rows}


def test_rows_that_share_nothing_are_noted(run, tmp_path):
    rows = [(f"e/{k}.png", f"s/{k}.png") for k in range(6)]
    ran = run("ratings", "split", write(tmp_path / "m.csv", ("edited", "source"), rows), "--ratio", "1:1")
    assert "no two rows share a value of source" in ran.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mos", "raw.csv", "-o", "mos.xlsx"], "expected .csv, .jsonl or .parquet"),
        (["mos", "raw.csv", "--rating", "mos"], "no column 'mos'"),
        (["mos", "raw.csv", "--vote", "value:other"], "add --rating other"),
        (["split", "raw.csv"], "no column 'source' to keep together; name one with --group"),
        (["split", "raw.csv", "--ratio", "4-1"], "such as 4:1:1"),
        (["split", "raw.csv", "--ratio", "1:1", "--folds", "2"], "give one of them"),
        (["split", "raw.csv", "--group", "subject", "--ratio", "1:1:1:1:1:1:1:1:1:1"], "9 groups cannot be split"),
    ],
)
def test_what_is_called_wrongly_is_said(run, raw, monkeypatch, arguments, said):
    monkeypatch.chdir(raw.parent)
    ran = run("ratings", *arguments)
    assert ran.code == 2
    assert said in " ".join(ran.err.split())
