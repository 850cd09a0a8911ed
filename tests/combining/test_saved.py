"""A saved combination: what its file holds, what it refuses, and what applying it says."""

import json

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from editmetrics.agreement import AgreementError
from editmetrics.combining import Combination, combine, regressors
from editmetrics.files.text import DataError
from tests.combining.test_combining import QUICK, made


@pytest.fixture(params=["ridge", "svr", "forest"])
def saved(request, tmp_path, monkeypatch):
    monkeypatch.setattr(regressors, "TREES", 4)
    combined = combine(*made(40), **{**QUICK, "regressors": [request.param], "metrics": ["lpips", "psnr"]})
    combined.combination.save(tmp_path / "mine.safetensors")
    return combined.combination, tmp_path / "mine.safetensors"


def changed(path, arrays=lambda arrays: arrays, **about):
    with safe_open(path, "numpy") as file:
        old = json.loads(file.metadata()["combination"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(arrays(tensors), path, {"combination": json.dumps({**old, **about})})
    return path


def test_a_file_predicts_as_what_was_saved(saved):
    combination, path = saved
    again = Combination.load(path)
    assert again.digest == combination.digest
    assert list(again.columns) == ["lpips", "psnr"]
    scores, _ = made(40, seed=1)
    applied = again.apply(scores)
    expected = combination.predict(np.stack([scores["lpips"], scores["psnr"]], axis=1))
    assert np.array_equal(applied.values, expected)
    assert np.ptp(expected) > 5
    assert applied.complete


def test_a_row_without_a_score_has_no_prediction(saved, tmp_path):
    combination, _ = saved
    scores = {
        "id": ["a", "b", "c"],
        "psnr": [0.5, None, np.inf],
        "lpips": [0.1, 0.1, None],
        "problems": ["", "x", None],
    }
    applied = combination.apply(scores)
    assert np.isnan(applied.values).tolist() == [False, True, True]
    applied.write(tmp_path / "out.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert ["combined" in row for row in rows] == [True, False, False]
    assert rows[1]["problems"] == "x; combined: psnr is missing"
    assert rows[2]["problems"] == "combined: lpips is missing; combined: psnr is infinite"
    assert rows[0]["combined.by"] == f"sha256:{combination.digest[:16]}"


def test_an_application_says_what_differs(saved, tmp_path):
    combination, _ = saved
    assert combination.apply({"id": ["a"], "psnr": [90], "lpips": [0]}).notes[0].startswith("psnr: 1 row outside")
    with pytest.raises(AgreementError, match="has no column 'lpips', which the combination was fitted on"):
        combination.apply({"id": ["a"], "psnr": [90]})
    assert combination.apply({"id": ["a"], "psnr": [0], "loss": [0]}, {"lpips": "loss"}).complete


def test_another_version_of_a_metric_is_noted(tmp_path, monkeypatch):
    import editmetrics
    from editmetrics.plugins.psnr import MSE

    rng = np.random.default_rng(0)
    samples = [
        editmetrics.Sample(str(n), source=rng.integers(0, 255, (8, 8, 3), np.uint8),
                           edited=rng.integers(0, 255, (8, 8, 3), np.uint8)) for n in range(12)
    ]  # fmt: skip
    editmetrics.score(samples, ["mse"], output=tmp_path / "one.csv")
    monkeypatch.setattr(MSE, "version", MSE.version + 1)
    editmetrics.score(samples, ["mse"], output=tmp_path / "two.csv")
    ratings = {"id": [str(n) for n in range(12)], "mos": rng.normal(size=12)}
    combination = combine(tmp_path / "one.csv", ratings, **QUICK, folds=2).combination
    assert combination.apply(tmp_path / "one.csv").notes == []
    (note,) = combination.apply(tmp_path / "two.csv").notes
    assert note == f"mse was computed otherwise than for the fit: version was {MSE.version - 1}, is {MSE.version}"


def test_other_files_are_refused(saved, tmp_path):
    _, path = saved
    (tmp_path / "not.safetensors").write_bytes(b"x")
    save_file({"a": np.zeros(1)}, tmp_path / "other.safetensors")
    for name, message in (("not", "cannot be read"), ("other", "is not a combination"), ("none", "cannot be read")):
        with pytest.raises(AgreementError, match=message):
            Combination.load(tmp_path / f"{name}.safetensors")
    with pytest.raises(AgreementError, match="format is 'x'"):
        Combination.load(changed(path, format="x"))


@pytest.mark.parametrize("about", [{"regressor": "tree"}, {"columns": ["a"]}, {"columns": 3}, {"facts": {}}])
def test_contradictory_files_are_refused(saved, about):
    with pytest.raises(AgreementError, match="is not a combination"):
        Combination.load(changed(saved[1], **about))


@pytest.mark.parametrize(
    ("saved", "name", "value"),
    [
        ("ridge", "weights", np.zeros(3)),
        ("ridge", "mean", np.array([0, np.nan])),
        ("svr", "vectors", np.zeros((3, 2))),
        ("forest", "left", None),
        ("forest", "roots", np.array([10**6])),
        ("forest", "column", np.zeros(3, int)),
    ],
    indirect=["saved"],
)
def test_arrays_that_do_not_fit_are_refused(saved, name, value):
    """Among them a tree whose nodes point at themselves, in which a prediction would never end."""
    wrong = {name: value} if value is not None else {}

    def arrays(tensors):
        return {**tensors, **(wrong or {"left": np.arange(len(tensors["left"]))})}

    with pytest.raises(AgreementError, match="its arrays"):
        Combination.load(changed(saved[1], arrays))


def test_no_other_file_is_replaced(saved, tmp_path):
    combination, path = saved
    combination.save(path)
    save_file({"a": np.zeros(1)}, tmp_path / "weights.safetensors")
    with pytest.raises(DataError, match="is not a combination, and is kept"):
        combination.save(tmp_path / "weights.safetensors")
    with pytest.raises(DataError, match="expected"):
        combination.save(tmp_path / "mine.pkl")
