"""Trackers: what was logged is read back by each tracker's own reader, offline."""

import math
import sys
import types
from pathlib import Path

import pytest

from editmetrics import create_metric, score
from editmetrics.tracking import TrackerError, leaderboard_values, open_tracker, score_values

from .event_files import scalars

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def train(tracker):
    """Two stages of two steps, the second with a validation that is told twice; then numbers that are not finite."""
    tracker.progress(1, 2, 0.5, {"rank": 0.25}, None)
    tracker.progress(2, 2, 0.25, {"rank": 0.125}, None)
    tracker.progress(1, 2, 2.0, {}, None)
    tracker.progress(2, 2, 1.0, {}, None)
    tracker.progress(2, 2, 1.0, {}, 0.75)
    tracker.progress(2, 2, 1.0, {}, 0.75)
    tracker.log({"psnr": math.inf, "ssim": math.nan, "mse": 3.5}, step=5)
    tracker.log({"psnr": math.inf}, step=6)


LOGGED = {
    "fit/loss": {1: 0.5, 2: 0.25, 3: 2.0, 4: 1.0},
    "fit/rank": {1: 0.25, 2: 0.125},
    "fit/validation": {4: 0.75},
    "mse": {5: 3.5},
}


def test_tensorboard(tmp_path):
    pytest.importorskip("tensorboard")
    with open_tracker(f"tensorboard:{tmp_path}", run="mine", config={"steps": 2}) as tracker:
        train(tracker)
    assert {name: dict(pairs) for name, pairs in scalars(tmp_path / "mine").items()} == LOGGED


def test_mlflow(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tmp_path.as_uri())
    mlflow.set_tracking_uri(tmp_path.as_uri())
    with open_tracker("mlflow:edits", run="mine", config={"weights": Path("a=b")}) as tracker:
        train(tracker)
        tracker.log({"score/ds_ieqa:weights=toy.quality/mean": 61.5}, step=7)
        with pytest.raises(TrackerError, match="'a=b' and 'a!b' are one name in MLflow, 'a_b'"):
            tracker.log({"a!b": 1.0, "a=b": 2.0})
    client = mlflow.MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("edits").experiment_id])
    assert (run.info.status, run.info.run_name, run.data.params) == ("FINISHED", "mine", {"weights": "a=b"})
    history = {name: {one.step: one.value for one in client.get_metric_history(run.info.run_id, name)} for name in
               run.data.metrics}  # fmt: skip
    assert history == {**LOGGED, "score/ds_ieqa:weights_toy.quality/mean": {7: 61.5}}
    open_tracker("mlflow:edits").close()  # a second run of the experiment
    assert len(client.search_runs([client.get_experiment_by_name("edits").experiment_id])) == 2


def test_wandb(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    with open_tracker("wandb:edits", run="mine", config={"steps": 2}) as tracker:
        assert (tracker._run.name, dict(tracker._run.config)) == ("mine", {"steps": "2"})
        train(tracker)
        tracker.log({"end": 1.0}, step=7)  # a step is complete when the next one begins
        summary = {name: tracker._run.summary[name] for name in LOGGED}
    assert summary == {name: steps[max(steps)] for name, steps in LOGGED.items()}
    assert list(tmp_path.rglob("*.wandb"))
    assert wandb.run is None


def test_trackio_is_called_as_its_interface_is_documented(monkeypatch):
    """By trackio 0.43's `init(project, name, config)`, which gives a run with `log(metrics, step)` and `finish()`."""
    calls = []

    class Run:
        def log(self, metrics, step=None):
            calls.append((step, metrics))

        def finish(self):
            calls.append("finished")

    def init(project, name=None, config=None):
        calls.append((project, name, config))
        return Run()

    monkeypatch.setitem(sys.modules, "trackio", types.SimpleNamespace(init=init))
    with open_tracker("trackio:edits", run="mine", config={"steps": 2}) as tracker:
        tracker.log({"psnr": 28.0})
        tracker.log({"psnr": 29.0})
    assert calls == [("edits", "mine", {"steps": "2"}), (1, {"psnr": 28.0}), (2, {"psnr": 29.0}), "finished"]


@pytest.mark.parametrize("spec", ["tensorboard", "tensorboard:", "w&b:edits", ""])
def test_what_is_not_a_tracker_is_told(spec):
    with pytest.raises(TrackerError, match="expected"):
        open_tracker(spec)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "trackio", None)
    with pytest.raises(TrackerError, match="requires the package trackio: pip install trackio"):
        open_tracker("trackio:edits")


def test_systems_and_what_is_left_out_have_keys_of_their_own():
    from editmetrics import Sample

    pair = {"edited": EXAMPLES / "edited/cat.jpg", "source": EXAMPLES / "source/cat.jpg"}
    same = {"edited": EXAMPLES / "source/cat.jpg", "source": EXAMPLES / "source/cat.jpg"}
    samples = [
        Sample("a", **pair, meta={"system": "one"}),
        Sample("b", **same, meta={"system": "one"}),
        Sample("c", **same, meta={"system": "two"}),
    ]
    values = score_values(score(samples, [create_metric("psnr", device="cpu")]))
    assert values == {
        "score/one/psnr/n": 1, "score/one/psnr/mean": pytest.approx(28.32, abs=0.01),
        "score/one/psnr/median": math.inf, "score/one/psnr/infinite": 1,
        "score/two/psnr/n": 0, "score/two/psnr/median": math.inf, "score/two/psnr/infinite": 1,
    }  # fmt: skip


def test_a_system_without_a_rating_has_counts_alone():
    from editmetrics.pairs import Battle, battles_of, rank

    battles = [Battle("a", "b", "win"), Battle("b", "a", "win"), Battle("c", "a", "loss"), Battle("c", "b", "loss")]
    values = leaderboard_values(rank(battles_of(battles)), judge="me")
    assert values["arena/me/battles"] == 4
    assert values["arena/me/c/losses"] == 2
    assert "arena/me/c/rating" not in values
