"""`editmetrics report` and `score --report` as a person uses them."""

import re

import pytest

QUICK = ("-m", "psnr", "-m", "mse")


@pytest.fixture
def scored(run, folders):
    output = folders / "scores.parquet"
    assert run("score", folders / "source", folders / "edited", *QUICK, "-o", output, "-q").code == 0
    return output


def test_each_format_by_its_suffix(run, scored):
    for suffix, start in ((".html", "<!doctype html>"), (".md", "# Scores of 3"), (".tex", "% Scores of 3")):
        output = scored.with_name(f"report{suffix}")
        ran = run("report", scored, "-o", output)
        assert ran.code == 0, ran.err
        assert f"wrote {output}: 3 pairs" in ran.out
        assert output.read_text(encoding="utf-8").startswith(start)
    odd = scored.with_name("report.txt")
    ran = run("report", scored, "-o", odd)
    assert ran.code == 2
    assert "--format" in ran.err
    assert run("report", scored, "-o", odd, "--format", "md").code == 0


def test_nothing_outside_of_the_file_is_asked_for(run, scored):
    output = scored.with_name("report.html")
    run("report", scored, "-o", output)
    text = output.read_text(encoding="utf-8")
    assert not re.search(r"<(link|iframe|object|embed|base)\b|<script[^>]*\bsrc=|@import|url\(", text)
    assert "default-src 'none'" in text


def test_the_size_stays_within_bounds(run, scored):
    sizes = {}
    smaller = {"few": ("--max-pairs", "1"), "tiny": ("--thumbnails", "32", "--larger-pairs", "0")}
    for name, options in {"all": (), **smaller}.items():
        output = scored.with_name(f"{name}.html")
        assert run("report", scored, "-o", output, *options).code == 0
        sizes[name] = output.stat().st_size
    assert sizes["few"] < sizes["all"]
    assert sizes["tiny"] < sizes["all"]
    assert "1 of 3 pairs" in run("report", scored, "-o", output, "--max-pairs", "1").out


def test_images_elsewhere_are_left_out_until_their_folder_is_named(run, scored, tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.mkdir()
    table = other / "scores.parquet"
    table.write_bytes(scored.read_bytes())
    monkeypatch.chdir(other)
    ran = run("report", table, "-o", other / "report.html")
    assert ran.code == 0
    assert "missing 6 pictures" in ran.err
    assert f"--root {tmp_path}" in ran.err
    assert "no record beside" in ran.err
    ran = run("report", table, "-o", other / "report.html", "--root", tmp_path)
    assert "missing" not in ran.err


def test_ratings_and_groups(run, scored, tmp_path):
    ratings = tmp_path / "mos.csv"
    import polars

    ids = polars.read_parquet(scored)["id"].to_list()
    ratings.write_text("id,mos\n" + "".join(f"{name},{place}\n" for place, name in enumerate(ids)), encoding="utf-8")
    output = scored.with_name("report.md")
    assert run("report", scored, "-o", output, "--ratings", ratings).code == 0
    assert "## Agreement with people" in output.read_text(encoding="utf-8")
    ran = run("report", scored, "-o", output, "--group-by", "kind")
    assert ran.code == 2
    assert "no column 'kind'" in ran.err


def test_a_broken_call_writes_nothing(run, scored, tmp_path):
    assert run("report", tmp_path / "none.csv", "-o", tmp_path / "report.html").code == 2
    assert "is the table itself" in run("report", scored, "-o", scored, "--format", "html").err
    assert sorted(tmp_path.glob("*.html")) == []


def test_score_writes_the_report_at_once(run, folders):
    report = folders / "report.html"
    command = ("score", folders / "source", folders / "edited", *QUICK, "-q", "--report", report)
    ran = run(*command)
    assert ran.code == 0, ran.err
    assert f"wrote {report}: 3 pairs" in ran.out
    text = report.read_text(encoding="utf-8")
    assert "were not kept (no -o)" in text
    assert "data_range" in text  # the identities are in it all the same
    ran = run(*command, "-o", folders / "scores.csv")
    assert ran.code == 0
    assert "were not kept" not in report.read_text(encoding="utf-8")
    assert (folders / "scores.csv").exists()
    wrong = run(*command[:-1], folders / "report.pdf")
    assert wrong.code == 2
    assert "mean" not in wrong.out  # nothing was scored for a report that cannot be written


def test_a_run_with_failures_still_has_its_report_and_its_exit_code(run, folders):
    broken = sorted((folders / "edited").iterdir())[0]
    broken.write_bytes(b"no image")
    report = folders / "report.md"
    ran = run("score", folders / "source", folders / "edited", *QUICK, "-q", "--report", report)
    assert ran.code == 3
    assert "all metrics | failed" in report.read_text(encoding="utf-8")
