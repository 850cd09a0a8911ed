"""`-m judge=vie_score:...`: an alias names the columns; the identity, the direction and the record are the metric's."""

import csv
import json

import pytest

from editmetrics import create_metric, evaluate, score
from editmetrics.options import OptionError
from editmetrics.runs.read_scores import read_scores
from editmetrics.scoring.results import Column
from editmetrics.scoring.run import PlanError


@pytest.fixture
def paths(folders):
    return folders / "source", folders / "edited"


def test_the_columns_have_the_alias_and_the_identity_does_not(run, paths, tmp_path):
    output = tmp_path / "s.csv"
    ran = run(
        "score", *paths, "-m", "error=mse:region=whole", "-m", "psnr", "-q", "-o", output, "--fail-over", "error=1"
    )
    assert ran.code == 0, ran.err
    with open(output, newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    plain = create_metric("mse")
    for row in table:
        assert float(row["error"]) == pytest.approx(float(plain(row["source"], row["edited"])), rel=1e-5)
    (first, *_) = map(json.loads, output.with_name("s.record.jsonl").read_text().splitlines())
    assert [one["label"] for one in first["metrics"]] == ["error", "psnr"]
    assert first["metrics"][0]["identity"] == Column(plain).key
    assert "error" not in json.dumps(first["identities"])
    again = run("score", *paths, "-m", "mse", "-m", "e2=mse", "-q", "-o", output)  # other names, the same numbers
    assert "6 scores reused" in again.out
    assert run("score", *paths, "-m", "error=mse", "-q", "-o", output).code == 0
    assert {row["error"] for row in csv.DictReader(output.open())} == {row["error"] for row in table}


def test_the_direction_is_that_of_the_metric(run, paths, tmp_path):
    """mse is lower-is-better; a column that nobody knows would be taken as higher is better."""
    output = tmp_path / "s.csv"
    run("score", *paths, "-m", "error=mse", "-m", "again=psnr", "-q", "-o", output)
    columns = {column.name: column for column in read_scores(output).columns}
    assert (columns["error"].known, columns["error"].higher_is_better) == (True, False)
    assert (columns["again"].known, columns["again"].higher_is_better, columns["again"].unit) == (True, True, "dB")
    names = sorted(image.stem for image in paths[1].iterdir())
    (tmp_path / "r.csv").write_text("id,mos\n" + "".join(f"{name},{index}\n" for index, name in enumerate(names)))
    measured = [
        evaluate(output, tmp_path / "r.csv", pairs={name: "mos"}, measures=["pairwise_accuracy"]).lines[0].value
        for name in ("error", "again")
    ]
    assert measured[0] == measured[1]  # psnr falls as mse rises


def test_in_python(paths):
    results = score(*paths, metrics=["a=psnr", "b=psnr:crop_border=4", "psnr"])
    assert [float(one) for one in results["a"]] == [float(one) for one in results["psnr"]]
    assert [float(one) for one in results["a"]] != [float(one) for one in results["b"]]
    for same in (["a=psnr", "a=psnr:crop_border=4"], ["a=mse", "a=mae"]):
        with pytest.raises(PlanError, match="two metrics are labelled a"):
            score(*paths, metrics=same)


@pytest.mark.parametrize("spec", ["ssim=psnr", "id=psnr", "my judge=psnr", "a.b=psnr", "=psnr", "edited=psnr"])
def test_an_alias_that_would_mislead_is_refused(spec):
    with pytest.raises(OptionError, match=r"alias"):
        create_metric(spec)
