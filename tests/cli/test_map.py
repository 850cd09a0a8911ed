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


def test_ratings_of_a_spreadsheet_become_mos_and_are_evaluated(run, tmp_path):
    """A column per rater, semicolons and decimal commas; then MOS by file names against scores by names."""
    names = ["cat", "dog", "eel", "owl"]
    lines = [f"{name}.jpg;{mos},5;{mos},0" for name, mos in zip(names, (1, 3, 2, 4), strict=True)]
    (tmp_path / "raw.csv").write_text("Bild;ann;bob\n" + "\n".join(lines))
    options = ("-o", tmp_path / "mos.csv", "--method", "mean", "--raters", "ann,bob")
    assert run("ratings", "mos", tmp_path / "raw.csv", "--map", "item=Bild", *options).code == 0
    assert [float(row["mos"]) for row in rows_of(tmp_path / "mos.csv")] == [1.25, 3.25, 2.25, 4.25]
    ran = run("ratings", "mos", tmp_path / "raw.csv", "--map", "items=Bild", *options)
    assert (ran.code, "Did you mean 'item'?" in ran.err) == (2, True)
    (tmp_path / "s.csv").write_text("key,mine\n" + "".join(f"{name},{n}\n" for n, name in enumerate(names)))
    for how in (("--on", "key=id"), ("--map", "id=key")):
        ran = run("evaluate", tmp_path / "s.csv", tmp_path / "mos.csv", "--measure", "srcc", *how)
        assert (ran.code, "0.800" in ran.out, "4 of 4 rated items" in ran.out) == (0, True, True)


def test_compare_joins_runs_by_other_headings(run, tmp_path):
    for name, key in (("a", "Bild"), ("b", "picture")):
        (tmp_path / f"{name}.csv").write_text(f"{key},psnr\n" + "".join(f"cat{n},{20 + n}\n" for n in range(5)))
    ran = run("compare", tmp_path / "a.csv", tmp_path / "b.csv", "--on", "Bild=picture", "--bootstrap", "100")
    assert "matched by picture = Bild" in ran.out + ran.err
    ran = run("compare", tmp_path / "a.csv", tmp_path / "b.csv", "--map", "id=Bild", "--bootstrap", "100")
    assert (ran.code, "matched by id" in ran.out + ran.err) == (3, True)
    ran = run("compare", tmp_path / "a.csv", tmp_path / "b.csv", "--map", "id=none")
    assert (ran.code, "has a column 'none' to read as id" in ran.err) == (2, True)


def test_a_split_of_a_packed_table_is_written_as_csv(run, tmp_path):
    import gzip

    rows = "source,edited\n" + "".join(f"s{n % 6}.png,e{n}.png\n" for n in range(12))
    (tmp_path / "m.tsv.gz").write_bytes(gzip.compress(rows.replace(",", "\t").encode()))
    assert run("ratings", "split", tmp_path / "m.tsv.gz", "--ratio", "1:1").code == 0
    parts = [rows_of(tmp_path / f"m.{part}.csv") for part in ("train", "test")]
    assert sorted(row["edited"] for part in parts for row in part) == sorted(f"e{n}.png" for n in range(12))


def test_a_report_takes_ratings_of_other_headings(run, tmp_path):
    """A heading of the scores and one of the ratings; the same agreement as with the usual ones."""
    names = ["cat", "dog", "eel", "owl", "fox"]
    agreement = []
    for key, item, mos in (("id", "id", "mos"), ("key", "Bild", "Note")):
        scores, ratings, report = (tmp_path / f"{key}_{name}" for name in ("s.csv", "r.csv", "r.md"))
        scores.write_text(f"{key},mine\n" + "".join(f"{each},{value}\n" for value, each in enumerate(names)))
        rated = zip((2, 1, 4, 3, 5), names, strict=True)
        ratings.write_text(f"{item},{mos},sd\n" + "".join(f"{each}.jpg,{value},{9 - value}\n" for value, each in rated))
        more = ("--map", "id=key", "--map", "mos=Note") if key == "key" else ()
        options = ("--ratings", ratings, "-o", report, "--title", "t", "--pair", "mine=mos", "-q", *more)
        assert run("report", scores, *options).code == 0
        agreement.append([line for line in report.read_text().splitlines() if "0.8" in line])
    assert agreement[0]
    assert agreement[0] == agreement[1]
