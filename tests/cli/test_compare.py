"""`editmetrics compare` as a person uses it: what it prints, and how it ends."""

import json

import pytest

QUICK = ("-m", "psnr", "-m", "mse", "-q")


@pytest.fixture
def runs(run, folders):
    for name in ("a", "b"):
        run("score", folders / "source", folders / "edited", *QUICK, "-o", folders / f"{name}.csv")
    return folders


def test_the_same_run_twice(run, runs):
    ran = run("compare", runs / "a.csv", runs / "b.csv", "-o", runs / "moved.json")
    assert ran.code == 0
    assert "their numbers are comparable" in ran.out
    assert ran.out.count("the same") >= 2
    said = json.loads((runs / "moved.json").read_text(encoding="utf-8"))
    assert [line["verdict"] for line in said["moved"]] == ["equal", "equal"]


def test_other_identities_come_first_and_end_with_3(run, runs):
    record = runs / "b.record.jsonl"
    text = record.read_text(encoding="utf-8")
    record.write_text(text.replace('"channels": "rgb"', '"channels": "y"'), encoding="utf-8")
    ran = run("compare", runs / "a.csv", runs / "b.csv")
    assert ran.code == 3
    assert ran.out.startswith("Not comparable")
    assert "options.channels: rgb -> y" in ran.out


def test_a_lost_score_ends_with_3(run, runs):
    broken = sorted((runs / "edited").iterdir())[0]
    broken.write_bytes(b"no image")
    run("score", runs / "source", runs / "edited", *QUICK, "-o", runs / "b.csv", "--overwrite")
    ran = run("compare", runs / "a.csv", runs / "b.csv")
    assert ran.code == 3
    assert "1 lost" in ran.out
    assert f"newly failed, psnr: {broken.stem}" in ran.out


def test_what_is_worse_ends_with_4_when_asked(run, tmp_path):
    for name, shift in (("a", 0), ("b", -1)):
        lines = ["id,psnr", *(f"{n},{20 + n % 7 + shift * (1 + n % 3)}" for n in range(30))]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    ran = run("compare", tmp_path / "a.csv", tmp_path / "b.csv", "--fail-on-worse")
    assert ran.code == 5
    assert "worse" in ran.out
    assert run("compare", tmp_path / "b.csv", tmp_path / "a.csv", "--fail-on-worse").code == 3  # no record
    assert "better" in run("compare", tmp_path / "b.csv", tmp_path / "a.csv").out


def test_columns_with_an_equals_sign_in_their_names(run, tmp_path):
    for name, column in (("a", "m:weights=x.d"), ("b", "m:weights=y.d")):
        lines = [f"id,{column}", *(f"{n},{n}" for n in range(10))]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    ran = run("compare", tmp_path / "a.csv", tmp_path / "b.csv", "--pair", "m:weights=x.d=m:weights=y.d")
    assert ran.code == 3
    assert "m:weights=x.d / m:weights=y.d" in ran.out
    wrong = run("compare", tmp_path / "a.csv", tmp_path / "b.csv", "--pair", "x=y")
    assert wrong.code == 2
    assert "expected A=B" in wrong.err
